/** A worker thread that decodes recordings and computes features. See `audio-threads.ts`, which owns it. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { toAudioElements, type AudioElements, type AudioPlan } from './audio-plan.ts';
import { decodeRecording } from './decode-recording.ts';
import { resample } from './resample.ts';

giveWayToEventLoop();

export interface AudioJob {
  /** Handed over, not copied. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: AudioPlan;
  readonly at: string;
}

export type AudioReply = { readonly audio: AudioElements } | { readonly error: PlainError };

const port = parentPort!;

// Decoders tell the console of each damaged frame; whoever sent it is told in the answer.
console.error = () => {};

port.on('message', (job: AudioJob) => {
  void work(job).then((reply) => port.postMessage(reply, 'audio' in reply ? [reply.audio.elements.buffer] : []));
});

async function work({ bytes, plan, at }: AudioJob): Promise<AudioReply> {
  try {
    const { samples, sampleRate } = await decodeRecording(bytes, { maxSeconds: plan.maxSeconds, at });
    return { audio: toAudioElements({ sampleRate: plan.sampleRate, samples: resample(samples, sampleRate, plan.sampleRate) }, plan) };
  } catch (error) {
    return { error: toPlainError(error) };
  }
}
