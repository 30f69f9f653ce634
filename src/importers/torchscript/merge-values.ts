/** Values that several paths lead to: what goes through the outputs of an If, or is carried by a Loop. */
import { constantTensor, scalar } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { AtenTensor, AtenTuple, GraphScalar, toScalar, type AtenScalar } from '../aten/value.ts';
import type { Changeable } from './heap.ts';
import type { Interpreter } from './interpreter.ts';
import { isNumber, scalarType } from './program-numbers.ts';
import { Absent, NamedTuple, ScriptDict, TensorSequence, asAten, type ScriptValue } from './script-value.ts';

/** The contents of tensors at the end of a body. */
export type Contents = ReadonlyMap<AtenTensor, Value>;

/** Reads all tensors in the values. Where one cannot be read any more it is left out. */
export function readContents(run: Interpreter, values: Iterable<ScriptValue>): Contents {
  const contents = new Map<AtenTensor, Value>();
  const seen = new Set<object>();
  const visit = (value: ScriptValue): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof AtenTensor) {
      if (value.storage.unclear === undefined) contents.set(value, run.context.read(value));
    } else if (Array.isArray(value)) value.forEach(visit);
    else if (value instanceof AtenTuple) value.items.forEach(visit);
    else if (value instanceof ScriptDict) [...value.entries.values()].forEach(visit);
  };
  for (const value of values) visit(value);
  return contents;
}

/** Collects what the branches of an If give, and makes values of what comes out. */
export class Merge {
  /** What each branch gives, made in its own graph. */
  readonly outputs: { readonly yes: (graph: GraphBuilder) => Value; readonly no: (graph: GraphBuilder) => Value }[] = [];
  readonly #run: Interpreter;
  readonly #yes: Contents;
  readonly #no: Contents;
  readonly #outer: GraphBuilder;
  readonly #made = new Map<AtenTensor, Map<AtenTensor, AtenTensor>>();
  readonly #tensors: { readonly result: () => AtenTensor; readonly yes: AtenTensor; readonly no: AtenTensor }[] = [];

  constructor(run: Interpreter, outer: GraphBuilder, yes: Contents, no: Contents) {
    this.#run = run;
    this.#outer = outer;
    this.#yes = yes;
    this.#no = no;
  }

  /** A place among the outputs. */
  slot(yes: (graph: GraphBuilder) => Value, no: (graph: GraphBuilder) => Value): number {
    return this.outputs.push({ yes, no }) - 1;
  }

  /** Gives what makes the value of the outputs of the If. */
  plan(yes: ScriptValue, no: ScriptValue): (outputs: readonly Value[]) => ScriptValue {
    if (Object.is(yes, no)) return () => yes;
    if (yes instanceof Absent && !yes.isAnything) return () => yes;
    if (no instanceof Absent && !no.isAnything) return () => no;
    if (yes instanceof Absent && no instanceof Absent) return () => yes;
    if (yes instanceof Absent) return this.#oneOnly(no, 'no');
    if (no instanceof Absent) return this.#oneOnly(yes, 'yes');
    if (yes instanceof AtenTensor && no instanceof AtenTensor) return this.#tensor(yes, no);
    if (isNumber(yes) && isNumber(no)) return this.#number(yes, no);
    if (yes instanceof AtenTuple && no instanceof AtenTuple && yes.items.length === no.items.length) {
      const items = yes.items.map((item, index) => this.plan(item, no.items[index]!));
      const remade = yes instanceof NamedTuple ? yes : undefined;
      return (outputs) => {
        const made = items.map((item) => asAten(item(outputs)));
        return remade === undefined ? new AtenTuple(made) : new NamedTuple(remade.type, remade.fields, made);
      };
    }
    if (Array.isArray(yes) && Array.isArray(no) && yes.length === no.length) {
      const items = yes.map((item, index) => this.plan(item, no[index]!));
      return (outputs) => this.#linked(items.map((item) => asAten(item(outputs))), yes, no);
    }
    if (yes instanceof ScriptDict && no instanceof ScriptDict && [...yes.entries.keys()].join('\0') === [...no.entries.keys()].join('\0')) {
      const items = [...yes.entries].map(([key, item]) => [key, this.plan(item, no.entries.get(key)!)] as const);
      return (outputs) => this.#linked(new ScriptDict(items.map(([key, item]) => [key, item(outputs)])), yes, no);
    }
    if (yes instanceof TensorSequence && no instanceof TensorSequence && yes.elementType === no.elementType && yes.rank === no.rank) {
      const { elementType, rank } = yes;
      const place = this.slot(() => yes.value, () => no.value);
      return (outputs) => this.#linked(new TensorSequence(outputs[place]!, elementType, rank), yes, no);
    }
    const absent = new Absent(`a variable is ${this.#run.describe(yes)} on one path and ${this.#run.describe(no)} on the other, and which one depends on the input`);
    return () => absent;
  }

