/** A loop whose end only the running graph knows. */
import { dataTypeName } from '../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { AtenTensor, AtenTuple, GraphScalar, toScalar, type AtenStorage, type AtenValue } from '../aten/value.ts';
import { assignedNames, reachable, restore, valuesIn } from './body.ts';
import { ProgramRaised, type Frame } from './frame.ts';
import type { Changeable } from './heap.ts';
import type { Interpreter } from './interpreter.ts';
import { filler, numberTypes, readContents, type Contents } from './merge-values.ts';
import { isNumber, scalarType } from './program-numbers.ts';
import { Absent, NamedTuple, ScriptDict, TensorSequence, asAten, type ScriptValue } from './script-value.ts';
import type { Expression, Statement } from './syntax.ts';

export interface LoopStatement {
  readonly rounds: Value | undefined;
  readonly condition: GraphScalar | undefined;
  readonly conditionExpression: Expression | undefined;
  readonly target: Expression | undefined;
  readonly body: readonly Statement[];
}

/** The body carries more than was thought: it is followed again. */
class FollowAgain extends Error {}

const mostAttempts = 16;

/** How a carried value lies in values of the graph. */
interface Form {
  readonly values: readonly Value[];
  /** What it is inside the body, or after the loop. */
  make(values: readonly Value[]): ScriptValue;
  /** What the body made of it, as the same values. */
  take(value: ScriptValue, contents: Contents, graph: GraphBuilder): Value[];
}

export function runLoop(run: Interpreter, frame: Frame, statement: LoopStatement): void {
  const carriedMemory = new Set<AtenStorage>();
  const carriedContainers = new Set<Changeable>();
  const unset = new Map<string, ScriptValue>();
  const forms = new Map<ScriptValue, Form>();
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    try {
      attemptLoop(run, frame, statement, { carriedMemory, carriedContainers, unset, forms });
      return;
    } catch (error) {
      if (error instanceof ProgramRaised) throw run.refuse(`a loop whose number of rounds depends on the input always raises: ${error.message.slice(0, 200)}`);
      if (!(error instanceof FollowAgain)) throw error;
    }
  }
  throw run.refuse('what a loop carries does not settle');
}

/** What was learned from following the body before. */
interface Learned {
  readonly carriedMemory: Set<AtenStorage>;
  readonly carriedContainers: Set<Changeable>;
  /** Variables that are not set before the loop, and what the body sets them to: only its kind matters. */
  readonly unset: Map<string, ScriptValue>;
  /** Of tensors before the loop. What the body does may make their memory unclear, which matters to the body's next round and not to what they were. */
  readonly forms: Map<ScriptValue, Form>;
}

