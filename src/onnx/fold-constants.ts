/** Computes now what does not depend on any input. Shapes that are known count as constants. */
import { constantTensor, fromTensorProto, toTensorProto, type ConstantTensor } from './constant-tensor.ts';
import { Attributes } from './attributes.ts';
import { ElementType } from './data-type.ts';
import { evaluateNode } from './evaluate-node.ts';
import { inferModel, opsetsOf, type KnownValues } from './infer-shapes.ts';
import { DataLocation, type ModelProto, type NodeProto, type TensorProto } from './model-proto.ts';

export interface FoldOptions {
  /** Results of more elements are left to be computed, because they would make the file larger. Default 65,536. */
  readonly mostElements?: number;
}

/** In the main graph. Nodes that become constants go; what they read stays until `removeDeadCode`. */
export function foldConstants(model: ModelProto, { mostElements = 65_536 }: FoldOptions = {}): ModelProto {
  const { graph } = model;
  if (graph === undefined) return model;
  const known = inferModel(model).graphs.get(graph)!;
  const opset = opsetsOf(model).get('') ?? 1;
  const outputs = new Set(graph.output.map((output) => output.name ?? ''));
  const inputs = new Set(graph.input.map((input) => input.name ?? ''));
  // A default can be overridden by whoever calls.
  const stored = new Map(graph.initializer.filter((tensor) => !inputs.has(tensor.name ?? '')).map((tensor) => [tensor.name ?? '', tensor]));
  const computed = new Map<string, ConstantTensor>();
  const read = (name: string): ConstantTensor | undefined => {
    const found = computed.get(name);
    const tensor = stored.get(name);
    if (found !== undefined || tensor === undefined || tensor.dataLocation === DataLocation.EXTERNAL) return found;
    if (tensor.dims.reduce((product, size) => product * size, 1) > mostElements) return undefined;
    const constant = fromTensorProto(tensor);
    computed.set(name, constant);
    return constant;
  };
  const nodes: NodeProto[] = [];
  const added: TensorProto[] = [];
  for (const node of graph.node) {
    // An output of the graph is made by a node, which every runtime takes.
    const results = node.output.some((name) => outputs.has(name)) ? undefined : resultsOf(node, known, read, opset, mostElements);
    if (results === undefined) {
      nodes.push(node);
      continue;
    }
    for (const [index, result] of results.entries()) {
      const name = node.output[index]!;
      computed.set(name, result);
      added.push(toTensorProto(result, name));
    }
  }
  return added.length === 0 ? model : { ...model, graph: { ...graph, node: nodes, initializer: [...graph.initializer, ...added] } };
}

function resultsOf(node: NodeProto, known: KnownValues, read: (name: string) => ConstantTensor | undefined, opset: number, mostElements: number): readonly ConstantTensor[] | undefined {
  const shapes: (readonly number[])[] = [];
  for (const name of node.output) {
    const type = known.get(name)?.type;
    if (type?.kind !== 'tensor' || type.shape === undefined || !type.shape.every((size) => typeof size === 'number' && size >= 0)) return undefined;
    const shape = type.shape as readonly number[];
    if (shape.reduce((product, size) => product * size, 1) > mostElements) return undefined;
    shapes.push(shape);
  }
  const byInference = node.output.map((name, index) => fromElements(known.get(name), shapes[index]!));
  if (byInference.every((result) => result !== undefined)) return byInference;
  const inputs = node.input.map((name) => (name === '' ? undefined : read(name)));
  if (inputs.some((input, index) => input === undefined && node.input[index] !== '')) return undefined;
  return evaluateNode({ node, attributes: new Attributes(node), inputs, shapes, opset });
}

function fromElements(value: ReturnType<KnownValues['get']>, shape: readonly number[]): ConstantTensor | undefined {
  if (value?.constant !== undefined) return value.constant;
  const elementType = value?.type?.kind === 'tensor' ? value.type.elementType : 0;
  const elements = value?.elements;
  if (elements === undefined || (elementType !== ElementType.INT64 && elementType !== ElementType.INT32 && elementType !== ElementType.BOOL)) return undefined;
  return elements.every((element) => typeof element === 'number') ? constantTensor(elementType, elements, shape) : undefined;
}
