/**
 * Operators on what is no tensor: numbers, strings, lists, dicts. They run now, where their operands are known; numbers that only the
 * graph knows are computed there. An operator that gives undefined is not meant: then it is one of tensors.
 */
import { AtenTensor, AtenTuple, GraphScalar, type AtenValue } from '../aten/value.ts';
import type { Interpreter } from './interpreter.ts';
import { arithmetic, functionOfNumber, isNumber, negate, not, scalarType, toBool, toFloat, toInt } from './program-numbers.ts';
import { Absent, EnumMember, ScriptDict, ScriptObject, TensorSequence, asAten, type DictKey, type ScriptValue } from './script-value.ts';

export type ProgramOperator = (run: Interpreter, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>) => ScriptValue | undefined;

/** Longer lists and strings are not what programs of models have. */
const mostElements = 1_000_000;

const nothing: ReadonlyMap<string, ScriptValue> = new Map();
const isList = (value: ScriptValue | undefined): value is AtenValue[] => Array.isArray(value);

function binary(name: keyof typeof arithmetic): ProgramOperator {
  return (run, [a, b], keywords) => (isNumber(a) && isNumber(b) && keywords.size === 0 ? arithmetic[name](a, b, run.context) : undefined);
}

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

function both(run: Interpreter, a: boolean | GraphScalar, b: boolean | GraphScalar): boolean | GraphScalar {
  if (a === true) return b;
  if (b === true) return a;
  if (a === false || b === false) return false;
  return new GraphScalar('bool', run.context.graph.op.and((a as GraphScalar).value, (b as GraphScalar).value));
}

function logical(name: 'and' | 'or' | 'xor'): ProgramOperator {
  return (run, [a, b]) => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return name === 'and' ? a & b : name === 'or' ? a | b : a ^ b;
    if (!isNumber(a) || !isNumber(b) || scalarType(a) !== 'bool' || scalarType(b) !== 'bool') return undefined;
    if (typeof a === 'boolean' && typeof b === 'boolean') return name === 'and' ? a && b : name === 'or' ? a || b : a !== b;
    const { op } = run.context.graph;
    if (name === 'and') return both(run, a as boolean | GraphScalar, b as boolean | GraphScalar);
    if (name === 'or' && (a === true || b === true)) return true;
    if (name === 'or' && (a === false || b === false)) return a === false ? b : a;
    return new GraphScalar('bool', op[name](run.context.operand(a, 9), run.context.operand(b, 9)));
  };
}

/** A position in a list of `length`; refused where there is none. */
function position(run: Interpreter, index: ScriptValue | undefined, length: number): number {
  if (typeof index !== 'bigint') throw run.refuse(`a list is indexed with ${run.describe(index)}`);
  const at = Number(index) < 0 ? Number(index) + length : Number(index);
  if (at < 0 || at >= length) throw run.raised('IndexError: list index out of range');
  return at;
}

function knownInt(run: Interpreter, value: ScriptValue | undefined, fallback: number): number {
  if (value === null || value === undefined) return fallback;
  if (typeof value === 'bigint') return Number(value);
  throw run.refuse(`a list is cut at ${run.describe(value)}`);
}

