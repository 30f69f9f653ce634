/** One cell of a table: a JSON value → the element of the tensor, with a message of its own for each mistake. */
import { ModelportError } from '../../errors.ts';
import { toBfloat16, toHalf } from '../../lib/half-float.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Datatype } from '../../tensor.ts';
import type { Column } from './columns.ts';

export type Element = number | bigint | Uint8Array;

const integerRanges: Partial<Record<Datatype, readonly [bigint, bigint]>> = {
  UINT8: [0n, 255n], UINT16: [0n, 65535n], UINT32: [0n, 4294967295n], UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-128n, 127n], INT16: [-32768n, 32767n], INT32: [-2147483648n, 2147483647n], INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};
const largestFloats: Partial<Record<Datatype, number>> = { FP16: 65504, BF16: 3.3895313892515355e38, FP32: 3.4028234663852886e38, FP64: Number.MAX_VALUE };

/** The numbers that a column's datatype holds; undefined for text. */
export function numberRange(datatype: Datatype): readonly [number, number] | undefined {
  const integers = integerRanges[datatype];
  if (integers !== undefined) {
    // Beyond 2^53 JSON numbers are not exact.
    return [Math.max(Number(integers[0]), Number.MIN_SAFE_INTEGER), Math.min(Number(integers[1]), Number.MAX_SAFE_INTEGER)];
  }
  const largest = largestFloats[datatype];
  return largest === undefined ? undefined : [-largest, largest];
}

const encoder = new TextEncoder();

/** `undefined` is a column that the row lacks. Throws `INVALID_VALUE` that names column and place. */
export function readCell(column: Column, value: unknown, at: string): Element {
  const { name, feature, spec } = column;
  const unit = feature.unit === undefined ? '' : ` in ${feature.unit}`;
  if (value === null || value === undefined || (typeof value === 'number' && Number.isNaN(value)) || value === '') {
    if (value !== undefined && feature.nullable === true) return missing(spec.datatype);
    if (column.kind !== 'text' || column.categories !== undefined || value !== '') {
      const what = value === undefined ? 'missing' : value === null ? 'null' : value === '' ? 'empty' : 'NaN, not a number';
      throw new ModelportError('INVALID_VALUE', `column '${name}' is ${what}: ${wanted(column, unit)}`, { at });
    }
  }
  if (column.kind === 'text') return readText(column, value, at);
  if (column.kind === 'integer') return readInteger(column, value, unit, at);
  if (column.kind === 'boolean') {
    if (typeof value !== 'boolean') throw wrongType(column, value, unit, at);
    return Number(value);
  }
  if (typeof value !== 'number') throw wrongType(column, value, unit, at);
  return readFloat(column, value, at);
}

function readFloat({ name, spec }: Column, value: number, at: string): number {
  const largest = largestFloats[spec.datatype]!;
  if (value < -largest || value > largest) {
    throw new ModelportError('INVALID_VALUE', `column '${name}' is ${value}: the model computes in ${spec.datatype}, whose numbers end at ±${largest}`, { at });
  }
  return spec.datatype === 'FP16' ? toHalf(value) : spec.datatype === 'BF16' ? toBfloat16(value) : value;
}

function readInteger(column: Column, value: unknown, unit: string, at: string): number | bigint {
  const { name, spec } = column;
  const wide = spec.datatype === 'INT64' || spec.datatype === 'UINT64';
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(column, value, unit, at);
  if (typeof value === 'number' && !Number.isInteger(value)) throw new ModelportError('INVALID_VALUE', `column '${name}' is ${value}: ${wanted(column, unit)}`, { at });
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new ModelportError('INVALID_VALUE', `column '${name}' is ${value}: whole numbers beyond 2^53 are not exact in JSON`, { at });
  const integer = BigInt(value);
  const [least, greatest] = integerRanges[spec.datatype]!;
  if (integer < least || integer > greatest) throw new ModelportError('INVALID_VALUE', `column '${name}' is ${value}: write a whole number from ${least} to ${greatest}`, { at });
  return wide ? integer : Number(integer);
}

function readText(column: Column, value: unknown, at: string): Element {
  const { name, categories, spec } = column;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') throw wrongType(column, value, '', at);
  // Categories that look like numbers or truth values may be written as such.
  if (typeof value !== 'string' && categories === undefined) throw wrongType(column, value, '', at);
  const text = String(value);
  if (categories !== undefined && !categories.has(text)) {
    throw new ModelportError('INVALID_VALUE', `column '${name}' is '${shorten(text)}', which is no known category${suggestName(text, categories.keys())}`, { at });
  }
  if (spec.datatype === 'BYTES') return encoder.encode(text);
  const code = categories!.get(text)!;
  switch (spec.datatype) {
    case 'FP16':
      return toHalf(code);
    case 'BF16':
      return toBfloat16(code);
    case 'INT64':
    case 'UINT64':
      return BigInt(code);
    default:
      return code;
  }
}

function missing(datatype: Datatype): Element {
  if (datatype === 'BYTES') return encoder.encode('');
  if (datatype === 'FP16') return toHalf(NaN);
  return datatype === 'BF16' ? toBfloat16(NaN) : NaN;
}

function wrongType(column: Column, value: unknown, unit: string, at: string): ModelportError {
  const numeric = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
  const found = Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : typeof value === 'string' ? `the text '${shorten(value)}'` : `the ${typeof value} ${typeof value === 'bigint' ? String(value) : JSON.stringify(value)}`;
  const advice = numeric && (column.kind === 'number' || column.kind === 'integer') ? 'write the number without quotation marks' : wanted(column, unit);
  return new ModelportError('INVALID_VALUE', `column '${column.name}' is ${found}: ${advice}`, { at });
}

function wanted(column: Column, unit: string): string {
  if (column.categories !== undefined) return `write one of its categories${suggestName('', column.categories.keys()).replace(/^; there (is|are)/, ':')}`;
  return { number: `write a number${unit}`, integer: `write a whole number${unit}`, boolean: 'write true or false', text: 'write text' }[column.kind];
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
