/**
 * Branches and loops. What is known is followed; what depends on an input becomes an If or a Loop, whose bodies are followed each on its own:
 * variables, memory, lists and dicts that a body changes become outputs of the node.
 */
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { AtenTuple, GraphScalar, type AtenScalar, type AtenStorage } from '../aten/value.ts';
import { assignedNames, reachable, restore, valuesIn } from './body.ts';
import { stateOf, type Changeable, type Changes } from './heap.ts';
import { ProgramRaised, type Frame, type Returned } from './frame.ts';
import type { Interpreter } from './interpreter.ts';
import { runLoop } from './loop.ts';
import { Merge, readContents, type Contents } from './merge-values.ts';
import { isNumber } from './program-numbers.ts';
import { TensorSequence, Unknown, asAten, type ScriptValue } from './script-value.ts';
import type { Statement } from './syntax.ts';

/** Loops of more rounds stay loops even where the number is known. */
const mostUnrolled = 512;
const mostRounds = 20_000;

interface Branch {
  readonly variables: ReadonlyMap<string, ScriptValue>;
  readonly returned: Returned | undefined;
  readonly contents: Contents;
  readonly writes: ReadonlyMap<AtenStorage, Value>;
  readonly changes: Changes;
}

/** A branch that ends in `raise`: the other is then the only one. */
class BranchRaises extends Error {
  readonly branch: 'yes' | 'no';
  readonly problem: ProgramRaised;

  constructor(branch: 'yes' | 'no', problem: ProgramRaised) {
    super();
    this.branch = branch;
    this.problem = problem;
  }
}

export function runIf(run: Interpreter, frame: Frame, statement: Statement & { kind: 'if' }): Returned | undefined {
  const given = run.evaluate(statement.condition, frame);
  if (given instanceof Unknown) return followBoth(run, frame, statement);
  const condition = run.truth(given);
  if (typeof condition === 'boolean') return run.execute(condition ? statement.yes : statement.no, frame);
  try {
    return branch(run, frame, statement, condition);
  } catch (error) {
    if (!(error instanceof BranchRaises)) throw error;
    run.noteCheck(statement.place, error.problem.message);
    return run.execute(error.branch === 'yes' ? statement.no : statement.yes, frame);
  }
}

/** While inputs are guessed: of two ways in which a variable comes about the shorter tells more, as where an axis is added to what has too few. */
function followBoth(run: Interpreter, frame: Frame, statement: Statement & { kind: 'if' }): Returned | undefined {
  let returned: Returned | undefined;
  const first = new Map<string, ScriptValue>();
  for (const statements of [statement.no, statement.yes]) {
    try {
      returned = run.execute(statements, frame) ?? returned;
    } catch (error) {
      if (!(error instanceof ProgramRaised)) throw error;
    }
    for (const name of assignedNames(statements)) {
      const [before, now] = [first.get(name), frame.variables.get(name)];
      const length = (value: ScriptValue | undefined): number => (value instanceof Unknown ? (value.undo?.length ?? Infinity) : Infinity);
      if (before !== undefined && length(before) < length(now)) frame.variables.set(name, before);
      else if (now !== undefined) first.set(name, now);
    }
  }
  return returned;
}

function branch(run: Interpreter, frame: Frame, statement: Statement & { kind: 'if' }, condition: GraphScalar): Returned | undefined {
  const { context } = run;
  const outer = context.graph;
  const before = new Map(frame.variables);
  const kept = reachable(run);
  const [setInYes, setInNo] = [assignedNames(statement.yes), assignedNames(statement.no)];
  const candidates = [...new Set([...setInYes, ...setInNo])].filter((name) => before.has(name) || (setInYes.has(name) && setInNo.has(name)));
  let finish: (outputs: readonly Value[]) => Returned | undefined = () => undefined;
  let merge!: Merge;
  let otherwise!: ReturnType<GraphBuilder['subgraph']>;
  const taken = outer.subgraph('then', (yesGraph) => {
    const yes = follow(run, frame, statement.yes, yesGraph, 'yes', before, candidates);
    otherwise = outer.subgraph('else', (noGraph) => {
      const no = follow(run, frame, statement.no, noGraph, 'no', before, candidates);
      merge = new Merge(run, outer, yes.contents, no.contents);
      finish = join(run, frame, { before, kept, candidates, merge, yes, no, outer });
      return merge.outputs.map((output) => output.no(noGraph));
    });
    return merge.outputs.map((output) => output.yes(yesGraph));
  });
  const outputs = merge.outputs.length === 0 ? [] : outer.node('If', [condition.value], { then_branch: taken.graph, else_branch: otherwise.graph }, { outputs: merge.outputs.length });
  return finish(outputs);
}

