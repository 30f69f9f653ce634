/**
 * Writes the nodes of one graph, in the words of arrays: every converter of this folder calculates with it. It is a thin cover of `GraphBuilder`, which makes
 * the nodes and knows their types. What it adds: a step that was taken already is not taken again (the methods of an estimator repeat each other's), and
 * converters say float64 throughout, which becomes float32 where the user asks for that.
 */
import { createHash } from 'node:crypto';
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { toAttributes, type AttributeValues } from '../../onnx/attributes.ts';
import { BOOL, DOUBLE, ElementType, FLOAT, INT64, STRING } from '../../onnx/data-type.ts';
import { GraphBuilder, type ModelDescription, type Value } from '../../onnx/graph-builder.ts';
import type { AttributeProto, ModelProto, TensorProto } from '../../onnx/model-proto.ts';
import { removeDeadCode } from '../../onnx/remove-dead-code.ts';
import type { Dimension } from '../../model.ts';

export type { Value } from '../../onnx/graph-builder.ts';

export interface NodeOptions {
  readonly attributes?: AttributeValues;
  readonly domain?: string;
}

export interface GraphOptions {
  /** What takes the place of float64. */
  readonly precision?: 'float32' | 'float64';
  /** Of ai.onnx.ml: 5 has tree ensembles in float64, 3 the operators that boosters with sets of categories need. One file has one of them. */
  readonly machineLearningOpset?: 3 | 5;
}

/** Opset 21 has `Equal` of texts. */
const opset = 21;

type Operand = Value | number;

export class Graph {
  /** For what is written in its terms, as models of boosting libraries are. */
  readonly builder: GraphBuilder;
  /** The element type that numbers have: DOUBLE, or FLOAT. */
  readonly numberType: number;
  /** Names of what is in the graph already, by what it is. */
  readonly #known = new Map<string, readonly Value[]>();
  readonly #parent: Graph | undefined;
  #outputs = 0;

  constructor(options: GraphOptions = {}, inside?: { readonly parent: Graph; readonly builder: GraphBuilder }) {
    this.#parent = inside?.parent;
    this.builder = inside?.builder ?? new GraphBuilder({ opset, machineLearningOpset: options.machineLearningOpset ?? 5 });
    this.numberType = inside?.parent.numberType ?? (options.precision === 'float32' ? FLOAT : DOUBLE);
  }

  input(name: string, type: number, shape: readonly Dimension[]): Value {
    return this.builder.input(name, this.#typeFor(type), shape);
  }

  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.#outputs++;
    // What is an output twice, or an input too, is copied by the builder.
    this.builder.output(this.builder.refine(value, { shape: shape.map((size) => (size === -1 ? 'any' : size)) }), name);
  }

  get outputCount(): number {
    return this.#outputs;
  }

