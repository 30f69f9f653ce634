/**
 * Dates and times as pydantic reads them (its parser is the Rust crate `speedate`), with its reasons. What is read is given
 * on in the form that zod's ISO schemas take.
 */
import { problem, type Loc, type Reading } from './conform-problem.ts';

type Parsed = { readonly text: string } | { readonly error: string };

const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function digits(text: string, start: number, length: number): number | undefined {
  const part = text.slice(start, start + length);
  return /^\d+$/.test(part) && part.length === length ? Number(part) : undefined;
}

function parseDate(text: string): { readonly error: string } | { readonly end: number; readonly text: string } {
  if (Buffer.byteLength(text) < 10) return { error: 'input is too short' };
  const year = digits(text, 0, 4);
  if (year === undefined) return { error: 'invalid character in year' };
  if (text[4] !== '-') return { error: 'invalid date separator, expected `-`' };
  const month = digits(text, 5, 2);
  if (month === undefined) return { error: 'invalid character in month' };
  if (text[7] !== '-') return { error: 'invalid date separator, expected `-`' };
  const day = digits(text, 8, 2);
  if (day === undefined) return { error: 'invalid character in day' };
  if (month < 1 || month > 12) return { error: 'month value is outside expected range of 1-12' };
  if (day < 1 || day > (month === 2 && !isLeap(year) ? 28 : days[month - 1]!)) return { error: 'day value is outside expected range' };
  if (year === 0) return { error: 'year 0 is out of range' };
  return { end: 10, text: text.slice(0, 10) };
}

function parseTime(text: string, start: number): Parsed {
  const rest = text.slice(start);
  if (Buffer.byteLength(rest) < 5) return { error: 'input is too short' };
  const hour = digits(rest, 0, 2);
  if (hour === undefined) return { error: 'invalid character in hour' };
  if (rest[2] !== ':') return { error: 'invalid time separator, expected `:`' };
  const minute = digits(rest, 3, 2);
  if (minute === undefined) return { error: 'invalid character in minute' };
  if (hour > 23) return { error: 'hour value is outside expected range of 0-23' };
  if (minute > 59) return { error: 'minute value is outside expected range of 0-59' };
  let index = 5;
  let seconds = '00';
  let fraction = '';
  if (rest[index] === ':') {
    if (digits(rest, index + 1, 2) === undefined) return { error: rest.length < index + 3 ? 'input is too short' : 'invalid character in second' };
    seconds = rest.slice(index + 1, index + 3);
    if (Number(seconds) > 59) return { error: 'second value is outside expected range of 0-59' };
    index += 3;
    const match = /^[.,](\d*)/.exec(rest.slice(index));
    if (match !== null) {
      if (match[1] === '') return { error: 'second fraction value is missing' };
      fraction = `.${match[1]!.slice(0, 9)}`;
      index += match[0].length;
    }
  }
  const zone = parseZone(rest.slice(index));
  return 'error' in zone ? zone : { text: `${rest.slice(0, 5)}:${seconds}${fraction}${zone.text}` };
}

function parseZone(text: string): Parsed {
  if (text === '') return { text: '' };
  if (text === 'Z' || text === 'z') return { text: 'Z' };
  const match = /^[+-](\d\d):?(\d\d)$/.exec(text);
  if (match !== null && Number(match[2]) < 60) return { text: `${text[0]}${match[1]}:${match[2]}` };
  if (text[0] === '+' || text[0] === '-') return { error: 'invalid timezone sign' };
  return { error: 'unexpected extra characters at the end of the input' };
}

/** Seconds, or milliseconds where the number is large, since 1970. */
function fromNumber(value: number): string | undefined {
  const milliseconds = Math.abs(value) > 2e10 ? value : value * 1000;
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** A number, or a text that is nothing but one. */
function numeric(value: unknown, reading: Reading): number | undefined {
  if (reading.strict) return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && /^[+-]?\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined;
}

export function readDateTime(value: unknown, loc: Loc, reading: Reading): unknown {
  const number = numeric(value, reading);
  const moment = number === undefined ? undefined : fromNumber(number);
  if (moment !== undefined) return moment;
  if (typeof value !== 'string') return problem(reading, 'datetime_type', loc, 'Input should be a valid datetime', value);
  const date = parseDate(value);
  if (!('error' in date)) {
    if (value.length === 10) return `${date.text}T00:00:00Z`;
    const time = /[Tt _]/.test(value[10]!) ? parseTime(value, 11) : undefined;
    if (time !== undefined && 'text' in time) return inUtc(date.text, time.text);
  }
  // What is no date with a time is tried as a date alone, and what is wrong with that is told.
  const error = 'error' in date ? date.error : 'unexpected extra characters at the end of the input';
  return problem(reading, 'datetime_from_date_parsing', loc, `Input should be a valid datetime or date, ${error}`, value, { error });
}

/** Zod's ISO date-times end in Z unless they are told otherwise; a time without a zone is taken as UTC. */
function inUtc(date: string, time: string): string {
  if (time.endsWith('Z')) return `${date}T${time}`;
  return /[+-]\d\d:\d\d$/.test(time) ? new Date(`${date}T${time}`).toISOString() : `${date}T${time}Z`;
}

export function readDate(value: unknown, loc: Loc, reading: Reading): unknown {
  const number = numeric(value, reading);
  if (number !== undefined) {
    const read = fromNumber(number);
    if (read?.endsWith('T00:00:00.000Z') === true) return read.slice(0, 10);
    if (read !== undefined) return problem(reading, 'date_from_datetime_inexact', loc, 'Datetimes provided to dates should have zero time - e.g. be exact dates', value);
  }
  if (typeof value !== 'string') return problem(reading, 'date_type', loc, 'Input should be a valid date', value);
  const date = parseDate(value);
  if ('error' in date) return problem(reading, 'date_from_datetime_parsing', loc, `Input should be a valid date or datetime, ${date.error}`, value, { error: date.error });
  if (value.length === 10) return date.text;
  const time = /[Tt _]/.test(value[10]!) ? parseTime(value, 11) : { error: 'invalid datetime separator, expected `T`, `t`, `_` or space' };
  if ('error' in time) return problem(reading, 'date_from_datetime_parsing', loc, `Input should be a valid date or datetime, ${time.error}`, value, { error: time.error });
  if (/^00:00:00(?:\.0+)?(?:Z|[+-]\d\d:\d\d)?$/.test(time.text)) return date.text;
  return problem(reading, 'date_from_datetime_inexact', loc, 'Datetimes provided to dates should have zero time - e.g. be exact dates', value);
}

export function readTime(value: unknown, loc: Loc, reading: Reading): unknown {
  const seconds = typeof value === 'number' ? numeric(value, reading) : undefined;
  if (seconds !== undefined) {
    const error = seconds < 0 ? 'time in seconds should be positive' : 'numeric times may not exceed 86,399 seconds';
    return seconds >= 0 && seconds < 86_400 ? new Date(seconds * 1000).toISOString().slice(11, -1) : problem(reading, 'time_parsing', loc, `Input should be in a valid time format, ${error}`, value, { error });
  }
  if (typeof value !== 'string') return problem(reading, 'time_type', loc, 'Input should be a valid time', value);
  const time = parseTime(value, 0);
  if ('text' in time) return time.text;
  return problem(reading, 'time_parsing', loc, `Input should be in a valid time format, ${time.error}`, value, { error: time.error });
}