function follow(run: Interpreter, frame: Frame, statements: readonly Statement[], graph: GraphBuilder, which: 'yes' | 'no', before: ReadonlyMap<string, ScriptValue>, candidates: readonly string[]): Branch {
  const { context, heap } = run;
  run.bodyDepth++;
  try {
    const { result, writes } = context.inside(graph, () =>
      context.trackWrites(() => {
        const { result: ended, changes } = heap.track(() => ({ returned: run.execute(statements, frame), variables: new Map(frame.variables) }));
        const values = candidates.map((name) => ended.variables.get(name)).filter((value) => value !== undefined);
        const contents = readContents(run, [...values, ...(ended.returned === undefined ? [] : [ended.returned.value]), ...valuesIn(changes)]);
        return { ...ended, changes, contents };
      }),
    );
    return { ...result, writes };
  } catch (error) {
    if (error instanceof ProgramRaised) throw new BranchRaises(which, error);
    throw error;
  } finally {
    restore(frame, before);
    run.bodyDepth--;
  }
}

interface Joining {
  readonly before: ReadonlyMap<string, ScriptValue>;
  readonly kept: ReadonlySet<Changeable>;
  readonly candidates: readonly string[];
  readonly merge: Merge;
  readonly yes: Branch;
  readonly no: Branch;
  readonly outer: GraphBuilder;
}

/** Plans what goes through the If; the result sets variables, memory, lists and dicts from its outputs. */
function join(run: Interpreter, frame: Frame, { before, kept, candidates, merge, yes, no, outer }: Joining): (outputs: readonly Value[]) => Returned | undefined {
  const after: ((outputs: readonly Value[]) => void)[] = [];
  // Lists that a body made itself are what it made of them.
  for (const { changes } of [yes, no]) for (const [target, state] of changes) if (!kept.has(target)) run.heap.apply(target, state);
  for (const storage of new Set([...yes.writes.keys(), ...no.writes.keys()])) {
    if (!outer.sees(storage.value)) continue;
    const [left, right] = [yes.writes.get(storage) ?? storage.value, no.writes.get(storage) ?? storage.value];
    const place = merge.slot(() => left, () => right);
    after.push((outputs) => run.context.replace(storage, outputs[place]!));
  }
  for (const target of new Set([...yes.changes.keys(), ...no.changes.keys()])) {
    if (!kept.has(target)) continue;
    after.push(joinContainer(run, merge, target, yes.changes.get(target) ?? stateOf(target), no.changes.get(target) ?? stateOf(target)));
  }
  for (const name of candidates) {
    const [left, right] = [yes.variables.get(name), no.variables.get(name)];
    if (left === undefined || right === undefined) continue;
    const made = merge.plan(left, right);
    after.push((outputs) => frame.variables.set(name, made(outputs)));
  }
  let returned: ((outputs: readonly Value[]) => ScriptValue) | undefined;
  if (yes.returned !== undefined && no.returned !== undefined) returned = merge.plan(yes.returned.value, no.returned.value);
  else if (yes.returned !== undefined || no.returned !== undefined) throw run.refuse('a function returns on one path only, and which path depends on the input');
  return (outputs) => {
    restore(frame, before);
    for (const apply of after) apply(outputs);
    return returned === undefined ? undefined : { value: returned(outputs) };
  };
}

type State = ReturnType<typeof stateOf>;

