/** WordPiece (BERT) and whole words: the longest tokens first, from the left. */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import type { ReadAlready, SharedTables, TokenModel, WordToken } from './token-model.ts';
import { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

export const wordPieceSchema = z.object({
  type: z.literal('WordPiece'),
  unk_token: z.string().default('[UNK]'),
  continuing_subword_prefix: z.string().default('##'),
  max_input_chars_per_word: z.int().min(1).max(100_000).default(100),
  vocab: z.unknown(),
});

export class WordPiece implements TokenModel {
  readonly vocabulary: Vocabulary;
  readonly unknownId: number;
  readonly tables: SharedTables = {};
  readonly #mostCharacters: number;
  readonly #cache = new WordCache();

  constructor(schema: z.infer<typeof wordPieceSchema>, read?: ReadAlready) {
    this.vocabulary = read?.vocabulary ?? Vocabulary.read(schema.vocab, schema.continuing_subword_prefix);
    this.#mostCharacters = schema.max_input_chars_per_word;
    const unknownId = this.vocabulary.ids.get(schema.unk_token);
    if (unknownId === undefined) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the vocabulary lacks the unknown token ${JSON.stringify(schema.unk_token)}`);
    this.unknownId = unknownId;
  }

  tokenize(word: string): readonly WordToken[] {
    return this.#cache.find(word, (one) => this.#cut(one));
  }

  #cut(word: string): WordToken[] {
    const tokens: WordToken[] = [];
    const unknown = [{ id: this.unknownId, from: 0, to: word.length }];
    if (word.length > this.#mostCharacters && Array.from(word).length > this.#mostCharacters) return unknown;
    let from = 0;
    while (from < word.length) {
      const vocabulary = from === 0 ? this.vocabulary.ids : this.vocabulary.continuing;
      let to = Math.min(word.length, from + this.vocabulary.longest);
      let id: number | undefined;
      for (; to > from; to--) {
        id = vocabulary.get(word.slice(from, to));
        if (id !== undefined) break;
      }
      if (id === undefined) return unknown;
      tokens.push({ id, from, to });
      from = to;
    }
    return tokens;
  }
}

export const wordLevelSchema = z.object({ type: z.literal('WordLevel'), unk_token: z.string().default('<unk>'), vocab: z.unknown() });

export class WordLevel implements TokenModel {
  readonly vocabulary: Vocabulary;
  readonly unknownId: number | undefined;
  readonly tables: SharedTables = {};

  constructor(schema: z.infer<typeof wordLevelSchema>, read?: ReadAlready) {
    this.vocabulary = read?.vocabulary ?? Vocabulary.read(schema.vocab);
    this.unknownId = this.vocabulary.ids.get(schema.unk_token);
  }

  tokenize(word: string): readonly WordToken[] {
    const id = this.vocabulary.ids.get(word) ?? this.unknownId;
    return id === undefined ? [] : [{ id, from: 0, to: word.length }];
  }
}
