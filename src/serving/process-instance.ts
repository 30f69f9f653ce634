/** An instance in a child process: survives what a native crash leaves, and gives all its memory back when it ends. */
import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { PlainError } from '../errors.ts';
import { FrameReader, frameHeader } from './frame-reader.ts';
import { InstanceConnection } from './instance-connection.ts';
import type { Instance, InstanceStart } from './instance.ts';
import { messageParts, unpackMessage, type Message } from './instance-wire.ts';

/** How long a process may take to release its model after its last call was answered. */
const closeTimeoutMs = 10_000;

/** glibc keeps what loading a model leaves behind; with these it returns large blocks. Elsewhere they mean nothing. */
const givingMemoryBack = { MALLOC_MMAP_THRESHOLD_: '4194304', MALLOC_TRIM_THRESHOLD_: '16777216' };

/** Starts a process and loads the model there. Rejects with the runtime's error, or why the process died. */
export async function startProcessInstance(start: InstanceStart): Promise<Instance> {
  // What it prints goes to standard error: standard output is the server's own.
  const child = spawn(process.execPath, [fileURLToPath(new URL('./process-entry.js', import.meta.url)), start.artifact.main], { stdio: ['ignore', 2, 2, 'pipe'], env: { ...givingMemoryBack, ...process.env } });
  const socket = child.stdio[3] as Duplex;
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`its process could not be started: ${error.message}`));
    // After the streams ended: what the process answered before was received.
    child.once('close', (code, signal) => resolve(signal === null ? `its process exited with code ${code}` : `its process was ended by ${signal}${signal === 'SIGKILL' ? ' (by hand, or by the system when memory ran out)' : ''}`));
  });
  const connection = new InstanceConnection({
    send: (message) => writeMessage(socket, message),
    async close(): Promise<void> {
      writeMessage(socket, { kind: 'close', id: 0 });
      const timer = setTimeout(() => child.kill('SIGKILL'), closeTimeoutMs);
      await ended;
      clearTimeout(timer);
    },
  });
  let broken: string | undefined;
  const reader = new FrameReader((bytes) => {
    const message = unpackMessage(bytes);
    if (message.kind === 'error' && message.id === 0) broken ??= `its process failed: ${(message.rest as PlainError).message}`;
    else connection.receive(message);
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      broken ??= (error as Error).message;
      child.kill('SIGKILL');
    }
  });
  // A broken pipe is the process's end, which is reported with its cause; one that lives on without its socket is of no use.
  socket.on('error', () => {});
  socket.on('close', () => setTimeout(() => child.kill('SIGKILL'), closeTimeoutMs).unref());
  void ended.then((reason) => connection.lose(broken ?? reason));
  try {
    await connection.load({ moduleUrl: start.runtime.moduleUrl, artifact: start.artifact, options: start.load });
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
  return connection;
}

/** Also the process's way to write. Writes are bounded by the calls under way, so nothing waits for the stream to drain. */
export function writeMessage(socket: Duplex, message: Message): void {
  if (socket.destroyed || socket.writableEnded) return;
  const { parts, totalBytes } = messageParts(message);
  socket.cork();
  socket.write(frameHeader(totalBytes));
  for (const part of parts) socket.write(part);
  socket.uncork();
}