function joinContainer(run: Interpreter, merge: Merge, target: Changeable, yes: State, no: State): (outputs: readonly Value[]) => void {
  if (target instanceof TensorSequence) {
    const place = merge.slot(() => yes as Value, () => no as Value);
    return (outputs) => run.heap.apply(target, outputs[place]!);
  }
  if (Array.isArray(target)) {
    const [left, right] = [yes as readonly ScriptValue[], no as readonly ScriptValue[]];
    if (left.length !== right.length) return unusable(run, target);
    const items = left.map((item, index) => merge.plan(item, right[index]!));
    return (outputs) => run.heap.apply(target, items.map((item) => asAten(item(outputs))));
  }
  const [left, right] = [yes as ReadonlyMap<string, ScriptValue>, no as ReadonlyMap<string, ScriptValue>];
  if ([...left.keys()].join('\0') !== [...right.keys()].join('\0')) return unusable(run, target);
  const items = [...left].map(([key, item]) => [key, merge.plan(item, right.get(key)!)] as const);
  return (outputs) => run.heap.apply(target, new Map(items.map(([key, item]) => [key, item(outputs)])));
}

function unusable(run: Interpreter, target: object): () => void {
  return () => void run.heap.unusable.set(target, 'a list or dict has more entries on one path than on the other, and which one depends on the input');
}

// ---- loops

export function runFor(run: Interpreter, frame: Frame, statement: Statement & { kind: 'for' }): Returned | undefined {
  const { source, body, target } = statement;
  const once = (value: ScriptValue): Returned | undefined => {
    run.assignTo(target, value, frame);
    return run.execute(body, frame);
  };
  if (!(source.kind === 'call' && source.callee.kind === 'name' && source.callee.name === 'range')) {
    const items = run.evaluate(source, frame);
    const list = Array.isArray(items) ? [...items] : items instanceof AtenTuple ? items.items : run.fail(`a loop goes through ${run.describe(items)}`);
    for (const item of list) {
      const returned = once(item);
      if (returned !== undefined) return returned;
    }
    return undefined;
  }
  const given = source.args.map((argument) => run.evaluate(argument, frame));
  const unknown = given.find((value) => value instanceof Unknown);
  if (unknown !== undefined) return once(unknown);
  const bounds = given.map((value) => (isNumber(value) ? value : run.fail(`a loop's range is ${run.describe(value)}`)));
  const [start, end, step]: readonly AtenScalar[] = bounds.length === 1 ? [0n, bounds[0]!, 1n] : [bounds[0] ?? 0n, bounds[1] ?? 0n, bounds[2] ?? 1n];
  if (typeof start === 'bigint' && typeof end === 'bigint' && typeof step === 'bigint' && step !== 0n) {
    const count = step > 0n ? (end - start + step - 1n) / step : (start - end - step - 1n) / -step;
    if (count <= BigInt(mostUnrolled)) {
      for (let value = start; step > 0n ? value < end : value > end; value += step) {
        const returned = once(value);
        if (returned !== undefined) return returned;
      }
      return undefined;
    }
  }
  if (start !== 0n || step !== 1n) throw run.refuse('a loop whose number of rounds depends on the input has another start or step than range(n)');
  runLoop(run, frame, { rounds: run.context.operand(end!, 7), condition: undefined, conditionExpression: undefined, target, body });
  return undefined;
}

export function runWhile(run: Interpreter, frame: Frame, statement: Statement & { kind: 'while' }): Returned | undefined {
  for (let round = 0; ; round++) {
    const given = run.evaluate(statement.condition, frame);
    if (given instanceof Unknown) return run.execute(statement.body, frame);
    const condition = run.truth(given);
    if (condition === false) return undefined;
    if (condition instanceof GraphScalar) {
      runLoop(run, frame, { rounds: undefined, condition, conditionExpression: statement.condition, target: undefined, body: statement.body });
      return undefined;
    }
    if (round >= mostRounds) throw run.refuse(`a loop takes more than ${mostRounds} rounds`);
    const returned = run.execute(statement.body, frame);
    if (returned !== undefined) return returned;
  }
}

