/** IEEE 754 half precision and bfloat16, whose elements are kept as their 16 bits: Node 20 has no array of them. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** 2^0 … 2^26: `**` costs ten times a look-up. */
const powers = Float64Array.from({ length: 27 }, (_, exponent) => 2 ** exponent);

/** The binary16 nearest to `value`, ties to even; beyond ±65504 (by half a step or more) ±Infinity. */
export function toHalf(value: number): number {
  // Adding and taking away a power of two makes the hardware round at the wanted bit, straight from the double:
  // going through a float32 first would round twice.
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude !== magnitude) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 6.103515625e-5) return sign | roundToEven(magnitude * 16777216);
  float[0] = magnitude;
  let exponent = (bits[0]! >>> 23) - 127;
  // A float32 that was rounded up to the next power of two would take the wrong step; the double decides.
  if (magnitude < (exponent < 0 ? 1 / powers[-exponent]! : powers[exponent]!)) exponent--;
  const steps = roundToEven(exponent <= 10 ? magnitude * powers[10 - exponent]! : magnitude / powers[exponent - 10]!);
  return sign | (((exponent + 15) << 10) + (steps - 1024));
}

export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** The bfloat16 nearest to `value`, ties to even; too large magnitudes become ±Infinity. */
export function toBfloat16(value: number): number {
  if (value !== value) return 0x7fc0;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return sign | 0x7f80;
  float[0] = magnitude;
  let upper = bits[0]!;
  // Rounding to float32 first may land exactly on a tie that the double was not on: then the double decides.
  if ((upper & 0xffff) === 0x8000 && float[0] !== magnitude) upper += magnitude > float[0] ? 1 : -1;
  const rounded = (upper + 0x7fff + ((upper >>> 16) & 1)) >>> 16;
  return sign | rounded;
}

export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0]!;
}

/** Nearest integer of a non-negative number below 2^52, ties to even. */
function roundToEven(value: number): number {
  return value + 4503599627370496 - 4503599627370496;
}
