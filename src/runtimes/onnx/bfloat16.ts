/** bfloat16 is the upper half of a float32. The native module exchanges no bfloat16, so such tensors travel as float32. */

export function floatFromBfloat16(data: Uint16Array): Float32Array {
  const bits = new Uint32Array(data.length);
  for (let index = 0; index < data.length; index++) bits[index] = data[index]! << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds to nearest, ties to even; what the model computed in bfloat16 is exact. */
export function bfloat16FromFloat(data: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const result = new Uint16Array(data.length);
  for (let index = 0; index < data.length; index++) {
    const value = bits[index]!;
    const isNaN = (value & 0x7fffffff) > 0x7f800000;
    result[index] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return result;
}
