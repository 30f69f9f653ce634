/**
 * Tensor elements in JSON, straight from bytes into the array of their datatype. A number that the datatype does not hold
 * (300 for UINT8, 1.5 for INT32, 1e39 for FP32) is an error that names the element; none is wrapped or cut.
 */
import type { DecimalScanner } from '../../lib/decimal.ts';
import { toBfloat16, toHalf } from '../../lib/half-float.ts';
import { allocate, elementCount, type Datatype, type TensorData } from '../../tensor.ts';
import type { JsonReader } from './json-reader.ts';

/** Reads the array that is next: nested as `shape` says, or flat in row-major order. */
export function readTensorData(reader: JsonReader, datatype: Datatype, shape: readonly number[]): TensorData {
  if (reader.peek() !== 91) reader.expected('an array');
  const start = reader.position;
  const count = elementCount(shape);
  // An element takes a byte at least: a shape that the document can't fill is refused before memory is taken for it.
  if (count > reader.bytes.length - start) return shapeMismatch(reader, start, shape);
  const data = allocate(datatype, count);
  reader.position++;
  const nested = reader.peek() === 91;
  if (!nested) {
    if (!readers[datatype](reader, data, 0, count)) return shapeMismatch(reader, start, shape);
    return data;
  }
  if (shape.length < 2) return shapeMismatch(reader, start, shape);
  readLevel(reader, start, datatype, shape, 0, data, 0);
  return data;
}

/** Reads what follows `[` of one level of nested arrays, to its `]`. Returns the number of elements that were read. */
function readLevel(reader: JsonReader, start: number, datatype: Datatype, shape: readonly number[], level: number, data: TensorData, offset: number): number {
  const size = shape[level]!;
  if (level === shape.length - 1) {
    if (!readers[datatype](reader, data, offset, size)) rowMismatch(reader, start, shape, level);
    return size;
  }
  let read = 0;
  for (let index = 0; index < size; index++) {
    if (index > 0) {
      if (reader.peek() !== 44) return rowMismatch(reader, start, shape, level);
      reader.position++;
    }
    if (reader.peek() !== 91) return index === 0 && reader.peek() === 93 ? rowMismatch(reader, start, shape, level) : reader.expected(`an array of ${shape[level + 1]} (the shape is [${shape.join(', ')}])`);
    const inner = reader.position++;
    read += readLevel(reader, inner, datatype, shape, level + 1, data, offset + read);
  }
  if (!reader.closes(93)) rowMismatch(reader, start, shape, level);
  return read;
}

/** Complains of the whole `data`, which starts at `start`; first its syntax is checked to the end. */
function shapeMismatch(reader: JsonReader, start: number, shape: readonly number[]): never {
  reader.position = start;
  const { count, depth } = measure(reader, 1);
  const has = depth > 1 && depth !== shape.length ? `is nested ${depth} deep and has ${count} elements` : `has ${count} elements`;
  return reader.reject(`Shape does not match true shape of 'data' field: it ${has}, but shape [${shape.join(', ')}] is ${shape.length} deep and has ${elementCount(shape)}`, start);
}

/** Complains of one array inside `data`. */
function rowMismatch(reader: JsonReader, start: number, shape: readonly number[], level: number): never {
  reader.position = start + 1;
  let count = 0;
  if (!reader.closes(93)) {
    do {
      reader.skip(level + 2);
      count++;
    } while (reader.next(93));
  }
  return reader.reject(`Shape does not match true shape of 'data' field: there are ${count} here, but shape [${shape.join(', ')}] has ${shape[level]} along axis ${level}`, start);
}

function measure(reader: JsonReader, depth: number): { count: number; depth: number } {
  let count = 0;
  let deepest = depth;
  reader.position++;
  if (reader.closes(93)) return { count, depth };
  do {
    if (reader.peek() === 91 && depth < 100) {
      const inner = measure(reader, depth + 1);
      count += inner.count;
      deepest = Math.max(deepest, inner.depth);
    } else {
      reader.skip(depth + 1);
      count++;
    }
  } while (reader.next(93));
  return { count, depth: deepest };
}

/**
 * Reads `count` elements and `]` into `data` from `offset`; the `[` was read. False where there are fewer or more: then the
 * position is of no use.
 */
type RowReader = (reader: JsonReader, data: TensorData, offset: number, count: number) => boolean;

/** The value of the number that was scanned, which starts at `start`. */
type Conversion = (numbers: DecimalScanner, reader: JsonReader, start: number) => number;

function numberRow(convert: Conversion, nonFinite: ((value: number) => number) | undefined): RowReader {
  return (reader, data, offset, count) => {
    const { bytes, numbers } = reader;
    const target = data as Float64Array;
    let position = reader.position;
    for (let index = 0; index < count; index++) {
      let byte = bytes[position];
      if (index > 0) {
        while (byte === 32 || byte === 10 || byte === 13 || byte === 9) byte = bytes[++position];
        if (byte !== 44) return missing(reader, position, byte);
        byte = bytes[++position];
      }
      while (byte === 32 || byte === 10 || byte === 13 || byte === 9) byte = bytes[++position];
      const end = numbers.scan(bytes, position);
      if (end >= 0) {
        target[offset + index] = convert(numbers, reader, position);
        position = end;
      } else {
        if (byte === 93 && index === 0) return false;
        reader.position = position;
        const value = nonFinite === undefined ? undefined : reader.nonFinite();
        if (value === undefined) return reader.failNumber(-1 - end);
        target[offset + index] = nonFinite!(value);
        position = reader.position;
      }
    }
    reader.position = position;
    return endOfRow(reader, count);
  };
}

/** Where a comma was expected: the row ends too early, or it is no JSON. */
function missing(reader: JsonReader, position: number, byte: number | undefined): false {
  if (byte === 93) return false;
  return reader.fail("expected ',' or ']'", position);
}

