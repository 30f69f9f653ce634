/**
 * bzip2 streams, one or several behind each other. No document of its authors describes the format; https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf does.
 * Read here because no kept library for Node reads them with a limit of what comes out.
 */
import { damaged, GrowingBytes } from './inflating.ts';

const blockMagic = [0x314159, 0x265359] as const;
const endMagic = [0x177245, 0x385090] as const;
const longestCode = 20;
/** Symbols between two choices of a table. */
const groupSize = 50;

/** The content of all streams. Throws `INVALID_MODEL` where they are damaged, or hold more than `mostBytes`. */
export function inflateBzip2(input: Uint8Array, mostBytes: number): Uint8Array {
  const output = new GrowingBytes(mostBytes, Math.min(4 * input.length, 1 << 26));
  const bits = new BitReader(input);
  do readStream(bits, output);
  while (bits.moreBytes());
  return output.written();
}

/** The highest bit of a byte comes first. */
class BitReader {
  readonly #input: Uint8Array;
  #at = 0;
  #held = 0;
  #heldCount = 0;

  constructor(input: Uint8Array) {
    this.#input = input;
  }

  /** At most 24. */
  read(count: number): number {
    while (this.#heldCount < count) {
      if (this.#at >= this.#input.length) throw damaged(`it ends after ${this.#input.length} bytes, within a stream`);
      this.#held = ((this.#held << 8) | this.#input[this.#at++]!) >>> 0;
      this.#heldCount += 8;
    }
    this.#heldCount -= count;
    const value = this.#held >>> this.#heldCount;
    this.#held = (this.#held & ((1 << this.#heldCount) - 1)) >>> 0;
    return value;
  }

  uint32(): number {
    return this.read(16) * 65_536 + this.read(16);
  }

  /** Streams begin at whole bytes. */
  moreBytes(): boolean {
    this.#heldCount = 0;
    this.#held = 0;
    return this.#at < this.#input.length;
  }
}

function readStream(bits: BitReader, output: GrowingBytes): void {
  if (bits.read(8) !== 0x42 || bits.read(8) !== 0x5a || bits.read(8) !== 0x68) throw damaged('a stream does not begin as streams do');
  const level = bits.read(8) - 0x30;
  if (level < 1 || level > 9) throw damaged('the block size of a stream is not known');
  let combined = 0;
  for (;;) {
    const magic = [bits.read(24), bits.read(24)] as const;
    const checksum = bits.uint32();
    if (magic[0] === endMagic[0] && magic[1] === endMagic[1]) {
      if (checksum !== combined) throw damaged('the checksum of a stream differs');
      return;
    }
    if (magic[0] !== blockMagic[0] || magic[1] !== blockMagic[1]) throw damaged('a block does not begin as blocks do');
    const start = output.length;
    const { column, origin } = readBlock(bits, level * 100_000);
    writeBlock(column, origin, output);
    if (crc32(output.bytes, start, output.length) !== checksum) throw damaged('the checksum of a block differs');
    combined = (((combined << 1) | (combined >>> 31)) ^ checksum) >>> 0;
  }
}

/** The last column of the sorted rotations (Burrows and Wheeler's transform), and the row that is the text. */
function readBlock(bits: BitReader, mostSymbols: number): { readonly column: Uint8Array; readonly origin: number } {
  if (bits.read(1) === 1) throw damaged('a block is randomized, which only bzip2 before 0.9.5 did');
  const origin = bits.read(24);
  const order = readAlphabet(bits);
  const tableCount = bits.read(3);
  if (tableCount < 2 || tableCount > 6) throw damaged('the number of code tables is not possible');
  const selectors = readSelectors(bits, tableCount);
  // Two symbols for runs, one for each byte but the first, and the end.
  const symbolCount = order.length + 2;
  const tables = Array.from({ length: tableCount }, () => readCodeTable(bits, symbolCount));

  const column = new Uint8Array(mostSymbols);
  let length = 0;
  let run = 0;
  let runBit = 1;
  for (let count = 0; ; count++) {
    const table = tables[selectors[Math.floor(count / groupSize)] ?? -1];
    if (table === undefined) throw damaged('a block is longer than its list of code tables');
    const symbol = table.read(bits);
    if (symbol < 2) {
      // A number in base 2 whose digits are 1 and 2.
      run += runBit << symbol;
      runBit *= 2;
      if (run > mostSymbols) throw damaged('a run is longer than its block');
      continue;
    }
    if (run > 0) {
      if (length + run > mostSymbols) throw damaged('a block is longer than its stream allows');
      column.fill(order[0]!, length, length + run);
      length += run;
      run = 0;
      runBit = 1;
    }
    if (symbol === symbolCount - 1) break;
    if (length === mostSymbols) throw damaged('a block is longer than its stream allows');
    const place = symbol - 1;
    const byte = order[place]!;
    order.copyWithin(1, 0, place);
    order[0] = byte;
    column[length++] = byte;
  }
  if (origin >= length) throw damaged('a block begins outside of itself');
  return { column: column.subarray(0, length), origin };
}

/** The bytes that occur, in ascending order. */
function readAlphabet(bits: BitReader): Uint8Array {
  const present: number[] = [];
  const groups = bits.read(16);
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >> group)) === 0) continue;
    const members = bits.read(16);
    for (let member = 0; member < 16; member++) if ((members & (0x8000 >> member)) !== 0) present.push(16 * group + member);
  }
  if (present.length === 0) throw damaged('a block uses no bytes');
  return Uint8Array.from(present);
}

