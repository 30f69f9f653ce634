/** Branches, loops, lists of tensors, optional values, constants. */
import { fromTensorProto, constantTensor, scalar } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import { unknownDimension, type Shape } from '../dimension.ts';
import { optionalType, sequenceType, tensorType, unionType, fromTypeProto, type ValueType } from '../value-type.ts';
import { knownConstant, knownTensor, type KnownValue } from './known-value.ts';
import type { NodeContext, Rule } from './node-context.ts';

const constant: Rule = (node) => {
  const { attributes } = node;
  const tensor = attributes.tensor('value');
  if (tensor !== undefined) return [tensor.dims.reduce((product, size) => product * size, 1) > 65_536 ? knownTensor(tensor.dataType ?? 0, tensor.dims) : knownConstant(fromTensorProto(tensor))];
  const integer = attributes.get('value_int')?.i;
  if (integer !== undefined) return [knownConstant(scalar(ElementType.INT64, integer))];
  const integers = attributes.get('value_ints')?.ints;
  if (integers !== undefined) return [knownConstant(constantTensor(ElementType.INT64, integers))];
  const float = attributes.float('value_float');
  if (float !== undefined) return [knownConstant(scalar(ElementType.FLOAT, float))];
  const floats = attributes.floats('value_floats');
  if (floats !== undefined) return [knownConstant(constantTensor(ElementType.FLOAT, floats))];
  const text = attributes.get('value_string')?.s;
  if (text !== undefined) return [knownConstant({ elementType: ElementType.STRING, shape: [], data: [text] })];
  const texts = attributes.get('value_strings')?.strings;
  if (texts !== undefined) return [knownConstant({ elementType: ElementType.STRING, shape: [texts.length], data: texts })];
  const sparse = attributes.get('sparse_value')?.sparseTensor;
  return [sparse === undefined ? undefined : { type: { kind: 'tensor', elementType: sparse.values?.dataType ?? 0, shape: sparse.dims } }];
};

const branch: Rule = (node) => {
  const condition = node.integers(0)?.[0];
  const taken = node.subgraph('then_branch', []);
  const other = node.subgraph('else_branch', []);
  return node.node.output.map((_, index): KnownValue | undefined => {
    const type = condition === undefined ? unionType(taken[index]?.type, other[index]?.type) : (condition !== 0 ? taken : other)[index]?.type;
    return type === undefined ? undefined : { type };
  });
};

/** What a carried value is in every round: the first type, made wider until the body gives back no more than that. */
function settle(carried: readonly (ValueType | undefined)[], run: (types: readonly (ValueType | undefined)[]) => readonly (KnownValue | undefined)[]): [types: readonly (ValueType | undefined)[], outputs: readonly (KnownValue | undefined)[]] {
  let types = carried;
  for (let round = 0; round < 4; round++) {
    const outputs = run(types);
    const next = types.map((type, index) => unionType(type, outputs[index]?.type));
    if (next.every((type, index) => equalTypes(type, types[index]))) return [types, outputs];
    types = next;
  }
  // Ranks or sizes that go on changing: only the element type is kept.
  types = carried.map((type) => (type?.kind === 'tensor' ? tensorType(type.elementType) : type === undefined ? undefined : { ...type, element: undefined } as ValueType));
  return [types, run(types)];
}

function equalTypes(a: ValueType | undefined, b: ValueType | undefined): boolean {
  const plain = (type: ValueType | undefined) => JSON.stringify(type)?.replaceAll(/\?\d+/g, '?');
  return plain(a) === plain(b);
}

const known = (types: readonly (ValueType | undefined)[]): (KnownValue | undefined)[] => types.map((type) => (type === undefined ? undefined : { type }));

const stacked = (value: KnownValue | undefined, count: number | string, axis = 0): KnownValue | undefined => {
  const type = value?.type;
  if (type?.kind !== 'tensor') return undefined;
  const shape = type.shape;
  const at = axis < 0 && shape !== undefined ? axis + shape.length + 1 : axis;
  return knownTensor(type.elementType, shape === undefined ? undefined : [...shape.slice(0, at), count, ...shape.slice(at)]);
};

