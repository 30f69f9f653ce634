/**
 * A text that a tokenizer changed, and where each part of it came from. Positions count UTF-16 units, of which a character has
 * one or two; positions never fall between the two.
 *
 * The rules of alignment are those of the Rust library `tokenizers` (NormalizedString), so that offsets are equal: a
 * character that replaces one comes from where that one came from; one that is inserted comes from where the last one before it
 * came from.
 */

/** A character of the new text, and how the old text is consumed: 0 replaces one character, 1 is inserted, -n replaces one and removes the n after it. */
export type Change = readonly [character: string, change: number];

export class AlignedText {
  readonly text: string;
  /** Where this text begins in the original one. */
  readonly base: number;
  /** Of each unit, where the character that it came from begins and ends; undefined: the text is the original from `base` on. */
  readonly #starts: Int32Array | undefined;
  readonly #ends: Int32Array | undefined;

  constructor(text: string, base = 0, starts?: Int32Array, ends?: Int32Array) {
    this.text = text;
    this.base = base;
    this.#starts = starts;
    this.#ends = ends;
  }

  /** Where the unit at `index` came from. */
  originalStart(index: number): number {
    return this.#starts === undefined ? this.base + index : this.#starts[index]!;
  }

  /** Where the unit before `index` ended. */
  originalEnd(index: number): number {
    if (index === 0) return this.base;
    return this.#ends === undefined ? this.base + index : this.#ends[index - 1]!;
  }

  slice(from: number, to: number): AlignedText {
    if (from === 0 && to === this.text.length && (this.#starts === undefined || to === 0 || this.#starts[0] === this.base)) return this;
    const text = this.text.slice(from, to);
    if (this.#starts === undefined) return new AlignedText(text, this.base + from);
    const base = from < this.text.length ? this.#starts[from]! : this.originalEnd(from);
    return new AlignedText(text, base, this.#starts.subarray(from, to), this.#ends!.subarray(from, to));
  }

  /** Another text of which each unit stands for the same unit. */
  withText(text: string): AlignedText {
    return text === this.text ? this : new AlignedText(text, this.base, this.#starts, this.#ends);
  }

  /** Without the characters that `drop` says. */
  filter(drop: (character: string) => boolean): AlignedText {
    let text = '';
    const units: number[] = [];
    let index = 0;
    for (const character of this.text) {
      if (!drop(character)) {
        text += character;
        for (let unit = 0; unit < character.length; unit++) units.push(index + unit);
      }
      index += character.length;
    }
    if (text.length === this.text.length) return this;
    return new AlignedText(text, this.base, Int32Array.from(units, (unit) => this.originalStart(unit)), Int32Array.from(units, (unit) => this.originalEnd(unit + 1)));
  }

  /** `skipped`: characters at the beginning that are removed. */
  transform(changes: readonly Change[], skipped = 0): AlignedText {
    const parts: string[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    let offset = 0;
    for (let count = 0; count < skipped; count++) offset += this.#lengthAt(offset);
    for (const [character, change] of changes) {
      let start = this.base;
      let end = this.base;
      if (change > 0) {
        if (offset > 0) {
          start = this.#characterStart(offset - 1);
          end = this.originalEnd(offset);
        }
      } else {
        const length = this.#lengthAt(offset);
        start = this.originalStart(offset);
        end = this.originalEnd(offset + length);
        offset += length;
        for (let count = 0; count < -change; count++) offset += this.#lengthAt(offset);
      }
      parts.push(character);
      for (let unit = 0; unit < character.length; unit++) {
        starts.push(start);
        ends.push(end);
      }
    }
    return new AlignedText(parts.join(''), this.base, Int32Array.from(starts), Int32Array.from(ends));
  }

  /** Each character as what `map` makes of it: itself, or characters of which the first replaces it and the others are inserted. */
  mapCharacters(map: (character: string) => string): AlignedText {
    const changes: Change[] = [];
    let same = true;
    for (const character of this.text) {
      const mapped = map(character);
      if (mapped !== character) same = false;
      let change = 0;
      for (const part of mapped) {
        changes.push([part, change]);
        change = 1;
      }
    }
    return same ? this : this.transform(changes);
  }

  prepend(prefix: string): AlignedText {
    if (this.text === '') return this;
    const length = this.#lengthAt(0);
    const starts = new Int32Array(prefix.length + this.text.length);
    const ends = new Int32Array(starts.length);
    starts.fill(this.originalStart(0), 0, prefix.length);
    ends.fill(this.originalEnd(length), 0, prefix.length);
    for (let index = 0; index < this.text.length; index++) {
      starts[prefix.length + index] = this.originalStart(index);
      ends[prefix.length + index] = this.originalEnd(index + 1);
    }
    return new AlignedText(prefix + this.text, this.base, starts, ends);
  }

  /** What matches is replaced; each character of the replacement comes from the last character of the match. */
  replace(pattern: RegExp, replacement: string): AlignedText {
    const parts: string[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    const keep = (from: number, to: number): void => {
      parts.push(this.text.slice(from, to));
      for (let index = from; index < to; index++) {
        starts.push(this.originalStart(index));
        ends.push(this.originalEnd(index + 1));
      }
    };
    let last = 0;
    let found = false;
    for (const match of this.text.matchAll(pattern)) {
      if (match[0] === '') continue;
      found = true;
      const from = match.index;
      const to = from + match[0].length;
      keep(last, from);
      parts.push(replacement);
      const start = this.#characterStart(to - 1);
      const end = this.originalEnd(to);
      for (let unit = 0; unit < replacement.length; unit++) {
        starts.push(start);
        ends.push(end);
      }
      last = to;
    }
    if (!found) return this;
    keep(last, this.text.length);
    return new AlignedText(parts.join(''), this.base, Int32Array.from(starts), Int32Array.from(ends));
  }

  #lengthAt(offset: number): number {
    const code = this.text.codePointAt(offset);
    return code === undefined ? 0 : code > 0xffff ? 2 : 1;
  }

  /** Where the character that the unit at `index` belongs to came from. */
  #characterStart(index: number): number {
    const unit = this.text.charCodeAt(index);
    return this.originalStart(unit >= 0xdc00 && unit <= 0xdfff && index > 0 ? index - 1 : index);
  }
}
