/** Parses large JSON off the event loop. See `parse-json.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { decodeJson } from './decode-json.ts';
import type { JsonReply } from './parse-json.ts';

giveWayToEventLoop();

const port = parentPort!;

port.on('message', (body: Uint8Array) => {
  let reply: JsonReply;
  try {
    reply = { value: decodeJson(body) };
  } catch (error) {
    reply = { error: toPlainError(error) };
  }
  port.postMessage(reply, []);
});