function attemptLoop(run: Interpreter, frame: Frame, statement: LoopStatement, { carriedMemory, carriedContainers, unset, forms: knownForms }: Learned): void {
  const { context, heap } = run;
  const outer = context.graph;
  for (const [name, like] of unset) {
    const dummy = standIn(run, like);
    if (dummy !== undefined) frame.variables.set(name, dummy);
  }
  const before = new Map(frame.variables);
  const kept = reachable(run);
  const names = [...assignedNames(statement.body)].filter((name) => before.has(name) && !(statement.target?.kind === 'name' && statement.target.name === name));
  const forms: Form[] = names.map((name) => {
    const value = before.get(name)!;
    const known = value instanceof AtenTensor || value instanceof AtenTuple ? knownForms.get(value) : undefined;
    if (known !== undefined) return known;
    const form = formOf(run, value, `the variable ${name}`, (like) => {
      unset.set(name, like);
      throw new FollowAgain();
    });
    knownForms.set(value, form);
    return form;
  });
  const unclearBefore = unclearMemory(run);
  const containers = [...carriedContainers];
  const containerForms = containers.map((container) => containerForm(run, container));
  const memory = [...carriedMemory];
  const all = [...forms, ...containerForms];
  const carried = [...memory.map((storage) => storage.value), ...all.flatMap((form) => form.values)];
  const share = (values: readonly Value[]): readonly (readonly Value[])[] => {
    let at = memory.length;
    return all.map((form) => values.slice(at, (at += form.values.length)));
  };
  const seen = new Set<AtenTensor>();
  run.bodyDepth++;
  let outputs: readonly Value[];
  try {
    outputs = outer.op.loop({ ...(statement.rounds === undefined ? {} : { rounds: statement.rounds }), ...(statement.condition === undefined ? {} : { condition: statement.condition.value }), carried }, (body, { round, carried: values }) =>
      context.inside(body, () => {
        try {
          const { result, writes } = context.trackWrites(() => {
            for (const [index, storage] of memory.entries()) context.replace(storage, values[index]!);
            const parts = share(values);
            const { result: ended, changes } = heap.track(() => {
              for (const [index, name] of names.entries()) frame.variables.set(name, forms[index]!.make(parts[index]!));
              for (const [index, container] of containers.entries()) setContainer(run, container, containerForms[index]!.make(parts[names.length + index]!));
              if (statement.target !== undefined) run.assignTo(statement.target, new GraphScalar('int', round), frame);
              if (run.execute(statement.body, frame) !== undefined) throw run.refuse('a function returns from inside a loop whose end depends on the input');
              const goOn = statement.conditionExpression === undefined ? undefined : run.truth(run.evaluate(statement.conditionExpression, frame));
              return { goOn, variables: new Map(frame.variables) };
            });
            for (const [target, state] of changes) {
              if (!kept.has(target)) heap.apply(target, state);
              else if (!carriedContainers.has(target)) {
                if (Array.isArray(target) && (state as readonly AtenValue[]).length !== target.length) pending = { list: target, state: state as readonly AtenValue[] };
                else carriedContainers.add(target);
                throw new FollowAgain();
              }
            }
            const ending = names.map((name) => ended.variables.get(name)!);
            const contents = readContents(run, [...ending, ...valuesIn(changes)]);
            for (const tensor of contents.keys()) if (outer.sees(tensor.storage.value)) seen.add(tensor);
            const taken = forms.flatMap((form, index) => form.take(ending[index]!, contents, body));
            const takenContainers = containers.flatMap((container, index) => containerForms[index]!.take(asContainerValue(container, changes.get(container)), contents, body));
            return { goOn: ended.goOn, taken: [...taken, ...takenContainers] };
          });
          for (const storage of writes.keys()) {
            if (carriedMemory.has(storage) || !outer.sees(storage.value)) continue;
            carriedMemory.add(storage);
            throw new FollowAgain();
          }
          // What one round makes unclear, the next must not read: the body is followed again knowing that.
          if (unclearMemory(run) > unclearBefore) throw new FollowAgain();
          const { goOn } = result;
          return {
            ...(goOn === undefined ? {} : { condition: body.op.identity(context.operand(goOn, numberTypes.bool)) }),
            carried: [...memory.map((storage) => writes.get(storage) ?? storage.value), ...result.taken],
          };
        } finally {
          restore(frame, before);
        }
      }),
    );
  } catch (error) {
    if (error instanceof FollowAgain && pending !== undefined) {
      const { list, state } = pending;
      pending = undefined;
      toSequence(run, list, state);
    }
    throw error;
  } finally {
    run.bodyDepth--;
  }
  for (const [index, storage] of memory.entries()) context.replace(storage, outputs[index]!);
  const parts = share(outputs);
  for (const [index, name] of names.entries()) {
    const made = forms[index]!.make(parts[index]!);
    // After the last round it may be the memory of something that was there before.
    if (made instanceof AtenTensor) for (const tensor of seen) link(made, tensor);
    frame.variables.set(name, made);
  }
  for (const [index, container] of containers.entries()) setContainer(run, container, containerForms[index]!.make(parts[names.length + index]!));
}