const loop: Rule = (node) => {
  const carriedCount = Math.max(0, node.node.input.length - 2);
  const start = Array.from({ length: carriedCount }, (_, index) => node.type(index + 2));
  const head = [knownTensor(ElementType.INT64, []), knownTensor(ElementType.BOOL, [])];
  const [types, outputs] = settle(start, (current) => node.subgraph('body', [...head, ...known(current)]).slice(1));
  // How often it runs depends on the condition too.
  const rounds = unknownDimension();
  return node.node.output.map((_, index) => (index < carriedCount ? known(types)[index] : stacked(outputs[index], rounds)));
};

const scan: Rule = (node) => {
  const scanned = node.integer('num_scan_inputs', 0);
  const first = node.opset < 9 ? 1 : 0;
  if (first === 1) return [];
  const carriedCount = node.inputs.length - scanned;
  const start = Array.from({ length: carriedCount }, (_, index) => node.type(index));
  const inputAxes = node.attributes.integers('scan_input_axes');
  const outputAxes = node.attributes.integers('scan_output_axes');
  let rounds: number | string | undefined;
  const slices = Array.from({ length: scanned }, (_, index): KnownValue | undefined => {
    const tensor = node.tensor(carriedCount + index);
    if (tensor?.shape === undefined) return tensor === undefined ? undefined : { type: tensorType(tensor.elementType) };
    const axis = node.axis(inputAxes?.[index] ?? 0, tensor.shape.length);
    if (typeof rounds !== 'number') rounds = tensor.shape[axis];
    return { type: tensorType(tensor.elementType, tensor.shape.filter((_, at) => at !== axis)) };
  });
  const [types, outputs] = settle(start, (current) => node.subgraph('body', [...known(current), ...slices]));
  return node.node.output.map((_, index) => (index < carriedCount ? known(types)[index] : stacked(outputs[index], rounds ?? unknownDimension(), outputAxes?.[index - carriedCount] ?? 0)));
};

function elementOf(node: NodeContext, index: number): ValueType | undefined {
  const type = node.type(index);
  return type?.kind === 'sequence' || type?.kind === 'optional' ? type.element : undefined;
}

const value = (type: ValueType | undefined): KnownValue | undefined => (type === undefined ? undefined : { type });

const sequenceOf: Rule = (node) => {
  const types = [...node.inputs.keys()].map((index) => node.type(index));
  return [value(sequenceType(types.reduce((a, b) => unionType(a, b))))];
};

const insert: Rule = (node) => [value(sequenceType(elementOf(node, 0) === undefined ? undefined : unionType(elementOf(node, 0), node.type(1))))];

const concatFromSequence: Rule = (node) => {
  const element = elementOf(node, 0);
  if (element?.kind !== 'tensor' || element.shape === undefined) return [element?.kind === 'tensor' ? knownTensor(element.elementType) : undefined];
  const stack = node.integer('new_axis', 0) !== 0;
  const rank = element.shape.length + (stack ? 1 : 0);
  const axis = node.axis(node.integer('axis', 0), rank);
  const shape: Shape = stack ? [...element.shape.slice(0, axis), unknownDimension(), ...element.shape.slice(axis)] : element.shape.map((size, at) => (at === axis ? unknownDimension() : size));
  return [knownTensor(element.elementType, shape)];
};

const sequenceMap: Rule = (node) => {
  const inputs = [...node.inputs.keys()].map((index) => value(index === 0 || node.type(index)?.kind === 'sequence' ? elementOf(node, index) : node.type(index)));
  const outputs = node.subgraph('body', inputs);
  return node.node.output.map((_, index) => value(sequenceType(outputs[index]?.type)));
};

export const controlFlowRules: Readonly<Record<string, Rule>> = {
  Constant: constant,
  If: branch,
  Loop: loop,
  Scan: scan,
  SequenceEmpty: (node) => [value(sequenceType(tensorType(node.integer('dtype', ElementType.FLOAT))))],
  SequenceConstruct: sequenceOf,
  SequenceInsert: insert,
  SequenceErase: (node) => [value(node.type(0))],
  SequenceAt: (node) => [value(elementOf(node, 0))],
  SequenceLength: () => [knownTensor(ElementType.INT64, [])],
  SequenceMap: sequenceMap,
  ConcatFromSequence: concatFromSequence,
  Optional: (node) => [value(optionalType(node.type(0) ?? fromTypeProto(node.attributes.type('type'))))],
  OptionalGetElement: (node) => [value(node.type(0)?.kind === 'optional' ? elementOf(node, 0) : node.type(0))],
  OptionalHasElement: () => [knownTensor(ElementType.BOOL, [])],
};