function endOfRow(reader: JsonReader, count: number): boolean {
  if (reader.closes(93)) return true;
  if (count === 0 || reader.peek() === 44) return false;
  return reader.fail("expected ',' or ']'");
}

function float(datatype: string, convert: (numbers: DecimalScanner) => number): Conversion {
  return (numbers, reader, start) => {
    const value = convert(numbers);
    // Not a finite number: the digits say one, the datatype has none.
    if (value - value !== 0) outOfRange(numbers, reader, start, `the range of ${datatype}`);
    return value;
  };
}

function integer(datatype: string, least: number, most: number): RowReader {
  return numberRow((numbers, reader, start) => {
    const value = numbers.toSafeInteger();
    if (!(value >= least && value <= most)) outOfRange(numbers, reader, start, `${datatype} (integers from ${least} to ${most})`);
    return value;
  }, undefined);
}

function outOfRange(numbers: DecimalScanner, reader: JsonReader, start: number, range: string): never {
  return reader.reject(`${numbers.text().slice(0, 40)} does not fit ${range}`, start);
}

function longInteger(datatype: string, least: bigint, most: bigint): RowReader {
  return (reader, data, offset, count) => {
    const target = data as BigInt64Array;
    for (let index = 0; index < count; index++) {
      const byte = reader.peek();
      if (index > 0) {
        if (byte !== 44) return missing(reader, reader.position, byte);
        reader.position++;
        reader.peek();
      } else if (byte === 93) {
        return false;
      }
      const start = reader.position;
      reader.number();
      const { numbers } = reader;
      const value = numbers.toSafeInteger();
      if (value === value) {
        if (value < 0 && least === 0n) outOfRange(numbers, reader, start, `${datatype} (integers from ${least} to ${most})`);
        target[offset + index] = BigInt(value);
        continue;
      }
      const exact = numbers.plain && reader.position - start <= 20 ? BigInt(numbers.text()) : undefined;
      if (exact === undefined || exact < least || exact > most) return outOfRange(numbers, reader, start, `${datatype} (integers from ${least} to ${most})`);
      target[offset + index] = exact;
    }
    return endOfRow(reader, count);
  };
}

const readBooleans: RowReader = (reader, data, offset, count) => {
  const target = data as Uint8Array;
  for (let index = 0; index < count; index++) {
    let byte = reader.peek();
    if (index > 0) {
      if (byte !== 44) return missing(reader, reader.position, byte);
      reader.position++;
      byte = reader.peek();
    } else if (byte === 93) {
      return false;
    }
    if (byte === 48 || byte === 49) {
      // What arrays of booleans become in many languages.
      const start = reader.position;
      reader.number();
      if (reader.position !== start + 1) reader.reject(`${reader.numbers.text().slice(0, 40)} is not a BOOL (true, false, 1 or 0)`, start);
      target[offset + index] = byte - 48;
    } else {
      target[offset + index] = reader.boolean() ? 1 : 0;
    }
  }
  return endOfRow(reader, count);
};

/** Strings lie one after another in memory of this size, or of their own size where that is larger. */
const chunkBytes = 65536;

const readStrings: RowReader = (reader, data, offset, count) => {
  const target = data as Uint8Array[];
  let chunk = new Uint8Array(0);
  let used = 0;
  for (let index = 0; index < count; index++) {
    const byte = reader.peek();
    if (index > 0) {
      if (byte !== 44) return missing(reader, reader.position, byte);
      reader.position++;
      reader.peek();
    } else if (byte === 93) {
      return false;
    }
    const size = reader.stringSize();
    if (size > chunk.length - used) {
      chunk = new Uint8Array(Math.max(size, Math.min(chunkBytes, reader.bytes.length - reader.position)));
      used = 0;
    }
    const end = reader.copyString(chunk, used);
    target[offset + index] = chunk.subarray(used, end);
    used = end;
  }
  return endOfRow(reader, count);
};

const same = (value: number): number => value;

const readers: Readonly<Record<Datatype, RowReader>> = {
  BOOL: readBooleans,
  UINT8: integer('UINT8', 0, 0xff),
  UINT16: integer('UINT16', 0, 0xffff),
  UINT32: integer('UINT32', 0, 0xffffffff),
  UINT64: longInteger('UINT64', 0n, 0xffffffffffffffffn),
  INT8: integer('INT8', -0x80, 0x7f),
  INT16: integer('INT16', -0x8000, 0x7fff),
  INT32: integer('INT32', -0x80000000, 0x7fffffff),
  INT64: longInteger('INT64', -0x8000000000000000n, 0x7fffffffffffffffn),
  FP16: numberRow((numbers, reader, start) => {
    const bits = toHalf(numbers.toDouble());
    if ((bits & 0x7c00) === 0x7c00) outOfRange(numbers, reader, start, 'the range of FP16 (-65504 to 65504)');
    return bits;
  }, toHalf),
  BF16: numberRow((numbers, reader, start) => {
    const bits = toBfloat16(numbers.toDouble());
    if ((bits & 0x7f80) === 0x7f80) outOfRange(numbers, reader, start, 'the range of BF16');
    return bits;
  }, toBfloat16),
  FP32: numberRow(float('FP32', (numbers) => numbers.toFloat32()), same),
  FP64: numberRow(float('FP64', (numbers) => numbers.toDouble()), same),
  BYTES: readStrings,
};

/** The buffers under the data, each once: what a thread hands over. */
export function buffersOf(data: TensorData): ArrayBuffer[] {
  const buffers = Array.isArray(data) ? new Set(data.map((element) => element.buffer)) : [data.buffer];
  // Made here, so none of them is shared memory.
  return [...buffers] as ArrayBuffer[];
}
