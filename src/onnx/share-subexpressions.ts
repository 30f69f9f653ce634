/** Common-subexpression elimination: what is computed twice is computed once, and equal small constants are kept once. */
import { createHash } from 'node:crypto';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from './model-proto.ts';
import { renameValues } from './rename-values.ts';
import { encodeMessage } from './write-model.ts';

/** Operators that give something else each time. */
const random = new Set(['RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli', 'Dropout']);

/** Larger constants are not looked at: they may still lie in their file. */
const mostConstantBytes = 64 * 1024;

/** In the main graph; nodes with graphs inside them are left alone, but use what is shared. Functions may be random: calls of them are left alone. */
export function shareSubexpressions(model: ModelProto): ModelProto {
  if (model.graph === undefined) return model;
  const functions = new Set(model.functions.map((definition) => `${definition.domain ?? ''}:${definition.name ?? ''}`));
  const isPure = (node: NodeProto) =>
    !random.has(node.opType ?? '') && !functions.has(`${node.domain ?? ''}:${node.opType ?? ''}`) && !node.attribute.some((attribute) => attribute.g !== undefined || attribute.graphs !== undefined);
  const { graph } = model;
  const fixed = new Set([...graph.output, ...graph.input].map((value) => value.name ?? ''));
  const names = new Map<string, string>();
  const initializer = shareConstants(graph, fixed, names);
  const firsts = new Map<string, NodeProto>();
  const nodes: NodeProto[] = [];
  for (const original of graph.node) {
    const node = names.size === 0 ? original : renameValues([original], names)[0]!;
    if (!isPure(node)) {
      nodes.push(node);
      continue;
    }
    const key = keyOf(node);
    const first = firsts.get(key);
    // An output of the graph keeps its name; an optional output that only one of the two has does too.
    if (first === undefined || node.output.some((name, index) => fixed.has(name) || (name === '') !== (first.output[index] === ''))) {
      if (first === undefined) firsts.set(key, node);
      nodes.push(node);
      continue;
    }
    for (const [index, name] of node.output.entries()) if (name !== '') names.set(name, first.output[index]!);
  }
  return { ...model, graph: { ...graph, node: nodes, initializer, valueInfo: graph.valueInfo.filter((value) => !names.has(value.name ?? '')) } };
}

function keyOf(node: NodeProto): string {
  const { name: _name, docString: _docString, metadataProps: _metadataProps, ...rest } = node;
  const attribute = rest.attribute.toSorted((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  return digest(encodeMessage('NodeProto', { ...rest, attribute, output: node.output.map(() => '') }));
}

function shareConstants(graph: GraphProto, fixed: ReadonlySet<string>, names: Map<string, string>): TensorProto[] {
  const firsts = new Map<string, string>();
  return graph.initializer.filter((tensor) => {
    const name = tensor.name ?? '';
    const bytes = tensor.rawData?.byteLength ?? tensor.floatData?.byteLength ?? tensor.int64Data?.byteLength ?? tensor.doubleData?.byteLength ?? tensor.int32Data?.byteLength ?? tensor.uint64Data?.byteLength ?? 0;
    if (fixed.has(name) || tensor.externalData !== undefined || bytes > mostConstantBytes) return true;
    const { name: _name, docString: _docString, metadataProps: _metadataProps, ...rest } = tensor;
    const key = digest(encodeMessage('TensorProto', rest));
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, name);
    else names.set(name, first);
    return first === undefined;
  });
}

function digest(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('base64');
}
