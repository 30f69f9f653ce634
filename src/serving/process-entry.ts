/** What a child process runs: an instance whose messages come through file descriptor 3. */
import { Socket, type ConnectOpts, type SocketConstructorOpts } from 'node:net';
import { toPlainError } from '../errors.ts';
import { giveWayToEventLoop } from '../lib/give-way.ts';
import { FrameReader } from './frame-reader.ts';
import { InstanceHost } from './instance-host.ts';
import { fits, unpackMessage, type Message } from './instance-wire.ts';
import { writeMessage } from './process-instance.ts';
import { RequestMemory } from './request-memory.ts';

giveWayToEventLoop();

/** A socket of a pipe holds about 200 KB. */
const readBytes = 256 * 1024;

process.title = `modelport instance ${process.argv[2] ?? ''}`.trimEnd();

// Ctrl-C and service managers signal whole groups of processes. The server drains then, and needs its instances for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const requests = new RequestMemory();
let spare: ArrayBuffer | undefined;

const host = new InstanceHost({
  send(message: Message): void {
    writeMessage(socket, message);
    const released = requests.released(message);
    // Outputs that lie in the request's memory are perhaps not written yet.
    if (released !== undefined && ![...(message.tensors?.values() ?? [])].some(({ data }) => !Array.isArray(data) && data.buffer === released)) spare = released;
  },
  end: () => socket.end(() => process.exit(0)),
});

const reader = new FrameReader(
  (bytes) => {
    const message = unpackMessage(bytes);
    requests.received(message, bytes);
    host.receive(message);
  },
  {
    reuse(bytes) {
      const memory = fits(spare, bytes) ? spare : undefined;
      spare = undefined;
      return memory;
    },
  },
);

// One buffer for all reads: a fresh one for each chunk costs more than the read.
const options: SocketConstructorOpts & ConnectOpts = {
  fd: 3,
  readable: true,
  writable: true,
  onread: {
    buffer: Buffer.allocUnsafeSlow(readBytes),
    callback(length, buffer) {
      reader.push(buffer.subarray(0, length));
      return true;
    },
  },
};
const socket = new Socket(options);
// What nobody caught ends the process, as it would anyway; the server hears why.
process.on('uncaughtException', (error) => {
  console.error(error);
  writeMessage(socket, { kind: 'error', id: 0, rest: toPlainError(error) });
  socket.end(() => process.exit(1));
});
// The server is gone: nobody waits for an answer any more.
socket.on('end', () => process.exit(0));
socket.on('error', () => process.exit(0));
