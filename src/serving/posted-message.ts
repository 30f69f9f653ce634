/** How a packed message goes through a message port: all its memory transferred, nothing copied. */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { PackedMessage } from './instance-wire.ts';

/** The message alone; or message, memory that is given back (or null), memory of large tensors. */
export type PostedMessage = ArrayBuffer | [ArrayBuffer, ArrayBuffer | null, ...ArrayBuffer[]];

export function postPacked(port: Pick<MessagePort | Worker, 'postMessage'>, packed: PackedMessage, returned?: ArrayBuffer): void {
  const { bytes, attachments } = packed;
  if (attachments.length === 0 && returned === undefined) port.postMessage(bytes, [bytes]);
  else port.postMessage([bytes, returned ?? null, ...attachments], returned === undefined ? [bytes, ...attachments] : [bytes, returned, ...attachments]);
}

export function unpackPosted(posted: PostedMessage): { readonly bytes: ArrayBuffer; readonly attachments: readonly ArrayBuffer[]; readonly returned: ArrayBuffer | undefined } {
  if (!Array.isArray(posted)) return { bytes: posted, attachments: [], returned: undefined };
  const [bytes, returned, ...attachments] = posted;
  return { bytes, attachments, returned: returned ?? undefined };
}
