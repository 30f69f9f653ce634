/** An instance in a worker thread. The thread is never terminated: that aborts the whole server when it is inside a native run. */
import { Worker } from 'node:worker_threads';
import { InstanceConnection } from './instance-connection.ts';
import type { Instance, InstanceStart } from './instance.ts';
import { packMessage, unpackMessage, type Message } from './instance-wire.ts';
import { postPacked, unpackPosted, type PostedMessage } from './posted-message.ts';
import { guardExit, RunGate } from './run-gate.ts';

const nothing: ReadonlySet<ArrayBufferLike> = new Set();

/** Starts a thread and loads the model there. Rejects with the runtime's error, or why the thread died. */
export async function startThreadInstance(start: InstanceStart): Promise<Instance> {
  const gate = new RunGate();
  const worker = new Worker(new URL('./thread-entry.js', import.meta.url), { name: start.artifact.main, workerData: gate.memory });
  const unguard = guardExit(gate);
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  // Memory of the last large request, which the thread gives back with its answer: fresh memory costs ten times the copy into it.
  let spare: ArrayBuffer | undefined;
  const connection = new InstanceConnection({
    send(message: Message): void {
      const packed = packMessage(message, { spare, ...(message.givesAway === true ? { giveAwayExcept: nothing } : {}) });
      if (packed.bytes === spare) spare = undefined;
      postPacked(worker, packed);
    },
    async close(): Promise<void> {
      postPacked(worker, packMessage({ kind: 'close', id: 0 }));
      await exited;
    },
  });
  worker.on('message', (posted: PostedMessage) => {
    const { bytes, attachments, returned } = unpackPosted(posted);
    if (returned !== undefined) spare = returned;
    connection.receive(unpackMessage(bytes, attachments));
  });
  let reason: string | undefined;
  worker.on('error', (error) => (reason = `its thread failed: ${error instanceof Error ? error.message : String(error)}`));
  worker.on('messageerror', (error) => (reason = `its thread sent what cannot be read: ${error.message}`));
  // Last of all events: what the thread answered before was received.
  worker.on('exit', (code) => {
    unguard();
    connection.lose(reason ?? `its thread exited with code ${code}`);
  });
  try {
    await connection.load({ moduleUrl: start.runtime.moduleUrl, artifact: start.artifact, options: start.load });
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
  return connection;
}