/** Python's `[start:end:step]`. */
function sliceList<T>(run: Interpreter, list: readonly T[], startGiven: ScriptValue | undefined, endGiven: ScriptValue | undefined, stepGiven: ScriptValue | undefined): T[] {
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

function checkLength(run: Interpreter, length: number): void {
  if (length > mostElements) throw run.refuse(`a list or string has more than ${mostElements} elements`);
}

function contains(run: Interpreter, container: ScriptValue | undefined, item: ScriptValue): ScriptValue | undefined {
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

function format(run: Interpreter, args: readonly ScriptValue[]): ScriptValue {
  const [template, ...values] = args;
  if (typeof template !== 'string') throw run.refuse('a text is formatted that is not known');
  const texts = values.map((value) => textOf(value));
  if (texts.includes(undefined)) return new Absent('it uses a text that depends on the input or shows a float');
  let next = 0;
  const text = template.replaceAll('{}', () => texts[next++] ?? '{}');
  checkLength(run, text.length);
  return text;
}

function textOf(value: ScriptValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return value === null ? 'None' : undefined;
}

/** How a float is written depends on more than its value; ints as Python writes them. */
const toText: ProgramOperator = (_run, [value]) => textOf(value ?? null) ?? new Absent('it uses a text that depends on the input or shows a float');

const text = (apply: (text: string, args: readonly ScriptValue[], run: Interpreter) => ScriptValue | undefined): ProgramOperator => (run, [first, ...rest]) => {
  if (typeof first !== 'string') return undefined;
  const result = apply(first, rest, run);
  if (typeof result === 'string' || isList(result)) checkLength(run, result.length);
  return result;
};

const list = (apply: (list: AtenValue[], args: readonly ScriptValue[], run: Interpreter) => ScriptValue | undefined): ProgramOperator => (run, [first, ...rest]) => (isList(first) ? apply(first, rest, run) : undefined);

const dict = (apply: (dict: ScriptDict, args: readonly ScriptValue[], run: Interpreter) => ScriptValue | undefined): ProgramOperator => (run, [first, ...rest]) => (first instanceof ScriptDict ? apply(first, rest, run) : undefined);

/** The first that is meant. */
const either = (...operators: readonly ProgramOperator[]): ProgramOperator => (run, args, keywords) => {
  for (const operator of operators) {
    const result = operator(run, args, keywords);
    if (result !== undefined) return result;
  }
  return undefined;
};

const changed = (run: Interpreter, target: AtenValue[]): AtenValue[] => {
  run.heap.changing(target);
  return target;
};

function compareKnown(run: Interpreter, a: AtenValue, b: AtenValue): number {
  if ((typeof a === 'bigint' || typeof a === 'number' || typeof a === 'boolean') && (typeof b === 'bigint' || typeof b === 'number' || typeof b === 'boolean')) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw run.refuse('a list is sorted whose elements depend on the input');
}

function ofList(name: 'min' | 'max' | 'sum' | 'any' | 'all'): ProgramOperator {
  return list((items, rest, run) => {
    if (rest.length > 0 || !items.every(isNumber)) return undefined;
    if (name === 'sum') return items.reduce((sum, item) => arithmetic.add(sum, item, run.context), items.some((item) => scalarType(item) === 'float') ? 0 : 0n);
    if (name === 'any' || name === 'all') {
      const join = logical(name === 'any' ? 'or' : 'and');
      return items.reduce<ScriptValue>((result, item) => join(run, [result, toBool(item, run.context)], nothing)!, name === 'all');
    }
    if (items.length === 0) throw run.raised(`ValueError: ${name}() of an empty list`);
    return items.reduce((best, item) => arithmetic[name](best, item, run.context));
  });
}

const addLists: ProgramOperator = (run, [a, b]) => {
  if (typeof a === 'string' && typeof b === 'string') {
    checkLength(run, a.length + b.length);
    return a + b;
  }
  if (!isList(a) || !isList(b)) return undefined;
  checkLength(run, a.length + b.length);
  return [...a, ...b];
};

const repeatList: ProgramOperator = (run, args) => {
  const items = args.find(isList);
  const count = args.find((argument) => typeof argument === 'bigint');
  if (items === undefined || count === undefined) return undefined;
  checkLength(run, items.length * Number(count));
  return Array.from({ length: Math.max(0, Number(count)) }, () => items).flat();
};

const not_: ProgramOperator = (run, [value]) => (isNumber(value) ? not(value, run.context) : undefined);
const convert = (to: (value: Parameters<typeof toInt>[0], context: Interpreter['context']) => ScriptValue): ProgramOperator => (run, [value]) => (isNumber(value) ? to(value, run.context) : undefined);
const isSame: ProgramOperator = (_run, [a, b]) => {
  if (a instanceof Absent || b instanceof Absent) return undefined;
  return a === null || b === null ? a === b : a === b || (typeof a !== 'object' ? false : undefined);
};

/** By name, without `aten::`. */
export const operators: Readonly<Record<string, ProgramOperator>> = {
  add: either(binary('add'), addLists),
  sub: binary('sub'),
  mul: either(binary('mul'), repeatList),
  div: binary('div'),
  floordiv: binary('floordiv'),
  remainder: binary('remainder'),
  fmod: (_run, [a, b]) => (typeof a === 'number' && typeof b === 'number' ? a % b : undefined),
  pow: binary('pow'),
  neg: (run, [value]) => (isNumber(value) ? negate(value, run.context) : undefined),
  eq: either(binary('eq'), (run, [a, b]) => equal(run, a!, b!)),
  ne: either(binary('ne'), (run, [a, b]) => {
    const same = equal(run, a!, b!);
    return same === undefined ? undefined : not(same, run.context);
  }),
  lt: binary('lt'),
  le: binary('le'),
  gt: binary('gt'),
  ge: binary('ge'),
  __and__: logical('and'),
  __or__: logical('or'),
  __xor__: logical('xor'),
  __not__: not_,
  __lshift__: (_run, [a, b]) => (typeof a === 'bigint' && typeof b === 'bigint' && b >= 0n && b < 64n ? BigInt.asIntN(64, a << b) : undefined),
  __rshift__: (_run, [a, b]) => (typeof a === 'bigint' && typeof b === 'bigint' && b >= 0n && b < 64n ? a >> b : undefined),
  __is__: isSame,
  __isnot__: (run, args, keywords) => {
    const same = isSame(run, args, keywords);
    return typeof same === 'boolean' ? !same : undefined;
  },
  __contains__: (run, [container, item]) => contains(run, container, item!),
  min: either(binary('min'), ofList('min')),
  max: either(binary('max'), ofList('max')),
  sum: ofList('sum'),
  any: ofList('any'),
  all: ofList('all'),
  Int: either(convert(toInt), text((value) => (/^\s*-?\d{1,18}\s*$/.test(value) ? BigInt(value) : undefined))),
  Float: convert(toFloat),
  Bool: convert(toBool),
  IntImplicit: convert(toInt),
  FloatImplicit: convert(toFloat),
  ScalarImplicit: (_run, [value]) => (isNumber(value) ? value : undefined),
  str: toText,
  format: (run, args) => format(run, args),
  percentFormat: () => new Absent('it uses a text made with %'),
  len: (_run, [value]) => {
    if (isList(value) || typeof value === 'string') return BigInt(value.length);
    if (value instanceof AtenTuple) return BigInt(value.items.length);
    return value instanceof ScriptDict ? BigInt(value.entries.size) : undefined;
  },
  __getitem__: either(
    list((items, [index], run) => items[position(run, index, items.length)]),
    text((value, [index], run) => value[position(run, index, value.length)]),
    dict(({ entries }, [key], run) => {
      const known = keyOf(run, key);
      if (!entries.has(known)) throw run.raised(`KeyError: ${String(known)}`);
      return entries.get(known)!;
    }),
  ),
  _set_item: either(
    list((items, [index, value], run) => {
      changed(run, items)[position(run, index, items.length)] = asAten(value!);
      return items;
    }),
    dict((target, [key, value], run) => {
      run.heap.changing(target);
      target.entries.set(keyOf(run, key), value!);
      return null;
    }),
  ),
  slice: either(
    list((items, [start, end, step], run) => sliceList(run, items, start, end, step)),
    text((value, [start, end, step], run) => sliceList(run, [...value], start, end, step).join('')),
  ),
  append: list((items, [value], run) => {
    checkLength(run, items.length + 1);
    changed(run, items).push(asAten(value!));
    return items;
  }),
  extend: list((items, [more], run) => {
    if (!isList(more)) return undefined;
    checkLength(run, items.length + more.length);
    const added = [...more];
    changed(run, items);
    for (const item of added) items.push(item);
    return null;
  }),
  insert: list((items, [index, value], run) => {
    const at = knownInt(run, index, 0);
    changed(run, items).splice(at < 0 ? Math.max(0, at + items.length) : at, 0, asAten(value!));
    return null;
  }),
  pop: either(
    list((items, [index], run) => {
      const at = position(run, index ?? -1n, items.length);
      return changed(run, items).splice(at, 1)[0]!;
    }),
    dict((target, [key, fallback], run) => {
      const known = keyOf(run, key);
      if (!target.entries.has(known) && fallback === undefined) throw run.raised(`KeyError: ${String(known)}`);
      const found = target.entries.has(known) ? target.entries.get(known)! : fallback!;
      run.heap.changing(target);
      target.entries.delete(known);
      return found;
    }),
  ),
  clear: either(
    list((items, _rest, run) => {
      changed(run, items).length = 0;
      return null;
    }),
    dict((target, _rest, run) => {
      run.heap.changing(target);
      target.entries.clear();
      return null;
    }),
  ),
  reverse: list((items, _rest, run) => {
    changed(run, items).reverse();
    return null;
  }),
  copy: either(list((items) => [...items]), dict(({ entries }) => new ScriptDict(entries))),
  list: either(list((items) => [...items]), text((value) => [...value])),
  sort: list((items, [reverse], run) => {
    changed(run, items).sort((a, b) => (reverse === true ? -1 : 1) * compareKnown(run, a, b));
    return null;
  }),
  sorted: list((items, _rest, run) => items.toSorted((a, b) => compareKnown(run, a, b))),
  index: either(list((items, [value], run) => {
    const at = items.findIndex((item) => equal(run, item, value!) === true);
    if (at === -1) throw run.refuse('the place of a value in a list is not known');
    return BigInt(at);
  })),
  count: list((items, [value], run) => {
    const same = items.map((item) => equal(run, item, value!));
    return same.every((found) => typeof found === 'boolean') ? BigInt(same.filter(Boolean).length) : undefined;
  }),
  remove: list((items, [value], run) => {
    const at = items.findIndex((item) => equal(run, item, value!) === true);
    if (at === -1) throw run.refuse('the place of a value in a list is not known');
    changed(run, items).splice(at, 1);
    return null;
  }),
  Delete: either(
    list((items, [index], run) => {
      const at = position(run, index, items.length);
      changed(run, items).splice(at, 1);
      return null;
    }),
    dict((target, [key], run) => {
      run.heap.changing(target);
      target.entries.delete(keyOf(run, key));
      return null;
    }),
  ),
  keys: dict(({ entries }) => [...entries.keys()]),
  values: dict(({ entries }) => [...entries.values()].map(asAten)),
  items: dict(({ entries }) => [...entries].map(([key, value]) => new AtenTuple([key, asAten(value)]))),
  get: dict(({ entries }, [key, fallback = null], run) => {
    const known = keyOf(run, key);
    return entries.has(known) ? entries.get(known)! : fallback;
  }),
  setdefault: dict((target, [key, fallback], run) => {
    const known = keyOf(run, key);
    if (!target.entries.has(known)) {
      run.heap.changing(target);
      target.entries.set(known, fallback ?? null);
    }
    return target.entries.get(known)!;
  }),
  update: dict((target, [more], run) => {
    if (!(more instanceof ScriptDict)) return undefined;
    run.heap.changing(target);
    for (const [key, value] of more.entries) target.entries.set(key, value);
    return null;
  }),
  dict: either((_run, args) => (args.length === 0 ? new ScriptDict() : undefined), dict(({ entries }) => new ScriptDict(entries)), list((items, _rest, run) => new ScriptDict(items.map((item): [DictKey, ScriptValue] => (item instanceof AtenTuple && item.items.length === 2 ? [keyOf(run, item.items[0]), item.items[1]!] : run.fail('a dict is made of something else than pairs')))))),
  __range_length: (run, [start, end, step]) => {
    if (!isNumber(start) || !isNumber(end) || typeof step !== 'bigint' || step === 0n) return undefined;
    if (typeof start === 'bigint' && typeof end === 'bigint') {
      const count = step > 0n ? (end - start + step - 1n) / step : (start - end - step - 1n) / -step;
      return count > 0n ? count : 0n;
    }
    const [span, by] = step > 0n ? [arithmetic.sub(end, start, run.context), step] : [arithmetic.sub(start, end, run.context), -step];
    return arithmetic.max(arithmetic.floordiv(arithmetic.add(span, by - 1n, run.context), by, run.context), 0n, run.context);
  },
  __derive_index: (run, [index, start, step]) => (isNumber(index) && isNumber(start) && isNumber(step) ? arithmetic.add(start, arithmetic.mul(index, step, run.context), run.context) : undefined),
  upper: text((value) => value.toUpperCase()),
  lower: text((value) => value.toLowerCase()),
  startswith: text((value, [prefix]) => (typeof prefix === 'string' ? value.startsWith(prefix) : undefined)),
  endswith: text((value, [suffix]) => (typeof suffix === 'string' ? value.endsWith(suffix) : undefined)),
  split: text((value, [separator]) => (typeof separator === 'string' && separator !== '' ? value.split(separator) : undefined)),
  join: text((value, [items]) => (isList(items) && items.every((item) => typeof item === 'string') ? items.join(value) : undefined)),
  replace: text((value, [from, to]) => (typeof from === 'string' && from !== '' && typeof to === 'string' ? value.replaceAll(from, to) : undefined)),
  _unwrap_optional: (run, [value]) => {
    if (value === null) throw run.raised('AssertionError: Unwrapping null optional');
    return value;
  },
  is_scripting: () => true,
  warn: () => null,
  device: (_run, [value]) => (typeof value === 'string' ? value : undefined),
  // What only training needs.
  manual_seed: () => null,
  is_grad_enabled: () => false,
  set_grad_enabled: () => null,
  is_autocast_enabled: () => false,
  is_autocast_cpu_enabled: () => false,
};

for (const name of ['sqrt', 'exp', 'log', 'log2', 'log10', 'log1p', 'sin', 'cos', 'tan', 'tanh', 'atan', 'asin', 'acos', 'sinh', 'cosh', 'fabs', 'degrees', 'radians', 'floor', 'ceil', 'round', 'abs']) {
  (operators as Record<string, ProgramOperator>)[name] = (run, args) => (args.length === 1 && isNumber(args[0]) ? functionOfNumber(name, args[0], run.context) : undefined);
}

/** Objects and sequences are told apart from what operators take. */
export function isObject(value: ScriptValue): value is ScriptObject | TensorSequence {
  return value instanceof ScriptObject || value instanceof TensorSequence;
}
