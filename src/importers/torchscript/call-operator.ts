/** Calls of operators: those on numbers, lists and dicts run here, those on tensors are lowered, those that cannot be imported are refused by name. */
import { ElementType } from '../../onnx/data-type.ts';
import { unknownShape } from '../../onnx/dimension.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';
import { resolveOverload, type BoundCall } from '../aten/schema.ts';
import { AtenTensor, AtenTuple, toScalar, type AtenValue } from '../aten/value.ts';
import { checkFixedSizes } from './fixed-size.ts';
import { unknownIn } from './guess-inputs.ts';
import type { Interpreter } from './interpreter.ts';
import { plainLayer, runPackedLayer } from './packed-layer.ts';
import { operators } from './program-operators.ts';
import { isNumber } from './program-numbers.ts';
import { Absent, ScriptDict, ScriptObject, TensorSequence, Unknown, type ScriptValue } from './script-value.ts';
import { item, primitives, tensorOperators } from './tensor-facts.ts';

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
  if (name === 'warn') return null;
  for (const argument of [...args, ...keywords.values()]) {
    if (argument instanceof Absent && name !== 'format') throw run.refuse(argument.reason);
    const reason = typeof argument === 'object' && argument !== null ? run.heap.unusable.get(argument) : undefined;
    if (reason !== undefined) throw run.refuse(reason);
  }
  if (namespace === 'prepacked') {
    const plain = run.guesses === undefined ? undefined : plainLayer(run, name, args);
    if (plain !== undefined && args[0] instanceof Unknown) return run.guesses!.follow(plain.name, plain.args, args[0]);
    const result = runPackedLayer(run, name, args);
    if (result !== undefined) return result;
  }
  if (namespace !== 'aten' && namespace !== 'prim') {
    const refusal = run.refuse(refusals.find(([pattern]) => pattern.test(namespace))?.[1] ?? 'operators of this extension are not imported');
    if (run.guesses !== undefined) run.guesses.refusal ??= refusal;
    throw refusal;
  }
  const unknown = run.guesses === undefined ? undefined : unknownIn([...args, ...keywords.values()]);
  if (unknown !== undefined) return run.guesses!.follow(name, args, unknown);
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
  const bound = resolveOverload(name, args as AtenValue[], keywords as ReadonlyMap<string, AtenValue>) ?? resolveWithNumbers(run, name, args as AtenValue[], keywords as ReadonlyMap<string, AtenValue>);
  if (bound === undefined) {
    throw run.refuse(`no overload takes (${[...args.map((argument) => run.describe(argument)), ...[...keywords].map(([key, value]) => `${printable(key)}=${run.describe(value)}`)].join(', ')}); or the operator is not covered`);
  }
  const results = run.context.lower(`aten::${name}${bound.schema.overload === '' ? '' : `.${bound.schema.overload}`}`, bound.values);
  return results.length === 1 ? results[0]! : results.length === 0 ? null : new AtenTuple(results);
}

/** Where no overload takes the tensors, those without axes become the numbers that they are, as TorchScript converts them: `arange(0, n)` of a trace. */
function resolveWithNumbers(run: Interpreter, name: string, args: readonly AtenValue[], keywords: ReadonlyMap<string, AtenValue>): BoundCall | undefined {
  const isNumberTensor = (value: AtenValue): value is AtenTensor => value instanceof AtenTensor && value.rank === 0;
  const convert = (value: AtenValue): AtenValue => (isNumberTensor(value) ? item(run, value, 'number') : Array.isArray(value) && value.some(isNumberTensor) ? value.map(convert) : value);
  if (![...args, ...keywords.values()].some((value) => convert(value) !== value)) return undefined;
  const named = new Map([...keywords].map(([key, value]) => [key, convert(value)]));
  for (const kept of [1, 0]) {
    const bound = resolveOverload(name, args.map((value, index) => (index < kept ? value : convert(value))), named);
    if (bound !== undefined) return bound;
  }
  return undefined;
}

const quantized = new Set(['quantize_per_tensor', 'quantize_per_channel', 'dequantize', 'q_scale', 'q_zero_point', 'int_repr', 'fake_quantize_per_tensor_affine', 'quantize_per_tensor_dynamic']);

// ---- lists whose length depends on the input

function onSequence(run: Interpreter, name: string, args: readonly ScriptValue[]): ScriptValue {
  const { context } = run;
  const { graph } = context;
  const ranked = (value: Value, rank: number): AtenTensor => {
    const shape = unknownShape(rank);
    return context.tensor(shape === undefined ? value : graph.refine(value, { shape }));
  };
  const [first, second] = args;
  if (!(first instanceof TensorSequence)) throw run.refuse('a list whose length depends on the input is used where that is not imported');
  switch (name) {
    case 'append': {
      if (!(second instanceof AtenTensor) || second.elementType !== first.elementType || second.rank !== first.rank) throw run.refuse('something else than a tensor of the same type and rank is added to a list whose length depends on the input');
      const value = graph.node('SequenceInsert', [first.value, context.read(second)]);
      run.heap.changing(first);
      first.value = value;
      return first;
    }
    case 'len':
      return toScalar(graph.node('SequenceLength', [first.value]));
    case '__getitem__': {
      if (!isNumber(second)) break;
      return ranked(graph.node('SequenceAt', [first.value, context.operand(second, ElementType.INT64)]), first.rank);
    }
    case 'stack':
    case 'cat': {
      const axis = second ?? 0n;
      if (typeof axis !== 'bigint') break;
      const rank = first.rank + (name === 'stack' ? 1 : 0);
      return ranked(graph.node('ConcatFromSequence', [first.value], { axis: context.axis(Number(axis), rank), new_axis: name === 'stack' ? 1 : 0 }), rank);
    }
  }
  throw run.refuse('this is not imported for a list whose length depends on the input');
}
