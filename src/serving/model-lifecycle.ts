/**
 * The versions of one model: which are loaded, loading or broken, and the one moment in which new ones take over.
 *
 * Loads and unloads of a model run one after the other. A load makes all versions ready first and then flips: from one
 * call to the next, requests get the new versions. Replaced ones answer what they were given and are released.
 */
import { ModelportError, toPlainError, type ErrorCode } from '../errors.ts';
import { collectYoungGarbage } from '../lib/collect-young-garbage.ts';
import type { ModelConfig } from '../model-config.ts';
import type { IndexEntry, ModelState } from '../repository.ts';
import type { LoadedVersion } from './load-version.ts';
import { compareVersions, type FoundModel, type FoundVersion } from './model-layout.ts';
import { ServedVersion } from './served-version.ts';

export interface LifecycleOptions {
  readonly name: string;
  /** Loads one version, within the bounds that all models share. */
  readonly load: (found: FoundModel, version: FoundVersion) => Promise<LoadedVersion>;
  readonly stepsReady: (config: ModelConfig) => boolean;
  /** How long a replaced version whose requests fit no other takes late calls. */
  readonly retireDelayMs: number;
  readonly changed: () => void;
  readonly log: LifecycleLog;
}

export type LifecycleLog = (level: 'info' | 'warn' | 'error', text: string, facts: { readonly model: string; readonly version?: string; readonly error?: unknown }) => void;

interface VersionState {
  readonly state: ModelState;
  readonly reason: string;
}

export class ModelLifecycle {
  readonly name: string;
  /** The newest ready version. */
  latest: ServedVersion | undefined;
  /** Ready versions. Replaced as a whole, never written into. */
  byVersion: ReadonlyMap<string, ServedVersion> = new Map();
  /** Whether somebody asked for this model, at the start or by a load. */
  wanted = false;
  /** Why nothing could be tried, whatever the version. */
  problem: string | undefined;
  readonly #options: LifecycleOptions;
  #readyVersions: readonly string[] = [];
  readonly #states = new Map<string, VersionState>();
  /** What each version was loaded from, or was tried with. */
  readonly #loadedFrom = new Map<string, string>();
  #lock: Promise<unknown> = Promise.resolve();
  #retiring: Promise<unknown> = Promise.resolve();
  readonly #endWaits = new Set<() => void>();

  constructor(options: LifecycleOptions) {
    this.name = options.name;
    this.#options = options;
  }

