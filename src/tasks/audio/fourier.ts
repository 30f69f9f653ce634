/** The power spectrum of real samples, of any length. */

/** A transform of one length, with its tables: `power(samples)` gives `length / 2 + 1` squared magnitudes. */
export class PowerSpectrum {
  readonly length: number;
  readonly #size: number;
  readonly #cosines: Float64Array;
  readonly #sines: Float64Array;
  readonly #chirp: { readonly real: Float64Array; readonly imaginary: Float64Array; readonly filterReal: Float64Array; readonly filterImaginary: Float64Array } | undefined;

  constructor(length: number) {
    this.length = length;
    const direct = (length & (length - 1)) === 0;
    let size = 1;
    while (size < (direct ? length : 2 * length - 1)) size *= 2;
    this.#size = size;
    this.#cosines = Float64Array.from({ length: size / 2 }, (_, index) => Math.cos((2 * Math.PI * index) / size));
    this.#sines = Float64Array.from({ length: size / 2 }, (_, index) => Math.sin((2 * Math.PI * index) / size));
    this.#chirp = direct ? undefined : this.#makeChirp();
  }

  power(samples: Float64Array): Float64Array {
    const { length } = this;
    const real = new Float64Array(this.#size);
    const imaginary = new Float64Array(this.#size);
    const chirp = this.#chirp;
    if (chirp === undefined) {
      real.set(samples);
      this.#transform(real, imaginary);
    } else {
      for (let index = 0; index < length; index++) {
        real[index] = samples[index]! * chirp.real[index]!;
        imaginary[index] = samples[index]! * chirp.imaginary[index]!;
      }
      this.#transform(real, imaginary);
      for (let index = 0; index < this.#size; index++) {
        const [a, b, c, d] = [real[index]!, imaginary[index]!, chirp.filterReal[index]!, chirp.filterImaginary[index]!];
        real[index] = a * c - b * d;
        // Conjugated, so that the forward transform is the inverse one.
        imaginary[index] = -(a * d + b * c);
      }
      this.#transform(real, imaginary);
    }
    const scale = chirp === undefined ? 1 : 1 / (this.#size * this.#size);
    return Float64Array.from({ length: Math.floor(length / 2) + 1 }, (_, index) => (real[index]! ** 2 + imaginary[index]! ** 2) * scale);
  }

  /** Bluestein's algorithm: a transform of any length as a convolution, which one of a power of two does. */
  #makeChirp(): { real: Float64Array; imaginary: Float64Array; filterReal: Float64Array; filterImaginary: Float64Array } {
    const { length } = this;
    const angle = (index: number): number => (Math.PI * ((index * index) % (2 * length))) / length;
    const filterReal = new Float64Array(this.#size);
    const filterImaginary = new Float64Array(this.#size);
    for (let index = 0; index < length; index++) {
      for (const place of index === 0 ? [0] : [index, this.#size - index]) {
        filterReal[place] = Math.cos(angle(index));
        filterImaginary[place] = Math.sin(angle(index));
      }
    }
    this.#transform(filterReal, filterImaginary);
    return { real: Float64Array.from({ length }, (_, index) => Math.cos(angle(index))), imaginary: Float64Array.from({ length }, (_, index) => -Math.sin(angle(index))), filterReal, filterImaginary };
  }

  /** In place, forward, radix 2 (Cooley and Tukey). */
  #transform(real: Float64Array, imaginary: Float64Array): void {
    const size = real.length;
    for (let index = 1, reversed = 0; index < size; index++) {
      let bit = size >> 1;
      for (; (reversed & bit) !== 0; bit >>= 1) reversed ^= bit;
      reversed |= bit;
      if (index >= reversed) continue;
      [real[index], real[reversed]] = [real[reversed]!, real[index]!];
      [imaginary[index], imaginary[reversed]] = [imaginary[reversed]!, imaginary[index]!];
    }
    for (let half = 1; half < size; half *= 2) {
      const step = this.#size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let offset = 0; offset < half; offset++) {
          const cosine = this.#cosines[offset * step]!;
          const sine = this.#sines[offset * step]!;
          const [a, b] = [start + offset, start + offset + half];
          const r = real[b]! * cosine + imaginary[b]! * sine;
          const i = imaginary[b]! * cosine - real[b]! * sine;
          real[b] = real[a]! - r;
          imaginary[b] = imaginary[a]! - i;
          real[a] = real[a]! + r;
          imaginary[a] = imaginary[a]! + i;
        }
      }
    }
  }
}
