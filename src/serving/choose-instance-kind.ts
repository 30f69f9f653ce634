/** `auto`: where a model runs is measured, not guessed. */
import type { InstanceKind } from '../runtime.ts';
import type { ModelportError } from '../errors.ts';
import type { InferRequest, Signature } from '../model.ts';
import type { Instance, InstanceStart } from './instance.ts';
import { bytesOf, sampleRequest } from './measure-run.ts';
import { startInstance } from './start-instance.ts';

/** What a request to a thread and back costs altogether: two wake-ups, two copies, and the turns of two event loops. */
export const threadHopMs = 0.15;
/** A run is well under a hop, and may block the event loop, up to this. */
export const inlineRunMs = threadHopMs / 2;
/** The rows that requests of one event-loop turn join to on a busy server. */
const busyRows = 32;
/** A hop copies what goes with it, on the event loop: so long as a run is quicker than that, it holds up nobody. */
const copyMsPerMegabyte = 0.12;
/** More rows are joined only while they are small. */
const busyBytes = 1 << 20;
/** Loading a larger file blocks the event loop for longer than starting a thread takes. */
const smallFileBytes = 1 << 20;

export interface KindChoice {
  readonly kind: InstanceKind;
  /** One sentence for `inspect`. */
  readonly reason: string;
}

export interface MeasuredRun {
  readonly durationMs: number;
  /** Of its inputs. */
  readonly sizeBytes: number;
}

/** `inline` where every measured run is well under a hop with its inputs, else `thread`. */
export function chooseInstanceKind(runs: readonly MeasuredRun[]): KindChoice {
  if (runs.length === 0) return { kind: 'thread', reason: 'a run could not be measured: the sizes of its inputs vary' };
  const measured = `its run takes ${runs.map(({ durationMs }) => durationMs.toFixed(3)).join(' to ')} ms`;
  const largest = Math.max(...runs.map(({ sizeBytes }) => sizeBytes));
  return runs.every(runsInline)
    ? { kind: 'inline', reason: `${measured}, well under the ${(threadHopMs + copyMs(largest)).toFixed(2)} ms that a hop to a thread costs` }
    : { kind: 'thread', reason: `${measured}, which would hold up the event loop` };
}

function runsInline({ durationMs, sizeBytes }: MeasuredRun): boolean {
  return durationMs <= inlineRunMs + copyMs(sizeBytes);
}

function copyMs(sizeBytes: number): number {
  return (Math.min(sizeBytes, busyBytes) / 1e6) * copyMsPerMegabyte;
}

export interface MeasureOptions {
  readonly samples?: readonly InferRequest[];
  readonly maxBatchSize?: number;
}

/**
 * Starts an instance, measures it and chooses. A small file is loaded inline first, because most small models stay there;
 * a large one, or one of which nobody knows how long it works, in a thread, so that neither loading nor a long run holds up the event loop.
 */
export async function startMeasured(start: InstanceStart, options: MeasureOptions): Promise<KindChoice & { readonly instance: Instance }> {
  const { instanceKinds, name } = start.runtime;
  const only = instanceKinds.includes('inline') && instanceKinds.includes('thread') ? undefined : instanceKinds.includes('inline') ? 'inline' : instanceKinds.includes('thread') ? 'thread' : instanceKinds[0];
  if (only !== undefined) return { kind: only, reason: `of 'inline' and 'thread', runtime '${name}' has only this`, instance: await startInstance[only](start) };
  const { longWork } = start.artifact;
  if (longWork !== undefined) return { kind: 'thread', reason: `${longWork}, and could hold up the event loop`, instance: await startInstance.thread(start) };
  const sizeBytes = start.artifact.files.reduce((total, file) => total + file.sizeBytes, 0);
  const first: InstanceKind = sizeBytes < smallFileBytes ? 'inline' : 'thread';
  const instance = await startInstance[first](start);
  const choice = await measureAndChoose(instance, options);
  if (choice.kind === first) return { ...choice, instance };
  const [other] = await Promise.all([startInstance[choice.kind](start), instance[Symbol.asyncDispose]()]);
  return { ...choice, instance: other };
}

async function measureAndChoose(instance: Instance, options: MeasureOptions): Promise<KindChoice> {
  if (instance.infer === undefined) return { kind: 'thread', reason: 'it answers with streams or values, which take their time' };
  const samples = options.samples ?? samplesOf(instance.signature, options.maxBatchSize);
  const runs: MeasuredRun[] = [];
  try {
    for (const sample of samples) {
      runs.push({ durationMs: await instance.measure(sample), sizeBytes: bytesOf(sample) });
      // A larger batch takes longer still, and memory for it would be kept.
      if (!runsInline(runs.at(-1)!)) break;
    }
    return chooseInstanceKind(runs);
  } catch (error) {
    return { kind: 'thread', reason: `a run could not be measured: ${(error as ModelportError).message}` };
  }
}

/** One row, and the rows of a busy server, as far as the model takes them. */
function samplesOf(signature: Signature, maxBatchSize: number | undefined): InferRequest[] {
  const most = Math.min(maxBatchSize ?? signature.batch.maxSize, busyRows);
  const single = sampleRequest(signature, 1);
  if (single === undefined) return [];
  const busy = most > 1 && most * bytesOf(single) <= busyBytes ? sampleRequest(signature, most) : undefined;
  return busy === undefined ? [single] : [single, busy];
}
