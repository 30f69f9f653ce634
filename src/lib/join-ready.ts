/**
 * Joins texts that are ready at the same time: what a producer yields within one turn of the event loop is one text. A
 * stream of many small parts then costs one write a turn instead of one a part, and no part waits longer than that. The
 * first part comes at once. A producer that never waits is held back after `maxLength` characters.
 */
export function joinReady(parts: AsyncIterable<string>, maxLength = 64 * 1024): AsyncIterable<string> {
  return { [Symbol.asyncIterator]: () => new ReadyTexts(parts[Symbol.asyncIterator](), maxLength) };
}

class ReadyTexts implements AsyncIterator<string> {
  readonly #source: AsyncIterator<string>;
  readonly #maxLength: number;
  #text = '';
  #state: 'open' | 'ended' | 'failed' = 'open';
  #error: unknown;
  #began = false;
  #left = false;
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;

  constructor(source: AsyncIterator<string>, maxLength: number) {
    this.#source = source;
    this.#maxLength = maxLength;
  }

  async next(): Promise<IteratorResult<string>> {
    if (!this.#began) {
      this.#began = true;
      void this.#pump();
    } else if (this.#state === 'open') {
      // Until the end of the turn, so that what is ready comes along.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#text === '' && this.#state === 'open') await new Promise<void>((resolve) => (this.#readable = resolve));
    if (this.#text !== '') {
      const value = this.#text;
      this.#text = '';
      this.#writable?.();
      return { done: false, value };
    }
    if (this.#state !== 'failed') return { done: true, value: undefined };
    this.#state = 'ended';
    throw this.#error;
  }

  async return(): Promise<IteratorResult<string>> {
    this.#left = true;
    this.#text = '';
    this.#writable?.();
    if (this.#state === 'open') {
      this.#state = 'ended';
      await this.#source.return?.();
    }
    return { done: true, value: undefined };
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const part = await this.#source.next();
        if (part.done === true || this.#left) break;
        this.#text += part.value;
        this.#readable?.();
        this.#readable = undefined;
        if (this.#text.length >= this.#maxLength) await new Promise<void>((resolve) => (this.#writable = resolve));
        if (this.#left) return;
      }
      if (this.#state === 'open') this.#state = 'ended';
    } catch (error) {
      this.#error = error;
      if (this.#state === 'open') this.#state = 'failed';
    }
    this.#readable?.();
  }
}