/** Which table holds for each group of symbols. */
function readSelectors(bits: BitReader, tableCount: number): Uint8Array {
  const selectors = new Uint8Array(bits.read(15));
  const order = Uint8Array.from({ length: tableCount }, (_, index) => index);
  for (let index = 0; index < selectors.length; index++) {
    let place = 0;
    while (bits.read(1) === 1) if (++place >= tableCount) throw damaged('a code table is not there');
    const table = order[place]!;
    order.copyWithin(1, 0, place);
    order[0] = table;
    selectors[index] = table;
  }
  return selectors;
}

/** A canonical prefix code. */
interface CodeTable {
  read(bits: BitReader): number;
}

function readCodeTable(bits: BitReader, symbolCount: number): CodeTable {
  const lengths = new Uint8Array(symbolCount);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > longestCode) throw damaged('a code has a length that is not possible');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  // Symbols by length; of each length the first code, and where its symbols begin.
  const symbols = new Uint16Array(symbolCount);
  const firstCode = new Uint32Array(longestCode + 2);
  const firstPlace = new Uint16Array(longestCode + 2);
  let place = 0;
  let code = 0;
  const shortest = Math.min(...lengths);
  for (let size = 1; size <= longestCode; size++) {
    firstCode[size] = code;
    firstPlace[size] = place;
    for (let symbol = 0; symbol < symbolCount; symbol++) if (lengths[symbol] === size) symbols[place++] = symbol;
    code = (code + place - firstPlace[size]!) * 2;
  }
  firstPlace[longestCode + 1] = place;
  return {
    read(reader) {
      let found = reader.read(shortest);
      for (let size = shortest; size <= longestCode; size++) {
        const index = found - firstCode[size]!;
        if (index >= 0 && index < firstPlace[size + 1]! - firstPlace[size]!) return symbols[firstPlace[size]! + index]!;
        found = found * 2 + reader.read(1);
      }
      throw damaged('a code is in no table');
    },
  };
}

/** Undoes the transform, and the runs of four and more bytes. */
function writeBlock(column: Uint8Array, origin: number, output: GrowingBytes): void {
  const { length } = column;
  const starts = new Uint32Array(257);
  for (const byte of column) starts[byte + 1]!++;
  for (let byte = 0; byte < 256; byte++) starts[byte + 1]! += starts[byte]!;
  // A row's byte in the lowest 8 bits, and above them the row that its text goes on in.
  const rows = Uint32Array.from(column);
  for (let row = 0; row < length; row++) rows[starts[column[row]!]!++]! |= row << 8;
  let place = rows[origin]! >>> 8;
  let last = -1;
  let equal = 0;
  for (let count = 0; count < length; count++) {
    const row = rows[place]!;
    const byte = row & 0xff;
    place = row >>> 8;
    if (equal === 4) {
      // Behind four equal bytes stands how many more there are.
      output.reserve(byte);
      output.bytes.fill(last, output.length, output.length + byte);
      output.length += byte;
      equal = 0;
      last = -1;
      continue;
    }
    equal = byte === last ? equal + 1 : 1;
    last = byte;
    if (output.length === output.bytes.length) output.reserve(1);
    output.bytes[output.length++] = byte;
  }
}

function crc32(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffffffff;
  for (let at = start; at < end; at++) crc = (crc << 8) ^ crcTable[((crc >>> 24) ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

const crcTable = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});
