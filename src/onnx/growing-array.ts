/** Typed arrays that grow: repeated numbers of a length that is known at the end only. */

export class GrowingFloats {
  readonly elementBytes = 4;
  #array = new Float32Array(4);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#array.length) {
      const larger = new Float32Array(this.#length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length++] = value;
  }

  finish(): Float32Array {
    return this.#array.slice(0, this.#length);
  }
}

export class GrowingIntegers {
  readonly elementBytes = 8;
  #array = new BigInt64Array(4);
  #length = 0;

  push(value: bigint): void {
    if (this.#length === this.#array.length) {
      const larger = new BigInt64Array(this.#length * 2);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length++] = value;
  }

  finish(): BigInt64Array {
    return this.#array.slice(0, this.#length);
  }
}
