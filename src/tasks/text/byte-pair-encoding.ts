/** Byte-pair encoding: characters, of which the pairs that were merged first in training are merged first. */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import { PairTable } from './pair-table.ts';
import type { ReadAlready, SharedTables, TokenModel, WordToken } from './token-model.ts';
import { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

export const bytePairSchema = z.object({
  type: z.literal('BPE'),
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().nullish(),
  end_of_word_suffix: z.string().nullish(),
  fuse_unk: z.boolean().default(false),
  byte_fallback: z.boolean().default(false),
  ignore_merges: z.boolean().default(false),
  vocab: z.unknown(),
  merges: z.unknown(),
});

/** A part of the word that is one token so far; a linked list by index, so that merging moves nothing. */
interface Symbol {
  id: number;
  from: number;
  to: number;
  previous: number;
  next: number;
  live: boolean;
}

const encoder = new TextEncoder();
/** Up to here looking at all pairs again costs less than a heap. */
const fewSymbols = 24;

export class BytePairEncoding implements TokenModel {
  readonly vocabulary: Vocabulary;
  readonly unknownId: number | undefined;
  readonly tables: SharedTables;
  readonly #schema: z.infer<typeof bytePairSchema>;
  /** Ids of two tokens → the rank of their merge: less is earlier. */
  readonly #ranks: PairTable;
  /** By rank: the id of what becomes of them. */
  readonly #merged: Uint32Array;
  readonly #cache = new WordCache();

  constructor(schema: z.infer<typeof bytePairSchema>, read?: ReadAlready) {
    this.#schema = schema;
    this.vocabulary = read?.vocabulary ?? Vocabulary.read(schema.vocab, schema.continuing_subword_prefix ?? undefined);
    this.unknownId = schema.unk_token == null ? undefined : this.vocabulary.ids.get(schema.unk_token);
    this.tables = read?.tables ?? this.#readMerges(schema);
    this.#ranks = new PairTable(this.tables.merges!);
    this.#merged = this.tables.merged!;
  }

  #readMerges(schema: z.infer<typeof bytePairSchema>): SharedTables {
    const prefixLength = schema.continuing_subword_prefix?.length ?? 0;
    if (!Array.isArray(schema.merges)) throw new ModelportError('INVALID_MODEL', 'tokenizer.json: model.merges is not a list');
    const ranks = new PairTable();
    const merged = new Uint32Array(new SharedArrayBuffer(schema.merges.length * 4));
    for (const [rank, merge] of (schema.merges as unknown[]).entries()) {
      const pair = typeof merge === 'string' ? merge.split(' ') : merge;
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string' || typeof pair[1] !== 'string') {
        throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.merges[${rank}] is not a pair of tokens`);
      }
      const [left, right] = pair as [string, string];
      const ids = [left, right, left + right.slice(prefixLength)].map((token) => {
        const id = this.vocabulary.ids.get(token);
        if (id === undefined) throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.merges[${rank}] names ${JSON.stringify(token.slice(0, 80))}, which is not in the vocabulary`);
        return id;
      });
      ranks.set(ids[0]!, ids[1]!, rank);
      merged[rank] = ids[2]!;
    }
    return { merges: ranks.slots, merged };
  }

  tokenize(word: string): readonly WordToken[] {
    return this.#cache.find(word, (one) => this.#encode(one));
  }

  #encode(word: string): WordToken[] {
    if (this.#schema.ignore_merges) {
      const id = this.vocabulary.ids.get(word);
      if (id !== undefined) return [{ id, from: 0, to: word.length }];
    }
    const symbols = this.#symbols(word);
    if (symbols.length <= fewSymbols) this.#mergeFew(symbols);
    else this.#mergeMany(symbols);
    return symbols.filter((symbol) => symbol.live).map(({ id, from, to }) => ({ id, from, to }));
  }

  #symbols(word: string): Symbol[] {
    const symbols: Symbol[] = [];
    const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix, fuse_unk: fuse, byte_fallback: fallback } = this.#schema;
    let unknown: { from: number; to: number } | undefined;
    const add = (id: number, from: number, to: number): void => {
      symbols.push({ id, from, to, previous: symbols.length - 1, next: symbols.length + 1, live: true });
    };
    const addUnknown = (): void => {
      if (unknown !== undefined) add(this.unknownId!, unknown.from, unknown.to);
      unknown = undefined;
    };
    let from = 0;
    for (const character of word) {
      const to = from + character.length;
      let written = character;
      if (from > 0 && prefix != null) written = prefix + written;
      if (to === word.length && suffix != null) written += suffix;
      const id = this.vocabulary.ids.get(written);
      const bytes = id === undefined && fallback ? this.#byteTokens(written) : undefined;
      if (id !== undefined) {
        addUnknown();
        add(id, from, to);
      } else if (bytes !== undefined) {
        addUnknown();
        for (const byte of bytes) add(byte, from, to);
      } else if (this.unknownId !== undefined) {
        if (unknown !== undefined && fuse) unknown.to = to;
        else {
          addUnknown();
          unknown = { from, to };
        }
      }
      from = to;
    }
    addUnknown();
    if (symbols.length > 0) symbols.at(-1)!.next = -1;
    return symbols;
  }

  #byteTokens(text: string): number[] | undefined {
    const ids: number[] = [];
    for (const byte of encoder.encode(text)) {
      const id = this.vocabulary.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
      if (id === undefined) return undefined;
      ids.push(id);
    }
    return ids;
  }

  #mergeFew(symbols: Symbol[]): void {
    if (symbols.length === 0) return;
    for (;;) {
      let best: number | undefined;
      let place = -1;
      for (let index = 0; symbols[index]!.next !== -1; index = symbols[index]!.next) {
        const rank = this.#rankAt(symbols, index);
        if (rank !== undefined && (best === undefined || rank < best)) {
          best = rank;
          place = index;
        }
      }
      if (best === undefined) return;
      join(symbols, place, this.#merged[best]!);
    }
  }

  /** Pairs in a heap by rank, then place. */
  #mergeMany(symbols: Symbol[]): void {
    const heap = new PairHeap();
    const push = (index: number): void => {
      const rank = index < 0 ? undefined : this.#rankAt(symbols, index);
      if (rank !== undefined) heap.push(rank, index);
    };
    for (let index = 0; index < symbols.length; index++) push(index);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const symbol = symbols[top.place]!;
      if (!symbol.live) continue;
      // The pair may be another one by now.
      if (this.#rankAt(symbols, top.place) !== top.rank) continue;
      join(symbols, top.place, this.#merged[top.rank]!);
      push(symbol.previous);
      push(top.place);
    }
  }

  #rankAt(symbols: Symbol[], index: number): number | undefined {
    const { id, next } = symbols[index]!;
    return next === -1 ? undefined : this.#ranks.get(id, symbols[next]!.id);
  }
}

