/** What a child process runs: an instance whose messages come through file descriptor 3. */
import { Socket } from 'node:net';
import { FrameReader } from './frame-reader.ts';
import { InstanceHost } from './instance-host.ts';
import { unpackMessage } from './instance-wire.ts';
import { writeMessage } from './process-instance.ts';

process.title = `modelport instance ${process.argv[2] ?? ''}`.trimEnd();

// Ctrl-C and service managers signal whole groups of processes. The server drains then, and needs its instances for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const socket = new Socket({ fd: 3, readable: true, writable: true });
const host = new InstanceHost({
  send: (message) => writeMessage(socket, message),
  end: () => socket.end(() => process.exit(0)),
});
const reader = new FrameReader((bytes) => host.receive(unpackMessage(bytes)));
socket.on('data', (chunk: Buffer) => reader.push(chunk));
// The server is gone: nobody waits for an answer any more.
socket.on('end', () => process.exit(0));
socket.on('error', () => process.exit(0));
