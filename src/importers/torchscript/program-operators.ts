/**
 * Operators on what is no tensor: numbers, strings, lists, dicts. They run now, where their operands are known; numbers that only the
 * graph knows are computed there. An operator that gives undefined is not meant: then it is one of tensors.
 */
import { AtenTuple, GraphScalar, type AtenValue } from '../aten/value.ts';
import type { Interpreter } from './interpreter.ts';
import { both, checkLength, compareKnown, contains, equal, format, isList, keyOf, knownInt, position, sliceList, textOf } from './known-values.ts';
import { arithmetic, functionOfNumber, isNumber, negate, not, scalarType, toBool, toFloat, toInt } from './program-numbers.ts';
import { Absent, ScriptDict, ScriptObject, TensorSequence, asAten, type DictKey, type ScriptValue } from './script-value.ts';

export type ProgramOperator = (run: Interpreter, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>) => ScriptValue | undefined;

const nothing: ReadonlyMap<string, ScriptValue> = new Map();

function binary(name: keyof typeof arithmetic): ProgramOperator {
  return (run, [a, b], keywords) => (isNumber(a) && isNumber(b) && keywords.size === 0 ? arithmetic[name](a, b, run.context) : undefined);
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
