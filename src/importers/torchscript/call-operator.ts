/** Calls of operators: those on numbers, lists and dicts run here, those on tensors are lowered, those that cannot be imported are refused by name. */
import { ElementType } from '../../onnx/data-type.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';
import { isFloat } from '../../onnx/operators/arithmetic.ts';
import { resolveOverload } from '../aten/schema.ts';
import { AtenTensor, AtenTuple, GraphScalar, scalarTypeOf, toScalar, type AtenScalar, type AtenValue } from '../aten/value.ts';
import { checkFixedSizes } from './fixed-size.ts';
import { unknownIn } from './guess-inputs.ts';
import type { Interpreter } from './interpreter.ts';
import { operators } from './program-operators.ts';
import { arithmetic, isNumber } from './program-numbers.ts';
import { Absent, ScriptDict, ScriptObject, TensorSequence, type ScriptValue } from './script-value.ts';

type Operator = (run: Interpreter, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>) => ScriptValue | undefined;

export function callOperator(run: Interpreter, namespace: string, name: string, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): ScriptValue {
  const outer = run.context.operator;
  run.context.operator = `${namespace}::${printable(name)}`;
  try {
    return call(run, namespace, name, args, keywords);
  } finally {
    run.context.operator = outer;
  }
}

function call(run: Interpreter, namespace: string, name: string, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): ScriptValue {
  if (name === 'RaiseException') throw run.raised(typeof args[0] === 'string' ? args[0] : 'an exception');
  if (name === 'warn') return null;
  for (const argument of [...args, ...keywords.values()]) {
    if (argument instanceof Absent && name !== 'format') throw run.refuse(argument.reason);
    const reason = typeof argument === 'object' && argument !== null ? run.unusable.get(argument) : undefined;
    if (reason !== undefined) throw run.refuse(reason);
  }
  if (run.guesses !== undefined && unknownIn([...args, ...keywords.values()]) !== undefined) return run.guesses.follow(name, args);
  if (namespace !== 'aten' && namespace !== 'prim') throw run.refuse(refusals.find(([pattern]) => pattern.test(namespace))?.[1] ?? 'operators of this extension are not imported');
  if (args[0] instanceof TensorSequence || args.some((argument) => argument instanceof TensorSequence)) return onSequence(run, name, args);
  const own = namespace === 'prim' ? primitives : tensorOperators;
  const found = Object.hasOwn(own, name) ? own[name]!(run, args, keywords) : undefined;
  if (found !== undefined) return found;
  const onNumbers = Object.hasOwn(operators, name) ? operators[name]!(run, args, keywords) : undefined;
  if (onNumbers !== undefined) return onNumbers;
  return lower(run, namespace, name, args, keywords);
}

const refusals: readonly (readonly [RegExp, string])[] = [
  [/^quantized|^_quantized/, 'quantized models are not imported; save the float model'],
  [/^torchvision/, 'detection operators (NMS, RoIAlign, deformable convolution) are not imported'],
  [/^prepacked|^metal|^vulkan|^xnnpack/, 'models that were prepared for one backend are not imported; save the model without optimize_for_mobile'],
  [/^video|^torchaudio|^torchtext|^torchcodec/, 'operators of this extension are not imported'],
  [/^profiler/, 'profiling is not imported'],
];

function lower(run: Interpreter, namespace: string, name: string, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): ScriptValue {
  if (namespace === 'prim') throw run.refuse('this operator is not covered');
  if (quantized.has(name)) throw run.refuse('quantized models are not imported; save the float model');
  for (const argument of [...args, ...keywords.values()]) {
    if (argument instanceof ScriptObject || argument instanceof ScriptDict) throw run.refuse(`it is called with ${run.describe(argument)}`);
  }
  run.countOperator();
  checkFixedSizes(name, args);
  const bound = resolveOverload(name, args as AtenValue[], keywords as ReadonlyMap<string, AtenValue>);
  if (bound === undefined) {
    throw run.refuse(`no overload takes (${[...args.map((argument) => run.describe(argument)), ...[...keywords].map(([key, value]) => `${printable(key)}=${run.describe(value)}`)].join(', ')}); or the operator is not covered`);
  }
  const results = run.context.lower(`aten::${name}${bound.schema.overload === '' ? '' : `.${bound.schema.overload}`}`, bound.values);
  return results.length === 1 ? results[0]! : results.length === 0 ? null : new AtenTuple(results);
}