/** How much of the memory, and how many of the lists, that variables lead to must not be read any more. */
function unclearMemory(run: Interpreter): number {
  const seen = new Set<AtenStorage>();
  const unusable = new Set<object>();
  const visit = (value: ScriptValue): void => {
    if (typeof value === 'object' && value !== null && run.heap.unusable.has(value)) unusable.add(value);
    if (value instanceof AtenTensor) seen.add(value.storage);
    else if (value instanceof AtenTuple) value.items.forEach(visit);
    else if (Array.isArray(value)) value.forEach(visit);
    else if (value instanceof ScriptDict) [...value.entries.values()].forEach(visit);
  };
  for (const { variables } of run.frames) for (const value of variables.values()) visit(value);
  return unusable.size + [...seen].filter((storage) => storage.unclear !== undefined).length;
}

/** A list that grows in a loop, on its way to becoming a sequence. One loop is followed at a time. */
let pending: { readonly list: AtenValue[]; readonly state: readonly AtenValue[] } | undefined;

function linked<T extends Changeable>(run: Interpreter, made: T, source: Changeable): T {
  run.heap.link(made, source);
  return made;
}

function link(a: AtenTensor, b: AtenTensor): void {
  a.storage.perhapsSame.add(b.storage);
  b.storage.perhapsSame.add(a.storage);
}

function setContainer(run: Interpreter, container: Changeable, value: ScriptValue): void {
  if (Array.isArray(container)) run.heap.apply(container, value as AtenValue[]);
  else if (container instanceof TensorSequence) run.heap.apply(container, (value as TensorSequence).value);
  else if (container instanceof ScriptDict) run.heap.apply(container, (value as ScriptDict).entries);
  else run.heap.apply(container, (value as ScriptDict).entries as ReadonlyMap<string, ScriptValue>);
}

function asContainerValue(container: Changeable, state: unknown): ScriptValue {
  if (Array.isArray(container)) return [...((state as readonly AtenValue[] | undefined) ?? container)];
  if (container instanceof TensorSequence) return new TensorSequence((state as Value | undefined) ?? container.value, container.elementType, container.rank);
  return new ScriptDict((state as ReadonlyMap<string, ScriptValue> | undefined) ?? (container instanceof ScriptDict ? (container.entries as ReadonlyMap<string, ScriptValue>) : container.attributes));
}

function containerForm(run: Interpreter, container: Changeable): Form {
  return formOf(run, asContainerValue(container, undefined), 'a list or dict', () => run.fail('a list that is not set is carried by a loop'));
}

