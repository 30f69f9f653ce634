/** The keys and values of the tokens that were read so far, of several rows side by side: rows end at the same place, so shorter ones begin later. */
import { setImmediate } from 'node:timers/promises';
import { ModelportError } from '../../errors.ts';
import { allocate, type NumericArray, type Tensor, type Tensors } from '../../tensor.ts';
import type { CachePart } from './cache-plan.ts';

/** Copied in about two milliseconds. */
const mostBytesATurn = 4 << 20;

export class KeyValueCache {
  readonly parts: readonly CachePart[];
  /** By the name of the input. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** How many tokens of each row are real; the others, before them, are padding. */
  readonly lengths: readonly number[];
  /** Of every row, padding counted. */
  readonly width: number;

  constructor(parts: readonly CachePart[], tensors: ReadonlyMap<string, Tensor>, lengths: readonly number[], width: number) {
    this.parts = parts;
    this.tensors = tensors;
    this.lengths = lengths;
    this.width = width;
  }

  static empty(parts: readonly CachePart[], rows: number): KeyValueCache {
    const tensors = new Map(parts.map(({ input, heads, size }) => [input.name, { datatype: input.datatype, shape: [rows, heads, 0, size], data: allocate(input.datatype, 0) } as Tensor]));
    return new KeyValueCache(parts, tensors, Array.from({ length: rows }, () => 0), 0);
  }

  /** What a run answered: `grown` more tokens in every row, of which `added[row]` are real. Nothing is copied. */
  grow(outputs: Tensors, grown: number, added: readonly number[]): KeyValueCache {
    const width = this.width + grown;
    const rows = this.lengths.length;
    const tensors = new Map<string, Tensor>();
    for (const { input, output, heads, size } of this.parts) {
      const tensor = outputs.get(output.name)!;
      const { shape } = tensor;
      if (shape.length !== 4 || shape[0] !== rows || shape[1] !== heads || shape[2] !== width || shape[3] !== size) {
        throw new ModelportError('RUN_FAILED', `output '${output.name}' is [${shape.join(', ')}], where [${rows}, ${heads}, ${width}, ${size}] was expected`);
      }
      tensors.set(input.name, tensor);
    }
    return new KeyValueCache(this.parts, tensors, this.lengths.map((length, row) => length + added[row]!), width);
  }

  /**
   * Rows of several caches, in that order, lined up at their ends and no wider than the longest of them needs. Large ones are copied
   * over several turns of the event loop; the sources may not change meanwhile.
   */
  static async join(sources: readonly { readonly cache: KeyValueCache; readonly row: number }[]): Promise<KeyValueCache> {
    const { parts } = sources[0]!.cache;
    const lengths = sources.map(({ cache, row }) => cache.lengths[row]!);
    const width = Math.max(...lengths);
    const tensors = new Map<string, Tensor>();
    let copiedBytes = 0;
    for (const { input, heads, size } of parts) {
      if (copiedBytes > mostBytesATurn) {
        await setImmediate();
        copiedBytes = 0;
      }
      const data = allocate(input.datatype, sources.length * heads * width * size) as NumericArray;
      for (const [place, { cache, row }] of sources.entries()) {
        const from = cache.tensors.get(input.name)!.data as NumericArray;
        const length = lengths[place]!;
        for (let head = 0; head < heads; head++) {
          const start = ((row * heads + head) * cache.width + cache.width - length) * size;
          (data as Float32Array).set(from.subarray(start, start + length * size) as Float32Array, ((place * heads + head) * width + width - length) * size);
        }
      }
      copiedBytes += data.byteLength;
      tensors.set(input.name, { datatype: input.datatype, shape: [sources.length, heads, width, size], data });
    }
    return new KeyValueCache(parts, tensors, lengths, width);
  }
}
