/**
 * Reads Python pickles, protocols 0 to 5, without running them: https://docs.python.org/3/library/pickletools.html describes the opcodes.
 */
import { PickleBytes } from './pickle-bytes.ts';
import { defaultPickleLimits, measureNesting } from './pickle-limits.ts';
import { PickleMachine, type ReadPickleOptions } from './pickle-machine.ts';
import { opcodes } from './pickle-opcodes.ts';
import type { PickleValue } from './pickle-value.ts';

export type { ReadPickleOptions } from './pickle-machine.ts';

/** The value of a pickle. Throws `INVALID_MODEL` that names the byte, and the class where one is not allowed. */
export function readPickle(bytes: Uint8Array, options: ReadPickleOptions): PickleValue {
  return readPickleAt(bytes, options).value;
}

/** The same, and the offset behind it: some files hold several pickles, or other bytes after one. */
export function readPickleAt(bytes: Uint8Array, options: ReadPickleOptions): { readonly value: PickleValue; readonly end: number } {
  const limits = { ...defaultPickleLimits(bytes.length), ...options.limits };
  const input = new PickleBytes(bytes, options.offset ?? 0, options.name ?? 'pickle');
  const spent = { objects: 0, memoryBytes: 0, nested: 0 };
  const value = new PickleMachine(input, options, limits, spent, options.buffers?.[Symbol.iterator]()).run();
  const nesting = measureNesting(value, limits);
  if (nesting === 'too deep') input.fail(`the value is nested more than ${limits.maxDepth} deep, which is refused`);
  if (nesting === 'too many') input.fail(`the value refers to itself so often that it stands for more than ${limits.maxExpandedObjects} values, which is refused`);
  return { value, end: input.position };
}

/** Whether the bytes begin as a pickle of protocol 2 or later does. Protocols 0 and 1 have no mark. */
export function looksLikePickle(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes[0] === opcodes.PROTO && bytes[1]! >= 2 && bytes[1]! <= 5;
}
