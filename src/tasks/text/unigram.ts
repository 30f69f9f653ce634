/** Unigram (SentencePiece): of all ways to cut a word the one whose tokens have the largest sum of scores. */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import type { TokenModel, WordToken } from './token-model.ts';
import { WordCache } from './word-cache.ts';

export const unigramSchema = z.object({ type: z.literal('Unigram'), unk_id: z.int().min(0).nullish(), byte_fallback: z.boolean().default(false), vocab: z.unknown() });

/** How much worse an unknown character is than the worst token. */
const unknownPenalty = 10;
const encoder = new TextEncoder();

interface Node {
  readonly next: Map<number, Node>;
  id: number;
}

export class Unigram implements TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly continuingPrefix = undefined;
  readonly unknownId: number | undefined;
  readonly #scores: Float64Array;
  readonly #root: Node = { next: new Map(), id: -1 };
  readonly #unknownScore: number;
  readonly #byteFallback: boolean;
  readonly #cache = new WordCache();

  constructor(schema: z.infer<typeof unigramSchema>) {
    if (!Array.isArray(schema.vocab)) throw new ModelportError('INVALID_MODEL', 'tokenizer.json: model.vocab is not a list of tokens and scores');
    const vocabulary = new Map<string, number>();
    this.#scores = new Float64Array(schema.vocab.length);
    let worst = Infinity;
    for (const [id, entry] of (schema.vocab as unknown[]).entries()) {
      if (!Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number') throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.vocab[${id}] is not a token and its score`);
      const [token, score] = entry as [string, number];
      vocabulary.set(token, id);
      this.#scores[id] = score;
      if (score < worst) worst = score;
      this.#insert(token, id);
    }
    this.vocabulary = vocabulary;
    this.unknownId = schema.unk_id ?? undefined;
    if (this.unknownId !== undefined && this.unknownId >= vocabulary.size) throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.unk_id is ${this.unknownId}, but there are ${vocabulary.size} tokens`);
    this.#unknownScore = worst - unknownPenalty;
    this.#byteFallback = schema.byte_fallback;
  }

  tokenize(word: string): readonly WordToken[] {
    return this.#cache.find(word, (one) => this.#cut(one));
  }

  #insert(token: string, id: number): void {
    let node = this.#root;
    for (let index = 0; index < token.length; index++) {
      const unit = token.charCodeAt(index);
      let next = node.next.get(unit);
      if (next === undefined) {
        next = { next: new Map(), id: -1 };
        node.next.set(unit, next);
      }
      node = next;
    }
    node.id = id;
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
      let node: Node | undefined = this.#root;
      for (let to = from; to < length; ) {
        node = node.next.get(word.charCodeAt(to++));
        if (node === undefined) break;
        if (node.id === -1) continue;
        offer(from, to, node.id, this.#scores[node.id]! + scores[from]!);
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
    const id = this.vocabulary.get(text);
    if (id !== undefined) return [{ id, from, to }];
    if (this.#byteFallback) {
      const bytes = Array.from(encoder.encode(text), (byte) => this.vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`));
      if (bytes.every((byte) => byte !== undefined)) return bytes.map((byte) => ({ id: byte, from, to }));
    }
    return this.unknownId === undefined ? [] : [{ id: this.unknownId, from, to }];
  }
}
