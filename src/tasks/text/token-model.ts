/** The `model` of tokenizer.json: a word → its tokens. */
import { ModelportError } from '../../errors.ts';

export interface WordToken {
  readonly id: number;
  /** The part of the word, in UTF-16 units. A token of a part of a character has the whole character. */
  readonly from: number;
  readonly to: number;
}

export interface TokenModel {
  tokenize(word: string): readonly WordToken[];
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The prefix of tokens that continue a word, if this model has one: `##`. */
  readonly continuingPrefix: string | undefined;
  readonly unknownId: number | undefined;
}

const mostTokens = 2_000_000;

/** A `vocab` that is an object of ids. */
export function readVocabulary(vocab: unknown): Map<string, number> {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) throw new ModelportError('INVALID_MODEL', 'tokenizer.json: model.vocab is not an object of tokens and their ids');
  const vocabulary = new Map<string, number>();
  for (const token of Object.keys(vocab)) {
    const id = (vocab as Record<string, unknown>)[token];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 31) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the id of the token ${JSON.stringify(token.slice(0, 80))} is no whole number`);
    vocabulary.set(token, id);
  }
  if (vocabulary.size > mostTokens) throw new ModelportError('INVALID_MODEL', `tokenizer.json has ${vocabulary.size} tokens, more than ${mostTokens}`);
  return vocabulary;
}
