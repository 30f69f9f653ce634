/** Everything inside a model, subgraphs, functions and training graphs included. */
import type { AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto } from './model-proto.ts';

/** A run of nodes with what surrounds it. */
interface Scope {
  readonly nodes: readonly NodeProto[];
  readonly graph: GraphProto | undefined;
}

function* scopesOfNodes(nodes: readonly NodeProto[]): Generator<Scope> {
  for (const node of nodes) yield* scopesOfAttributes(node.attribute);
}

function* scopesOfAttributes(attributes: readonly AttributeProto[]): Generator<Scope> {
  for (const attribute of attributes) {
    if (attribute.g !== undefined) yield* scopesOfGraph(attribute.g);
    for (const graph of attribute.graphs ?? []) yield* scopesOfGraph(graph);
  }
}

function* scopesOfGraph(graph: GraphProto): Generator<Scope> {
  yield { nodes: graph.node, graph };
  yield* scopesOfNodes(graph.node);
}

function* scopesOf(model: ModelProto): Generator<Scope> {
  if (model.graph !== undefined) yield* scopesOfGraph(model.graph);
  for (const definition of model.functions) {
    yield { nodes: definition.node, graph: undefined };
    yield* scopesOfNodes(definition.node);
    yield* scopesOfAttributes(definition.attributeProto);
  }
  for (const training of model.trainingInfo ?? []) {
    if (training.initialization !== undefined) yield* scopesOfGraph(training.initialization);
    if (training.algorithm !== undefined) yield* scopesOfGraph(training.algorithm);
  }
}

/** All graphs: the main one first, then those of control flow, functions and training. */
export function* graphsOf(model: ModelProto): Generator<GraphProto> {
  for (const scope of scopesOf(model)) if (scope.graph !== undefined) yield scope.graph;
}

/** All nodes, in graphs and in functions. */
export function* nodesOf(model: ModelProto): Generator<NodeProto> {
  for (const scope of scopesOf(model)) yield* scope.nodes;
}

function* tensorsOfSparse(sparse: SparseTensorProto): Generator<TensorProto> {
  if (sparse.values !== undefined) yield sparse.values;
  if (sparse.indices !== undefined) yield sparse.indices;
}

function* tensorsOfAttributes(attributes: readonly AttributeProto[]): Generator<TensorProto> {
  for (const attribute of attributes) {
    if (attribute.t !== undefined) yield attribute.t;
    yield* attribute.tensors ?? [];
    if (attribute.sparseTensor !== undefined) yield* tensorsOfSparse(attribute.sparseTensor);
    for (const sparse of attribute.sparseTensors ?? []) yield* tensorsOfSparse(sparse);
  }
}

/** All tensors: initializers, the parts of sparse ones, and those in attributes. */
export function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  for (const { graph, nodes } of scopesOf(model)) {
    if (graph !== undefined) {
      yield* graph.initializer;
      for (const sparse of graph.sparseInitializer) yield* tensorsOfSparse(sparse);
    }
    for (const node of nodes) yield* tensorsOfAttributes(node.attribute);
  }
  for (const definition of model.functions) yield* tensorsOfAttributes(definition.attributeProto);
}
