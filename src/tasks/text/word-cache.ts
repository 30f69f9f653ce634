/** The words that were met last, each with its tokens: most words of a text are met again. */
import type { WordToken } from './token-model.ts';

const mostWords = 10_000;
const longestWord = 64;

export class WordCache {
  #words = new Map<string, readonly WordToken[]>();

  find(word: string, tokenize: (word: string) => readonly WordToken[]): readonly WordToken[] {
    if (word.length > longestWord) return tokenize(word);
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const tokens = tokenize(word);
    // Starting anew costs less than knowing which were not met for long.
    if (this.#words.size >= mostWords) this.#words = new Map();
    this.#words.set(word, tokens);
    return tokens;
  }
}
