/**
 * The models that are served: found below the given paths, loaded at the start, on request or as files change.
 *
 * Load order: the steps of an ensemble before it. One load at a time per model, a bounded number altogether.
 */
import { isModelportError, ModelportError, toPlainError } from '../errors.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { ModelConfig } from '../model-config.ts';
import type { Signature } from '../model.ts';
import type { IndexEntry, LoadRequest, ModelRepository, ServedModel } from '../repository.ts';
import { loadVersion, type LoadFunctions } from './load-version.ts';
import { findModels, type FoundModel, type FoundModels } from './model-layout.ts';
import { ModelLifecycle, type LifecycleLog } from './model-lifecycle.ts';
import { RepositoryPolling } from './repository-polling.ts';
import { checkModelName, notPolled, requestedModel, type RequestedModelOptions } from './requested-model.ts';

/**
 * `none`: everything is loaded at the start. `explicit`: what is asked for, at the start and by load requests.
 * `poll`: everything, and again as files change.
 */
export type ControlMode = 'none' | 'explicit' | 'poll';

export interface FolderModelRepositoryOptions extends LoadFunctions, RequestedModelOptions {
  /** Model files, model folders, folders of models. */
  readonly paths: readonly string[];
  readonly mode: ControlMode;
  /** In mode `explicit`: what to load at the start; `*` alone: everything. */
  readonly loadModels?: readonly string[];
  readonly log?: LifecycleLog;
  /** Models that load at the same time. Default 2. */
  readonly parallelLoads?: number;
  /** Mode `poll`: how often files are looked at where no event tells of a change. Default 15 s. */
  readonly pollMs?: number;
  /** Mode `poll`: how long files have to stay as they are before they are loaded. Default 1 s. */
  readonly settleMs?: number;
  /** Default 100 ms; see `LifecycleOptions`. */
  readonly retireDelayMs?: number;
}

export interface LoadFailure {
  readonly name: string;
  readonly error: ModelportError;
}

/** What one start, request or change of files sets going. */
interface LoadRound {
  /** By name: each model is loaded once. */
  readonly loads: Map<string, Promise<void>>;
  /** Models that take other requests than before. */
  readonly changed: Set<string>;
}

const newRound = (): LoadRound => ({ loads: new Map(), changed: new Set() });

export class FolderModelRepository implements ModelRepository, AsyncDisposable {
  readonly #options: FolderModelRepositoryOptions;
  readonly #models = new Map<string, ModelLifecycle>();
  #paths: readonly string[];
  readonly #loads: Semaphore;
  readonly #listeners = new Set<() => void>();
  #found: FoundModels = { models: new Map(), directories: [] };
  #polling: RepositoryPolling | undefined;
  #started = false;
  #closed = false;

  constructor(options: FolderModelRepositoryOptions) {
    this.#options = options;
    this.#paths = options.paths;
    this.#loads = new Semaphore(options.parallelLoads ?? 2);
  }