  index(): IndexEntry[] {
    const entries = [...this.#states].map(([version, { state, reason }]) => ({ name: this.name, version, state, reason }));
    entries.sort((left, right) => compareVersions(left.version, right.version));
    if (entries.length > 0) return entries;
    return [{ name: this.name, version: '', state: 'UNAVAILABLE', reason: this.problem ?? '' }];
  }

  stateOf(version: string): VersionState | undefined {
    return this.#states.get(version);
  }

  get hasVersions(): boolean {
    return this.#states.size > 0;
  }

  /** Whether a load was tried since the last unload. */
  get wasTried(): boolean {
    return this.#loadedFrom.size > 0 || this.problem !== undefined;
  }

  get idle(): boolean {
    return this.latest === undefined && !this.loading;
  }

  get loading(): boolean {
    return [...this.#states.values()].some(({ state }) => state === 'LOADING');
  }

  /**
   * Makes the versions that the config wants serve. Versions that serve already from the same files are kept, unless
   * `force`. Resolves with whether the way requests look has changed. Rejects when a version can't be loaded; what
   * served before serves on.
   */
  load(found: FoundModel, options: { readonly force?: boolean; readonly source?: string } = {}): Promise<{ readonly signatureChanged: boolean }> {
    return this.#exclusive(() => this.#load(found, options.force === true, options.source ?? ''));
  }

  /** Resolves when nothing serves and all calls are answered. */
  unload(): Promise<void> {
    return this.#exclusive(async () => {
      const serving = [...this.byVersion.values()];
      this.wanted = false;
      for (const { version } of serving) this.#states.set(version, { state: 'UNLOADING', reason: '' });
      this.#flip(new Map());
      for (const end of this.#endWaits) end();
      await this.#retiring;
      await Promise.all(serving.map((served) => this.#release(served)));
      for (const version of this.#states.keys()) this.#states.set(version, { state: 'UNAVAILABLE', reason: 'unloaded' });
      this.#loadedFrom.clear();
      this.problem = undefined;
      this.#options.changed();
      if (serving.length > 0) this.#options.log('info', `unloaded '${this.name}'`, { model: this.name });
    });
  }

  async #load(found: FoundModel, force: boolean, source: string): Promise<{ readonly signatureChanged: boolean }> {
    this.problem = undefined;
    const wanted = this.#wantedVersions(found);
    const keyOf = (version: FoundVersion) => [source, found.directory, version.directory, found.fingerprint, version.fingerprint].join('\0');
    const kept = (version: FoundVersion) => !force && this.#loadedFrom.get(version.version) === keyOf(version) && this.byVersion.get(version.version)?.ready() === true;
    const toLoad = wanted.filter((version) => !kept(version));
    for (const { version } of toLoad) if (!this.byVersion.has(version)) this.#states.set(version, { state: 'LOADING', reason: '' });
    if (toLoad.length > 0) this.#options.changed();

    const loaded = new Map<string, ServedVersion>();
    const failures: { readonly version: string; readonly error: unknown }[] = [];
    await Promise.all(toLoad.map(async (version) => {
      const startedAtMs = performance.now();
      try {
        loaded.set(version.version, this.#serve(version.version, await this.#options.load(found, version)));
        const durationMs = Math.round(performance.now() - startedAtMs);
        this.#options.log('info', `loaded '${this.name}' version ${version.version} in ${durationMs} ms`, { model: this.name, version: version.version });
      } catch (error) {
        failures.push({ version: version.version, error });
        this.#options.log('error', `failed to load '${this.name}' version ${version.version}: ${toPlainError(error).message}`, { model: this.name, version: version.version, error });
      }
    }));

    const before = this.byVersion;
    const latestBefore = this.latest;
    const after = new Map<string, ServedVersion>();
    // Where something failed, nothing that served is taken away.
    for (const [version, served] of before) if (failures.length > 0 || wanted.some((candidate) => candidate.version === version)) after.set(version, served);
    for (const [version, served] of loaded) after.set(version, served);
    for (const version of toLoad) this.#loadedFrom.set(version.version, keyOf(version));
    for (const { version, error } of failures) {
      const reason = toPlainError(error).message;
      // What still serves was loaded from something else: the next look at these files must not take it for them.
      this.#loadedFrom.set(version, `failed\0${keyOf(wanted.find((candidate) => candidate.version === version)!)}`);
      this.#states.set(version, after.has(version) ? { state: 'READY', reason: `the version loaded before still serves: ${reason}` } : { state: 'UNAVAILABLE', reason });
    }
    for (const version of loaded.keys()) this.#states.set(version, { state: 'READY', reason: '' });
    const gone = [...before.values()].filter((served) => after.get(served.version) !== served);
    for (const { version } of gone) if (!after.has(version)) this.#states.set(version, { state: 'UNLOADING', reason: '' });
    for (const version of this.#states.keys()) {
      if (!before.has(version) && !after.has(version) && !wanted.some((candidate) => candidate.version === version)) this.#states.delete(version);
    }
    if (loaded.size > 0 || gone.length > 0 || failures.length > 0) {
      // At most one generation waits for its calls, so that swapping quickly does not pile up models in memory.
      await this.#retiring;
      this.#flip(after);
      this.#retiring = this.#retire(gone);
    }
    const { latest } = this;
    if (failures.length > 0) throw loadFailure(this.name, failures);
    return { signatureChanged: latestBefore === undefined || latest === undefined || (latest !== latestBefore && !latestBefore.takesSameRequests(latest)) };
  }

  #wantedVersions(found: FoundModel): readonly FoundVersion[] {
    const problem = found.problem ?? (found.versions.length === 0 ? new ModelportError('INVALID_MODEL', `failed to load '${this.name}', no version is available: there is no model file in ${found.place}`, { at: found.place }) : undefined);
    if (problem === undefined) {
      const wanted = chooseVersions(found.versions, found.config?.config.versions);
      if (wanted.length > 0) return wanted;
      throw this.#refuse(new ModelportError('INVALID_MODEL', `failed to load '${this.name}', no version is available: the config asks for ${JSON.stringify(found.config?.config.versions)}, and there are ${found.versions.map(({ version }) => version).join(', ')}`));
    }
    throw this.#refuse(problem);
  }

  /** Nothing could be tried: what serves keeps serving, and the index says why it is not newer. */
  #refuse(problem: ModelportError): ModelportError {
    this.problem = problem.message;
    for (const [version, { state }] of this.#states) {
      this.#states.set(version, state === 'READY' ? { state, reason: `the version loaded before still serves: ${problem.message}` } : { state: 'UNAVAILABLE', reason: problem.message });
    }
    this.#options.log('error', `failed to load '${this.name}': ${problem.message}`, { model: this.name, error: problem });
    this.#options.changed();
    return problem;
  }

  #serve(version: string, { assembled, artifact, platform }: LoadedVersion): ServedVersion {
    for (const warning of assembled.config.warnings) this.#options.log('warn', `'${this.name}': ${warning}`, { model: this.name, version });
    return new ServedVersion({
      name: this.name,
      version,
      platform,
      artifact,
      versions: () => this.#readyVersions,
      stepsReady: () => this.#options.stepsReady(assembled.config.config),
    }, assembled);
  }

  /** The one moment in which requests begin to get other versions. Nothing here waits. */
  #flip(after: ReadonlyMap<string, ServedVersion>): void {
    const versions = [...after.keys()].sort(compareVersions);
    this.#readyVersions = versions;
    this.byVersion = after;
    this.latest = versions.length === 0 ? undefined : after.get(versions.at(-1)!);
    this.#options.changed();
  }

