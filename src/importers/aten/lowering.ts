/**
 * How a program of PyTorch becomes a graph: what lowerings of operators get, and what they may do.
 *
 * A front end makes one `LoweringContext`, gives it inputs and weights as tensors, and calls `lower('aten::add.Tensor', values)` for
 * each operator that its program runs. A lowering reads tensors, adds nodes and gives values. It knows no front end.
 *
 * **Writing a lowering.** A table of a family maps names to functions, without `aten::`: `add` stands for all overloads of
 * `aten::add` that have no entry of their own, `add.Tensor` for one. A lowering gives a graph value (a new tensor), an `AtenValue`, or
 * for operators that return several a list of those: one for each return of the schema.
 *
 *     'relu': ({ graph }, given) => graph.op.relu(given.value('self')),
 *
 * `add_` (in place) needs no entry: it is `add`, then a write of the result, in the target's type.
 *
 * **Writes.** A tensor is memory and a path of views (`AtenTensor`). `read` gives the content now, `write` changes the memory, and
 * every other view of it sees that when it is read next. An operator that gives a view of its input says so with `view`.
 * Where PyTorch decides by strides whether it copies (`reshape`, `contiguous`), use `perhapsView`: the result reads well, and
 * reading one after the other was written is refused.
 *
 * **Branches and loops.** Build the body in `inside(body, …)` and within `trackWrites`, which tells what the body wrote, with the values
 * at its end, and puts the memory back as it was: the front end makes those values outputs of the If or Loop, and writes what comes out.
 *
 * What could be wrong is refused (`throw context.refuse(…)`), never guessed.
 */
import { ModelportError } from '../../errors.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { Shape } from '../../onnx/dimension.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { isFloat } from '../../onnx/operators/arithmetic.ts';
import { AtenArguments, constantOf, scalarValue } from './arguments.ts';
import { isIntegral, resultType } from './promotion.ts';
import { bind, schemaOf, type AtenSchema } from './schema.ts';
import { AtenStorage, AtenTensor, GraphScalar, type AtenScalar, type AtenValue, type ViewStep } from './value.ts';
import type { WeightSource } from './weight.ts';

export type Result = Value | AtenValue;
export type Lowering = (context: LoweringContext, given: AtenArguments, schema: AtenSchema) => Result | readonly Result[];
export type Lowerings = Readonly<Record<string, Lowering>>;

export interface LoweringOptions {
  readonly graph: GraphBuilder;
  readonly lowerings: ReadonlyMap<string, Lowering>;
  /** Told what a person should know of the result and would not see in it. */
  readonly note?: (sentence: string) => void;
}

/** What a body wrote, and how the memory looks at its end. */
export type Writes = ReadonlyMap<AtenStorage, Value>;

export class LoweringContext {
  readonly note: (sentence: string) => void;
  /** The operator that is lowered now, and the line of the program that it comes from, for messages. Front ends keep `sourceLine`. */
  operator = '';
  sourceLine: string | undefined;
  /** All memory that was written, anywhere. */
  readonly writtenStorages = new Set<AtenStorage>();
  readonly #lowerings: ReadonlyMap<string, Lowering>;
  readonly #graphs: GraphBuilder[];
  readonly #weights = new Map<string, WeightSource>();
  readonly #derived = new Map<string, Value>();
  readonly #ranges = new Map<string, number>();
  /** What memory held before the present body first wrote into it. */
  #before: Map<AtenStorage, Value> | undefined;

  constructor({ graph, lowerings, note }: LoweringOptions) {
    this.#graphs = [graph];
    this.#lowerings = lowerings;
    this.note = note ?? (() => {});
  }

  /** The graph that nodes are added to now: the innermost. */
  get graph(): GraphBuilder {
    return this.#graphs.at(-1)!;
  }

  /** Adds nodes to another graph, inside the present one, as long as `build` runs. */
  inside<T>(body: GraphBuilder, build: () => T): T {
    this.#graphs.push(body);
    try {
      return build();
    } finally {
      this.#graphs.pop();
    }
  }

  // ---- tensors

  /** A new tensor of what was computed. */
  tensor(value: Value): AtenTensor {
    return new AtenTensor(new AtenStorage(value), [], value);
  }

