/** Unigram (SentencePiece): of all ways to cut a word the one whose tokens have the largest sum of scores. */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import { PairTable } from './pair-table.ts';
import type { ReadAlready, SharedTables, TokenModel, WordToken } from './token-model.ts';
import { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

export const unigramSchema = z.object({ type: z.literal('Unigram'), unk_id: z.int().min(0).nullish(), byte_fallback: z.boolean().default(false), vocab: z.unknown() });

/** How much worse an unknown character is than the worst token. */
const unknownPenalty = 10;
/** Vocabularies of 250,000 tokens have about a million. */
const mostNodes = 16_000_000;
const encoder = new TextEncoder();

export class Unigram implements TokenModel {
  readonly vocabulary: Vocabulary;
  readonly unknownId: number | undefined;
  readonly tables: SharedTables;
  /** By id. */
  readonly #scores: Float64Array;
  /** The tree of all tokens: a node, 0 being the root, and a UTF-16 unit → the next node. */
  readonly #edges: PairTable;
  /** By node: the id of the token that ends there, or -1. */
  readonly #ends: Int32Array;
  readonly #unknownScore: number;
  readonly #byteFallback: boolean;
  readonly #cache = new WordCache();

  constructor(schema: z.infer<typeof unigramSchema>, read?: ReadAlready) {
    if (read === undefined) {
      const { vocabulary, scores } = Vocabulary.readScored(schema.vocab);
      this.vocabulary = vocabulary;
      this.tables = { scores, ...plantTree(vocabulary) };
    } else {
      this.vocabulary = read.vocabulary;
      this.tables = read.tables;
    }
    this.#scores = this.tables.scores!;
    this.#edges = new PairTable(this.tables.edges!);
    this.#ends = this.tables.ends!;
    this.unknownId = schema.unk_id ?? undefined;
    const { size } = this.vocabulary.ids;
    if (this.unknownId !== undefined && this.unknownId >= size) throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.unk_id is ${this.unknownId}, but there are ${size} tokens`);
    this.#unknownScore = this.#scores.reduce((worst, score) => Math.min(worst, score), Infinity) - unknownPenalty;
    this.#byteFallback = schema.byte_fallback;
  }

  tokenize(word: string): readonly WordToken[] {
    return this.#cache.find(word, (one) => this.#cut(one));
  }

  #cut(word: string): WordToken[] {
    const length = word.length;
    const scores = new Float64Array(length + 1);
    const starts = new Int32Array(length + 1).fill(-1);
    const ids = new Int32Array(length + 1).fill(-1);
    const offer = (from: number, to: number, id: number, score: number): void => {
      if (starts[to] === -1 || score > scores[to]!) {
        scores[to] = score;
        starts[to] = from;
        ids[to] = id;
      }
    };
    let from = 0;
    while (from < length) {
      const size = word.codePointAt(from)! > 0xffff ? 2 : 1;
      let single = false;
      let node = 0;
      for (let to = from; to < length; ) {
        const next = this.#edges.get(node, word.charCodeAt(to++));
        if (next === undefined) break;
        node = next;
        const id = this.#ends[node]!;
        if (id === -1) continue;
        offer(from, to, id, this.#scores[id]! + scores[from]!);
        if (to - from === size) single = true;
      }
      if (!single) {
        if (this.unknownId === undefined) throw new ModelportError('INVALID_VALUE', `the text has ${JSON.stringify(word.slice(from, from + size))}, which the model's tokenizer does not know, and it has no token for what it does not know`);
        offer(from, from + size, this.unknownId, this.#unknownScore + scores[from]!);
      }
      from += size;
    }
    const parts: { from: number; to: number }[] = [];
    for (let to = length; to > 0; to = starts[to]!) {
      const after = parts.at(-1);
      // Neighbours that are both unknown are one token.
      if (after !== undefined && ids[to] === this.unknownId && ids[after.to] === this.unknownId) after.from = starts[to]!;
      else parts.push({ from: starts[to]!, to });
    }
    return parts.reverse().flatMap((part) => this.#tokensOf(word, part.from, part.to));
  }

  #tokensOf(word: string, from: number, to: number): WordToken[] {
    const text = word.slice(from, to);
    const id = this.vocabulary.ids.get(text);
    if (id !== undefined) return [{ id, from, to }];
    if (this.#byteFallback) {
      const bytes = Array.from(encoder.encode(text), (byte) => this.vocabulary.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`));
      if (bytes.every((byte) => byte !== undefined)) return bytes.map((byte) => ({ id: byte, from, to }));
    }
    return this.unknownId === undefined ? [] : [{ id: this.unknownId, from, to }];
  }
}

function plantTree(vocabulary: Vocabulary): Pick<SharedTables, 'edges' | 'ends'> {
  const edges = new PairTable();
  const ends = [-1];
  for (const [token, id] of vocabulary.ids) {
    let node = 0;
    for (let index = 0; index < token.length; index++) {
      const unit = token.charCodeAt(index);
      let next = edges.get(node, unit);
      if (next === undefined) {
        next = ends.push(-1) - 1;
        if (next > mostNodes) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the tokens of model.vocab have more than ${mostNodes} beginnings`);
        edges.set(node, unit, next);
      }
      node = next;
    }
    ends[node] = id;
  }
  const shared = new Int32Array(new SharedArrayBuffer(ends.length * 4));
  shared.set(ends);
  return { edges: edges.slots, ends: shared };
}