  async #retire(gone: readonly ServedVersion[]): Promise<void> {
    await Promise.all(gone.map(async (served) => {
      const replacement = this.byVersion.get(served.version);
      const successor = replacement ?? this.latest;
      const fits = successor !== undefined && successor !== served && served.takesSameRequests(successor);
      // Somebody who was handed this version may not have called it yet.
      if (replacement === undefined || !fits) await this.#lateCallsOver();
      if (fits) served.redirect(successor);
      await this.#release(served);
      if (!this.byVersion.has(served.version) && this.#states.get(served.version)?.state === 'UNLOADING') {
        this.#states.set(served.version, { state: 'UNAVAILABLE', reason: 'unloaded' });
        this.#options.changed();
      }
    }));
  }

  /** Resolves after the time for late calls, or when an unload ends it. */
  async #lateCallsOver(): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#endWaits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, this.#options.retireDelayMs);
      this.#endWaits.add(end);
    });
  }

  async #release(served: ServedVersion): Promise<void> {
    try {
      await served.release();
      collectYoungGarbage();
    } catch (error) {
      this.#options.log('error', `releasing '${this.name}' version ${served.version} failed: ${toPlainError(error).message}`, { model: this.name, version: served.version, error });
    }
  }

  #exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#lock.then(work);
    this.#lock = result.catch(() => {});
    return result;
  }
}

/** Ascending. A list may name versions that are not there: they are left out where others are. */
export function chooseVersions(available: readonly FoundVersion[], policy: ModelConfig['versions'] = { latest: 1 }): readonly FoundVersion[] {
  const sorted = [...available].sort((left, right) => compareVersions(left.version, right.version));
  if (policy === 'all') return sorted;
  if (Array.isArray(policy)) return sorted.filter(({ version }) => policy.some((wanted) => String(wanted) === version));
  return sorted.slice(-policy.latest);
}

function loadFailure(name: string, failures: readonly { readonly version: string; readonly error: unknown }[]): ModelportError {
  const reasons = failures.map(({ version, error }) => `version ${version} is at UNAVAILABLE state: ${toPlainError(error).message};`).join(' ');
  const code: ErrorCode = toPlainError(failures[0]!.error).code;
  return new ModelportError(code, `load failed for model '${name}': ${reasons}`, { cause: failures[0]!.error });
}
