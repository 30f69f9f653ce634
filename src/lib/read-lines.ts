/** Text as it comes in → lines, none longer than a limit. */

export interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** The line is longer than the limit and `bytes` is its beginning. */
  readonly tooLong: boolean;
  /** With its end. */
  readonly sizeBytes: number;
  /** False for a last line without an end. */
  readonly ended: boolean;
}

/** Lines without their ends (`\n` or `\r\n`), numbered from 1. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  let sizeBytes = 0;
  let tooLong = false;
  const add = (part: Uint8Array): void => {
    sizeBytes += part.length;
    if (part.length === 0 || tooLong) return;
    const room = maxBytes - length;
    parts.push(part.length > room ? part.subarray(0, room) : part);
    length += Math.min(part.length, room);
    tooLong = part.length > room;
  };
  const take = (ended: boolean): Line => {
    const joined = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const line = { number: number++, bytes: joined.at(-1) === 13 ? joined.subarray(0, -1) : joined, tooLong, sizeBytes: sizeBytes + (ended ? 1 : 0), ended };
    [parts, length, sizeBytes, tooLong] = [[], 0, 0, false];
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end));
      yield take(true);
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take(false);
}
