/**
 * What a pickle becomes. Everything is inert data: nothing here holds or names code that could run.
 *
 * | Python              | here                                                                      |
 * |---------------------|---------------------------------------------------------------------------|
 * | None, bool, str     | null, boolean, string (lone surrogates stay)                              |
 * | int                 | number where it is safe, else bigint                                      |
 * | float               | number; a {@link PickledFloat} with the option `wrapFloats`               |
 * | bytes, bytearray    | Uint8Array: a view of the file                                            |
 * | list                | array                                                                     |
 * | tuple               | frozen array ({@link isTuple})                                            |
 * | dict                | Map, in order; tuples and other objects are keys by identity              |
 * | set, frozenset      | Set                                                                       |
 * | class or function   | {@link PickledGlobal}                                                     |
 * | instance            | {@link PickledObject}, or what the caller's constructor made of it        |
 *
 * Values refer to each other as they did in Python: shared things are shared, and cycles are cycles.
 */
export type PickleValue = null | boolean | number | bigint | string | object;

/** A class or function by its name. It is never looked up and never called. */
export class PickledGlobal {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }

  /** `module.name`. */
  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** A float, where the caller has to tell 1.0 from 1. */
export class PickledFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

const nothing: ReadonlyMap<PickleValue, PickleValue> = new Map();

/** An instance of a class that was declared as data, or a call of such a function: what the pickle says about it. */
export class PickledObject {
  readonly module: string;
  readonly name: string;
  /** Arguments of `__new__`, or of the call. */
  readonly args: readonly PickleValue[];
  readonly keywords: ReadonlyMap<PickleValue, PickleValue>;
  /** What `__setstate__` would get; undefined where the pickle gives none. */
  state: PickleValue | undefined;
  /** Elements, of an object that is a list. */
  readonly items: PickleValue[] = [];
  /** Entries, of an object that is a dict. */
  readonly entries = new Map<PickleValue, PickleValue>();

  constructor(module: string, name: string, args: readonly PickleValue[], keywords: ReadonlyMap<PickleValue, PickleValue> = nothing) {
    this.module = module;
    this.name = name;
    this.args = args;
    this.keywords = keywords;
  }

  /** `module.name`. */
  get path(): string {
    return `${this.module}.${this.name}`;
  }

  /** Instance attributes, from `__dict__` and `__slots__`; empty where the state is something else. */
  get attributes(): ReadonlyMap<PickleValue, PickleValue> {
    const { state } = this;
    if (state instanceof Map) return state as ReadonlyMap<PickleValue, PickleValue>;
    if (!isTuple(state) || state.length !== 2) return nothing;
    const [members, slots] = state;
    const attributes = new Map<PickleValue, PickleValue>(members instanceof Map ? members : undefined);
    if (slots instanceof Map) for (const [name, value] of slots as Map<PickleValue, PickleValue>) attributes.set(name, value);
    return attributes;
  }
}

/** The method by which a constructed value shows the values in it, so that their nesting is checked too. */
export const pickleMembers: unique symbol = Symbol('pickle members');

/** Frozen arrays are tuples: both cannot be changed. */
export function isTuple(value: unknown): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

/** What a value is called in Python, for error messages. */
export function describePickleValue(value: unknown): string {
  if (value === null) return 'None';
  if (value === undefined) return 'nothing';
  if (typeof value === 'boolean') return 'a bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an int' : 'a float';
  if (typeof value === 'bigint') return 'an int';
  if (typeof value === 'string') return 'a str';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return isTuple(value) ? 'a tuple' : 'a list';
  if (value instanceof Map) return 'a dict';
  if (value instanceof Set) return 'a set';
  if (value instanceof PickledFloat) return 'a float';
  if (value instanceof PickledGlobal) return `the class or function ${printable(value.path)}`;
  if (value instanceof PickledObject) return `a ${printable(value.path)}`;
  return `a ${(value as object).constructor?.name ?? 'value'}`;
}

/** Text from a file, fit to stand in a message: short, and without control characters. */
export function printable(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return JSON.stringify(short).slice(1, -1).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
