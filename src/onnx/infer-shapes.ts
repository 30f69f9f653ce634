/**
 * Tells the types and shapes of all values of a model from those of its inputs, without running it. Sizes may be names and
 * sums and products of them. https://github.com/onnx/onnx/blob/main/docs/ShapeInference.md
 */
import { isModelportError, ModelportError } from '../errors.ts';
import type { KnownValue } from './inference/known-value.ts';
import { knownInitializer } from './inference/known-value.ts';
import { NodeContext } from './inference/node-context.ts';
import { inferNode } from './inference/rules.ts';
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto } from './model-proto.ts';
import { countUnfoldedNodes } from './unfold-functions.ts';
import { fromTypeProto, mergeTypes, nameOfType, toTypeProto } from './value-type.ts';

export type KnownValues = ReadonlyMap<string, KnownValue>;

export interface Inference {
  /** What is known of the values of each graph, subgraphs included. */
  readonly graphs: ReadonlyMap<GraphProto, KnownValues>;
  /** Nodes whose inputs cannot be, and declarations that contradict what was inferred. */
  readonly problems: readonly string[];
}

/** Files where functions and loops lead to more work than this are there to do harm. */
const mostNodes = 300_000;
const mostDepth = 100;

/** Throws `INVALID_MODEL` only where looking at the model would not end. */
export function inferModel(model: ModelProto): Inference {
  countUnfoldedNodes(model);
  const inference = new ModelInference(model);
  if (model.graph !== undefined) inference.graph(model.graph, [], undefined, 0);
  return inference;
}

/**
 * The model with what is known of its values written down: in `valueInfo`, and in the types of its outputs. With `strict`,
 * the first contradiction is an error.
 */
export function inferShapes(model: ModelProto, { strict = false }: { readonly strict?: boolean } = {}): ModelProto {
  if (model.graph === undefined) return model;
  const { graphs, problems } = inferModel(model);
  if (strict && problems.length > 0) throw new ModelportError('INVALID_MODEL', problems[0]!);
  return { ...model, graph: describe(model.graph, graphs) };
}

function describe(graph: GraphProto, graphs: Inference['graphs']): GraphProto {
  const known = graphs.get(graph);
  if (known === undefined) return graph;
  const typed = (value: ValueInfoProto): ValueInfoProto => {
    const type = toTypeProto(known.get(value.name ?? '')?.type);
    return type === undefined ? value : { ...value, type };
  };
  const named = new Set([...graph.input, ...graph.output, ...graph.valueInfo].map((value) => value.name));
  const valueInfo = graph.valueInfo.map(typed);
  for (const node of graph.node) {
    for (const name of node.output) if (name !== '' && !named.has(name) && known.get(name)?.type !== undefined) valueInfo.push(typed({ name }));
  }
  const attribute = (entry: AttributeProto): AttributeProto => (entry.g === undefined ? entry : { ...entry, g: describe(entry.g, graphs) });
  return {
    ...graph,
    node: graph.node.map((node) => (node.attribute.some((entry) => entry.g !== undefined) ? { ...node, attribute: node.attribute.map(attribute) } : node)),
    output: graph.output.map(typed),
    valueInfo,
  };
}

/** Names as a node sees them: its own graph first, then those around it. */
interface Scope {
  readonly values: Map<string, KnownValue>;
  readonly outer: Scope | undefined;
}

class ModelInference implements Inference {
  readonly graphs = new Map<GraphProto, Map<string, KnownValue>>();
  readonly #problems = new Set<string>();
  readonly #opsets: ReadonlyMap<string, number>;
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  #work = 0;

  constructor(model: ModelProto) {
    this.#opsets = opsetsOf(model);
    this.#functions = new Map(model.functions.map((definition) => [functionKey(definition.domain, definition.name, definition.overload), definition]));
  }

