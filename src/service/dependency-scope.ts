/** Makes dependencies, each once a scope, and takes them down in the opposite order. */
import { ModelportError } from '../errors.ts';
import type { Dependencies, Dependency, DependencyContext } from './definition.ts';

interface Made {
  readonly value: unknown;
  /** Runs what stands after `yield`. */
  readonly teardown?: () => Promise<void>;
}

export class DependencyScope {
  readonly #kind: Dependency['scope'];
  readonly #context: DependencyContext;
  readonly #parent: DependencyScope | undefined;
  /** Values that tests give instead. */
  readonly #overrides: ReadonlyMap<Dependency, unknown>;
  readonly #made = new Map<Dependency, Promise<Made>>();

  constructor(kind: Dependency['scope'], context: DependencyContext, overrides: ReadonlyMap<Dependency, unknown>, parent?: DependencyScope) {
    this.#kind = kind;
    this.#context = context;
    this.#overrides = overrides;
    this.#parent = parent;
  }

  async values(dependencies: Dependencies): Promise<Record<string, unknown>> {
    const values: Record<string, unknown> = {};
    for (const [name, dependency] of Object.entries(dependencies)) values[name] = await this.#value(dependency, [name]);
    return values;
  }

  /** Takes down what was made here. All of it, whatever fails; then throws the first failure. */
  async dispose(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (const made of [...this.#made.values()].reverse()) {
      try {
        await (await made).teardown?.();
      } catch (error) {
        failure ??= { error };
      }
    }
    this.#made.clear();
    if (failure !== undefined) throw failure.error;
  }

  async #value(dependency: Dependency, path: readonly string[]): Promise<unknown> {
    if (this.#overrides.has(dependency)) return this.#overrides.get(dependency);
    if (dependency.scope === 'service' && this.#parent !== undefined) return this.#parent.#value(dependency, path);
    if (path.length > 50) throw new ModelportError('INVALID_CONFIG', `dependencies use each other in a circle: ${path.slice(0, 6).join(' → ')} …`);
    if (dependency.scope === 'request' && this.#kind === 'service') {
      throw new ModelportError('INVALID_CONFIG', `the dependency '${path[0]}' is made once a service and uses '${path.at(-1)}', which is made for each request: give '${path[0]}' the scope 'request', too`);
    }
    let made = this.#made.get(dependency);
    if (made === undefined) {
      made = this.#make(dependency, path);
      this.#made.set(dependency, made);
      // What could not be made is tried again by whoever needs it next.
      made.catch(() => this.#made.delete(dependency));
    }
    return (await made).value;
  }

  async #make(dependency: Dependency, path: readonly string[]): Promise<Made> {
    const uses: Record<string, unknown> = {};
    for (const [name, used] of Object.entries(dependency.uses)) uses[name] = await this.#value(used, [...path, name]);
    const created = await dependency.create(uses, this.#context);
    if (!isGenerator(created)) return { value: created };
    const first = await created.next();
    if (first.done === true) throw new ModelportError('INVALID_CONFIG', `the dependency '${path.at(-1)}' ended without a value: its generator function has to yield one`);
    return {
      value: first.value,
      teardown: async () => {
        if ((await created.next()).done === true) return;
        await created.return();
        throw new ModelportError('INVALID_CONFIG', `the dependency '${path.at(-1)}' yields twice: one value, then its end`);
      },
    };
  }
}

function isGenerator(value: unknown): value is AsyncGenerator<unknown, void> {
  const text = Object.prototype.toString.call(value);
  return text === '[object AsyncGenerator]' || text === '[object Generator]';
}