  #tensor(yes: AtenTensor, no: AtenTensor): (outputs: readonly Value[]) => ScriptValue {
    const known = this.#made.get(yes)?.get(no);
    if (known !== undefined) return () => known;
    const [left, right] = [this.#yes.get(yes), this.#no.get(no)];
    if (yes.elementType !== no.elementType || left === undefined || right === undefined) {
      const absent = new Absent('a tensor has another type on one path than on the other, or shares memory that was written; which one depends on the input');
      return () => absent;
    }
    const place = this.slot(() => left, () => right);
    let made: AtenTensor | undefined;
    const result = (outputs: readonly Value[]): AtenTensor => {
      if (made === undefined) {
        made = this.#run.context.tensor(outputs[place]!);
        this.#remember(yes, no, made);
      }
      return made;
    };
    return result;
  }

  /** The result is perhaps the same memory as either; and as other results that share memory with it on one path. */
  #remember(yes: AtenTensor, no: AtenTensor, made: AtenTensor): void {
    const inner = this.#made.get(yes) ?? new Map<AtenTensor, AtenTensor>();
    inner.set(no, made);
    this.#made.set(yes, inner);
    for (const source of [yes, no]) this.#link(made, source);
    for (const other of this.#tensors) if (other.yes.storage === yes.storage || other.no.storage === no.storage) this.#link(made, other.result());
    this.#tensors.push({ result: () => made, yes, no });
  }

  #link(a: AtenTensor, b: AtenTensor): void {
    a.storage.perhapsSame.add(b.storage);
    b.storage.perhapsSame.add(a.storage);
  }

  #linked<T extends Changeable>(made: T, ...sources: readonly Changeable[]): T {
    for (const source of sources) this.#run.heap.link(made, source);
    return made;
  }

  #number(yes: AtenScalar, no: AtenScalar): (outputs: readonly Value[]) => ScriptValue {
    const type = scalarType(yes);
    if (type !== scalarType(no)) {
      const absent = new Absent('a variable is a number of another kind on one path than on the other');
      return () => absent;
    }
    if (yes instanceof GraphScalar && no instanceof GraphScalar && yes.value === no.value) return () => yes;
    const give = (value: AtenScalar) => (graph: GraphBuilder): Value => this.#run.context.inside(graph, () => this.#run.context.operand(value, numberTypes[type]));
    const place = this.slot(give(yes), give(no));
    return (outputs) => toScalar(outputs[place]!);
  }

  /** On the other path nobody reads it, but an If wants something of the same type. */
  #oneOnly(value: ScriptValue, path: 'yes' | 'no'): (outputs: readonly Value[]) => ScriptValue {
    const place = (real: Value): number => {
      const other = (graph: GraphBuilder): Value => filler(graph, real);
      return path === 'yes' ? this.slot(() => real, other) : this.slot(other, () => real);
    };
    if (value instanceof AtenTensor) {
      const real = (path === 'yes' ? this.#yes : this.#no).get(value);
      if (real === undefined) return () => new Absent('a tensor shares memory that was written');
      if (this.#outer.sees(real)) return () => value;
      const at = place(real);
      return (outputs) => {
        const made = this.#run.context.tensor(outputs[at]!);
        this.#link(made, value);
        return made;
      };
    }
    if (value instanceof GraphScalar) {
      if (this.#outer.sees(value.value)) return () => value;
      const at = place(value.value);
      return (outputs) => new GraphScalar(value.type, outputs[at]!);
    }
    if (value instanceof AtenTuple || Array.isArray(value)) {
      const items = (Array.isArray(value) ? value : value.items).map((item) => this.#oneOnly(item, path));
      return (outputs) => {
        const made = items.map((item) => asAten(item(outputs)));
        if (Array.isArray(value)) return this.#linked(made, value);
        return value instanceof NamedTuple ? new NamedTuple(value.type, value.fields, made) : new AtenTuple(made);
      };
    }
    if (value instanceof TensorSequence || value instanceof ScriptDict) return () => new Absent('a list or dict is made on one path only, and which path depends on the input');
    return () => value;
  }
}

export const numberTypes = { int: ElementType.INT64, float: ElementType.DOUBLE, bool: ElementType.BOOL } as const;

/** A tensor of the same type and rank, of one element. */
export function filler(graph: GraphBuilder, like: Pick<Value, 'elementType' | 'shape'>): Value {
  const rank = like.shape?.length ?? 0;
  const zero = like.elementType === ElementType.BOOL ? false : 0;
  return graph.op.identity(graph.constant(rank === 0 ? scalar(like.elementType, zero) : constantTensor(like.elementType, [zero], Array.from({ length: rank }, () => 1))));
}
