/** What a worker thread runs: an instance whose messages come through the port to its parent. */
import { parentPort } from 'node:worker_threads';
import { InstanceHost } from './instance-host.ts';
import { packMessage, unpackMessage, type Message } from './instance-wire.ts';
import { postPacked, unpackPosted, type PostedMessage } from './posted-message.ts';

/** Memory of requests from this size on goes back to the server for the next one. */
const returnBytes = 64 * 1024;

const port = parentPort!;
const requestMemory = new Map<number, ArrayBuffer>();

const host = new InstanceHost({
  send(message: Message): void {
    const request = requestMemory.get(message.id);
    const packed = packMessage(message, { giveAwayExcept: new Set(request === undefined ? [] : [request]) });
    // After an answer the runtime has read its inputs; after an error something of it may still run.
    postPacked(port, packed, message.kind === 'answer' ? request : undefined);
    if (message.kind !== 'item') requestMemory.delete(message.id);
  },
  end: () => process.exit(0),
});

port.on('message', (posted: PostedMessage) => {
  const { bytes, attachments } = unpackPosted(posted);
  const message = unpackMessage(bytes, attachments);
  if (message.kind === 'infer' && bytes.byteLength >= returnBytes) requestMemory.set(message.id, bytes);
  host.receive(message);
});
