/** Takes away what no output depends on: nodes, initializers, functions. */
import type { AttributeProto, GraphProto, ModelProto, NodeProto } from './model-proto.ts';
import { nodesOf } from './walk.ts';

/** Nodes of If, Loop and the like stay or go whole; what is dead inside their graphs goes. */
export function removeDeadCode(model: ModelProto): ModelProto {
  if (model.graph === undefined) return model;
  const graph = removeFromGraph(model.graph);
  return removeUnusedFunctions({ ...model, graph });
}

function removeFromGraph(graph: GraphProto): GraphProto {
  const needed = new Set(graph.output.map((output) => output.name ?? ''));
  for (const annotation of graph.quantizationAnnotation ?? []) for (const entry of annotation.quantParameterTensorNames) needed.add(entry.value ?? '');
  const kept: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => name !== '' && needed.has(name))) continue;
    const lean = node.attribute.some(hasGraph) ? { ...node, attribute: node.attribute.map(removeFromAttribute) } : node;
    kept.push(lean);
    for (const name of usedBy(lean)) needed.add(name);
  }
  const made = new Set([...kept.flatMap((node) => node.output), ...graph.input.map((input) => input.name ?? ''), ...graph.output.map((output) => output.name ?? '')]);
  const inputs = new Set(graph.input.map((input) => input.name ?? ''));
  return {
    ...graph,
    node: kept.reverse(),
    // The default of an input stays with its input.
    initializer: graph.initializer.filter((tensor) => needed.has(tensor.name ?? '') || inputs.has(tensor.name ?? '')),
    sparseInitializer: graph.sparseInitializer.filter((sparse) => needed.has(sparse.values?.name ?? '')),
    valueInfo: graph.valueInfo.filter((value) => made.has(value.name ?? '')),
  };
}

function hasGraph(attribute: AttributeProto): boolean {
  return attribute.g !== undefined || attribute.graphs !== undefined;
}

function removeFromAttribute(attribute: AttributeProto): AttributeProto {
  return {
    ...attribute,
    ...(attribute.g === undefined ? {} : { g: removeFromGraph(attribute.g) }),
    ...(attribute.graphs === undefined ? {} : { graphs: attribute.graphs.map(removeFromGraph) }),
  };
}

/** The names that a node uses of the graph it lies in, those that its subgraphs use included (and some that they make themselves). */
export function* usedBy(node: NodeProto): Generator<string> {
  for (const name of node.input) if (name !== '') yield name;
  for (const attribute of node.attribute) {
    for (const graph of [...(attribute.g === undefined ? [] : [attribute.g]), ...(attribute.graphs ?? [])]) {
      for (const inner of graph.node) yield* usedBy(inner);
      for (const output of graph.output) yield output.name ?? '';
    }
  }
}

function removeUnusedFunctions(model: ModelProto): ModelProto {
  let functions = model.functions;
  for (;;) {
    const called = new Set([...nodesOf({ ...model, functions })].map((node) => key(node.domain, node.opType, node.overload)));
    const kept = functions.filter((definition) => called.has(key(definition.domain, definition.name, definition.overload)));
    if (kept.length === functions.length) return { ...model, functions };
    functions = kept;
  }
}

function key(domain: string | undefined, name: string | undefined, overload: string | undefined): string {
  return `${domain ?? ''}\0${name ?? ''}\0${overload ?? ''}`;
}