function join(symbols: Symbol[], place: number, id: number): void {
  const left = symbols[place]!;
  const right = symbols[left.next]!;
  right.live = false;
  left.id = id;
  left.to = right.to;
  left.next = right.next;
  if (right.next !== -1) symbols[right.next]!.previous = place;
}

interface Pair {
  readonly rank: number;
  readonly place: number;
}

class PairHeap {
  readonly #pairs: Pair[] = [];

  push(rank: number, place: number): void {
    const pairs = this.#pairs;
    const pair = { rank, place };
    let index = pairs.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(pair, pairs[parent]!)) break;
      pairs[index] = pairs[parent]!;
      index = parent;
    }
    pairs[index] = pair;
  }

  pop(): Pair | undefined {
    const pairs = this.#pairs;
    const top = pairs[0];
    const last = pairs.pop();
    if (top === undefined || last === undefined || pairs.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= pairs.length) break;
      if (child + 1 < pairs.length && before(pairs[child + 1]!, pairs[child]!)) child++;
      if (!before(pairs[child]!, last)) break;
      pairs[index] = pairs[child]!;
      index = child;
    }
    pairs[index] = last;
    return top;
  }
}

function before(left: Pair, right: Pair): boolean {
  return left.rank < right.rank || (left.rank === right.rank && left.place < right.place);
}
