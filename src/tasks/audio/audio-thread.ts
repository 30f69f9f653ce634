/** A worker thread that decodes recordings and computes features. See `audio-threads.ts`, which owns it. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { toAudioElements, type AudioElements, type AudioPlan } from './audio-plan.ts';
import { decodeWave } from './decode-wave.ts';
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

port.on('message', ({ bytes, plan, at }: AudioJob) => {
  let reply: AudioReply;
  try {
    const { samples, sampleRate } = decodeWave(bytes, { maxSeconds: plan.maxSeconds, at });
    reply = { audio: toAudioElements({ sampleRate: plan.sampleRate, samples: resample(samples, sampleRate, plan.sampleRate) }, plan) };
  } catch (error) {
    reply = { error: toPlainError(error) };
  }
  port.postMessage(reply, 'audio' in reply ? [reply.audio.elements.buffer] : []);
});