const quantized = new Set(['quantize_per_tensor', 'quantize_per_channel', 'dequantize', 'q_scale', 'q_zero_point', 'int_repr', 'fake_quantize_per_tensor_affine', 'quantize_per_tensor_dynamic']);

// ---- what programs ask of tensors

function sizes(run: Interpreter, tensor: AtenTensor): AtenScalar[] {
  const shape = run.context.shape(tensor);
  return shape.map((_, axis) => sizeOf(run, tensor, axis));
}

function sizeOf(run: Interpreter, tensor: AtenTensor, axis: number): AtenScalar {
  const size = tensor.shape?.[axis];
  if (typeof size === 'number') return BigInt(size);
  const value = run.context.graph.op.sizeOf(run.context.read(tensor), axis);
  const known = toScalar(value);
  if (!(known instanceof GraphScalar) || known.dimension !== undefined || size === undefined) return known;
  return new GraphScalar('int', { ...value, elements: [size] });
}

/** The only element of a tensor, as a number of the program. */
function item(run: Interpreter, tensor: AtenTensor, type: 'int' | 'float' | 'bool' | 'number'): AtenScalar {
  const { context } = run;
  const { op } = context.graph;
  let value: Value = context.read(tensor);
  const wanted = type === 'int' ? ElementType.INT64 : type === 'float' ? ElementType.DOUBLE : type === 'bool' ? ElementType.BOOL : value.elementType === ElementType.BOOL ? ElementType.BOOL : isFloat(value.elementType) ? ElementType.DOUBLE : ElementType.INT64;
  if (value.shape?.length !== 0) value = op.reshape(value, op.int64s([]));
  return toScalar(context.cast(value, wanted));
}

const ofTensor = (apply: (run: Interpreter, tensor: AtenTensor, rest: readonly ScriptValue[]) => ScriptValue | undefined): Operator => (run, [first, ...rest]) => (first instanceof AtenTensor ? apply(run, first, rest) : undefined);

const size = ofTensor((run, tensor, [axis]) => {
  if (axis === undefined) return sizes(run, tensor);
  if (typeof axis !== 'bigint') return undefined;
  return sizeOf(run, tensor, run.context.axis(Number(axis), run.context.shape(tensor).length));
});

const rank = ofTensor((run, tensor) => BigInt(run.context.shape(tensor).length));

const tensorOperators: Readonly<Record<string, Operator>> = {
  size,
  sym_size: size,
  dim: rank,
  len: ofTensor((run, tensor) => {
    if (tensor.rank === 0) throw run.raised('TypeError: len() of a 0-d tensor');
    return sizeOf(run, tensor, 0);
  }),
  numel: ofTensor((run, tensor) => sizes(run, tensor).reduce((product, one) => arithmetic.mul(product, one, run.context), 1n)),
  item: ofTensor((run, tensor) => item(run, tensor, 'number')),
  ScalarImplicit: ofTensor((run, tensor) => item(run, tensor, 'number')),
  Int: ofTensor((run, tensor) => item(run, tensor, 'int')),
  IntImplicit: ofTensor((run, tensor) => item(run, tensor, 'int')),
  Float: ofTensor((run, tensor) => item(run, tensor, 'float')),
  FloatImplicit: ofTensor((run, tensor) => item(run, tensor, 'float')),
  Bool: ofTensor((run, tensor) => item(run, tensor, 'bool')),
  is_nonzero: ofTensor((run, tensor) => item(run, tensor, 'bool')),
  is_floating_point: ofTensor((_run, tensor) => isFloat(tensor.elementType)),
  is_complex: ofTensor((_run, tensor) => tensor.elementType === ElementType.COMPLEX64 || tensor.elementType === ElementType.COMPLEX128),
  is_signed: ofTensor((_run, tensor) => tensor.elementType !== ElementType.UINT8 && tensor.elementType !== ElementType.BOOL),
  get_device: () => -1n,
  cpu: ofTensor((_run, tensor) => tensor),
  requires_grad_: ofTensor((_run, tensor) => tensor),
  __is__: (_run, [a, b]) => (a instanceof AtenTensor || b instanceof AtenTensor ? a === b : undefined),
  __isnot__: (_run, [a, b]) => (a instanceof AtenTensor || b instanceof AtenTensor ? a !== b : undefined),
};

