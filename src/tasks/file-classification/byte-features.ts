/**
 * The bytes that a model of file types looks at, as Magika takes them (its feature extraction, version 2): the beginning
 * after leading white space, filled up behind, then the end before trailing white space, filled up in front.
 */
export interface BytePlan {
  readonly beginSize: number;
  readonly endSize: number;
  readonly blockSize: number;
  readonly paddingToken: number;
}

export interface ByteFeatures {
  /** `beginSize + endSize` numbers. */
  readonly features: Int32Array<ArrayBuffer>;
  /** How many of the first `beginSize` are bytes of the file. */
  readonly beginLength: number;
}

export function byteFeatures(bytes: Uint8Array, { beginSize, endSize, blockSize, paddingToken }: BytePlan): ByteFeatures {
  const features = new Int32Array(beginSize + endSize).fill(paddingToken);
  const head = bytes.subarray(0, blockSize);
  let start = 0;
  while (start < head.length && isWhiteSpace(head[start]!)) start++;
  const begin = head.subarray(start, start + beginSize);
  features.set(begin);
  const tail = bytes.subarray(Math.max(0, bytes.length - blockSize));
  let end = tail.length;
  while (end > 0 && isWhiteSpace(tail[end - 1]!)) end--;
  const last = tail.subarray(Math.max(0, end - endSize), end);
  features.set(last, features.length - last.length);
  return { features, beginLength: begin.length };
}

/** What Python's `bytes.strip` takes away: blank, tab, line feed, vertical tab, form feed, carriage return. */
function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