  input(value: Value): AtenTensor {
    return new AtenTensor(new AtenStorage(value, { kind: 'input', name: value.name }), [], value);
  }

  /** A parameter, buffer or constant of the program, as an initializer of the graph. Its bytes are read when it is used in another form, or written. */
  weight(source: WeightSource): AtenTensor {
    const value = this.graph.constant(source.proto(), source.name);
    this.#weights.set(value.name, source);
    return new AtenTensor(new AtenStorage(value, { kind: 'weight', name: source.name }), [], value);
  }

  /** The weight that a graph value is, so that a lowering may store it in another form (transposed, reshaped). */
  weightOf(value: Value): WeightSource | undefined {
    return this.#weights.get(value.name);
  }

  /** A weight in another form, stored instead of computed, and once. Undefined where `derive` cannot. */
  derived(source: WeightSource, form: string, derive: () => WeightSource | undefined): Value | undefined {
    const key = `${form} ${source.name}`;
    const known = this.#derived.get(key);
    if (known !== undefined) return known;
    const other = derive();
    if (other === undefined) return undefined;
    const value = this.graph.constant(other.proto(), other.name);
    this.#weights.set(value.name, other);
    this.#derived.set(key, value);
    return value;
  }

  /** Notes that a list of ints is 0, step, 2 step …, however long. */
  noteRange(value: Value, step: number): void {
    this.#ranges.set(value.name, step);
  }

  /** The step of a list that is known to be such a range. */
  rangeStep(value: Value): number | undefined {
    return this.#ranges.get(value.name);
  }

  /** A tensor without axes. `isWrapped`: it takes part in promotion as the number that it is. */
  tensorOfScalar(given: AtenScalar, isWrapped: boolean): AtenTensor {
    const value = scalarValue(this, given);
    return new AtenTensor(new AtenStorage(value), [], value, isWrapped);
  }

  /** The content now. */
  read(tensor: AtenTensor): Value {
    const { storage, steps } = tensor;
    if (storage.unclear !== undefined) throw this.refuse(storage.unclear);
    if (steps.length === 0) return storage.value;
    const { cached } = tensor;
    if (cached !== undefined && cached.whole === storage.value && this.graph.sees(cached.value)) return cached.value;
    const value = steps.reduce((whole, step) => step.read(whole), storage.value);
    tensor.cached = { whole: storage.value, value };
    return value;
  }

  /** A part or another form of the tensor's memory. `value`: what the step reads now, where that is at hand. */
  view(source: AtenTensor, step: ViewStep, value: Value = step.read(this.read(source))): AtenTensor {
    if (source.storage.unclear !== undefined) throw this.refuse(source.storage.unclear);
    const view = new AtenTensor(source.storage, [...source.steps, step], value);
    view.cached = { whole: source.storage.value, value };
    return view;
  }

  /** A view or a copy: that depends on strides. */
  perhapsView(source: AtenTensor, value: Value): AtenTensor {
    const result = this.tensor(value);
    result.storage.perhapsSame.add(source.storage);
    source.storage.perhapsSame.add(result.storage);
    return result;
  }

  /** Writes the whole tensor in place. The value is cast to the tensor's type and broadcast to its shape. */
  write(target: AtenTensor, value: Value): void {
    const { storage, steps } = target;
    if (storage.unclear !== undefined) throw this.refuse(storage.unclear);
    let part = this.cast(value, target.elementType);
    part = this.#fitShape(part, target);
    const wholes: Value[] = [storage.value];
    for (const step of steps.slice(0, -1)) wholes.push(step.read(wholes.at(-1)!));
    for (let index = steps.length - 1; index >= 0; index--) {
      const { write } = steps[index]!;
      if (write === undefined) throw this.refuse('it writes into a view that cannot be written here');
      part = write(wholes[index]!, part);
    }
    this.replace(storage, part);
  }

