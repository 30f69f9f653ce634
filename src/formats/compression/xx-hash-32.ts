/** The checksum of LZ4's frames, seed 0: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */

const primes = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count));
}

function round(accumulator: number, lane: number): number {
  return Math.imul(rotate((accumulator + Math.imul(lane, primes[1])) | 0, 13), primes[0]);
}

/** From 0 to 2^32 - 1. */
export function xxHash32(input: Uint8Array): number {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let at = 0;
  let hash = primes[4] | 0;
  if (input.length >= 16) {
    let [first, second, third, fourth] = [(primes[0] + primes[1]) | 0, primes[1] | 0, 0, -primes[0] | 0];
    for (; at + 16 <= input.length; at += 16) {
      first = round(first, view.getInt32(at, true));
      second = round(second, view.getInt32(at + 4, true));
      third = round(third, view.getInt32(at + 8, true));
      fourth = round(fourth, view.getInt32(at + 12, true));
    }
    hash = (rotate(first, 1) + rotate(second, 7) + rotate(third, 12) + rotate(fourth, 18)) | 0;
  }
  hash = (hash + input.length) | 0;
  for (; at + 4 <= input.length; at += 4) hash = Math.imul(rotate((hash + Math.imul(view.getInt32(at, true), primes[2])) | 0, 17), primes[3]);
  for (; at < input.length; at++) hash = Math.imul(rotate((hash + Math.imul(input[at]!, primes[4])) | 0, 11), primes[0]);
  hash = Math.imul(hash ^ (hash >>> 15), primes[1]);
  hash = Math.imul(hash ^ (hash >>> 13), primes[2]);
  return (hash ^ (hash >>> 16)) >>> 0;
}
