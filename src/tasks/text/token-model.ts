/** The `model` of tokenizer.json: a word → its tokens. */
import type { Vocabulary } from './vocabulary.ts';

export interface WordToken {
  readonly id: number;
  /** The part of the word, in UTF-16 units. A token of a part of a character has the whole character. */
  readonly from: number;
  readonly to: number;
}

export interface TokenModel {
  tokenize(word: string): readonly WordToken[];
  readonly vocabulary: Vocabulary;
  readonly unknownId: number | undefined;
  /** What took long to build beside the vocabulary, in memory that threads share. */
  readonly tables: SharedTables;
}

/** By what they hold; another thread's model takes them as they are. */
export type SharedTables = { readonly merges?: Uint32Array<SharedArrayBuffer>; readonly merged?: Uint32Array<SharedArrayBuffer>; readonly edges?: Uint32Array<SharedArrayBuffer>; readonly ends?: Int32Array<SharedArrayBuffer>; readonly scores?: Float64Array<SharedArrayBuffer> };

/** What another thread read of the same tokenizer.json. */
export interface ReadAlready {
  readonly vocabulary: Vocabulary;
  readonly tables: SharedTables;
}