/** `learn` is told what a variable becomes that is not set before the loop. */
function formOf(run: Interpreter, value: ScriptValue, what: string, learn: (like: ScriptValue) => never): Form {
  const { context } = run;
  const mismatch = (now: ScriptValue): never => run.fail(`${what} is ${run.describe(value)} before a loop and ${run.describe(now)} after a round of it, and how many rounds there are depends on the input`);
  if (value instanceof AtenTensor) {
    return {
      values: [context.read(value)],
      make([made]) {
        const tensor = context.tensor(made!);
        link(tensor, value);
        return tensor;
      },
      take(now, contents) {
        if (!(now instanceof AtenTensor)) return mismatch(now);
        const content = contents.get(now);
        if (content === undefined) throw run.refuse(`${what} shares memory with a tensor that was written in a loop`);
        if (now.elementType !== value.elementType) throw run.refuse(`${what} is of type ${dataTypeName(value.elementType)} before a loop and ${dataTypeName(now.elementType)} in it`);
        return [content];
      },
    };
  }
  if (isNumber(value)) {
    const type = scalarType(value);
    return {
      values: [context.operand(value, numberTypes[type])],
      make: ([made]) => toScalar(made!),
      take(now, _contents, graph) {
        if (!isNumber(now) || scalarType(now) !== type) return mismatch(now);
        return [context.inside(graph, () => context.operand(now, numberTypes[type]))];
      },
    };
  }
  if (value instanceof TensorSequence) {
    return {
      values: [value.value],
      make: ([made]) => linked(run, new TensorSequence(made!, value.elementType, value.rank), value),
      take: (now) => (now instanceof TensorSequence && now.elementType === value.elementType && now.rank === value.rank ? [now.value] : mismatch(now)),
    };
  }
  if (value instanceof AtenTuple || Array.isArray(value) || value instanceof ScriptDict) {
    const items: readonly ScriptValue[] = value instanceof ScriptDict ? [...value.entries.values()] : Array.isArray(value) ? value : value.items;
    const forms = items.map((item) => formOf(run, item, what, learn));
    return {
      values: forms.flatMap((form) => form.values),
      make(values) {
        let at = 0;
        const made = forms.map((form) => asAten(form.make(values.slice(at, (at += form.values.length)))));
        if (value instanceof ScriptDict) return linked(run, new ScriptDict([...value.entries.keys()].map((key, index) => [key, made[index]!])), value);
        if (Array.isArray(value)) return linked(run, made, value);
        return value instanceof NamedTuple ? new NamedTuple(value.type, value.fields, made) : new AtenTuple(made);
      },
      take(now, contents, graph) {
        const list: readonly ScriptValue[] | undefined = value instanceof ScriptDict ? (now instanceof ScriptDict ? [...now.entries.values()] : undefined) : Array.isArray(value) ? (Array.isArray(now) ? now : undefined) : now instanceof AtenTuple ? now.items : undefined;
        if (list?.length !== forms.length) return mismatch(now);
        return forms.flatMap((form, index) => form.take(list[index]!, contents, graph));
      },
    };
  }
  return {
    values: [],
    make: () => value,
    take(now) {
      if (Object.is(now, value)) return [];
      if (value instanceof Absent && !(now instanceof Absent)) {
        return value.isAnything && canStandIn(now) ? learn(now) : [];
      }
      return mismatch(now);
    },
  };
}

function canStandIn(like: ScriptValue): boolean {
  return like instanceof AtenTensor || isNumber(like) || (like instanceof AtenTuple && like.items.every(canStandIn));
}

/** A value of the same kind that nobody reads. */
function standIn(run: Interpreter, like: ScriptValue): ScriptValue | undefined {
  if (like instanceof AtenTensor) return run.context.tensor(filler(run.context.graph, like));
  if (isNumber(like)) return { int: 0n, float: 0, bool: false }[scalarType(like)];
  if (like instanceof AtenTuple) {
    const items = like.items.map((item) => standIn(run, item));
    return items.every((item) => item !== undefined) ? new AtenTuple(items.map(asAten)) : undefined;
  }
  return undefined;
}

/** Wherever a variable holds the list, it holds a sequence from now on. */
function toSequence(run: Interpreter, list: AtenValue[], grown: readonly AtenValue[]): void {
  const tensors = [...list, ...grown];
  const first = tensors[0];
  if (!(first instanceof AtenTensor) || first.rank === undefined || !tensors.every((tensor) => tensor instanceof AtenTensor && tensor.elementType === first.elementType && tensor.rank === first.rank)) {
    throw run.refuse('a list of something else than tensors of one type and rank grows in a loop whose number of rounds depends on the input');
  }
  const { graph } = run.context;
  const value = list.length === 0 ? graph.node('SequenceEmpty', [], { dtype: first.elementType }) : graph.node('SequenceConstruct', list.map((tensor) => run.context.read(tensor as AtenTensor)));
  const sequence = new TensorSequence(value, first.elementType, first.rank);
  for (const { variables } of run.frames) for (const [name, held] of variables) if (held === list) variables.set(name, sequence);
  if (reachable(run).has(list)) throw run.refuse('a list inside another grows in a loop whose number of rounds depends on the input');
}
