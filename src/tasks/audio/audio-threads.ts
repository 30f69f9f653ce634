/** The worker threads for recordings, shared by all models of the process: neither decoding nor spectra hold up the event loop. */
import { availableParallelism } from 'node:os';
import type { Call } from '../../call.ts';
import { fromPlainError, ModelportError } from '../../errors.ts';
import { ThreadPool } from '../../lib/thread-pool.ts';
import type { AudioElements, AudioPlan } from './audio-plan.ts';
import type { AudioJob, AudioReply } from './audio-thread.ts';

let pool: ThreadPool<AudioJob, AudioReply> | undefined;

/** A WAVE file as elements of an input tensor. The bytes are copied before this returns. Rejects with `INVALID_VALUE` naming `at`. */
export async function audioElements(bytes: Uint8Array, plan: AudioPlan, at: string, call: Call): Promise<AudioElements> {
  call.throwIfCancelled();
  pool ??= new ThreadPool(new URL('./audio-thread.js', import.meta.url), Math.min(2, availableParallelism()));
  const copy = new Uint8Array(bytes);
  const reply = await pool.run({ bytes: copy, plan, at }, [copy.buffer], () => (call.cancelled ? new ModelportError('CANCELLED', 'the request was cancelled') : undefined));
  if ('error' in reply) throw fromPlainError(reply.error);
  call.throwIfCancelled();
  return reply.audio;
}
