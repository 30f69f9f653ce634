/**
 * NumPy's element types, from the type strings of the array interface (`<f8`, `|S5`, `<M8[ns]`), from lists of fields, and from pickles.
 * https://numpy.org/doc/stable/reference/arrays.interface.html, https://numpy.org/doc/stable/reference/generated/numpy.dtype.__reduce__.html
 */
import { ModelportError } from '../../errors.ts';
import { setState, type PickleReading } from '../pickle/pickle-class.ts';
import { describePickleValue, printable, type PickleValue } from '../pickle/pickle-value.ts';

/**
 * `b` bool, `i` and `u` integers, `f` floats, `c` complex, `m` and `M` time spans and times, `O` Python objects, `S` bytes, `U` text,
 * `V` bytes without meaning, or a record where there are fields.
 */
export type NumpyKind = 'b' | 'i' | 'u' | 'f' | 'c' | 'm' | 'M' | 'O' | 'S' | 'U' | 'V';

export interface NumpyField {
  readonly name: string;
  readonly dtype: NumpyDtype;
  /** Byte at which the field begins in each record. */
  readonly offset: number;
}

export interface NumpyDtypeParts {
  readonly kind: NumpyKind;
  /** Bytes of one element. */
  readonly itemSize: number;
  readonly bigEndian?: boolean;
  readonly fields?: readonly NumpyField[];
  /** Elements that are small arrays themselves: their element type and shape. */
  readonly subarray?: { readonly dtype: NumpyDtype; readonly shape: readonly number[] };
  /** Of `m` and `M`: `ns`, `D` …, with a count before it where it is not 1 (`25s`); '' where there is none. */
  readonly unit?: string;
}

/** Changes only while its pickle is being read: a pickle makes a dtype first and tells the byte order and fields afterwards. */
export class NumpyDtype {
  #parts: NumpyDtypeParts;

  constructor(parts: NumpyDtypeParts) {
    this.#parts = parts;
  }

  get kind(): NumpyKind {
    return this.#parts.kind;
  }

  get itemSize(): number {
    return this.#parts.itemSize;
  }

  get bigEndian(): boolean {
    return this.#parts.bigEndian === true;
  }

  get fields(): readonly NumpyField[] | undefined {
    return this.#parts.fields;
  }

  get subarray(): { readonly dtype: NumpyDtype; readonly shape: readonly number[] } | undefined {
    return this.#parts.subarray;
  }

  get unit(): string {
    return this.#parts.unit ?? '';
  }

  /** Whether elements are, or hold, Python objects: their bytes are then a pickle. */
  get hasObjects(): boolean {
    if (this.kind === 'O') return true;
    if (this.subarray !== undefined) return this.subarray.dtype.hasObjects;
    return this.fields?.some(({ dtype }) => dtype.hasObjects) === true;
  }

  /** As NumPy writes it, without the byte order: `f8`, `U5`, `M8[ns]`, `[('a', 'f8')]`. */
  get name(): string {
    if (this.subarray !== undefined) return `(${this.subarray.dtype.name}, (${this.subarray.shape.join(', ')}))`;
    if (this.fields !== undefined) return `[${this.fields.map(({ name, dtype }) => `('${printable(name)}', '${dtype.name}')`).join(', ')}]`;
    if (this.kind === 'O') return 'O';
    const size = this.kind === 'U' ? this.itemSize / 4 : this.itemSize;
    return `${this.kind}${size}${this.unit === '' ? '' : `[${this.unit}]`}`;
  }

  [setState](state: PickleValue, reading: PickleReading): PickleValue {
    this.#parts = restoreParts(this.#parts, state, reading);
    return this;
  }
}

/** Sizes that can be read, in bytes. Extended precision (`f16`, `c32`) differs between machines and is refused. */
const sizes: Readonly<Partial<Record<NumpyKind, readonly number[]>>> = { b: [1], i: [1, 2, 4, 8], u: [1, 2, 4, 8], f: [2, 4, 8], c: [8, 16], m: [8], M: [8] };
const maxItemSize = 2 ** 30;

const singleLetters: Readonly<Record<string, string>> = { '?': 'b1', b: 'i1', B: 'u1', h: 'i2', H: 'u2', i: 'i4', I: 'u4', l: 'i8', L: 'u8', q: 'i8', Q: 'u8', e: 'f2', f: 'f4', d: 'f8', F: 'c8', D: 'c16' };

function invalid(problem: string): never {
  throw new ModelportError('INVALID_MODEL', problem);
}

/** A dtype from its type string: `<f8`, `f8`, `|b1`, `O`, `<U10`, `<M8[ns]`. Throws `INVALID_MODEL`. */
export function parseTypeString(text: string): NumpyDtype {
  const match = /^([<>|=]?)([biufcmMOSUVa?BhHIlLqQedFD])([0-9]{0,10})(?:\[([0-9]{0,6}[A-Za-z]{1,7})\])?$/.exec(text);
  if (match === null) return invalid(`NumPy's type ${JSON.stringify(text.slice(0, 60))} is not known`);
  const [, order, letter, digits, unit] = match as unknown as [string, string, string, string, string | undefined];
  if (digits === '' && singleLetters[letter] !== undefined) return parseTypeString(`${order}${singleLetters[letter]}`);
  const kind = (letter === 'a' ? 'S' : letter) as NumpyKind;
  const bigEndian = order === '>';
  if (kind === 'O') return new NumpyDtype({ kind, itemSize: 8 });
  const count = digits === '' ? (kind === 'm' || kind === 'M' ? 8 : 0) : Number(digits);
  const allowed = sizes[kind];
  if (allowed !== undefined && !allowed.includes(count)) {
    return invalid(`NumPy's type ${JSON.stringify(text)} cannot be read${(kind === 'f' || kind === 'c') && count > 8 ? ': extended precision differs between machines; save it as float64' : ''}`);
  }
  const itemSize = kind === 'U' ? 4 * count : count;
  if (!(itemSize <= maxItemSize) || (allowed === undefined && !'SUV'.includes(kind))) return invalid(`NumPy's type ${JSON.stringify(text)} cannot be read`);
  return new NumpyDtype({ kind, itemSize, bigEndian: bigEndian && itemSize > 1, ...(unit === undefined ? {} : { unit }) });
}

