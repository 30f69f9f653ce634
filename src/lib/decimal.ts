/**
 * Decimal numbers in bytes, by the grammar of JSON, to the nearest number of a binary type: exact, and without a string
 * or an object for each. Clinger's fast path ("How to read floating point numbers accurately", 1990) where the digits fit
 * a double; else an approximation whose error is known, and `Number(text)` where that error could change the answer.
 */

/** 10^0 … 10^308, each the nearest double; exact up to 10^22. */
const powers = Float64Array.from({ length: 309 }, (_, exponent) => Number(`1e${exponent}`));

/** 10^e for e from -SPAN to SPAN as an unevaluated sum of two doubles. */
const SPAN = 60;
const [powerHigh, powerLow] = doubleDoublePowers();

const SPLITTER = 134217729;

/**
 * Reads one number after another. Its fields describe the number that was scanned last: state, not a result object,
 * because there are 150,000 numbers in an image.
 */
export class DecimalScanner {
  /** The first nine significant digits. */
  #high = 0;
  /** The next nine at most, and how many they are. */
  #low = 0;
  #lowDigits = 0;
  /** The number is `digits × 10^exponent`. */
  #exponent = 0;
  #digits = 0;
  /** Digits beyond the eighteenth that are not in `high` and `low`. */
  #dropped = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  negative = false;
  /** Neither fraction nor exponent. */
  plain = false;

  /** Scans the number at `start`. Returns the position after it, or -1 - position of the byte that does not belong. */
  scan(bytes: Uint8Array, start: number): number {
    let position = start;
    let byte = bytes[position]!;
    let negative = false;
    if (byte === 45) {
      negative = true;
      byte = bytes[++position]!;
    }
    let high = 0;
    let low = 0;
    let digits = 0;
    let exponent = 0;
    let dropped = false;
    let plain = true;
    if (byte === 48) {
      byte = bytes[++position]!;
      if (byte >= 48 && byte <= 57) return -1 - position;
    } else if (byte >= 49 && byte <= 57) {
      do {
        if (digits < 9) high = high * 10 + (byte - 48);
        else if (digits < 18) low = low * 10 + (byte - 48);
        else {
          dropped = true;
          exponent++;
        }
        digits++;
        byte = bytes[++position]!;
      } while (byte >= 48 && byte <= 57);
    } else {
      return -1 - position;
    }
    if (byte === 46) {
      plain = false;
      byte = bytes[++position]!;
      if (!(byte >= 48 && byte <= 57)) return -1 - position;
      if (digits === 0) {
        const zerosFrom = position;
        while (byte === 48) byte = bytes[++position]!;
        exponent -= position - zerosFrom;
      }
      const from = position;
      while (digits < 9 && byte >= 48 && byte <= 57) {
        high = high * 10 + (byte - 48);
        digits++;
        byte = bytes[++position]!;
      }
      while (digits < 18 && byte >= 48 && byte <= 57) {
        low = low * 10 + (byte - 48);
        digits++;
        byte = bytes[++position]!;
      }
      exponent -= position - from;
      while (byte >= 48 && byte <= 57) {
        dropped = true;
        digits++;
        byte = bytes[++position]!;
      }
    }
    if (byte === 101 || byte === 69) {
      plain = false;
      byte = bytes[++position]!;
      let downward = false;
      if (byte === 43 || byte === 45) {
        downward = byte === 45;
        byte = bytes[++position]!;
      }
      if (!(byte >= 48 && byte <= 57)) return -1 - position;
      let given = 0;
      do {
        if (given < 1_000_000) given = given * 10 + (byte - 48);
        byte = bytes[++position]!;
      } while (byte >= 48 && byte <= 57);
      exponent += downward ? -given : given;
    }
    this.#high = high;
    this.#low = low;
    this.#digits = digits;
    this.#lowDigits = digits <= 9 ? 0 : digits >= 18 ? 9 : digits - 9;
    this.#exponent = exponent;
    this.#dropped = dropped;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = position;
    this.negative = negative;
    this.plain = plain;
    return position;
  }

  /** The double nearest to the number; ±Infinity where it is too large. */
  toDouble(): number {
    const exponent = this.#exponent;
    let value: number;
    if (this.#digits <= 15 && exponent >= -22 && exponent <= 22) {
      // Digits and power are exact, so the one operation rounds once.
      const digits = this.#lowDigits === 0 ? this.#high : this.#high * powers[this.#lowDigits]! + this.#low;
      value = exponent < 0 ? digits / powers[-exponent]! : digits * powers[exponent]!;
    } else if (this.#high === 0) {
      value = 0;
    } else if (this.#dropped || exponent < -SPAN || exponent > SPAN) {
      return Number(this.text());
    } else {
      value = this.#fromDoubleDouble();
      if (value !== value) return Number(this.text());
    }
    return this.negative ? -value : value;
  }

