/** The same model with other tensors in it. */
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto } from './model-proto.ts';

export type TensorPlace = 'initializer' | 'attribute' | 'sparse';

/** Calls `map` for every tensor: initializers, attributes, subgraphs, functions, training graphs, sparse values included. */
export function mapTensors(model: ModelProto, map: (tensor: TensorProto, place: TensorPlace) => TensorProto): ModelProto {
  const sparse = (tensor: SparseTensorProto): SparseTensorProto => ({
    ...tensor,
    ...(tensor.values === undefined ? {} : { values: map(tensor.values, 'sparse') }),
    ...(tensor.indices === undefined ? {} : { indices: map(tensor.indices, 'sparse') }),
  });
  const attribute = (entry: AttributeProto): AttributeProto => ({
    ...entry,
    ...(entry.t === undefined ? {} : { t: map(entry.t, 'attribute') }),
    ...(entry.tensors === undefined ? {} : { tensors: entry.tensors.map((tensor) => map(tensor, 'attribute')) }),
    ...(entry.sparseTensor === undefined ? {} : { sparseTensor: sparse(entry.sparseTensor) }),
    ...(entry.sparseTensors === undefined ? {} : { sparseTensors: entry.sparseTensors.map(sparse) }),
    ...(entry.g === undefined ? {} : { g: graph(entry.g) }),
    ...(entry.graphs === undefined ? {} : { graphs: entry.graphs.map(graph) }),
  });
  const node = (entry: NodeProto): NodeProto => (entry.attribute.length === 0 ? entry : { ...entry, attribute: entry.attribute.map(attribute) });
  const graph = (entry: GraphProto): GraphProto => ({
    ...entry,
    node: entry.node.map(node),
    initializer: entry.initializer.map((tensor) => map(tensor, 'initializer')),
    sparseInitializer: entry.sparseInitializer.map(sparse),
  });
  const definition = (entry: FunctionProto): FunctionProto => ({ ...entry, node: entry.node.map(node), attributeProto: entry.attributeProto.map(attribute) });
  return {
    ...model,
    ...(model.graph === undefined ? {} : { graph: graph(model.graph) }),
    functions: model.functions.map(definition),
    ...(model.trainingInfo === undefined
      ? {}
      : {
          trainingInfo: model.trainingInfo.map((training) => ({
            ...training,
            ...(training.initialization === undefined ? {} : { initialization: graph(training.initialization) }),
            ...(training.algorithm === undefined ? {} : { algorithm: graph(training.algorithm) }),
          })),
        }),
  };
}
