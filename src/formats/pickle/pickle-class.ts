/**
 * Which classes and functions a pickle may name, and what becomes of them.
 * A pickle is a program for a machine that calls whatever it names. This one calls only constructors that a caller of the reader wrote
 * and listed; a class that is listed as data becomes a record of its arguments and state; anything else is refused by name.
 */
import type { PickleValue } from './pickle-value.ts';

/** What a constructor may ask of the reader while it runs. */
export interface PickleReading {
  /** Offset of the next byte that the reader will look at. */
  readonly position: number;
  /** The next bytes of the file, taken out of the pickle (joblib puts arrays between opcodes). A view. Throws where the file is shorter. */
  take(length: number): Uint8Array;
  /** Reads a whole pickle that stands at this position, under the same limits. */
  readNested(): PickleValue;
  /** Says that `bytes` of memory are about to be used. Throws where that is beyond the limit. */
  charge(bytes: number): void;
  /** An error that names the position. */
  fail(problem: string): never;
  /** An instance of what `type` names, as if the pickle had called it. */
  construct(type: PickleValue, args: readonly PickleValue[], keywords?: ReadonlyMap<PickleValue, PickleValue>): PickleValue;
}

export interface PickleCall {
  readonly module: string;
  readonly name: string;
  readonly args: readonly PickleValue[];
  readonly keywords: ReadonlyMap<PickleValue, PickleValue>;
  readonly reading: PickleReading;
}

export type PickleClass =
  /** May be named as a value, and never called: a type or function that is a parameter. */
  | { readonly kind: 'reference' }
  /** Instances, or calls, become a `PickledObject`. */
  | { readonly kind: 'data' }
  /** Becomes what `construct` gives. */
  | { readonly kind: 'constructor'; construct(call: PickleCall): PickleValue };

/** Finds what is to be done with a name; undefined refuses it. */
export type PickleClasses = (module: string, name: string) => PickleClass | undefined;

export const reference: PickleClass = { kind: 'reference' };
export const data: PickleClass = { kind: 'data' };

export function constructor(construct: (call: PickleCall) => PickleValue): PickleClass {
  return { kind: 'constructor', construct };
}

/** Classes by `module.name`. */
export function pickleClasses(classes: Readonly<Record<string, PickleClass>>): PickleClasses {
  const known = new Map(Object.entries(classes));
  return (module, name) => known.get(`${module}.${name}`);
}

/** The first that knows a name decides. */
export function firstOf(...sources: readonly PickleClasses[]): PickleClasses {
  return (module, name) => {
    for (const source of sources) {
      const found = source(module, name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** The method by which a constructed value takes its state (BUILD). What it returns takes the value's place on the stack. A symbol, so that no file can name it. */
export const setState: unique symbol = Symbol('pickle state');

export interface TakesPickleState {
  [setState](state: PickleValue, reading: PickleReading): PickleValue;
}
