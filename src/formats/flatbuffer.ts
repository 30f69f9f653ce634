/** Reads tables of FlatBuffers where they lie (https://flatbuffers.dev/internals/). Every offset is checked: nothing outside of the bytes is read. */
import { ModelportError } from '../errors.ts';

/** Fields are numbered in the order of the schema. What a table does not have is its default. */
export class FlatTable {
  readonly #view: DataView;
  readonly #position: number;

  private constructor(view: DataView, position: number) {
    this.#view = view;
    this.#position = position;
  }

  /** The root of a buffer. Throws `INVALID_MODEL`. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return FlatTable.#at(view, 0);
  }

  static #at(view: DataView, place: number): FlatTable {
    return reading(() => new FlatTable(view, place + view.getUint32(place, true)));
  }

  /** Where a field lies; undefined where the table leaves it out. */
  #field(number: number): number | undefined {
    return reading(() => {
      const schema = this.#position - this.#view.getInt32(this.#position, true);
      const entry = 4 + 2 * number;
      const offset = entry + 2 <= this.#view.getUint16(schema, true) ? this.#view.getUint16(schema + entry, true) : 0;
      return offset === 0 ? undefined : this.#position + offset;
    });
  }

  #scalar(number: number, otherwise: number, read: (place: number) => number): number {
    const place = this.#field(number);
    return place === undefined ? otherwise : reading(() => read(place));
  }

  int8(number: number, otherwise = 0): number {
    return this.#scalar(number, otherwise, (place) => this.#view.getInt8(place));
  }

  int32(number: number, otherwise = 0): number {
    return this.#scalar(number, otherwise, (place) => this.#view.getInt32(place, true));
  }

  float64(number: number, otherwise = 0): number {
    return this.#scalar(number, otherwise, (place) => this.#view.getFloat64(place, true));
  }

  text(number: number): string | undefined {
    const bytes = this.#list(number, 1, (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('utf8'));
    return bytes;
  }

  table(number: number): FlatTable | undefined {
    const place = this.#field(number);
    return place === undefined ? undefined : FlatTable.#at(this.#view, place);
  }

  tables(number: number): FlatTable[] {
    return this.#list(number, 4, (view, start) => Array.from({ length: view.byteLength / 4 }, (_, index) => FlatTable.#at(this.#view, start + 4 * index))) ?? [];
  }

  /** Elements of `size` bytes, each by its offset in the view. */
  #list<Result>(number: number, size: number, read: (view: DataView, start: number) => Result): Result | undefined {
    const place = this.#field(number);
    if (place === undefined) return undefined;
    return reading(() => {
      const start = place + this.#view.getUint32(place, true);
      const length = this.#view.getUint32(start, true) * size;
      if (start + 4 + length > this.#view.byteLength) throw new RangeError('a list is longer than the file');
      return read(new DataView(this.#view.buffer, this.#view.byteOffset + start + 4, length), start + 4);
    });
  }

  int32s(number: number): Int32Array {
    return this.#list(number, 4, (view) => Int32Array.from({ length: view.byteLength / 4 }, (_, index) => view.getInt32(4 * index, true))) ?? new Int32Array(0);
  }

  /** Pairs of 16-bit numbers come one after the other. */
  uint16s(number: number, perElement = 1): Uint16Array {
    return this.#list(number, 2 * perElement, (view) => Uint16Array.from({ length: view.byteLength / 2 }, (_, index) => view.getUint16(2 * index, true))) ?? new Uint16Array(0);
  }

  float32s(number: number): Float32Array {
    return this.#list(number, 4, (view) => Float32Array.from({ length: view.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true))) ?? new Float32Array(0);
  }

  float64s(number: number): Float64Array {
    return this.#list(number, 8, (view) => Float64Array.from({ length: view.byteLength / 8 }, (_, index) => view.getFloat64(8 * index, true))) ?? new Float64Array(0);
  }
}

function reading<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelportError('INVALID_MODEL', `the FlatBuffers data is damaged: ${error.message}`, { cause: error });
  }
}
