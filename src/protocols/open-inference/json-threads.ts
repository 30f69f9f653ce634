/** JSON that would hold up the event loop goes to threads: 3 MB take 10 ms to parse. */
import { availableParallelism } from 'node:os';
import type { Call } from '../../call.ts';
import { fromPlainError, ModelportError } from '../../errors.ts';
import { ThreadPool } from '../../lib/thread-pool.ts';
import type { TensorSpec } from '../../model.ts';
import type { NumericArray } from '../../tensor.ts';
import { bytesOfTensor } from './binary-tensors.ts';
import type { GenerateBody } from './generate-body.ts';
import type { WireInferRequest } from './infer-request.ts';
import type { ResponseParts } from './infer-response.ts';
import type { JsonTask, JsonTaskReply } from './json-thread.ts';

/** Larger JSON goes to a thread. A hop costs 20–50 µs; so many bytes take about 150 µs to parse. */
export const largestInlineBytes = 65536;
/** Answers of more elements are written in a thread. */
export const largestInlineElements = 4096;

export class JsonThreads {
  readonly #pool: ThreadPool<JsonTask, JsonTaskReply>;

  /** `size`: how many threads at most; half of the cores, two at most, where it is not given. */
  constructor(size = Math.max(1, Math.min(2, Math.floor(availableParallelism() / 2)))) {
    this.#pool = new ThreadPool(new URL('./json-thread.js', import.meta.url), size);
  }

  /** As `parseInferRequest`. A body that covers its buffer is handed over: it is empty afterwards. */
  parse(body: Uint8Array, call?: Call): Promise<WireInferRequest> {
    const own = handOver(body);
    return this.#run({ kind: 'parse', body: own }, [own.buffer as ArrayBuffer], call) as Promise<WireInferRequest>;
  }

  /** As `readGenerateBody`. */
  generateBody(body: Uint8Array, inputSpecs: readonly TensorSpec[] | undefined, call: Call): Promise<GenerateBody> {
    const own = handOver(body);
    return this.#run({ kind: 'generate', body: own, inputSpecs }, [own.buffer as ArrayBuffer], call) as Promise<GenerateBody>;
  }

  /** As `parseJson`. */
  async value(body: Uint8Array): Promise<unknown> {
    const own = handOver(body);
    return ((await this.#run({ kind: 'value', body: own }, [own.buffer as ArrayBuffer], undefined)) as { value: unknown }).value;
  }

  /** As `joinParts`, in UTF-8. Elements are copied: they may be views of a whole batch. */
  write({ json, data }: ResponseParts, call?: Call): Promise<Uint8Array> {
    const transfer: ArrayBuffer[] = [];
    const copies = data.map(({ name, datatype, data: elements }) => {
      const copy = datatype === 'BYTES' ? bytesOfTensor({ datatype, shape: [elements.length], data: elements }) : (elements as NumericArray).slice();
      transfer.push(copy.buffer as ArrayBuffer);
      return { name, datatype, count: elements.length, data: copy };
    });
    return this.#run({ kind: 'write', json, data: copies }, transfer, call) as Promise<Uint8Array>;
  }

  /** Ends the threads; what was not done is rejected. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run(task: JsonTask, transfer: ArrayBuffer[], call: Call | undefined): Promise<unknown> {
    const reply = await this.#pool.run(task, transfer, call === undefined ? undefined : () => (call.cancelled ? new ModelportError('CANCELLED', 'the request was cancelled') : undefined));
    if ('error' in reply) throw fromPlainError(reply.error);
    return reply.result;
  }
}

/** The body in memory of its own: its buffer where it covers it but for what aligns its end, else a copy. */
function handOver(body: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = body;
  const whole = byteOffset < 8 && byteOffset + byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
  return whole ? new Uint8Array(buffer, byteOffset, byteLength) : new Uint8Array(body);
}
