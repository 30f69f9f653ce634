/** What every reader of values notes down. */
import type { JsonSchema } from '../model.ts';
import type { ValueProblem } from '../value-problem.ts';

export type Loc = readonly (string | number)[];

export interface Reading {
  readonly root: JsonSchema;
  readonly problems: ValueProblem[];
  /** In the first pass over the alternatives of a union nothing is converted. */
  readonly strict: boolean;
}

/** A client that sends a long list of wrong rows is not told of each. */
export const mostProblems = 1000;

/** Gives undefined, which is what a wrong value is read as. */
export function problem(reading: Reading, type: string, loc: Loc, msg: string, input: unknown, ctx?: ValueProblem['ctx']): undefined {
  if (reading.problems.length < mostProblems) reading.problems.push({ type, loc, msg, input, ...(ctx === undefined ? {} : { ctx }) });
  return undefined;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
