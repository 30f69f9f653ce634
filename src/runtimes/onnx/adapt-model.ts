/**
 * The ends of some graphs are such that ONNX Runtime's native module cannot exchange them with JavaScript. They are
 * changed before loading: ZipMap's list of dictionaries back to the matrix that it is made from, bfloat16 to float32, and
 * inputs with a default (whose value the module would ignore) to plain inputs whose default is fed from here.
 */
import { BFLOAT16, dataTypes, FLOAT } from '../../onnx/data-type.ts';
import type { InferredSignature } from '../../onnx/infer-signature.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from '../../onnx/model-proto.ts';
import { AttributeType } from '../../onnx/model-proto.ts';
import { tensorElements } from '../../onnx/tensor-elements.ts';
import type { DataOf, Datatype, Tensor } from '../../tensor.ts';

export interface Adaptation {
  /** Undefined: the file can be loaded as it is. */
  readonly model: ModelProto | undefined;
  /** New names of inputs and outputs that had to be renamed. */
  readonly nativeNames: ReadonlyMap<string, string>;
  /** The value of each optional input where the caller gives none. */
  readonly defaults: ReadonlyMap<string, Tensor>;
}

/** `directory`: where the model's external data lies. */
export function adaptModel(model: ModelProto, { signature, zipMaps }: InferredSignature, directory: string): Adaptation {
  const graph = model.graph!;
  const bfloat16 = (value: ValueInfoProto) => value.type?.tensorType?.elemType === BFLOAT16;
  const optional = new Set(signature.inputs.filter((input) => input.optional === true).map((input) => input.name));
  const offered = new Set(signature.inputs.map((input) => input.name));
  const inputs = graph.input.filter((input) => bfloat16(input) && offered.has(input.name ?? ''));
  const outputs = graph.output.filter(bfloat16);
  if (zipMaps.length === 0 && inputs.length === 0 && outputs.length === 0 && optional.size === 0) return { model: undefined, nativeNames: new Map(), defaults: new Map() };

  const defaults = new Map<string, Tensor>();
  for (const tensor of graph.initializer) {
    if (!optional.has(tensor.name ?? '')) continue;
    const datatype = dataTypes.get(tensor.dataType ?? 0)!.datatype!;
    defaults.set(tensor.name!, { datatype, shape: tensor.dims, data: tensorElements(tensor, directory) as DataOf<Datatype> });
  }
  const taken = namesOf(graph);
  const nativeNames = new Map<string, string>();
  const rename = (name: string): string => {
    let candidate = `${name}_float32`;
    while (taken.has(candidate)) candidate += '_';
    taken.add(candidate);
    nativeNames.set(name, candidate);
    return candidate;
  };
  const before = inputs.map((input) => cast(rename(input.name ?? ''), input.name ?? '', BFLOAT16));
  // The name of an output that is an input too keeps its meaning inside the graph; outside, each end has its own.
  const after = outputs.map((output) => cast(output.name ?? '', nativeNames.get(output.name ?? '') ?? rename(output.name ?? ''), FLOAT));
  const zipped = new Map(zipMaps.map((zipMap) => [zipMap.node, zipMap]));
  const nodes = graph.node.map((node): NodeProto => {
    const zipMap = zipped.get(node);
    return zipMap === undefined ? node : { input: [zipMap.source], output: [zipMap.output], ...(node.name === undefined ? {} : { name: node.name }), opType: 'Identity', attribute: [] };
  });
  const asFloat = (value: ValueInfoProto): ValueInfoProto => {
    const name = nativeNames.get(value.name ?? '');
    if (name === undefined || !bfloat16(value)) return value;
    return { ...value, name, type: { tensorType: { ...value.type!.tensorType!, elemType: FLOAT } } };
  };
  const asMatrix = (output: ValueInfoProto): ValueInfoProto => {
    const zipMap = zipMaps.find((candidate) => candidate.output === output.name);
    if (zipMap === undefined) return output;
    return { ...output, type: { tensorType: { elemType: FLOAT, shape: { dim: [{}, { dimValue: zipMap.labels.length }] } } } };
  };
  const adapted: GraphProto = {
    ...graph,
    initializer: graph.initializer.filter((tensor) => !defaults.has(tensor.name ?? '')),
    node: [...before, ...nodes, ...after],
    input: graph.input.map(asFloat),
    output: graph.output.map((output) => asMatrix(asFloat(output))),
  };
  return { model: { ...model, graph: adapted, opsetImport: withStandardDomain(model) }, nativeNames, defaults };
}

function cast(input: string, output: string, to: number): NodeProto {
  const attribute: AttributeProto = { name: 'to', type: AttributeType.INT, i: BigInt(to) };
  return { input: [input], output: [output], opType: 'Cast', attribute: [attribute] };
}

/** A file with operators of ai.onnx.ml only need not import the standard ones. 13: the first with Cast to bfloat16. */
function withStandardDomain(model: ModelProto): ModelProto['opsetImport'] {
  const standard = model.opsetImport.some((entry) => (entry.domain ?? '') === '' || entry.domain === 'ai.onnx');
  return standard ? model.opsetImport : [...model.opsetImport, { domain: '', version: 13 }];
}

function namesOf(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const value of [...graph.input, ...graph.output, ...graph.initializer]) names.add(value.name ?? '');
  for (const node of graph.node) for (const name of [...node.input, ...node.output]) names.add(name);
  return names;
}
