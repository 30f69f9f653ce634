/** Several loads of one model that are one Model. */
import type { Artifact } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import type { InferRequest, Model } from '../model.ts';
import type { InstanceKind, LoadOptions } from '../runtime.ts';
import { startMeasured } from './choose-instance-kind.ts';
import type { Instance, InstanceStart, LoadableRuntime } from './instance.ts';
import { ReplacingGroup, type InstanceGroupState, type RestartPolicy } from './replacing-group.ts';
import { startInstance } from './start-instance.ts';

export interface InstanceGroupOptions {
  /** `auto`: measured, see `startMeasured`. */
  readonly kind: InstanceKind | 'auto';
  /** Default 1. Where `auto` chooses `inline` there is one: more would take turns on the same event loop. */
  readonly count?: number;
  readonly load: LoadOptions;
  /** For `auto`: requests like those that will come. Default: zeros by the signature, of 1 row and of the largest batch. */
  readonly samples?: readonly InferRequest[];
  /** For `auto`: the most rows of a run, where that is not the signature's. */
  readonly maxBatchSize?: number;
  readonly restart?: RestartPolicy;
  readonly onStateChange?: (state: InstanceGroupState) => void;
}

export interface InstanceGroup extends Model {
  readonly kind: InstanceKind;
  /** One sentence: asked for, or how it was measured. */
  readonly kindReason: string;
  readonly count: number;
  /** False while no instance can take a call: all died and are being replaced, or the group is disposed of. */
  ready(): boolean;
}

/** Loads the model `count` times. Rejects with the runtime's error, or `INVALID_CONFIG` where the runtime cannot run so. */
export async function instanceGroup(runtime: LoadableRuntime, artifact: Artifact, options: InstanceGroupOptions): Promise<InstanceGroup> {
  const start: InstanceStart = { runtime, artifact, load: options.load };
  const wanted = options.count ?? 1;
  if (options.kind !== 'auto' && !runtime.instanceKinds.includes(options.kind)) {
    throw new ModelportError('INVALID_CONFIG', `runtime '${runtime.name}' cannot run instances of kind '${options.kind}'; it can run ${runtime.instanceKinds.map((kind) => `'${kind}'`).join(', ')}`, { at: 'instances.kind' });
  }
  const chosen =
    options.kind === 'auto'
      ? await startMeasured(start, options)
      : { kind: options.kind, reason: 'as configured', instance: await startInstance[options.kind](start) };
  const { kind, reason, instance } = chosen;
  if (kind === 'inline' && (wanted === 1 || options.kind === 'auto')) return onlyInline(instance, reason);
  const others = await startAll(wanted - 1, () => startInstance[kind](start), instance);
  return new ReplacingGroup(start, { ...options, kind, kindReason: reason }, [instance, ...others]);
}

/** All or none: where one fails, the others are released and its error is thrown. */
async function startAll(count: number, startOne: () => Promise<Instance>, first: Instance): Promise<Instance[]> {
  const results = await Promise.allSettled(Array.from({ length: count }, startOne));
  const started = results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure === undefined) return started;
  await Promise.all([first, ...started].map((instance) => instance[Symbol.asyncDispose]()));
  throw failure.reason;
}

/** One instance on this event loop cannot die, and its own promises say all there is to say: nothing stands between. */
function onlyInline(instance: Instance, kindReason: string): InstanceGroup {
  let disposed: Promise<void> | undefined;
  return {
    ...instance,
    kind: 'inline',
    kindReason,
    count: 1,
    ready: () => disposed === undefined,
    [Symbol.asyncDispose]: () => (disposed ??= Promise.resolve(instance[Symbol.asyncDispose]())),
  };
}
