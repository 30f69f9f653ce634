/** Text and what is written as text (dates, identifiers, addresses) as pydantic reads it. */
import type { JsonSchema } from '../model.ts';
import { count, problem, type Loc, type Reading } from './conform-problem.ts';
import { readDate, readDateTime, readTime } from './conform-dates.ts';
import { uuidProblem } from './uuid-problem.ts';

export function readText(value: unknown, schema: JsonSchema, loc: Loc, reading: Reading): unknown {
  const { format } = schema;
  // Bytes of a form's part, where a file is wanted.
  if (value instanceof Uint8Array && (typeof schema['contentMediaType'] === 'string' || format === 'binary')) return value;
  switch (format) {
    case 'date-time':
      return readDateTime(value, loc, reading);
    case 'date':
      return readDate(value, loc, reading);
    case 'time':
      return readTime(value, loc, reading);
    case 'uuid':
      return readUuid(value, loc, reading);
    case 'uri':
      if (typeof value !== 'string') return problem(reading, 'url_type', loc, 'URL input should be a string or URL', value);
      return URL.canParse(value) ? value : problem(reading, 'url_parsing', loc, `Input should be a valid URL, ${value === '' ? 'input is empty' : 'relative URL without a base'}`, value, { error: value === '' ? 'input is empty' : 'relative URL without a base' });
    case 'email':
      if (typeof value === 'string') {
        const reason = emailProblem(value);
        return reason === undefined ? value : problem(reading, 'value_error', loc, `value is not a valid email address: ${reason}`, value, { reason });
      }
      break;
    default:
  }
  if (typeof value !== 'string') return problem(reading, 'string_type', loc, 'Input should be a valid string', value);
  const { minLength, maxLength, pattern } = schema as { minLength?: number; maxLength?: number; pattern?: string };
  if (minLength !== undefined || maxLength !== undefined) {
    // Characters, not halves of them.
    const length = [...value].length;
    if (maxLength !== undefined && length > maxLength) return problem(reading, 'string_too_long', loc, `String should have at most ${count(maxLength, 'character')}`, value, { max_length: maxLength });
    if (minLength !== undefined && length < minLength) return problem(reading, 'string_too_short', loc, `String should have at least ${count(minLength, 'character')}`, value, { min_length: minLength });
  }
  // Patterns of zod's own formats (email, base64 …) are told as zod tells them.
  if (pattern !== undefined && format === undefined && !matches(pattern, value)) return problem(reading, 'string_pattern_mismatch', loc, `String should match pattern '${pattern}'`, value, { pattern });
  return value;
}

/** In the words of the library that pydantic asks, for what is wrong most often. What else is wrong, zod says. */
export function emailProblem(text: string): string | undefined {
  if (!text.includes('@')) return 'An email address must have an @-sign.';
  if (text.startsWith('@')) return 'There must be something before the @-sign.';
  if (text.endsWith('@')) return 'There must be something after the @-sign.';
  return undefined;
}

const patterns = new Map<string, RegExp | undefined>();

function matches(pattern: string, value: string): boolean {
  let expression = patterns.get(pattern);
  if (expression === undefined && !patterns.has(pattern)) {
    try {
      expression = new RegExp(pattern);
    } catch {
      // Zod, which has the expression itself, will say.
      expression = undefined;
    }
    patterns.set(pattern, expression);
  }
  return expression === undefined || expression.test(value);
}

function readUuid(value: unknown, loc: Loc, reading: Reading): unknown {
  if (typeof value !== 'string') return problem(reading, 'uuid_type', loc, 'UUID input should be a string, bytes or UUID object', value);
  const error = uuidProblem(value);
  if (error === undefined) return canonicalUuid(value);
  return problem(reading, 'uuid_parsing', loc, `Input should be a valid UUID, ${error}`, value, { error });
}

function canonicalUuid(text: string): string {
  const digits = text.toLowerCase().replace(/^urn:uuid:/, '').replace(/[{}-]/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}