const primitives: Readonly<Record<string, Operator>> = {
  NumToTensor: (run, [value]) => (isNumber(value) ? run.context.tensorOfScalar(value, false) : undefined),
  shape: size,
  size,
  dtype: ofTensor((run, tensor) => scalarTypeOf(tensor.elementType) ?? run.fail('the type of a tensor is not known')),
  device: ofTensor(() => 'cpu'),
  layout: ofTensor(() => 0n),
  ndim: rank,
  data: ofTensor((_run, tensor) => tensor),
  grad: ofTensor(() => null),
  requires_grad: ofTensor(() => false),
  is_cuda: ofTensor(() => false),
  is_cpu: ofTensor(() => true),
  is_sparse: ofTensor(() => false),
  is_quantized: ofTensor(() => false),
  is_mkldnn: ofTensor(() => false),
  is_mps: ofTensor(() => false),
  is_meta: ofTensor(() => false),
  is_xla: ofTensor(() => false),
  is_nested: ofTensor(() => false),
  is_leaf: ofTensor(() => true),
  name: ofTensor(() => null),
  abs: (run, args, keywords) => operators['abs']!(run, args, keywords),
  min: (run, args, keywords) => operators['min']!(run, args, keywords),
  max: (run, args, keywords) => operators['max']!(run, args, keywords),
  T: ofTensor((run, tensor) => run.context.call('aten::numpy_T', { a: tensor })),
  mT: ofTensor((run, tensor) => run.context.call('aten::transpose.int', { self: tensor, dim0: -2n, dim1: -1n })),
  unchecked_unwrap_optional: (_run, [value]) => value,
  is_none: (_run, [value]) => value === null,
  rangelist: (run, [count]) => (typeof count === 'bigint' && count <= 100_000n ? Array.from({ length: Number(count) }, (_, index) => BigInt(index)) : run.fail('a range is not known or too long')),
};

// ---- lists whose length depends on the input

function onSequence(run: Interpreter, name: string, args: readonly ScriptValue[]): ScriptValue {
  const { context } = run;
  const { graph } = context;
  const [first, second] = args;
  if (!(first instanceof TensorSequence)) throw run.refuse('a list whose length depends on the input is used where that is not imported');
  switch (name) {
    case 'append': {
      if (!(second instanceof AtenTensor) || second.elementType !== first.elementType) throw run.refuse('something else than a tensor of the same type is added to a list whose length depends on the input');
      const value = graph.node('SequenceInsert', [first.value, context.read(second)]);
      run.heap.changing(first);
      first.value = value;
      return first;
    }
    case 'len':
      return toScalar(graph.node('SequenceLength', [first.value]));
    case '__getitem__': {
      if (!isNumber(second)) break;
      return context.tensor(graph.node('SequenceAt', [first.value, context.operand(second, ElementType.INT64)]));
    }
    case 'stack':
    case 'cat': {
      const axis = second ?? 0n;
      if (typeof axis !== 'bigint') break;
      return context.tensor(graph.node('ConcatFromSequence', [first.value], { axis: Number(axis), new_axis: name === 'stack' ? 1 : 0 }));
    }
  }
  throw run.refuse('this is not imported for a list whose length depends on the input');
}
