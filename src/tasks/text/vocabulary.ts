/** The tokens of a model and their numbers, in both directions. */
import { ModelportError } from '../../errors.ts';

const mostTokens = 2_000_000;
/** So many entries are read in about a millisecond. */
const entriesPerPiece = 2000;

export class Vocabulary {
  readonly ids = new Map<string, number>();
  /** By id; sparse where the ids are. */
  readonly tokens: string[] = [];
  /** Tokens that continue a word, without their prefix; empty where there is no prefix. */
  readonly continuing = new Map<string, number>();
  readonly continuingPrefix: string | undefined;
  /** Of any token, in UTF-16 units; at least 1. */
  longest = 1;

  constructor(continuingPrefix?: string) {
    this.continuingPrefix = continuingPrefix;
  }

  add(token: string, id: number): void {
    this.ids.set(token, id);
    this.tokens[id] = token;
    if (token.length > this.longest) this.longest = token.length;
    if (this.continuingPrefix !== undefined && token.startsWith(this.continuingPrefix)) this.continuing.set(token.slice(this.continuingPrefix.length), id);
  }

  /** A `vocab` that is an object of ids. Throws `INVALID_MODEL`. */
  static read(vocab: unknown, continuingPrefix?: string): Vocabulary {
    if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) throw new ModelportError('INVALID_MODEL', 'tokenizer.json: model.vocab is not an object of tokens and their ids');
    const vocabulary = new Vocabulary(continuingPrefix);
    const tokens = Object.keys(vocab);
    if (tokens.length > mostTokens) throw new ModelportError('INVALID_MODEL', `tokenizer.json has ${tokens.length} tokens, more than ${mostTokens}`);
    for (const token of tokens) {
      const id = (vocab as Record<string, unknown>)[token];
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 31) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the id of the token ${JSON.stringify(token.slice(0, 80))} is no whole number`);
      vocabulary.add(token, id);
    }
    return vocabulary;
  }

  /** A `vocab` that is a list of tokens and scores, numbered by their places. Throws `INVALID_MODEL`. */
  static readScored(vocab: unknown): { readonly vocabulary: Vocabulary; readonly scores: Float64Array<SharedArrayBuffer> } {
    if (!Array.isArray(vocab)) throw new ModelportError('INVALID_MODEL', 'tokenizer.json: model.vocab is not a list of tokens and scores');
    if (vocab.length > mostTokens) throw new ModelportError('INVALID_MODEL', `tokenizer.json has ${vocab.length} tokens, more than ${mostTokens}`);
    const vocabulary = new Vocabulary();
    const scores = new Float64Array(new SharedArrayBuffer(vocab.length * 8));
    for (const [id, entry] of (vocab as unknown[]).entries()) {
      if (!Array.isArray(entry) || typeof entry[0] !== 'string' || typeof entry[1] !== 'number') throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.vocab[${id}] is not a token and its score`);
      vocabulary.add(entry[0], id);
      scores[id] = entry[1];
    }
    return { vocabulary, scores };
  }

  /** As texts that cross to another thread at the cost of their copy, and are read one by one there: see {@link unpack}. */
  pack(): string[] {
    const pieces: string[] = [];
    let entries: (string | number)[] = [];
    for (const [token, id] of this.ids) {
      entries.push(token, id);
      if (entries.length < entriesPerPiece * 2) continue;
      pieces.push(JSON.stringify(entries));
      entries = [];
    }
    if (entries.length > 0) pieces.push(JSON.stringify(entries));
    return pieces;
  }

  /** Calls `pause` after each piece. */
  static async unpack(pieces: readonly string[], continuingPrefix: string | undefined, pause: () => Promise<unknown>): Promise<Vocabulary> {
    const vocabulary = new Vocabulary(continuingPrefix);
    for (const piece of pieces) {
      const entries = JSON.parse(piece) as (string | number)[];
      for (let index = 0; index < entries.length; index += 2) vocabulary.add(entries[index] as string, entries[index + 1] as number);
      await pause();
    }
    return vocabulary;
  }
}
