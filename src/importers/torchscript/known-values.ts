/** Lists, dicts and texts whose values are known: compared, indexed, cut, printed. */
import { AtenTensor, AtenTuple, GraphScalar, type AtenValue } from '../aten/value.ts';
import type { Interpreter } from './interpreter.ts';
import { arithmetic, isNumber } from './program-numbers.ts';
import { Absent, EnumMember, ScriptDict, type DictKey, type ScriptValue } from './script-value.ts';

/** Longer lists and strings are not what programs of models have. */
const mostElements = 1_000_000;

export const isList = (value: ScriptValue | undefined): value is AtenValue[] => Array.isArray(value);

/** Equality of what is known; a `GraphScalar` where it depends on the input. Undefined where tensors are compared. */
export function equal(run: Interpreter, a: ScriptValue, b: ScriptValue): boolean | GraphScalar | undefined {
  if (isNumber(a) && isNumber(b)) return arithmetic.eq(a, b, run.context) as boolean | GraphScalar;
  if (a instanceof AtenTensor || b instanceof AtenTensor) return undefined;
  if ((isList(a) && isList(b)) || (a instanceof AtenTuple && b instanceof AtenTuple)) {
    const [left, right] = [isList(a) ? a : a.items, isList(b) ? b : (b as AtenTuple).items];
    if (left.length !== right.length) return false;
    let result: boolean | GraphScalar = true;
    for (const [index, item] of left.entries()) {
      const same = equal(run, item, right[index]!);
      if (same === undefined || same === false) return same;
      result = both(run, result, same);
    }
    return result;
  }
  if (a instanceof EnumMember && b instanceof EnumMember) return a.type === b.type && a.name === b.name;
  if (a instanceof Absent || b instanceof Absent) return undefined;
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null) return a === b ? true : undefined;
  return a === b;
}

export function both(run: Interpreter, a: boolean | GraphScalar, b: boolean | GraphScalar): boolean | GraphScalar {
  if (a === true) return b;
  if (b === true) return a;
  if (a === false || b === false) return false;
  return new GraphScalar('bool', run.context.graph.op.and((a as GraphScalar).value, (b as GraphScalar).value));
}

/** A position in a list of `length`; refused where there is none. */
export function position(run: Interpreter, index: ScriptValue | undefined, length: number): number {
  if (typeof index !== 'bigint') throw run.refuse(`a list is indexed with ${run.describe(index)}`);
  const at = Number(index) < 0 ? Number(index) + length : Number(index);
  if (at < 0 || at >= length) throw run.raised('IndexError: list index out of range');
  return at;
}

export function knownInt(run: Interpreter, value: ScriptValue | undefined, fallback: number): number {
  if (value === null || value === undefined) return fallback;
  if (typeof value === 'bigint') return Number(value);
  throw run.refuse(`a list is cut at ${run.describe(value)}`);
}

/** Python's `[start:end:step]`. */
export function sliceList<T>(run: Interpreter, list: readonly T[], startGiven: ScriptValue | undefined, endGiven: ScriptValue | undefined, stepGiven: ScriptValue | undefined): T[] {
  const step = knownInt(run, stepGiven, 1);
  const { length } = list;
  if (step === 0) throw run.raised('ValueError: slice step cannot be zero');
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + length : at, step < 0 ? -1 : 0), step < 0 ? length - 1 : length);
  const start = clamp(knownInt(run, startGiven, step < 0 ? length - 1 : 0));
  const end = endGiven === null || endGiven === undefined ? (step < 0 ? -1 : length) : clamp(knownInt(run, endGiven, 0));
  const result: T[] = [];
  for (let at = start; step < 0 ? at > end : at < end; at += step) result.push(list[at]!);
  return result;
}

export function keyOf(run: Interpreter, value: ScriptValue | undefined): DictKey {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw run.refuse(`a dict has the key ${run.describe(value)}`);
}

export function checkLength(run: Interpreter, length: number): void {
  if (length > mostElements) throw run.refuse(`a list or string has more than ${mostElements} elements`);
}

export function contains(run: Interpreter, container: ScriptValue | undefined, item: ScriptValue): ScriptValue | undefined {
  if (container instanceof ScriptDict) return container.entries.has(keyOf(run, item));
  if (typeof container === 'string') return typeof item === 'string' ? container.includes(item) : undefined;
  if (!isList(container)) return undefined;
  let result: boolean | GraphScalar = false;
  for (const element of container) {
    const same = equal(run, element, item);
    if (same === undefined) return undefined;
    if (same === true) return true;
    if (same !== false) result = result === false ? same : new GraphScalar('bool', run.context.graph.op.or((result as GraphScalar).value, same.value));
  }
  return result;
}

export function format(run: Interpreter, args: readonly ScriptValue[]): ScriptValue {
  const [template, ...values] = args;
  if (typeof template !== 'string') throw run.refuse('a text is formatted that is not known');
  const texts = values.map((value) => textOf(value));
  if (texts.includes(undefined)) return new Absent('it uses a text that depends on the input or shows a float');
  let next = 0;
  const text = template.replaceAll('{}', () => texts[next++] ?? '{}');
  checkLength(run, text.length);
  return text;
}

export function textOf(value: ScriptValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return value === null ? 'None' : undefined;
}

export function compareKnown(run: Interpreter, a: AtenValue, b: AtenValue): number {
  if ((typeof a === 'bigint' || typeof a === 'number' || typeof a === 'boolean') && (typeof b === 'bigint' || typeof b === 'number' || typeof b === 'boolean')) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw run.refuse('a list is sorted whose elements depend on the input');
}