  /** Puts another content into memory, as a write does. */
  replace(storage: AtenStorage, value: Value): void {
    const seen = new Set<AtenStorage>([storage]);
    for (const same of seen) {
      for (const other of same.perhapsSame) {
        if (seen.has(other)) continue;
        seen.add(other);
        other.unclear = `it reads a tensor that perhaps shares memory with one that was written before (${this.#at()}): whether PyTorch copies there depends on strides. Use clone() before the write`;
      }
    }
    this.writtenStorages.add(storage);
    if (this.#before?.has(storage) === false) this.#before.set(storage, storage.value);
    storage.value = value;
  }

  /** Runs a body and tells what it wrote; the memory is put back. Bodies nest. */
  trackWrites<T>(build: () => T): { readonly result: T; readonly writes: Writes } {
    const outer = this.#before;
    const before = new Map<AtenStorage, Value>();
    this.#before = before;
    try {
      const result = build();
      return { result, writes: new Map([...before.keys()].map((storage) => [storage, storage.value])) };
    } finally {
      for (const [storage, value] of before) storage.value = value;
      this.#before = outer;
    }
  }

  // ---- types and shapes

  /** The value in another element type, as PyTorch converts. */
  cast(value: Value, elementType: number): Value {
    if (value.elementType === elementType) return value;
    if (isFloat(value.elementType) && isIntegral(elementType) && elementType !== ElementType.INT64) {
      // PyTorch goes through int64; what is out of range wraps around.
      return this.graph.op.cast(this.graph.op.cast(value, ElementType.INT64), elementType);
    }
    return this.graph.op.cast(value, elementType);
  }

  /** An operand in the element type; a number becomes a constant. */
  operand(operand: AtenTensor | AtenScalar, elementType: number): Value {
    if (operand instanceof AtenTensor) return this.cast(this.read(operand), elementType);
    if (operand instanceof GraphScalar) return this.cast(operand.value, elementType);
    return constantOf(this, operand, elementType);
  }

  /** The type that an operator computes in. Refuses what cannot be told. */
  promote(operands: readonly (AtenTensor | AtenScalar)[]): number {
    const type = resultType(operands);
    if (type === undefined) throw this.refuse('the type of its result depends on how many axes its inputs have, or its inputs have types that do not go together');
    if (type === ElementType.COMPLEX64 || type === ElementType.COMPLEX128) throw this.refuse('it computes with complex numbers');
    return type;
  }

  /** The shape of a tensor whose rank must be known. */
  shape(tensor: AtenTensor | Value): Shape {
    if (tensor.shape === undefined) throw this.refuse('how many axes its input has is not known');
    return tensor.shape;
  }

  /** An axis counted from the front. */
  axis(axis: number, rank: number): number {
    const least = Math.max(rank, 1);
    if (axis < -least || axis >= least) throw this.refuse(`it names axis ${axis} of a tensor with ${rank}`);
    return axis < 0 ? axis + least : axis;
  }

  // ---- operators

  /** Whether there is a lowering. `operator`: `aten::add.Tensor` or `aten::add`. */
  covers(operator: string): boolean {
    return this.#find(operator) !== undefined;
  }

  /**
   * Runs an operator (`aten::add.Tensor`; the default overload is `aten::relu` or `aten::relu.default`). `values` by the names of its schema;
   * what is missing takes its default. One result for each return of the schema. Throws `INVALID_MODEL`, naming the operator, where it is not covered.
   */
  lower(operator: string, values: ReadonlyMap<string, AtenValue>): AtenValue[] {
    const { name, overload } = partsOf(operator);
    const outer = this.operator;
    this.operator = `aten::${name}${overload === '' ? '' : `.${overload}`}`;
    try {
      const schema = schemaOf(name, overload);
      const found = this.#find(operator);
      if (found === undefined || schema === undefined) throw this.refuse('this operator is not covered');
      const bound = bind(schema, [], new Map([...values].filter(([key]) => schema.arguments.some((argument) => argument.name === key))));
      const unknown = [...values.keys()].find((key) => !schema.arguments.some((argument) => argument.name === key));
      if (unknown !== undefined) throw this.refuse(`it has no argument ${unknown}`);
      if (bound === undefined) throw this.refuse(`its arguments do not fit ${schema.text}`);
      return this.#run(found, bound.schema, bound.values);
    } catch (error) {
      // What shapes and types make impossible is said with the operator that asked for it.
      if (error instanceof ModelportError && error.code === 'INVALID_MODEL' && !error.message.includes(this.operator)) throw this.refuse(error.message, error);
      // A fraction where only whole numbers can be: a lowering for floats was given integers.
      if (error instanceof RangeError) throw this.refuse('it is not covered for numbers of these types', error);
      throw error;
    } finally {
      this.operator = outer;
    }
  }

  /** The only result of another operator, for lowerings made of others. */
  call(operator: string, values: Readonly<Record<string, AtenValue>>): AtenValue {
    return this.lower(operator, new Map(Object.entries(values)))[0]!;
  }

  /** `INVALID_MODEL` that names the operator, its source line and the problem. */
  refuse(problem: string, cause?: unknown): ModelportError {
    return new ModelportError('INVALID_MODEL', `${this.#at()}: ${problem}`, cause === undefined ? {} : { cause });
  }

  #at(): string {
    return `${this.operator === '' ? 'the program' : this.operator}${this.sourceLine === undefined ? '' : ` (${this.sourceLine})`}`;
  }

