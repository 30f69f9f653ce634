/** What a body of a branch or loop may change: variables, and the lists, dicts and objects that they lead to. */
import { AtenTuple } from '../aten/value.ts';
import type { Frame } from './frame.ts';
import type { Changeable, Changes } from './heap.ts';
import type { Interpreter } from './interpreter.ts';
import { ScriptDict, ScriptObject, TensorSequence, type ScriptValue } from './script-value.ts';
import type { Expression, Statement } from './syntax.ts';

/** Names that are set anywhere in the statements. */
export function assignedNames(statements: readonly Statement[], names = new Set<string>()): Set<string> {
  const target = (expression: Expression): void => {
    if (expression.kind === 'name') names.add(expression.name);
    else if (expression.kind === 'tuple' || expression.kind === 'list') expression.elements.forEach(target);
  };
  for (const statement of statements) {
    switch (statement.kind) {
      case 'assign':
        statement.targets.forEach(target);
        break;
      case 'if':
        assignedNames(statement.yes, names);
        assignedNames(statement.no, names);
        break;
      case 'for':
        target(statement.target);
        assignedNames(statement.body, names);
        break;
      case 'while':
      case 'with':
        assignedNames(statement.body, names);
        break;
    }
  }
  return names;
}

/** Lists, dicts and objects that the variables of all open calls lead to. Those that the model keeps may not be changed at all. */
export function reachable(run: Interpreter): Set<Changeable> {
  const found = new Set<Changeable>();
  const tuples = new Set<AtenTuple>();
  const visit = (value: ScriptValue): void => {
    if (value instanceof AtenTuple) {
      if (tuples.has(value)) return;
      tuples.add(value);
      value.items.forEach(visit);
    } else if (Array.isArray(value) || value instanceof ScriptDict || value instanceof ScriptObject || value instanceof TensorSequence) {
      if (found.has(value) || (value instanceof ScriptObject && value.name !== undefined)) return;
      found.add(value);
      if (Array.isArray(value)) value.forEach(visit);
      else if (value instanceof ScriptDict) [...value.entries.values()].forEach(visit);
      else if (value instanceof ScriptObject) [...value.attributes.values()].forEach(visit);
    }
  };
  for (const { variables } of run.frames) for (const value of variables.values()) visit(value);
  return found;
}

/** Makes a frame's variables what they were. */
export function restore(frame: Frame, variables: ReadonlyMap<string, ScriptValue>): void {
  frame.variables.clear();
  for (const [name, value] of variables) frame.variables.set(name, value);
}

/** The values in what was changed. */
export function valuesIn(changes: Changes): ScriptValue[] {
  return [...changes.values()].flatMap((state) => (Array.isArray(state) ? (state as ScriptValue[]) : state instanceof Map ? [...(state as Map<unknown, ScriptValue>).values()] : []));
}
