/** Samples of a recording, and what one may be at most. */
import { ModelportError } from '../../errors.ts';

export interface Recording {
  /** Samples a second. */
  readonly sampleRate: number;
  /** From −1 to 1; the mean of the channels. */
  readonly samples: Float32Array<ArrayBuffer>;
}

export interface RecordingLimits {
  readonly maxSeconds: number;
  /** Where the recording lies in the value, for messages. */
  readonly at: string;
}

export type Fail = (reason: string) => ModelportError;

const slowestRate = 1000;
const fastestRate = 384_000;
const mostSamples = 1 << 27;

export function failAt(at: string): Fail {
  return (reason) => new ModelportError('INVALID_VALUE', `${at} ${reason}`, { at });
}

/** Throws where a file has more channels or other sample rates than are read. */
export function checkFormat(channels: number, sampleRate: number, mostChannels: number, fail: Fail): void {
  if (channels < 1 || channels > mostChannels) throw fail(`has ${channels} channels, but 1 to ${mostChannels} are read here`);
  if (sampleRate < slowestRate || sampleRate > fastestRate) throw fail(`has ${sampleRate} samples a second, but ${slowestRate} to ${fastestRate} are read here`);
}

/** Throws where so many samples of a channel are too many. */
export function checkLength(count: number, sampleRate: number, maxSeconds: number, fail: Fail): void {
  if (count > maxSeconds * sampleRate || count > mostSamples) throw fail(`lasts ${Math.round(count / sampleRate)} seconds, but at most ${Math.floor(Math.min(maxSeconds, mostSamples / sampleRate))} are accepted: send a shorter recording`);
}

/** What decoders give piece by piece, as one recording. Holds no more than is accepted, and a piece. */
export class SampleCollector {
  readonly #maxSeconds: number;
  readonly #fail: Fail;
  #pieces: Float32Array[] = [];
  #count = 0;
  #sampleRate = 0;

  constructor(maxSeconds: number, fail: Fail) {
    this.#maxSeconds = maxSeconds;
    this.#fail = fail;
  }

  get count(): number {
    return this.#count;
  }

  /** Samples of the channels, `gain` times as loud. Throws where the recording gets too long, or changes its sample rate half way. */
  add(channels: readonly Float32Array[], sampleRate: number, gain = 1): void {
    const count = channels[0]?.length ?? 0;
    if (count === 0) return;
    if (this.#count === 0) {
      checkFormat(channels.length, sampleRate, channels.length, this.#fail);
      this.#sampleRate = sampleRate;
    } else if (sampleRate !== this.#sampleRate) throw this.#fail(`has ${this.#sampleRate} samples a second at first and ${sampleRate} later: send one recording`);
    this.#count += count;
    if (this.#count > this.#maxSeconds * sampleRate || this.#count > mostSamples) throw this.#fail(`lasts more than the ${Math.floor(Math.min(this.#maxSeconds, mostSamples / sampleRate))} seconds that are accepted: send a shorter recording`);
    const mean = new Float32Array(count);
    const share = gain / channels.length;
    for (const channel of channels) for (let index = 0; index < count; index++) mean[index]! += channel[index]! * share;
    this.#pieces.push(mean);
  }

  /** All of it, without the last `dropped` samples. Undefined where there is nothing. */
  finish(dropped = 0): Recording | undefined {
    if (this.#count === 0) return undefined;
    const samples = new Float32Array(this.#count);
    let at = 0;
    for (const piece of this.#pieces) {
      samples.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    for (const sample of samples) if (!Number.isFinite(sample)) throw this.#fail(`has a sample that is ${sample}`);
    return { sampleRate: this.#sampleRate, samples: dropped === 0 ? samples : samples.slice(0, Math.max(0, samples.length - dropped)) };
  }
}
