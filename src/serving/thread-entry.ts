/** What a worker thread runs: an instance whose messages come through the port to its parent. */
import { parentPort } from 'node:worker_threads';
import { InstanceHost } from './instance-host.ts';
import { packMessage, unpackMessage, type Message } from './instance-wire.ts';
import { postPacked, unpackPosted, type PostedMessage } from './posted-message.ts';
import { RequestMemory } from './request-memory.ts';

const port = parentPort!;
const requests = new RequestMemory();

const host = new InstanceHost({
  send(message: Message): void {
    const request = requests.of(message);
    const packed = packMessage(message, { giveAwayExcept: new Set(request === undefined ? [] : [request]) });
    postPacked(port, packed, requests.released(message));
  },
  end: () => process.exit(0),
});

port.on('message', (posted: PostedMessage) => {
  const { bytes, attachments } = unpackPosted(posted);
  const message = unpackMessage(bytes, attachments);
  requests.received(message, bytes);
  host.receive(message);
});
