/** Tokens one by one → the text that can be told already, without half characters and without what may be the beginning of a stop text. */
import type { Tokenizer } from '../text/tokenizer.ts';

export class TextAssembly {
  readonly #tokenizer: Tokenizer;
  readonly #stops: readonly string[];
  readonly #ids: number[] = [];
  /** From `#start` on tokens are decoded together; those before `#told` are told. */
  #start = 0;
  #told = 0;
  /** Decoded, but it may begin a stop text. */
  #held = '';

  constructor(tokenizer: Tokenizer, stops: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stops = stops;
  }

  /** The text that this token completes, and whether a stop text was met: it and what follows is left out. */
  add(id: number): { readonly text: string; readonly stopped: boolean } {
    this.#ids.push(id);
    const before = this.#tokenizer.decode(this.#ids.slice(this.#start, this.#told));
    const after = this.#tokenizer.decode(this.#ids.slice(this.#start));
    if (after.length <= before.length || after.endsWith('\ufffd')) return { text: '', stopped: false };
    this.#start = this.#told;
    this.#told = this.#ids.length;
    return this.#release(after.slice(before.length));
  }

  /** What was held back, at the end. */
  finish(): string {
    const before = this.#tokenizer.decode(this.#ids.slice(this.#start, this.#told));
    const rest = this.#tokenizer.decode(this.#ids.slice(this.#start)).slice(before.length);
    const { text } = this.#release(rest);
    return text + this.#held;
  }

  #release(text: string): { readonly text: string; readonly stopped: boolean } {
    const whole = this.#held + text;
    let stop = -1;
    for (const each of this.#stops) {
      const place = whole.indexOf(each);
      if (place !== -1 && (stop === -1 || place < stop)) stop = place;
    }
    if (stop !== -1) {
      this.#held = '';
      return { text: whole.slice(0, stop), stopped: true };
    }
    let held = 0;
    for (const each of this.#stops) {
      for (let length = Math.min(each.length - 1, whole.length); length > held; length--) if (whole.endsWith(each.slice(0, length))) held = length;
    }
    this.#held = held === 0 ? '' : whole.slice(whole.length - held);
    return { text: held === 0 ? whole : whole.slice(0, whole.length - held), stopped: false };
  }
}
