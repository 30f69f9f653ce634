/** What a body changed in lists, dicts and objects, so that it can be put back: a branch must not see what the other did. */
import type { Value } from '../../onnx/graph-builder.ts';
import type { AtenValue } from '../aten/value.ts';
import { ScriptDict, TensorSequence, type DictKey, ScriptObject, type ScriptValue } from './script-value.ts';

export type Changeable = AtenValue[] | ScriptDict | ScriptObject | TensorSequence;

type State = readonly AtenValue[] | ReadonlyMap<DictKey, ScriptValue> | ReadonlyMap<string, ScriptValue> | Value;

/** What was changed, and how it was at the end. */
export type Changes = ReadonlyMap<Changeable, State>;

export class Heap {
  /** Lists and dicts that the model keeps from call to call. */
  readonly lasting = new WeakSet<Changeable>();
  /** Lists and dicts that must not be used any more: why. */
  readonly unusable = new WeakMap<object, string>();
  /** Lists and dicts that perhaps are the same one. */
  readonly #links = new WeakMap<Changeable, Set<Changeable>>();
  readonly #refuse: (problem: string) => Error;
  #before: Map<Changeable, State> | undefined;

  constructor(refuse: (problem: string) => Error) {
    this.#refuse = refuse;
  }

  /** To be called before each change. */
  changing(target: Changeable): void {
    if (this.lasting.has(target)) throw this.#refuse('it changes a list or dict that the model keeps from one call to the next, which is not imported');
    if (this.#before?.has(target) === false) this.#before.set(target, stateOf(target));
    const seen = new Set<Changeable>([target]);
    for (const same of seen) {
      for (const other of this.#links.get(same) ?? []) {
        if (seen.has(other)) continue;
        seen.add(other);
        this.unusable.set(other, 'it uses a list or dict that perhaps is the same as one that was changed; which one depends on the input');
      }
    }
  }

  /** Whether the two are one depends on the input: where one is changed, the other must not be used any more. */
  link(a: Changeable, b: Changeable): void {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const known = this.#links.get(from);
      if (known === undefined) this.#links.set(from, new Set([to]));
      else known.add(to);
    }
  }

  /** Runs a body and tells what it changed; everything is put back. Nests. */
  track<T>(build: () => T): { readonly result: T; readonly changes: Changes } {
    const outer = this.#before;
    const before = new Map<Changeable, State>();
    this.#before = before;
    try {
      const result = build();
      return { result, changes: new Map([...before.keys()].map((target) => [target, stateOf(target)])) };
    } finally {
      for (const [target, state] of before) putBack(target, state);
      this.#before = outer;
    }
  }

  /** Makes a target what a body made of it. */
  apply(target: Changeable, state: State): void {
    this.changing(target);
    putBack(target, state);
  }
}

export function stateOf(target: Changeable): State {
  if (Array.isArray(target)) return [...target];
  if (target instanceof ScriptDict) return new Map(target.entries);
  return target instanceof ScriptObject ? new Map(target.attributes) : target.value;
}

function putBack(target: Changeable, state: State): void {
  if (Array.isArray(target)) target.splice(0, target.length, ...(state as readonly AtenValue[]));
  else if (target instanceof TensorSequence) target.value = state as Value;
  else {
    const map = (target instanceof ScriptDict ? target.entries : target.attributes) as Map<unknown, ScriptValue>;
    map.clear();
    for (const [key, value] of state as ReadonlyMap<unknown, ScriptValue>) map.set(key, value);
  }
}
