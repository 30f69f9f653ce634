/** How large a graph becomes when every call of a function in the file is replaced by the function's nodes, as ONNX Runtime does it. */
import { ModelportError } from '../errors.ts';
import type { AttributeProto, FunctionProto, ModelProto, NodeProto } from './model-proto.ts';

/** Larger graphs exist only in files that mean harm: 25 functions that call each other twice make 33 million nodes of 2 kB. */
const maximumNodes = 2_000_000;

/** The number of nodes after unfolding. Throws `INVALID_MODEL` where there are too many, or where a function leads back to itself. */
export function countUnfoldedNodes(model: ModelProto): number {
  const functions = new Map(model.functions.map((definition) => [keyOf(definition.domain, definition.name, definition.overload), definition]));
  const sizes = new Map<FunctionProto, number>();
  const under = new Set<FunctionProto>();

  function sizeOf(definition: FunctionProto): number {
    const known = sizes.get(definition);
    if (known !== undefined) return known;
    const name = `${definition.domain ?? ''}:${definition.name ?? ''}`;
    if (under.has(definition)) throw new ModelportError('INVALID_MODEL', `its function "${name}" uses itself`, { at: `function "${name}"` });
    if (under.size > 200) throw new ModelportError('INVALID_MODEL', `its functions use each other more than 200 deep, at "${name}"`, { at: `function "${name}"` });
    under.add(definition);
    const size = count(definition.node);
    under.delete(definition);
    sizes.set(definition, size);
    return size;
  }

  function count(nodes: readonly NodeProto[]): number {
    let total = 0;
    for (const node of nodes) {
      const definition = functions.get(keyOf(node.domain, node.opType, node.overload));
      total += definition === undefined ? 1 : sizeOf(definition);
      total += countAttributes(node.attribute);
      if (total > maximumNodes) throw new ModelportError('INVALID_MODEL', `its functions unfold to more than ${maximumNodes} nodes`);
    }
    return total;
  }

  function countAttributes(attributes: readonly AttributeProto[]): number {
    let total = 0;
    for (const { g, graphs = [] } of attributes) {
      if (g !== undefined) total += count(g.node);
      for (const graph of graphs) total += count(graph.node);
    }
    return total;
  }

  return count(model.graph?.node ?? []);
}

function keyOf(domain: string | undefined, name: string | undefined, overload: string | undefined): string {
  return `${domain === 'ai.onnx' ? '' : (domain ?? '')}\0${name ?? ''}\0${overload ?? ''}`;
}
