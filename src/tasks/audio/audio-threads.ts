/** The worker threads for recordings, shared by all models of the process: neither decoding nor spectra hold up the event loop. */
import type { Call } from '../../call.ts';
import { TaskThreads } from '../request/task-threads.ts';
import type { AudioElements, AudioPlan } from './audio-plan.ts';
import type { AudioJob, AudioReply } from './audio-thread.ts';

const threads = new TaskThreads<AudioJob, Exclude<AudioReply, { error: unknown }>>(new URL('./audio-thread.js', import.meta.url), 'recordings');

/** A thread that works longer is ended: ten minutes of sound take some seconds. */
const longestWorkMs = 120_000;

/** A recording as elements of an input tensor. The bytes are copied before this returns. Rejects with `INVALID_VALUE` naming `at`, with `MISSING_DEPENDENCY`, and with `QUEUE_FULL`. */
export async function audioElements(bytes: Uint8Array, plan: AudioPlan, at: string, call: Call): Promise<AudioElements> {
  const copy = new Uint8Array(bytes);
  return (await threads.run({ bytes: copy, plan, at }, { call, sizeBytes: copy.length, transferred: [copy.buffer], limitMs: longestWorkMs })).audio;
}