  /**
   * Finds the models and loads those that the mode asks for. Gives those that failed; the others serve. Rejects with
   * `INVALID_USAGE` or `CONFLICT` where the paths themselves are at fault: unreadable, without models, two of one name.
   */
  async start(): Promise<readonly LoadFailure[]> {
    const { mode, loadModels = [] } = this.#options;
    const paths = this.#paths;
    if (loadModels.includes('*') && loadModels.length > 1) {
      throw new ModelportError('INVALID_USAGE', "Wildcard model name '*' must be the ONLY startup model if specified at all.", { at: '--load-model' });
    }
    if (loadModels.length > 0 && mode !== 'explicit') throw new ModelportError('INVALID_USAGE', `--load-model needs --model-control-mode explicit; in mode '${mode}' every model is loaded`, { at: '--load-model' });
    await this.#scan();
    for (const { problem } of this.#found.models.values()) if (problem?.code === 'CONFLICT') throw problem;
    if (this.#found.models.size === 0 && mode === 'none' && paths.length > 0) throw nothingFound(paths, this.#options);
    const names = mode === 'explicit' && !loadModels.includes('*') ? loadModels : [...this.#found.models.keys()];
    const round = newRound();
    const results = await Promise.all(names.map(async (name): Promise<LoadFailure | undefined> => {
      this.#lifecycle(name).wanted = true;
      try {
        await this.#loadFound(name, round, []);
        return undefined;
      } catch (error) {
        const failure = { name, error: asModelportError(error) };
        this.#lifecycle(name).problem ??= failure.error.message;
        return failure;
      }
    }));
    await this.#reloadDependents(round);
    if (mode !== 'none') this.#startPolling();
    this.#started = true;
    this.#changed();
    return results.filter((failure) => failure !== undefined);
  }

  /** Serves the models of more paths, too, whatever the mode. Rejects, and serves what it did before, where one of them does not load. */
  async add(paths: readonly string[]): Promise<void> {
    const layout = { formats: this.#options.formats, foreignConfigs: this.#options.foreignConfigs ?? [] };
    const names = [...(await findModels(paths, layout)).models.keys()].filter((name) => this.#models.get(name)?.latest === undefined);
    const before = this.#paths;
    this.#paths = [...before, ...paths];
    const round = newRound();
    try {
      await this.#scan();
      for (const { problem } of this.#found.models.values()) if (problem?.code === 'CONFLICT') throw problem;
      for (const name of names) await this.#loadFound(name, round, []);
    } catch (error) {
      this.#paths = before;
      for (const name of round.loads.keys()) await this.#models.get(name)?.unload();
      await this.#scan();
      throw asModelportError(error);
    }
    for (const name of names) this.#lifecycle(name).wanted = true;
    await this.#reloadDependents(round);
    this.#changed();
  }

  get(name: string, version?: string): ServedModel {
    const model = this.#models.get(name);
    if (model !== undefined) {
      const served = version === undefined || version === '' ? model.latest : model.byVersion.get(version);
      if (served !== undefined) return served;
    }
    throw this.#missing(name, version);
  }

  ready(): readonly ServedModel[] {
    return this.#sorted().flatMap((model) => model.latest?.versions.map((version) => model.byVersion.get(version)!) ?? []);
  }

  index(): readonly IndexEntry[] {
    return this.#sorted().flatMap((model) => model.index());
  }

  allReady(): boolean {
    // Listeners are open before the first look at the files.
    if (!this.#started || this.#closed) return false;
    for (const model of this.#models.values()) if (model.wanted && model.latest?.ready() !== true) return false;
    return true;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async load(name: string, request: LoadRequest = {}): Promise<void> {
    this.#requireExplicit();
    checkModelName(name);
    const requested = await requestedModel(name, request, this.#options, async () => {
      await this.#scan();
      return this.#found.models.get(name);
    });
    const round = newRound();
    if (requested === undefined) {
      await this.#scan();
      await this.#loadFound(name, round, []);
    } else {
      round.loads.set(name, this.#loadModel(requested.model, round, [], requested.source));
      await round.loads.get(name);
    }
    this.#lifecycle(name).wanted = true;
    await this.#reloadDependents(round);
  }

  async unload(name: string, options: { readonly unloadDependents?: boolean } = {}): Promise<void> {
    this.#requireExplicit();
    const model = this.#models.get(name);
    if (model === undefined) return;
    const steps = options.unloadDependents === true ? (model.latest?.config.config.ensemble?.steps.map((step) => step.model) ?? []) : [];
    await model.unload();
    for (const step of new Set(steps)) {
      // A model that was loaded for this ensemble alone goes with it.
      if (this.#models.get(step)?.wanted === true || this.#dependents(step).length > 0) continue;
      await this.unload(step, options);
    }
  }

  /** Stops watching, then answers what was accepted and releases every model. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#polling?.[Symbol.asyncDispose]();
    // Ensembles answer what they accepted with the help of their steps, so those go later.
    let left = [...this.#models.values()];
    while (left.length > 0) {
      const free = left.filter((model) => this.#dependents(model.name).length === 0);
      await Promise.all((free.length > 0 ? free : left).map((model) => model.unload()));
      left = free.length > 0 ? left.filter((model) => !free.includes(model)) : [];
    }
  }

  #requireExplicit(): void {
    if (this.#options.mode === 'explicit') return;
    throw new ModelportError('UNAVAILABLE', `explicit model load / unload is not allowed if polling is enabled: the server runs with --model-control-mode ${this.#options.mode}; restart it with explicit`);
  }

  async #scan(): Promise<void> {
    this.#found = await findModels(this.#paths, { formats: this.#options.formats, foreignConfigs: this.#options.foreignConfigs ?? [] });
    for (const name of this.#found.models.keys()) this.#lifecycle(name);
    // A model that neither serves nor is there any more is forgotten.
    for (const [name, model] of this.#models) {
      if (!this.#found.models.has(name) && model.idle && !model.wanted) this.#models.delete(name);
    }
  }

  /** Loads a model as it was found. `chain` holds the ensembles that lead here. */
  #loadFound(name: string, round: LoadRound, chain: readonly string[]): Promise<void> {
    let load = round.loads.get(name);
    if (load === undefined) {
      const found = this.#found.models.get(name);
      load = found === undefined ? Promise.reject(notPolled(name)) : this.#loadModel(found, round, chain, '');
      round.loads.set(name, load);
    }
    return load;
  }

  async #loadModel(found: FoundModel, round: LoadRound, chain: readonly string[], source: string): Promise<void> {
    const ensemble = found.config?.config.ensemble;
    const stepProblem = ensemble === undefined ? undefined : await this.#loadSteps(found.name, ensemble, round, chain);
    // An ensemble is explained from the signatures of its steps: when one looks different now, it is loaded again.
    const force = ensemble?.steps.some((step) => round.changed.has(step.model)) === true;
    const { signatureChanged } = await this.#lifecycle(found.name).load(stepProblem === undefined ? found : { ...found, problem: stepProblem }, { source, force });
    if (signatureChanged) round.changed.add(found.name);
  }

  async #loadSteps(name: string, ensemble: NonNullable<ModelConfig['ensemble']>, round: LoadRound, chain: readonly string[]): Promise<ModelportError | undefined> {
    for (const step of ensemble.steps) {
      // Found before anything is awaited: the loads of a cycle would wait for each other.
      const cycle = this.#cycleFrom(step.model, [...chain, name]);
      if (cycle !== undefined) return new ModelportError('INVALID_CONFIG', `ensemble '${name}' uses itself: ${cycle.join(' → ')}`, { at: name });
      let reason: string;
      try {
        await this.#loadFound(step.model, round, [...chain, name]);
        reason = `whose required version ${step.version} is not loaded`;
      } catch (error) {
        reason = `which has no loaded version. Model '${step.model}' loading failed with error: ${asModelportError(error).message}`;
      }
      const model = this.#models.get(step.model);
      const served = step.version === undefined ? model?.latest : model?.byVersion.get(step.version);
      if (served === undefined) return new ModelportError('INVALID_CONFIG', `ensemble '${name}' depends on '${step.model}' ${reason}`, { at: name });
    }
    return undefined;
  }

  #cycleFrom(name: string, chain: readonly string[], harmless = new Set<string>()): string[] | undefined {
    if (chain.includes(name)) return [...chain.slice(chain.indexOf(name)), name];
    if (harmless.has(name)) return undefined;
    for (const step of this.#found.models.get(name)?.config?.config.ensemble?.steps ?? []) {
      const cycle = this.#cycleFrom(step.model, [...chain, name], harmless);
      if (cycle !== undefined) return cycle;
    }
    harmless.add(name);
    return undefined;
  }

  /** Loads ensembles again whose steps look different since, or are there at last. Their failures are in the index: the loads of the steps went well. */
  async #reloadDependents(round: LoadRound): Promise<void> {
    for (const name of round.changed) {
      for (const [dependent, found] of this.#found.models) {
        if (round.loads.has(dependent) || !found.config?.config.ensemble?.steps.some((step) => step.model === name)) continue;
        if (this.#models.get(dependent)?.wasTried !== true) continue;
        // What it changes itself is added to `round.changed` and visited by this loop.
        await this.#loadFound(dependent, round, []).catch(() => {});
      }
    }
  }

  /** Ensembles that serve and use a model. */
  #dependents(name: string): ModelLifecycle[] {
    return [...this.#models.values()].filter((model) => model.latest?.config.config.ensemble?.steps.some((step) => step.model === name));
  }

  #lifecycle(name: string): ModelLifecycle {
    let model = this.#models.get(name);
    if (model === undefined) {
      model = new ModelLifecycle({
        name,
        load: (found, version) => this.#loads.run(() => loadVersion(found, version, this.#options, (step, stepVersion) => this.#signatureOf(step, stepVersion))),
        stepsReady: (config) => config.ensemble?.steps.every((step) => this.#stepReady(step.model, step.version)) ?? true,
        retireDelayMs: this.#options.retireDelayMs ?? 100,
        changed: () => this.#changed(),
        log: this.#options.log ?? (() => {}),
      });
      this.#models.set(name, model);
    }
    return model;
  }

  #signatureOf(name: string, version: string | undefined): Signature {
    return this.get(name, version).model.signature;
  }

  #stepReady(name: string, version: string | undefined): boolean {
    const model = this.#models.get(name);
    return (version === undefined ? model?.latest : model?.byVersion.get(version))?.ready() === true;
  }

  #startPolling(): void {
    const { mode, pollMs = 15_000, settleMs = 1_000 } = this.#options;
    this.#polling = new RepositoryPolling({
      pollMs,
      settleMs,
      scan: async () => {
        const before = [...this.#models.keys()].join('\0');
        await this.#scan();
        if ([...this.#models.keys()].join('\0') !== before) this.#changed();
        return this.#found;
      },
      // In mode explicit the index shows what could be loaded, and nothing is loaded unasked.
      apply: mode === 'explicit' ? undefined : (changed, removed) => this.#applyChanges(changed, removed),
      log: (text) => this.#options.log?.('error', text, { model: '' }),
    });
    this.#polling.start(this.#found);
  }

  async #applyChanges(changed: readonly string[], removed: readonly string[]): Promise<void> {
    const round = newRound();
    await Promise.all([
      // Failures are in the index and the log; what served before serves on.
      ...changed.map((name) => this.#loadFound(name, round, []).then(() => void (this.#lifecycle(name).wanted = true), () => {})),
      ...removed.map(async (name) => {
        await this.#models.get(name)?.unload();
        if (!this.#found.models.has(name)) this.#models.delete(name);
        this.#changed();
      }),
    ]);
    await this.#reloadDependents(round);
  }

  #missing(name: string, version: string | undefined): ModelportError {
    const model = this.#models.get(name);
    const unknown = 'Request for unknown model: ';
    if (model === undefined && !this.#started) return new ModelportError('UNAVAILABLE', `${unknown}'${name}' is not found yet: the server is starting`, { retryAfterSeconds: 1 });
    if (model === undefined || (!model.hasVersions && !model.wanted)) return new ModelportError('NOT_FOUND', `${unknown}'${name}' is not found`);
    if (version !== undefined && version !== '') {
      const state = model.stateOf(version);
      if (state === undefined) return new ModelportError('NOT_FOUND', `${unknown}'${name}' version ${version} is not found`);
      return new ModelportError('UNAVAILABLE', `${unknown}'${name}' version ${version} is not at ready state`, state.state === 'LOADING' ? { retryAfterSeconds: 1 } : {});
    }
    if (model.loading) return new ModelportError('UNAVAILABLE', `${unknown}'${name}' has no available versions: it is being loaded`, { retryAfterSeconds: 1 });
    return new ModelportError('NOT_FOUND', `${unknown}'${name}' has no available versions`);
  }

  #sorted(): ModelLifecycle[] {
    return [...this.#models.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        // Whoever listens must not be able to stop a version from taking over.
        this.#options.log?.('error', `a listener of the model repository failed: ${toPlainError(error).message}`, { model: '', error });
      }
    }
  }
}

function nothingFound(paths: readonly string[], { formats }: LoadFunctions): ModelportError {
  const [format] = formats;
  const expected = format === undefined ? 'a model' : `${format.defaultFiles[0]}, *${format.extensions[0]}, <name>/${format.defaultFiles[0]} or <name>/<version>/${format.defaultFiles[0]}`;
  return new ModelportError('INVALID_USAGE', `no model in ${paths.join(', ')}: expected ${expected}`, { at: paths[0] ?? '' });
}

function asModelportError(error: unknown): ModelportError {
  return isModelportError(error) ? error : new ModelportError('INTERNAL', toPlainError(error).message, { cause: error });
}