/** A record of fields that lie behind each other, as `.npy` headers list them. */
export function recordDtype(fields: readonly { readonly name: string; readonly dtype: NumpyDtype }[]): NumpyDtype {
  let offset = 0;
  const placed = fields.map(({ name, dtype }) => {
    const field = { name, dtype, offset };
    offset += dtype.itemSize;
    return field;
  });
  if (!(offset <= maxItemSize)) return invalid('a NumPy record is too large');
  // Unnamed fields are padding.
  return new NumpyDtype({ kind: 'V', itemSize: offset, fields: placed.filter(({ name }) => name !== '') });
}

/** Elements that are arrays of one shape. */
export function subarrayDtype(dtype: NumpyDtype, shape: readonly number[]): NumpyDtype {
  const itemSize = shape.reduce((product, size) => product * size, dtype.itemSize);
  if (!(itemSize <= maxItemSize)) return invalid('the elements of a NumPy array are too large');
  return new NumpyDtype({ kind: 'V', itemSize, subarray: { dtype, shape } });
}

/** Bytes or text of Python 2 and 3, as text. */
export function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1') : undefined;
}

/** The state that `numpy.dtype.__reduce__` gives: (version, order, subarray, names, fields, size, alignment, flags, metadata). */
function restoreParts(parts: NumpyDtypeParts, state: PickleValue, reading: PickleReading): NumpyDtypeParts {
  if (!Array.isArray(state) || state.length < 5 || state.length > 9) return reading.fail(`the state of a numpy.dtype is ${describePickleValue(state)}`);
  const [version, order, subarray, names, fields, size, , , metadata] = state as unknown[];
  if (typeof version !== 'number' || version < 3 || version > 4) reading.fail('the state of a numpy.dtype has a version other than 3 and 4');
  const byteOrder = nameOf(order);
  if (byteOrder === undefined || !['<', '>', '|', '='].includes(byteOrder)) reading.fail('the byte order of a numpy.dtype is not known');
  const unit = unitOf(metadata);
  const restored: NumpyDtypeParts = {
    kind: parts.kind,
    itemSize: parts.itemSize,
    bigEndian: byteOrder === '>' && parts.itemSize > 1,
    ...(unit === undefined ? (parts.unit === undefined ? {} : { unit: parts.unit }) : { unit }),
  };
  if (Array.isArray(subarray)) {
    const [dtype, sizes] = subarray as unknown[];
    const shape = typeof sizes === 'number' ? [sizes] : sizes;
    if (!(dtype instanceof NumpyDtype) || !isShape(shape)) return reading.fail('the subarray of a numpy.dtype is malformed');
    const made = subarrayDtype(dtype, shape);
    return { kind: 'V', itemSize: made.itemSize, subarray: made.subarray! };
  }
  if (names === null || names === undefined) return restored;
  if (!Array.isArray(names) || !(fields instanceof Map)) return reading.fail('the fields of a numpy.dtype are malformed');
  const itemSize = typeof size === 'number' && size >= 0 ? size : parts.itemSize;
  if (!(itemSize <= maxItemSize)) reading.fail('a NumPy record is too large');
  const byName = new Map<string, unknown>();
  for (const [key, value] of fields as Map<unknown, unknown>) {
    const name = nameOf(key);
    if (name !== undefined) byName.set(name, value);
  }
  const placed = (names as unknown[]).map((raw): NumpyField => {
    const name = nameOf(raw);
    const field = name === undefined ? undefined : byName.get(name);
    if (name === undefined || !Array.isArray(field)) return reading.fail('the fields of a numpy.dtype are malformed');
    const [dtype, offset] = field as unknown[];
    if (!(dtype instanceof NumpyDtype) || typeof offset !== 'number' || !Number.isInteger(offset) || offset < 0 || offset + dtype.itemSize > itemSize) {
      return reading.fail(`the field ${printable(name)} of a numpy.dtype does not lie in its record`);
    }
    return { name, dtype, offset };
  });
  return { kind: 'V', itemSize, fields: placed };
}

/** Metadata of times: ({…}, (b'ns', 1, 1, 1)). */
function unitOf(metadata: unknown): string | undefined {
  if (!Array.isArray(metadata) || !Array.isArray(metadata[1])) return undefined;
  const [name, count] = metadata[1] as unknown[];
  const text = nameOf(name);
  if (text === undefined || !/^[A-Za-z]{1,7}$/.test(text) || typeof count !== 'number') return undefined;
  return text === 'generic' ? '' : `${count === 1 ? '' : count}${text}`;
}

export function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((size) => typeof size === 'number' && Number.isSafeInteger(size) && size >= 0);
}