  get problems(): readonly string[] {
    return [...this.#problems];
  }

  /** Gives what is known of the outputs. `inputs`: more than the graph itself declares. */
  graph(graph: GraphProto, inputs: readonly (KnownValue | undefined)[], outer: Scope | undefined, depth: number, opsets = this.#opsets): readonly (KnownValue | undefined)[] {
    const scope: Scope = { values: new Map(), outer };
    this.graphs.set(graph, scope.values);
    for (const tensor of graph.initializer) this.#note(scope, tensor.name, () => knownInitializer(tensor));
    for (const sparse of graph.sparseInitializer) this.#note(scope, sparse.values?.name, () => ({ type: { kind: 'tensor', elementType: sparse.values?.dataType ?? 0, shape: sparse.dims } }));
    for (const [index, input] of graph.input.entries()) {
      const name = input.name ?? '';
      const declared = fromTypeProto(input.type);
      const given = inputs[index];
      // The default of an input is not its value.
      if (depth === 0 || !scope.values.has(name)) scope.values.set(name, this.#merge(name, given ?? { type: scope.values.get(name)?.type }, declared));
    }
    const declared = new Map([...graph.valueInfo, ...graph.output].map((value) => [value.name ?? '', fromTypeProto(value.type)]));
    this.#nodes(graph.node, scope, declared, depth, opsets);
    return graph.output.map((output) => lookUp(scope, output.name ?? ''));
  }

  #nodes(nodes: readonly NodeProto[], scope: Scope, declared: ReadonlyMap<string, KnownValue['type']>, depth: number, opsets: ReadonlyMap<string, number>): void {
    if (depth > mostDepth) throw new ModelportError('INVALID_MODEL', `the model's graphs and functions are nested more than ${mostDepth} deep`);
    for (const node of nodes) {
      if (++this.#work > mostNodes) throw new ModelportError('INVALID_MODEL', `the model unfolds to more than ${mostNodes} nodes`);
      const known = this.#node(node, scope, depth, opsets);
      for (const [index, name] of node.output.entries()) if (name !== '') scope.values.set(name, this.#merge(name, known[index], declared.get(name)));
    }
  }

  #node(node: NodeProto, scope: Scope, depth: number, opsets: ReadonlyMap<string, number>): readonly (KnownValue | undefined)[] {
    const inputs = node.input.map((name) => (name === '' ? undefined : lookUp(scope, name)));
    const definition = this.#functions.get(functionKey(node.domain, node.opType, node.overload));
    try {
      if (definition !== undefined) return this.#call(definition, node, inputs, depth + 1);
      const opset = opsets.get(standard(node.domain)) ?? 1;
      return inferNode(new NodeContext(node, opset, inputs, (graph, values) => this.graph(graph, values, scope, depth + 1, opsets)));
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_MODEL' || this.#work > mostNodes || depth >= mostDepth) throw error;
      this.#problems.add(error.message);
      return [];
    }
  }

  #call(definition: FunctionProto, call: NodeProto, inputs: readonly (KnownValue | undefined)[], depth: number): readonly (KnownValue | undefined)[] {
    const scope: Scope = { values: new Map(), outer: undefined };
    for (const [index, name] of definition.input.entries()) if (inputs[index] !== undefined) scope.values.set(name, inputs[index]);
    const opsets = definition.opsetImport.length === 0 ? this.#opsets : opsetsOf(definition);
    this.#nodes(bindAttributes(definition, call), scope, new Map(), depth, opsets);
    return definition.output.map((name) => scope.values.get(name));
  }

  #note(scope: Scope, name: string | undefined, known: () => KnownValue): void {
    try {
      scope.values.set(name ?? '', known());
    } catch (error) {
      if (!isModelportError(error)) throw error;
      this.#problems.add(error.message);
    }
  }

  #merge(name: string, known: KnownValue | undefined, declared: KnownValue['type']): KnownValue {
    const type = mergeTypes(known?.type, declared);
    if (type === undefined && known?.type !== undefined) {
      this.#problems.add(`"${name}" is declared as ${shown(declared)}, but is ${shown(known.type)}`);
      return known;
    }
    return { ...known, type };
  }
}

function shown(type: KnownValue['type']): string {
  return type?.kind === 'tensor' && type.shape !== undefined ? `${nameOfType(type)} [${type.shape.join(', ')}]` : nameOfType(type);
}

function lookUp(scope: Scope | undefined, name: string): KnownValue | undefined {
  for (let current = scope; current !== undefined; current = current.outer) {
    const known = current.values.get(name);
    if (known !== undefined) return known;
  }
  return undefined;
}

/** The function's nodes, with the attributes of the call, or the function's defaults, where they refer to them. */
export function bindAttributes(definition: FunctionProto, call: NodeProto): NodeProto[] {
  const given = new Map([...definition.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]));
  const bindAll = (nodes: readonly NodeProto[]): NodeProto[] =>
    nodes.map((node) => (node.attribute.length === 0 ? node : { ...node, attribute: node.attribute.flatMap((attribute) => bind(attribute)) }));
  const bind = (attribute: AttributeProto): AttributeProto[] => {
    if (attribute.refAttrName !== undefined && attribute.refAttrName !== '') {
      const value = given.get(attribute.refAttrName);
      return value === undefined ? [] : [{ ...value, ...(attribute.name === undefined ? {} : { name: attribute.name }) }];
    }
    return attribute.g === undefined ? [attribute] : [{ ...attribute, g: { ...attribute.g, node: bindAll(attribute.g.node) } }];
  };
  return bindAll(definition.node);
}

export function opsetsOf({ opsetImport }: Pick<ModelProto, 'opsetImport'>): ReadonlyMap<string, number> {
  return new Map(opsetImport.map((entry) => [standard(entry.domain), entry.version ?? 1]));
}

function standard(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

function functionKey(domain: string | undefined, name: string | undefined, overload: string | undefined): string {
  return `${standard(domain)}\0${name ?? ''}\0${overload ?? ''}`;
}
