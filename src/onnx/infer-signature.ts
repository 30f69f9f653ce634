/** The signature of an ONNX model: everything that its graph says about its inputs and outputs, and why. */
import type { Dimension, Signature, StateSpec, TensorSpec } from '../model.ts';
import type { Datatype } from '../tensor.ts';
import { inferBatchAxes, isMadeUp, type Shaped } from './batch-axis.ts';
import { classLabelsOf, labelsFromMetadata, zipMapsOf, type ZipMap } from './class-labels.ts';
import { dataTypes } from './data-type.ts';
import { describeType } from './describe-type.ts';
import type { GraphProto, ModelProto, TensorTypeProto, ValueInfoProto } from './model-proto.ts';
import { stateCandidates, statesFromMetadata } from './state-tensors.ts';

/** An input or output that cannot be offered, and why. */
export interface LeftOut {
  readonly name: string;
  /** An input without which the model cannot run makes the model unusable. */
  readonly kind: 'required input' | 'optional input' | 'output';
  readonly reason: string;
}

export interface InferredSignature {
  readonly signature: Signature;
  readonly leftOut: readonly LeftOut[];
  /** Inputs and outputs that look like a state carried through a sequence, or that the file declares as one. They are not rows; nothing carries them until the config says so. */
  readonly stateCandidates: readonly StateSpec[];
  /** Outputs that are lists of dictionaries in the file and a matrix with labels in the signature. */
  readonly zipMaps: readonly ZipMap[];
  readonly warnings: readonly string[];
}

interface Value extends Shaped {
  readonly datatype: Datatype;
  readonly optional: boolean;
  readonly labels: readonly string[] | undefined;
  readonly description: string | undefined;
}

export function inferSignature(model: ModelProto): InferredSignature {
  const graph: GraphProto = model.graph ?? { node: [], initializer: [], sparseInitializer: [], input: [], output: [], valueInfo: [] };
  const leftOut: LeftOut[] = [];
  const warnings: string[] = [];
  const defaults = defaultedInputs(model, graph);

  const inputs: Value[] = [];
  for (const input of graph.input) {
    const name = input.name ?? '';
    const role = defaults.get(name);
    if (role === 'weight') continue;
    const optional = role === 'default' || input.type?.optionalType !== undefined;
    const value = valueOf(input, optional);
    if (typeof value === 'string') leftOut.push({ name, kind: optional ? 'optional input' : 'required input', reason: value });
    else {
      const columns = labelsFromMetadata(model, name);
      inputs.push(columns !== undefined && value.shape?.at(-1) === columns.length ? { ...value, labels: columns } : value);
    }
  }

  const zipMaps = zipMapsOf(graph);
  const outputs: Value[] = [];
  for (const output of graph.output) {
    const name = output.name ?? '';
    const zipMap = zipMaps.find((candidate) => candidate.output === name);
    if (zipMap !== undefined) {
      outputs.push({ name, datatype: 'FP32', shape: [rowsOf(inputs), zipMap.labels.length], optional: false, labels: zipMap.labels, description: output.docString });
      continue;
    }
    const value = valueOf(output, false);
    if (typeof value === 'string') {
      leftOut.push({ name, kind: 'output', reason: value });
      continue;
    }
    const labels = labelsFromMetadata(model, name) ?? classLabelsOf(graph, name);
    const last = value.shape?.at(-1);
    const fits = labels !== undefined && (last === undefined || typeof last === 'string' || last === -1 || last === labels.length);
    outputs.push(fits ? { ...value, labels } : value);
  }

  for (const { name } of inputs.filter((input) => input.shape === undefined)) {
    warnings.push(`input '${name}' declares no shape; say it in model.yaml, until then it is taken as one axis of any size`);
  }
  for (const { name, kind, reason } of leftOut) warnings.push(`the ${kind} '${name}' cannot be used: ${reason}`);

  const declared = statesFromMetadata(model, inputs, outputs);
  const states = declared.length > 0 ? declared : stateCandidates(inputs, outputs);
  const axes = inferBatchAxes(inputs, outputs, states);
  const sharedNames = namesUsedTwice([...inputs, ...outputs]);
  return {
    signature: {
      inputs: inputs.map((input) => spec(input, axes.inputs.get(input.name), sharedNames)),
      outputs: outputs.map((output) => spec(output, axes.outputs.get(output.name), sharedNames)),
      batch: axes.batch,
      ...(declared.length > 0 ? { states: declared } : {}),
    },
    leftOut,
    stateCandidates: states,
    zipMaps,
    warnings,
  };
}

/**
 * Inputs that have an initializer. From IR version 4 on it is a default that a caller may replace; before, every
 * weight had to be listed as an input, and exporters kept doing so: where all initializers are listed, they are weights.
 */
function defaultedInputs(model: ModelProto, graph: GraphProto): Map<string, 'weight' | 'default'> {
  const dense = new Set(graph.initializer.map((tensor) => tensor.name ?? ''));
  const sparse = new Set(graph.sparseInitializer.map((tensor) => tensor.values?.name ?? ''));
  const listed = graph.input.map((input) => input.name ?? '').filter((name) => dense.has(name) || sparse.has(name));
  const weights = (model.irVersion ?? 0) < 4 || (listed.length === dense.size + sparse.size && listed.length > 1);
  return new Map(listed.map((name) => [name, weights || sparse.has(name) ? 'weight' : 'default']));
}

/** The value as a tensor of the Open Inference Protocol, or why it is none. */
function valueOf(info: ValueInfoProto, optional: boolean): Value | string {
  const type = info.type;
  const tensor: TensorTypeProto | undefined = type?.tensorType;
  if (tensor === undefined) return `it is ${describeType(type)}; only tensors can be sent and received`;
  const datatype = dataTypes.get(tensor.elemType ?? 0)?.datatype;
  if (datatype === undefined) return `its elements are ${describeType(type)}, for which the Open Inference Protocol has no datatype`;
  const shape = tensor.shape?.dim.map((dimension): Dimension => {
    if (dimension.dimParam !== undefined) return dimension.dimParam === '' || dimension.dimParam === '?' ? -1 : dimension.dimParam;
    return dimension.dimValue === undefined || dimension.dimValue < 0 ? -1 : dimension.dimValue;
  });
  return { name: info.name ?? '', datatype, shape, optional, labels: undefined, description: info.docString === '' ? undefined : info.docString };
}

/** The first axis of what a ZipMap is made from is not declared: the rows of the inputs are its rows. */
function rowsOf(inputs: readonly Value[]): Dimension {
  const first = inputs[0]?.shape?.[0];
  return first === undefined || inputs.some((input) => input.shape?.[0] !== first) ? -1 : first;
}

function namesUsedTwice(values: readonly Value[]): Set<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { shape } of values) {
    for (const dimension of shape ?? []) {
      if (typeof dimension !== 'string') continue;
      if (seen.has(dimension)) twice.add(dimension);
      seen.add(dimension);
    }
  }
  return twice;
}

function spec(value: Value, batchAxis: number | undefined, sharedNames: ReadonlySet<string>): TensorSpec {
  const shape = (value.shape ?? [-1]).map((dimension) => (typeof dimension === 'string' && isMadeUp(dimension) && !sharedNames.has(dimension) ? -1 : dimension));
  return {
    name: value.name,
    datatype: value.datatype,
    shape,
    ...(batchAxis === undefined ? {} : { batchAxis }),
    ...(value.optional ? { optional: true } : {}),
    ...(value.labels === undefined ? {} : { labels: value.labels }),
    ...(value.description === undefined ? {} : { description: value.description }),
  };
}