  #typeFor(type: number): number {
    return type === DOUBLE ? this.numberType : type;
  }

  node(operator: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): Value {
    return this.nodes(operator, inputs, 1, options)[0]!;
  }

  /** A node of several results. */
  nodes(operator: string, inputs: readonly (Value | undefined)[], count: number, { attributes = {}, domain = '' }: NodeOptions = {}): readonly Value[] {
    const attribute = toAttributes(attributes, { domain, name: operator, opset: domain === '' ? opset : this.builder.machineLearningOpset });
    const key = `${operator}(${inputs.map((value) => value?.name ?? '').join()})${attribute.map(attributeKey).join()}`;
    let values = this.#find(key);
    if (values === undefined) {
      values = this.builder.node(operator, inputs, attributes, { domain, outputs: count });
      this.#known.set(key, values);
    }
    return values;
  }

  #find(key: string): readonly Value[] | undefined {
    return this.#known.get(key) ?? (this.#parent === undefined ? undefined : this.#parent.#find(key));
  }

  /** Constants lie in the outermost graph. */
  #constant(type: number, values: ArrayLike<number | bigint | string | boolean>, shape: readonly number[]): Value {
    if (this.#parent !== undefined) return this.#parent.#constant(type, values, shape);
    const tensor = constantTensor(this.#typeFor(type), values, shape);
    const key = constantKey(tensor);
    const known = this.#known.get(key)?.[0];
    if (known !== undefined) return known;
    const value = this.builder.constant(tensor);
    this.#known.set(key, [value]);
    return value;
  }

  doubles(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Value {
    return this.#constant(DOUBLE, values, shape);
  }

  integers(values: ArrayLike<number | bigint>, shape: readonly number[] = [values.length]): Value {
    return this.#constant(INT64, values, shape);
  }

  texts(values: readonly string[], shape: readonly number[] = [values.length]): Value {
    return this.#constant(STRING, values, shape);
  }

  booleans(values: readonly boolean[], shape: readonly number[] = [values.length]): Value {
    return this.#constant(BOOL, values, shape);
  }

  scalar(value: number | string, type = typeof value === 'string' ? STRING : DOUBLE): Value {
    return this.#constant(type, [value], []);
  }

  #operand(operand: Operand, type: number): Value {
    return typeof operand === 'number' ? this.scalar(operand, type) : operand;
  }

  /** An operator of two operands that broadcast; a number is a scalar of the other's type. */
  binary(operator: string, a: Operand, b: Operand): Value {
    const type = typeof a === 'number' ? (typeof b === 'number' ? DOUBLE : b.elementType) : a.elementType;
    return this.node(operator, [this.#operand(a, type), this.#operand(b, type)]);
  }

  add(a: Operand, b: Operand): Value { return this.binary('Add', a, b); }
  subtract(a: Operand, b: Operand): Value { return this.binary('Sub', a, b); }
  multiply(a: Operand, b: Operand): Value { return this.binary('Mul', a, b); }
  divide(a: Operand, b: Operand): Value { return this.binary('Div', a, b); }
  power(a: Operand, b: Operand): Value { return this.binary('Pow', a, b); }
  less(a: Operand, b: Operand): Value { return this.binary('Less', a, b); }
  lessOrEqual(a: Operand, b: Operand): Value { return this.not(this.greater(a, b)); }
  greater(a: Operand, b: Operand): Value { return this.binary('Greater', a, b); }
  /** False where one is NaN. */
  atLeast(a: Operand, b: Operand): Value { return this.binary('GreaterOrEqual', a, b); }
  atMost(a: Operand, b: Operand): Value { return this.binary('LessOrEqual', a, b); }
  equal(a: Operand, b: Operand): Value { return this.binary('Equal', a, b); }
  maximum(a: Operand, b: Operand): Value { return this.binary('Max', a, b); }
  minimum(a: Operand, b: Operand): Value { return this.binary('Min', a, b); }
  and(a: Value, b: Value): Value { return this.node('And', [a, b]); }
  or(a: Value, b: Value): Value { return this.node('Or', [a, b]); }
  not(a: Value): Value { return this.node('Not', [a]); }
  matmul(a: Value, b: Value): Value { return this.node('MatMul', [a, b]); }
  /** `Abs`, `Exp`, `Log`, `Sqrt`, `Neg`, `Floor`, `Sigmoid`, `Tanh`, `Relu`, `Cos` … */
  map(operator: string, a: Value): Value { return this.node(operator, [a]); }

  where(condition: Value, a: Operand, b: Operand): Value {
    const type = typeof a === 'number' ? (typeof b === 'number' ? DOUBLE : b.elementType) : a.elementType;
    return this.node('Where', [condition, this.#operand(a, type), this.#operand(b, type)]);
  }

  /** To float64 means: to what takes its place. */
  cast(value: Value, type: number): Value {
    const wanted = this.#typeFor(type);
    return value.elementType === wanted ? value : this.node('Cast', [value], { attributes: { to: wanted } });
  }

  /** Rounded to float32, still float64: what scikit-learn's trees compare. */
  toFloat32(value: Value): Value {
    return this.cast(this.cast(value, FLOAT), DOUBLE);
  }

  /** `ReduceSum`, `ReduceMax`, `ReduceMin`, `ReduceMean`, `ReduceLogSumExp` … along an axis that stays, of size 1. */
  reduce(operator: string, value: Value, axis = 1, keep = true): Value {
    return this.node(operator, [value, this.integers([axis])], { attributes: { keepdims: keep ? 1 : 0 } });
  }

  sum(value: Value, axis = 1): Value { return this.reduce('ReduceSum', value, axis); }
  softmax(value: Value): Value { return this.node('Softmax', [value], { attributes: { axis: 1 } }); }

  /** The place of the largest of each row, the first where several are: [rows, 1]. */
  argmax(value: Value): Value {
    return this.node('ArgMax', [value], { attributes: { axis: 1, keepdims: 1 } });
  }

  argmin(value: Value): Value {
    return this.node('ArgMin', [value], { attributes: { axis: 1, keepdims: 1 } });
  }

  concat(values: readonly Value[], axis = 1): Value {
    return values.length === 1 ? values[0]! : this.node('Concat', values, { attributes: { axis } });
  }

  gather(value: Value, indices: Value, axis = 0): Value {
    return this.node('Gather', [value, indices], { attributes: { axis } });
  }

  /** Columns of a matrix by number. */
  take(value: Value, columns: readonly number[]): Value {
    return this.gather(value, this.integers(columns), 1);
  }

  reshape(value: Value, shape: readonly number[]): Value {
    return this.node('Reshape', [value, this.integers(shape)]);
  }

  unsqueeze(value: Value, axis: number): Value {
    return this.node('Unsqueeze', [value, this.integers([axis])]);
  }

  squeeze(value: Value, axis: number): Value {
    return this.node('Squeeze', [value, this.integers([axis])]);
  }

  transpose(value: Value, order: readonly number[]): Value {
    return this.node('Transpose', [value], { attributes: { perm: order } });
  }

  /** A row of constants, once for each row of `like`. */
  repeatRows(row: Value, like: Value): Value {
    const rows = this.node('Slice', [this.node('Shape', [like]), this.integers([0]), this.integers([1])]);
    return this.node('Expand', [row, this.node('Concat', [rows, this.integers([1])], { attributes: { axis: 0 } })]);
  }

  /**
   * Repeats `build` at most `rounds` times, as long as the condition that it gives holds: [] of BOOL. What comes out of the last round is the result. It may use
   * values of the graph outside.
   */
  loop(rounds: number, carried: readonly Value[], build: (body: Graph, carried: readonly Value[]) => { readonly carried: readonly Value[]; readonly goOn?: Value }): readonly Value[] {
    return this.builder.op.loop({ rounds, carried }, (builder, round) => {
      const result = build(new Graph({}, { parent: this, builder }), round.carried);
      return { carried: result.carried, ...(result.goOn === undefined ? {} : { condition: result.goOn }) };
    });
  }

  /** The whole file, with only the constants and nodes that its outputs need. */
  model(description: ModelDescription): ModelProto {
    return removeDeadCode(this.builder.build(description));
  }
}

function constantKey({ elementType, shape, data }: ReturnType<typeof constantTensor>): string {
  const hash = createHash('sha256').update(`${elementType}[${shape.join()}]`);
  if (Array.isArray(data)) for (const text of data as readonly Uint8Array[]) hash.update(`${text.length}:`).update(text);
  else hash.update(new Uint8Array((data as Float64Array).buffer, (data as Float64Array).byteOffset, (data as Float64Array).byteLength));
  return hash.digest('base64');
}

function tensorKey({ dims, dataType, rawData }: TensorProto): string {
  const hash = createHash('sha256').update(`${dataType}[${dims.join()}]`);
  if (rawData !== undefined) hash.update(rawData.read());
  return hash.digest('base64');
}

function attributeKey({ name, i, f, s, t, ints, floats, strings }: AttributeProto): string {
  const list = ints ?? floats;
  const hash = createHash('sha256');
  if (list !== undefined) hash.update(new Uint8Array(list.buffer, list.byteOffset, list.byteLength));
  for (const text of strings ?? []) hash.update(`${text.length}:`).update(text);
  return `${name}=${i ?? f ?? ''}${s === undefined ? '' : Buffer.from(s).toString('base64')}${t === undefined ? '' : tensorKey(t)}${hash.digest('base64')}`;
}

export { BOOL, DOUBLE, ElementType, FLOAT, INT64, STRING };
