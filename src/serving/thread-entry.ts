/** What a worker thread runs: an instance whose messages come through the port to its parent. */
import { parentPort, workerData } from 'node:worker_threads';
import { giveWayToEventLoop } from '../lib/give-way.ts';
import { InstanceHost } from './instance-host.ts';
import { packMessage, unpackMessage, type Message } from './instance-wire.ts';
import { postPacked, unpackPosted, type PostedMessage } from './posted-message.ts';
import { RequestMemory } from './request-memory.ts';
import { RunGate } from './run-gate.ts';

giveWayToEventLoop();

const port = parentPort!;
const requests = new RequestMemory();
const gate = new RunGate(workerData as SharedArrayBuffer);
// Loading and measuring go on in later microtasks; a run is over when the message was received.
const longWork = new Set<number>();

const host = new InstanceHost({
  send(message: Message): void {
    const request = requests.of(message);
    const packed = packMessage(message, { giveAwayExcept: new Set(request === undefined ? [] : [request]) });
    postPacked(port, packed, requests.released(message));
    if (longWork.delete(message.id)) gate.leave();
  },
  end: () => process.exit(0),
});

port.on('message', (posted: PostedMessage) => {
  const { bytes, attachments } = unpackPosted(posted);
  const message = unpackMessage(bytes, attachments);
  requests.received(message, bytes);
  if (!gate.enter()) return;
  if ((message.kind === 'load' || message.kind === 'measure') && gate.enter()) longWork.add(message.id);
  try {
    host.receive(message);
  } finally {
    gate.leave();
  }
});
