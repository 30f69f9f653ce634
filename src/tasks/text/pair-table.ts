/** Numbers by pairs of numbers, in memory that threads share: what is built in one costs nothing to read in another. */

const wordsPerSlot = 3;
const empty = 0xffff_ffff;

export class PairTable {
  /** Open addressing; each slot is left, right, value. */
  #slots: Uint32Array<SharedArrayBuffer>;
  #mask: number;
  #count = 0;

  /** `slots`: of a table that grows no more, see {@link slots}. */
  constructor(slots = emptySlots(1024)) {
    this.#slots = slots;
    this.#mask = slots.length / wordsPerSlot - 1;
  }

  /** May be posted to a thread. */
  get slots(): Uint32Array<SharedArrayBuffer> {
    return this.#slots;
  }

  /** Numbers below 2^32 - 1. */
  set(left: number, right: number, value: number): void {
    let place = this.#find(left, right);
    if (this.#slots[place] === empty) {
      if (++this.#count * 2 > this.#mask) {
        this.#grow();
        place = this.#find(left, right);
      }
      this.#slots[place] = left;
      this.#slots[place + 1] = right;
    }
    this.#slots[place + 2] = value;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = emptySlots((this.#mask + 1) * 2);
    this.#mask = this.#slots.length / wordsPerSlot - 1;
    for (let place = 0; place < old.length; place += wordsPerSlot) {
      if (old[place] !== empty) this.#slots.set(old.subarray(place, place + wordsPerSlot), this.#find(old[place]!, old[place + 1]!));
    }
  }

  get(left: number, right: number): number | undefined {
    const place = this.#find(left, right);
    return this.#slots[place] === empty ? undefined : this.#slots[place + 2];
  }

  /** Where the pair is, or is to be. */
  #find(left: number, right: number): number {
    const slots = this.#slots;
    let hash = Math.imul(left, 0x9e37_79b1) ^ Math.imul(right, 0x85eb_ca6b);
    hash ^= hash >>> 15;
    for (let slot = Math.imul(hash, 0x2c1b_3c6d) >>> 0; ; slot++) {
      const place = (slot & this.#mask) * wordsPerSlot;
      if (slots[place] === empty || (slots[place] === left && slots[place + 1] === right)) return place;
    }
  }
}

/** `count`: a power of two. */
function emptySlots(count: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(count * wordsPerSlot * 4)).fill(empty);
}