  #find(operator: string): { readonly lowering: Lowering; readonly inPlace: boolean } | undefined {
    const { name, overload } = partsOf(operator);
    const own = this.#lowerings.get(`${name}.${overload}`) ?? this.#lowerings.get(name);
    if (own !== undefined) return { lowering: own, inPlace: false };
    if (name.endsWith('_copy')) {
      const view = this.#find(`${name.slice(0, -5)}.${overload}`);
      if (view !== undefined && !view.inPlace) return { lowering: (context, given, schema) => copied(context, view.lowering(context, given, schema)), inPlace: false };
    }
    if (!name.endsWith('_') || name.startsWith('__')) return undefined;
    const plain = name.slice(0, -1);
    const pure = this.#lowerings.get(`${plain}.${overload}`) ?? this.#lowerings.get(plain);
    return pure === undefined ? undefined : { lowering: pure, inPlace: true };
  }

  #run({ lowering, inPlace }: { lowering: Lowering; inPlace: boolean }, schema: AtenSchema, values: ReadonlyMap<string, AtenValue>): AtenValue[] {
    const written = schema.arguments.filter((argument) => argument.isWritten);
    if (inPlace && (written.length !== 1 || schema.arguments[0] !== written[0])) throw this.refuse('it writes into something else than its first argument');
    const given = new AtenArguments(this, values);
    const result = lowering(this, given, schema);
    const results = schema.returns.length === 1 ? [result as Result] : (result as readonly Result[]);
    if (inPlace) {
      const target = given.tensor(schema.arguments[0]!.name);
      const [first] = results.map((item) => this.toValue(item));
      if (!(first instanceof AtenTensor)) throw this.refuse('it gives no tensor to write');
      this.write(target, this.read(first));
      return [target];
    }
    return results.map((item) => this.toValue(item));
  }

  /** A graph value becomes a new tensor. */
  toValue(result: Result): AtenValue {
    return isGraphValue(result) ? this.tensor(result) : result;
  }

  /** Torch refuses a write whose shape does not fit, so only an extension by broadcasting is left. */
  #fitShape(part: Value, target: AtenTensor): Value {
    const wanted = target.shape;
    const own = part.shape;
    if (wanted !== undefined && own?.length === wanted.length && own.every((size, axis) => size === wanted[axis])) return part;
    if (wanted?.length === 0 && own?.length === 0) return part;
    // Sizes with different names may still differ by a broadcast axis.
    const current = this.read(target);
    return this.graph.op.expand(part, this.graph.op.shapeOf(current));
  }
}

/** What a view shows, as tensors of their own. */
function copied(context: LoweringContext, result: Result | readonly Result[]): Result | readonly Result[] {
  if (result instanceof AtenTensor) return context.tensor(context.read(result));
  return Array.isArray(result) ? (result as Result[]).map((item) => copied(context, item) as Result) : result;
}

function partsOf(operator: string): { name: string; overload: string } {
  const plain = operator.startsWith('aten::') ? operator.slice(6) : operator;
  const dot = plain.indexOf('.');
  const overload = dot === -1 ? '' : plain.slice(dot + 1);
  return { name: dot === -1 ? plain : plain.slice(0, dot), overload: overload === 'default' ? '' : overload };
}

function isGraphValue(result: Result): result is Value {
  return typeof result === 'object' && result !== null && !Array.isArray(result) && !(result instanceof AtenTensor) && !(result instanceof GraphScalar) && 'name' in result;
}
