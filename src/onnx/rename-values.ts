/** Gives values other names, inside nodes and everything below them. */
import type { AttributeProto, GraphProto, NodeProto, ValueInfoProto } from './model-proto.ts';

/** Nodes that need no change are the same objects. Names of subgraphs' own values are taken to be unique in the model. */
export function renameValues(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): NodeProto[] {
  if (names.size === 0) return [...nodes];
  return nodes.map((node) => {
    const input = renameAll(node.input, names);
    const output = renameAll(node.output, names);
    const attribute = node.attribute.some((entry) => entry.g !== undefined || entry.graphs !== undefined) ? node.attribute.map((entry) => renameInAttribute(entry, names)) : node.attribute;
    return input === node.input && output === node.output && attribute === node.attribute ? node : { ...node, input, output, attribute };
  });
}

function renameAll(list: string[], names: ReadonlyMap<string, string>): string[] {
  return list.some((name) => names.has(name)) ? list.map((name) => names.get(name) ?? name) : list;
}

function renameInAttribute(attribute: AttributeProto, names: ReadonlyMap<string, string>): AttributeProto {
  return {
    ...attribute,
    ...(attribute.g === undefined ? {} : { g: renameInGraph(attribute.g, names) }),
    ...(attribute.graphs === undefined ? {} : { graphs: attribute.graphs.map((graph) => renameInGraph(graph, names)) }),
  };
}

export function renameInGraph(graph: GraphProto, names: ReadonlyMap<string, string>): GraphProto {
  const rename = (value: ValueInfoProto): ValueInfoProto => (names.has(value.name ?? '') ? { ...value, name: names.get(value.name ?? '')! } : value);
  return {
    ...graph,
    node: renameValues(graph.node, names),
    input: graph.input.map(rename),
    output: graph.output.map(rename),
    valueInfo: graph.valueInfo.map(rename),
    initializer: graph.initializer.map((tensor) => (names.has(tensor.name ?? '') ? { ...tensor, name: names.get(tensor.name ?? '')! } : tensor)),
  };
}
