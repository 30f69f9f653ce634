/** Numbers and booleans as pydantic's lax mode reads them. */
import type { JsonSchema } from '../model.ts';
import { problem, type Loc, type Reading } from './conform-problem.ts';

const integerText = /^[+-]?\d+(?:_\d+)*(?:\.0+)?$/;
const floatText = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;
/** Beyond it pydantic reads no integers from text. */
const mostDigits = 4300;

export function readInteger(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  let read: number;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return problem(reading, 'finite_number', loc, 'Input should be a finite number', value);
    if (!Number.isInteger(value)) return problem(reading, 'int_from_float', loc, 'Input should be a valid integer, got a number with a fractional part', value);
    read = value;
  } else if (typeof value === 'string' && !reading.strict) {
    const text = value.trim();
    if (text.length > mostDigits) return problem(reading, 'int_parsing_size', loc, 'Unable to parse input string as an integer, exceeded maximum size', value);
    if (!integerText.test(text)) return problem(reading, 'int_parsing', loc, 'Input should be a valid integer, unable to parse string as an integer', value);
    read = Number(text.replaceAll('_', ''));
  } else if (typeof value === 'boolean' && !reading.strict) {
    read = value ? 1 : 0;
  } else {
    return problem(reading, 'int_type', loc, 'Input should be a valid integer', value);
  }
  return checkBounds(value, read, schema, loc, reading);
}

export function readFloat(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  let read: number;
  if (typeof value === 'number') {
    read = value;
  } else if (typeof value === 'string' && !reading.strict) {
    const parsed = parseFloatText(value.trim());
    if (parsed === undefined) return problem(reading, 'float_parsing', loc, 'Input should be a valid number, unable to parse string as a number', value);
    read = parsed;
  } else if (typeof value === 'boolean' && !reading.strict) {
    read = value ? 1 : 0;
  } else {
    return problem(reading, 'float_type', loc, 'Input should be a valid number', value);
  }
  return checkBounds(value, read, schema, loc, reading);
}

function parseFloatText(text: string): number | undefined {
  if (floatText.test(text)) return Number(text.replaceAll('_', ''));
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (word === null) return undefined;
  return word[2]!.toLowerCase() === 'nan' ? NaN : word[1] === '-' ? -Infinity : Infinity;
}

/** One violated bound is told, in the order in which pydantic looks. */
function checkBounds(value: unknown, read: number, schema: JsonSchema, loc: Loc, reading: Reading): number | undefined {
  const { multipleOf, maximum, exclusiveMaximum, minimum, exclusiveMinimum } = schema as Readonly<Record<string, number | undefined>>;
  const own = (bound: number | undefined): bound is number => typeof bound === 'number' && Math.abs(bound) !== Number.MAX_SAFE_INTEGER;
  if (multipleOf !== undefined && !isMultiple(read, multipleOf)) return problem(reading, 'multiple_of', loc, `Input should be a multiple of ${multipleOf}`, value, { multiple_of: multipleOf });
  if (own(maximum) && !(read <= maximum)) return problem(reading, 'less_than_equal', loc, `Input should be less than or equal to ${maximum}`, value, { le: maximum });
  if (own(exclusiveMaximum) && !(read < exclusiveMaximum)) return problem(reading, 'less_than', loc, `Input should be less than ${exclusiveMaximum}`, value, { lt: exclusiveMaximum });
  if (own(minimum) && !(read >= minimum)) return problem(reading, 'greater_than_equal', loc, `Input should be greater than or equal to ${minimum}`, value, { ge: minimum });
  if (own(exclusiveMinimum) && !(read > exclusiveMinimum)) return problem(reading, 'greater_than', loc, `Input should be greater than ${exclusiveMinimum}`, value, { gt: exclusiveMinimum });
  return read;
}

function isMultiple(value: number, divisor: number): boolean {
  const remainder = Math.abs(value % divisor);
  const tolerance = Math.abs(value) / 1e9;
  return remainder <= tolerance || Math.abs(remainder - Math.abs(divisor)) <= tolerance;
}

const trueWords = new Set(['1', 'on', 't', 'true', 'y', 'yes']);
const falseWords = new Set(['0', 'off', 'f', 'false', 'n', 'no']);

export function readBoolean(value: unknown, loc: Loc, reading: Reading): unknown {
  if (typeof value === 'boolean') return value;
  if (!reading.strict) {
    if (value === 0 || value === 1) return value === 1;
    if (typeof value === 'string') {
      const word = value.toLowerCase();
      if (trueWords.has(word) || falseWords.has(word)) return trueWords.has(word);
    }
    if (typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))) return problem(reading, 'bool_parsing', loc, 'Input should be a valid boolean, unable to interpret input', value);
  }
  return problem(reading, 'bool_type', loc, 'Input should be a valid boolean', value);
}
