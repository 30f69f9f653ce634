/** Writes the nodes of one graph, in the words of arrays: every converter of this folder calculates with it. */
import { createHash } from 'node:crypto';
import { ModelportError } from '../../errors.ts';
import { constantTensor, toTensorProto } from '../../onnx/constant-tensor.ts';
import { toAttributes, type AttributeValues } from '../../onnx/attributes.ts';
import { BOOL, DOUBLE, ElementType, FLOAT, INT64, STRING } from '../../onnx/data-type.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from '../../onnx/model-proto.ts';
import { tensorType, toValueInfo } from '../../onnx/value-type.ts';
import type { Dimension } from '../../model.ts';

/** A tensor of the graph. */
export interface Value {
  readonly name: string;
  /** Its `ElementType`. */
  readonly type: number;
}

export interface NodeOptions {
  readonly attributes?: AttributeValues;
  /** Element type of the first result, where the operator's rule does not say. */
  readonly type?: number;
  readonly domain?: string;
}

/** Opset 21 has `Equal` of texts; ai.onnx.ml 5 has tree ensembles in float64. */
export const opset = 21;
const machineLearning = { name: 'ai.onnx.ml', version: 5 };
const resultTypes: Readonly<Record<string, number>> = {
  Equal: BOOL, Less: BOOL, LessOrEqual: BOOL, Greater: BOOL, GreaterOrEqual: BOOL, And: BOOL, Or: BOOL, Not: BOOL, IsNaN: BOOL, IsInf: BOOL, ArgMax: INT64, ArgMin: INT64, Shape: INT64,
}; // prettier-ignore

type Operand = Value | number;

export class Graph {
  readonly #nodes: NodeProto[] = [];
  readonly #constants: TensorProto[] = [];
  /** Names of what is in the graph already, by what it is. */
  readonly #known = new Map<string, readonly string[]>();
  readonly #inputs: GraphProto['input'] = [];
  readonly #outputs: GraphProto['output'] = [];
  #names = 0;

  input(name: string, type: number, shape: readonly Dimension[]): Value {
    this.#inputs.push(toValueInfo(name, tensorType(type, shape.map(graphDimension))));
    return { name, type };
  }

  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.#nodes.push({ input: [value.name], output: [name], name: `output_${name}`, opType: 'Identity', attribute: [] });
    this.#outputs.push(toValueInfo(name, tensorType(value.type, shape.map(graphDimension))));
  }

  get outputCount(): number {
    return this.#outputs.length;
  }

  node(operator: string, inputs: readonly (Value | undefined)[], { attributes = {}, type, domain = '' }: NodeOptions = {}): Value {
    return this.#add(operator, inputs, attributes, domain, 1, type)[0]!;
  }

  /** A node of several results, which all have the type of the first input but those that `types` names. */
  nodes(operator: string, inputs: readonly (Value | undefined)[], types: readonly number[], attributes: AttributeValues = {}): readonly Value[] {
    return this.#add(operator, inputs, attributes, '', types.length, undefined).map(({ name }, index) => ({ name, type: types[index]! }));
  }

  #add(operator: string, inputs: readonly (Value | undefined)[], attributes: AttributeValues, domain: string, count: number, type: number | undefined): Value[] {
    const result = type ?? resultTypes[operator] ?? inputs[0]?.type;
    if (result === undefined) throw new ModelportError('INTERNAL', `the element type of a ${operator} is not known`);
    const version = domain === '' ? opset : machineLearning.version;
    const attribute = toAttributes(attributes, { domain, name: operator, opset: version });
    const input = inputs.map((value) => value?.name ?? '');
    // Methods of an estimator repeat each other's steps; the graph takes each step once.
    const key = `${operator}(${input.join()})${attribute.map(attributeKey).join()}`;
    let names = this.#known.get(key);
    if (names === undefined) {
      names = Array.from({ length: count }, () => `v${++this.#names}`);
      this.#known.set(key, names);
      this.#nodes.push({ input, output: [...names], name: `${operator}_${this.#names}`, opType: operator, ...(domain === '' ? {} : { domain }), attribute });
    }
    return names.map((name) => ({ name, type: result }));
  }

  #constant(type: number, values: ArrayLike<number | bigint | string | boolean>, shape: readonly number[]): Value {
    const tensor = toTensorProto(constantTensor(type, values, shape));
    const key = tensorKey(tensor);
    let name = this.#known.get(key)?.[0];
    if (name === undefined) {
      name = `c${++this.#names}`;
      this.#known.set(key, [name]);
      this.#constants.push({ ...tensor, name });
    }
    return { name, type };
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
    const type = typeof a === 'number' ? (typeof b === 'number' ? DOUBLE : b.type) : a.type;
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
    const type = typeof a === 'number' ? (typeof b === 'number' ? DOUBLE : b.type) : a.type;
    return this.node('Where', [condition, this.#operand(a, type), this.#operand(b, type)], { type });
  }

  cast(value: Value, type: number): Value {
    return value.type === type ? value : this.node('Cast', [value], { attributes: { to: type }, type });
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

  /** The whole file, with only the constants and nodes that its outputs need. */
  model(facts: { readonly name: string; readonly description: string; readonly producer: string; readonly version: string; readonly metadata: Readonly<Record<string, string>> }): ModelProto {
    const needed = new Set<string>(this.#outputs.map((output) => output.name ?? ''));
    const nodes: NodeProto[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.output.some((name) => needed.has(name))) continue;
      for (const name of node.input) needed.add(name);
      nodes.push(node);
    }
    const usesTrees = nodes.some((node) => node.domain === machineLearning.name);
    return {
      irVersion: 10,
      opsetImport: [{ domain: '', version: opset }, ...(usesTrees ? [{ domain: machineLearning.name, version: machineLearning.version }] : [])],
      producerName: facts.producer,
      producerVersion: facts.version,
      docString: facts.description,
      graph: {
        name: facts.name,
        node: nodes.toReversed(),
        initializer: this.#constants.filter((constant) => needed.has(constant.name ?? '')),
        sparseInitializer: [],
        input: this.#inputs,
        output: this.#outputs,
        valueInfo: [],
      },
      metadataProps: Object.entries(facts.metadata).map(([key, value]) => ({ key, value })),
      functions: [],
    };
  }
}

function tensorKey({ dims, dataType, rawData, stringData }: TensorProto): string {
  const hash = createHash('sha256').update(`${dataType}[${dims.join()}]`);
  if (rawData !== undefined) hash.update(rawData.read());
  for (const text of stringData ?? []) hash.update(`${text.length}:`).update(text);
  return hash.digest('base64');
}

function attributeKey({ name, i, f, s, t, ints, floats }: AttributeProto): string {
  const list = ints ?? floats;
  const values = list === undefined ? '' : createHash('sha256').update(new Uint8Array(list.buffer, list.byteOffset, list.byteLength)).digest('base64');
  return `${name}=${i ?? f ?? ''}${s === undefined ? '' : Buffer.from(s).toString('base64')}${t === undefined ? '' : tensorKey(t)}${values}`;
}

function graphDimension(dimension: Dimension): number | string {
  return dimension === -1 ? 'any' : dimension;
}

export { BOOL, DOUBLE, ElementType, FLOAT, INT64, STRING };
