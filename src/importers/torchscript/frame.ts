/** One call of a function, and the ways in which it ends. */
import type { ScriptValue } from './script-value.ts';
import type { FunctionDefinition } from './syntax.ts';

/** The program stops itself: `raise`. */
export class ProgramRaised extends Error {}

export interface Frame {
  readonly definition: FunctionDefinition;
  readonly variables: Map<string, ScriptValue>;
}

export interface Returned {
  readonly value: ScriptValue;
}
