/**
 * SentencePiece's `precompiled_charsmap`: a double-array trie of UTF-8 byte strings, each with the place of its replacement in
 * a list of texts that end with a zero. Layout: 32-bit size of the trie in bytes, the trie as 32-bit units (both little-endian),
 * the texts. Format and rules: github.com/google/sentencepiece (normalizer.cc, darts_clone) and the crate `spm_precompiled`.
 */
import { ModelportError } from '../../errors.ts';
import type { AlignedText, Change } from './aligned-text.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Longer clusters are looked up character by character. */
const longestClusterBytes = 6;

export class PrecompiledCharacterMap {
  readonly #units: Uint32Array;
  readonly #texts: Uint8Array;
  readonly #segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
  readonly #cache = new Map<string, string | undefined>();

  constructor(base64: string) {
    const bytes = Buffer.from(base64, 'base64');
    const size = bytes.length >= 4 ? bytes.readUInt32LE(0) : Infinity;
    if (size % 4 !== 0 || 4 + size > bytes.length) throw new ModelportError('INVALID_MODEL', 'tokenizer.json has a precompiled_charsmap that is cut off');
    this.#units = new Uint32Array(size / 4);
    for (let index = 0; index < this.#units.length; index++) this.#units[index] = bytes.readUInt32LE(4 + index * 4);
    this.#texts = bytes.subarray(4 + size);
  }

  normalize(text: AlignedText): AlignedText {
    const changes: Change[] = [];
    let changed = false;
    for (const segment of this.#clusters(text.text)) {
      const whole = encoder.encode(segment).length < longestClusterBytes ? this.#lookUp(segment) : undefined;
      if (whole !== undefined) {
        replace(changes, segment, whole);
        changed = true;
        continue;
      }
      for (const character of segment) {
        const replacement = this.#lookUp(character);
        if (replacement === undefined) changes.push([character, 0]);
        else {
          replace(changes, character, replacement);
          changed = true;
        }
      }
    }
    return changed ? text.transform(changes) : text;
  }

  /** What is seen as one character. The segmenter takes quadratic time, so it is only given short runs that need it. */
  *#clusters(text: string): Iterable<string> {
    for (const [run] of text.matchAll(/[ -~](?![^ -~])|[ -~]?[^ -~]{1,200}\p{M}*/gu)) {
      if (run.length === 1) yield run;
      else for (const { segment } of this.#segmenter.segment(run)) yield segment;
    }
  }

  #lookUp(text: string): string | undefined {
    if (this.#cache.has(text)) return this.#cache.get(text);
    const found = this.#search(encoder.encode(text));
    if (this.#cache.size < 10_000) this.#cache.set(text, found);
    return found;
  }

  /** The replacement of the shortest entry that the bytes begin with. */
  #search(bytes: Uint8Array): string | undefined {
    const units = this.#units;
    const offset = (unit: number): number => (unit >>> 10) << ((unit & 512) >>> 6);
    if (units.length === 0) return undefined;
    let position = offset(units[0]!);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      position ^= byte;
      const unit = units[position];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
      position ^= offset(unit);
      if (((unit >>> 8) & 1) === 1) return this.#textAt((units[position] ?? 0) & 0x7fffffff);
    }
    return undefined;
  }

  #textAt(start: number): string {
    const end = this.#texts.indexOf(0, start);
    return decoder.decode(this.#texts.subarray(start, end === -1 ? this.#texts.length : end));
  }
}

function replace(changes: Change[], old: string, replacement: string): void {
  const characters = Array.from(replacement);
  const difference = characters.length - Array.from(old).length;
  for (const [index, character] of characters.entries()) changes.push([character, difference > 0 && index >= characters.length - difference ? 1 : 0]);
  // What is removed is counted with the last character, be it of an earlier cluster.
  const last = changes.at(-1);
  if (difference < 0 && last !== undefined) changes[changes.length - 1] = [last[0], last[1] + difference];
}
