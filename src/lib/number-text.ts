/** Numbers as the shortest text that reads back as the same number of their type. */

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** 10^0 … 10^46, each the nearest double; exact up to 10^22. */
const powers = Float64Array.from({ length: 47 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The text of a float32: `0.1` for the float32 nearest to 0.1, which as a double would be 0.10000000149011612. Integers keep
 * a `.0`, so that typed readers see a float; NaN and the infinities are bare words.
 */
export function float32Text(value: number): string {
  return float64Text(value - value === 0 && (value % 1 !== 0 || value > 9007199254740992 || value < -9007199254740992) ? shortestDecimal(value) : value);
}

export function float64Text(value: number): string {
  if (value % 1 !== 0) return `${value}`;
  if (value === 0) return 1 / value < 0 ? '-0.0' : '0.0';
  return value < 1e21 && value > -1e21 ? `${value}.0` : `${value}`;
}

/** How far a scaled value (nine digits before its point) can be from the true one: two roundings of half an ulp, with room. */
const uncertainty = 1e-6;

/**
 * The double whose shortest text is the shortest text of the float32 `value`, which is finite and not 0.
 * It scales to nine digits (enough for every float32) and drops digits while the number stays closest to `value`.
 */
function shortestDecimal(value: number): number {
  const magnitude = value < 0 ? -value : value;
  float[0] = magnitude;
  const code = bits[0]!;
  if (code < 0x00800000) return subnormalDecimal(value);
  // log10(2) × binary exponent, one too small at most.
  let exponent = Math.floor(((code >>> 23) - 127) * 0.30102999566398);
  let digits = 8 - exponent;
  let scaled = scale(magnitude, digits);
  if (scaled >= 1e9) {
    exponent++;
    digits--;
    scaled = scale(magnitude, digits);
  }
  bits[0] = code - 1;
  const lower = magnitude - float[0];
  bits[0] = code + 1;
  // Above the largest float32 the next step would be as wide as the last.
  const upper = float[0] === Infinity ? lower : float[0] - magnitude;
  // Numbers between these read back as `value`.
  const least = scaled - scale(lower, digits) / 2;
  const most = scaled + scale(upper, digits) / 2;
  let best = Math.round(scaled);
  for (let unit = 10; unit <= 1e8; unit *= 10) {
    let shorter = Math.round(scaled / unit) * unit;
    // Below a power of two the next float is half as far as above: the nearest may be outside, and its neighbour inside.
    if (shorter <= least) shorter += unit;
    if (shorter > least + uncertainty && shorter < most - uncertainty) {
      best = shorter;
    } else if (shorter >= least - uncertainty && shorter <= most + uncertainty) {
      // Too close to say: the text itself decides.
      if (Math.fround(Number(`${shorter}e${-digits}`)) !== magnitude) break;
      best = shorter;
    } else {
      break;
    }
  }
  // Both operands are exact within these bounds, so the one operation gives the double nearest to the decimal.
  const decimal = digits >= 0 && digits <= 22 ? best / powers[digits]! : digits < 0 && digits >= -22 ? best * powers[-digits]! : Number(`${best}e${-digits}`);
  return value < 0 ? -decimal : decimal;
}

function scale(value: number, digits: number): number {
  return digits >= 0 ? value * powers[digits]! : value / powers[-digits]!;
}

/** Below 2^-126 floats have fewer digits; there are few of them, so they are tried one by one. */
function subnormalDecimal(value: number): number {
  for (let precision = 1; precision < 9; precision++) {
    const decimal = Number(value.toPrecision(precision));
    if (Math.fround(decimal) === value) return decimal;
  }
  return Number(value.toPrecision(9));
}
