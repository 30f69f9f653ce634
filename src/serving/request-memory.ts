/**
 * The memory of large requests, at the instance's end, to be used again: filling fresh memory costs several times as much
 * as filling memory that was used before.
 */
import type { Message } from './instance-wire.ts';

const largeBytes = 64 * 1024;

export class RequestMemory {
  readonly #byCall = new Map<number, ArrayBuffer>();

  /** `message`'s tensors lie in `bytes`. */
  received(message: Message, bytes: ArrayBuffer): void {
    if (message.kind === 'infer' && bytes.byteLength >= largeBytes) this.#byCall.set(message.id, bytes);
  }

  /** Where the inputs lie of the request that `message` answers. */
  of(message: Message): ArrayBuffer | undefined {
    return this.#byCall.get(message.id);
  }

  /** Memory that nobody needs once `message` is sent: after an answer the runtime has read its inputs, after an error something of it may still run. */
  released(message: Message): ArrayBuffer | undefined {
    const bytes = this.#byCall.get(message.id);
    if (bytes !== undefined) this.#byCall.delete(message.id);
    return message.kind === 'answer' ? bytes : undefined;
  }
}