  /** `Math.fround(toDouble())`: the float32 that every reader gets that goes through a double. */
  toFloat32(): number {
    const exponent = this.#exponent;
    const lowDigits = this.#lowDigits;
    if (this.#digits <= 15 ? exponent >= -22 && exponent <= 22 : exponent >= -280 && exponent <= 280 && this.#high !== 0) {
      const digits = lowDigits === 0 ? this.#high : this.#high * powers[lowDigits]! + this.#low;
      const value = exponent < 0 ? digits / powers[-exponent]! : digits * powers[exponent]!;
      // Five roundings of at most 2^-53 and the digits that were dropped: the true value is within 2^-49 of this one.
      const rounded = Math.fround(value);
      if (this.#digits <= 15 || Math.fround(value * (1 - 1.8e-15)) === Math.fround(value * (1 + 1.8e-15))) return this.negative ? -rounded : rounded;
    }
    return Math.fround(this.toDouble());
  }

  /** The number where it is an integer of magnitude at most 2^53, else NaN. */
  toSafeInteger(): number {
    if (this.#exponent === 0 && this.#digits <= 15) {
      const value = this.#lowDigits === 0 ? this.#high : this.#high * powers[this.#lowDigits]! + this.#low;
      return this.negative ? 0 - value : value;
    }
    if (this.plain) {
      const exact = Number(this.text());
      return Number.isSafeInteger(exact) ? exact : NaN;
    }
    return this.#hasFraction() ? NaN : this.toDouble() + 0;
  }

  /** The number as it was written. */
  text(): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.#start, this.#end - this.#start).toString('latin1');
  }

  /** Whether a number with fraction or exponent is no integer, or too large to be sure. */
  #hasFraction(): boolean {
    if (!Number.isSafeInteger(this.toDouble())) return true;
    if (this.#digits <= 15) return false;
    // Digits that a double can't tell from an integer (1.00000000000000000001) still are a fraction: the text decides.
    const [, whole, fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(this.text())!;
    const digits = whole! + fraction;
    const trailingZeros = digits.length - digits.replace(/0+$/, '').length;
    return Number(exponent) - fraction.length + trailingZeros < 0;
  }

  /** digits × 10^exponent in double-double arithmetic (T. J. Dekker, 1971); NaN where its error could change the rounding. */
  #fromDoubleDouble(): number {
    const exponent = this.#exponent;
    // digits = sum + rest, exactly: both factors have at most nine digits.
    const product = this.#high * powers[this.#lowDigits]!;
    const productError = multiplyError(this.#high, powers[this.#lowDigits]!, product);
    const sum = product + this.#low;
    const rest = this.#low - (sum - product) + productError;
    const powerHi = powerHigh[exponent + SPAN]!;
    const high = sum * powerHi;
    const low = multiplyError(sum, powerHi, high) + (sum * powerLow[exponent + SPAN]! + rest * powerHi);
    const margin = high * 1e-29;
    const down = high + (low - margin);
    return down === high + (low + margin) ? down : NaN;
  }
}

/** The rounding error of `a * b`, exactly, by Veltkamp's splitting. Magnitudes stay far from overflow. */
function multiplyError(a: number, b: number, product: number): number {
  const aScaled = a * SPLITTER;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = b * SPLITTER;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

function doubleDoublePowers(): [Float64Array, Float64Array] {
  const high = new Float64Array(2 * SPAN + 1);
  const low = new Float64Array(2 * SPAN + 1);
  for (let exponent = -SPAN; exponent <= SPAN; exponent++) {
    const nearest = Number(`1e${exponent}`);
    high[exponent + SPAN] = nearest;
    // (10^e - nearest), as a fraction with denominator 2^scale, or 2^scale × 10^-e.
    const scale = 320n;
    const shifted = doubleAsInteger(nearest, scale);
    if (exponent >= 0) {
      low[exponent + SPAN] = Number((10n ** BigInt(exponent) << scale) - shifted) / 2 ** 320;
    } else {
      const denominator = 10n ** BigInt(-exponent);
      low[exponent + SPAN] = Number(((1n << scale) - shifted * denominator) / denominator) / 2 ** 320;
    }
  }
  return [high, low];
}

/** value × 2^scale, exactly. */
function doubleAsInteger(value: number, scale: bigint): bigint {
  const exponent = Math.floor(Math.log2(value)) - 60;
  return BigInt(value / 2 ** exponent) << (scale + BigInt(exponent));
}
