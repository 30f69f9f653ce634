/** Reads Universal Binary JSON (https://ubjson.org, draft 12), as gradient boosting libraries write it: big-endian, with typed and counted containers. */
import { ModelportError } from '../errors.ts';

export interface UbjsonLimits {
  /** Containers inside each other. Default 64. */
  readonly depth?: number;
  /** Values of all containers together, elements of typed lists of numbers left aside. Default 50 million. */
  readonly values?: number;
}

type NumberArray = Int8Array | Uint8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

const elementSizes: Readonly<Record<string, number>> = { i: 1, U: 1, I: 2, l: 4, L: 8, d: 4, D: 8 };

/**
 * The one value of a document. Objects have no prototype; a list whose type is given is a typed array (64-bit integers as numbers, in a Float64Array);
 * other integers are numbers. Throws `INVALID_MODEL` where bytes are missing, left over or of no known type, and beyond the limits.
 */
export function readUbjson(bytes: Uint8Array, limits: UbjsonLimits = {}): unknown {
  const reader = new Reader(bytes, limits.depth ?? 64, limits.values ?? 50_000_000);
  const value = reader.value(reader.marker(), 0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mostDepth: number;
  #valuesLeft: number;
  #offset = 0;

  constructor(bytes: Uint8Array, mostDepth: number, mostValues: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#mostDepth = mostDepth;
    this.#valuesLeft = mostValues;
  }

  /** The next type, no-ops left aside. */
  marker(): string {
    for (;;) {
      const marker = String.fromCharCode(this.#bytes[this.#take(1)]!);
      if (marker !== 'N') return marker;
    }
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.#wrong(`${this.#bytes.length - this.#offset} bytes are left over`);
  }

  value(marker: string, depth: number): unknown {
    if (--this.#valuesLeft < 0) throw this.#wrong('it has too many values');
    switch (marker) {
      case 'Z':
        return null;
      case 'T':
        return true;
      case 'F':
        return false;
      case 'i':
        return this.#view.getInt8(this.#take(1));
      case 'U':
        return this.#view.getUint8(this.#take(1));
      case 'I':
        return this.#view.getInt16(this.#take(2));
      case 'l':
        return this.#view.getInt32(this.#take(4));
      case 'L':
        return Number(this.#view.getBigInt64(this.#take(8)));
      case 'd':
        return this.#view.getFloat32(this.#take(4));
      case 'D':
        return this.#view.getFloat64(this.#take(8));
      case 'C':
        return String.fromCharCode(this.#bytes[this.#take(1)]!);
      case 'S':
        return this.#text();
      case 'H': {
        const number = Number(this.#text());
        if (Number.isNaN(number)) throw this.#wrong('a number of high precision is no number');
        return number;
      }
      case '[':
        return this.#list(depth + 1);
      case '{':
        return this.#object(depth + 1);
      default:
        throw this.#wrong(`'${/^[ -~]$/.test(marker) ? marker : `\\x${marker.charCodeAt(0).toString(16)}`}' is no type of UBJSON`);
    }
  }

  #list(depth: number): unknown[] | NumberArray {
    const { type, count } = this.#container(depth);
    if (type !== undefined && count !== undefined && elementSizes[type] !== undefined) return this.#numbers(type, count);
    const list: unknown[] = [];
    if (count === undefined) {
      for (let marker = this.marker(); marker !== ']'; marker = this.marker()) list.push(this.value(marker, depth));
    } else {
      for (let index = 0; index < count; index++) list.push(this.value(type ?? this.marker(), depth));
    }
    return list;
  }

  #object(depth: number): Record<string, unknown> {
    const { type, count } = this.#container(depth);
    const object = Object.create(null) as Record<string, unknown>;
    for (let index = 0; count === undefined || index < count; index++) {
      if (count === undefined && this.#bytes[this.#offset] === 0x7d) {
        this.#offset++;
        break;
      }
      const name = this.#text();
      object[name] = this.value(type ?? this.marker(), depth);
    }
    return object;
  }

  #container(depth: number): { type: string | undefined; count: number | undefined } {
    if (depth > this.#mostDepth) throw this.#wrong('its containers are nested too deeply');
    let type: string | undefined;
    let count: number | undefined;
    if (this.#bytes[this.#offset] === 0x24) {
      this.#offset++;
      type = this.marker();
      if (this.#bytes[this.#offset] !== 0x23) throw this.#wrong('a container has a type but no count');
    }
    if (this.#bytes[this.#offset] === 0x23) {
      this.#offset++;
      count = this.#length();
    }
    return { type, count };
  }

  #numbers(type: string, count: number): NumberArray {
    const size = elementSizes[type]!;
    const start = this.#take(count * size);
    const view = this.#view;
    switch (type) {
      case 'i':
        return new Int8Array(this.#bytes.slice(start, start + count).buffer);
      case 'U':
        return this.#bytes.slice(start, start + count);
      case 'I':
        return Int16Array.from({ length: count }, (_, index) => view.getInt16(start + 2 * index));
      case 'l':
        return Int32Array.from({ length: count }, (_, index) => view.getInt32(start + 4 * index));
      case 'L':
        return Float64Array.from({ length: count }, (_, index) => Number(view.getBigInt64(start + 8 * index)));
      case 'd':
        return Float32Array.from({ length: count }, (_, index) => view.getFloat32(start + 4 * index));
      default:
        return Float64Array.from({ length: count }, (_, index) => view.getFloat64(start + 8 * index));
    }
  }

  #text(): string {
    const length = this.#length();
    const start = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
  }

  #length(): number {
    const marker = this.marker();
    if (!['i', 'U', 'I', 'l', 'L'].includes(marker)) throw this.#wrong('a length is no integer');
    const length = this.value(marker, 0) as number;
    if (!Number.isSafeInteger(length) || length < 0) throw this.#wrong(`a length is ${length}`);
    return length;
  }

  /** Where the next bytes are. */
  #take(count: number): number {
    const start = this.#offset;
    if (count > this.#bytes.length - start) throw this.#wrong(`it ends ${start + count - this.#bytes.length} bytes early`);
    this.#offset += count;
    return start;
  }

  #wrong(what: string): ModelportError {
    return new ModelportError('INVALID_MODEL', `UBJSON: ${what} (byte ${this.#offset})`, { at: `byte ${this.#offset}` });
  }
}
