/** Builds a model node by node. Every value knows its type and shape as far as they can be told, so what is built can look at what it builds on. */
import { ModelportError } from '../errors.ts';
import { toAttributes, type AttributeValues } from './attributes.ts';
import { fromTensorProto, toTensorProto, type ConstantTensor } from './constant-tensor.ts';
import type { Shape } from './dimension.ts';
import { knownConstant, knownInitializer, mostElements, type KnownValue } from './inference/known-value.ts';
import { NodeContext } from './inference/node-context.ts';
import { inferNode } from './inference/rules.ts';
import type { FunctionProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto } from './model-proto.ts';
import { operatorSchema } from './operator-schema.ts';
import { irVersions, newestMachineLearningOpset, newestOpset } from './operator-table.ts';
import { operators, type Operators } from './operators/operators.ts';
import { renameValues } from './rename-values.ts';
import { mergeTypes, nameOfType, tensorType, toValueInfo, type ValueType } from './value-type.ts';

/** A value of a graph that is being built. */
export interface Value extends KnownValue {
  readonly name: string;
  /** An `ElementType`; 0 where it is not known, or where the value is no tensor. */
  readonly elementType: number;
  /** Undefined: of any rank, or no tensor. */
  readonly shape: Shape | undefined;
}

export interface GraphBuilderOptions {
  /** Of the standard operators; at least 18. */
  readonly opset: number;
  /** Of ai.onnx.ml; default 3, which ONNX Runtime covers best. 5 has `TreeEnsemble`. */
  readonly machineLearningOpset?: number;
  /** Versions of other domains; those that are not named get 1. */
  readonly domains?: Readonly<Record<string, number>>;
}

export interface NodeOptions {
  readonly domain?: string;
  /** What the node is called, and its first output; default: its operator. Made unique. */
  readonly name?: string;
}

export interface ModelDescription {
  /** Of the graph. */
  readonly name: string;
  readonly producer?: { readonly name: string; readonly version: string };
  readonly docString?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What the graph and its subgraphs share. */
interface Shared {
  readonly names: Set<string>;
  readonly nodeNames: Set<string>;
  /** The last number behind a name, so that thousands of nodes of one kind are named at once. */
  readonly lastNumbers: Map<string, number>;
  readonly lastNodeNumbers: Map<string, number>;
  readonly initializers: Map<string, TensorProto>;
  /** Small constants by content. */
  readonly constants: Map<string, Value>;
  /** Which graph makes a value. */
  readonly makers: Map<string, GraphBuilder>;
  readonly domains: Map<string, number>;
  readonly functions: FunctionProto[];
}

/** Constants of at most this many elements are kept once, however often they are asked for. */
const sharedElements = 16;

export class GraphBuilder {
  readonly opset: number;
  readonly machineLearningOpset: number;
  /** One function for each operator that importers need often: `graph.op.add(x, 1)`. */
  readonly op: Operators;
  readonly #parent: GraphBuilder | undefined;
  readonly #shared: Shared;
  readonly #nodes: NodeProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: { readonly value: Value; readonly name: string }[] = [];
  #scope = '';

  constructor(options: GraphBuilderOptions, parent?: GraphBuilder) {
    this.opset = options.opset;
    this.machineLearningOpset = options.machineLearningOpset ?? 3;
    if (this.opset < 18 || this.opset > newestOpset) throw new ModelportError('INTERNAL', `graphs are built for operator sets 18 to ${newestOpset}, not ${this.opset}`);
    if (this.machineLearningOpset > newestMachineLearningOpset) throw new ModelportError('INTERNAL', `the newest version of ai.onnx.ml is ${newestMachineLearningOpset}`);
    this.#parent = parent;
    this.#shared = parent?.shared() ?? {
      names: new Set(),
      nodeNames: new Set(),
      lastNumbers: new Map(),
      lastNodeNumbers: new Map(),
      initializers: new Map(),
      constants: new Map(),
      makers: new Map(),
      domains: new Map(Object.entries({ '': this.opset, 'ai.onnx.ml': this.machineLearningOpset, ...options.domains })),
      functions: [],
    };
    this.op = operators(this);
  }

  /** @internal */
  shared(): Shared {
    return this.#shared;
  }

  /** An input that is a tensor. A size is a number, or a name: the same name means the same size everywhere. */
  input(name: string, elementType: number, shape?: Shape, docString?: string): Value {
    return this.inputOf(name, tensorType(elementType, shape), docString);
  }

  /** An input of any type. Throws `INVALID_MODEL` where the name is taken. */
  inputOf(name: string, type: ValueType, docString?: string): Value {
    const own = this.#parent === undefined ? name : this.#uniqueName(name);
    if (this.#parent === undefined && this.#shared.names.has(name)) throw new ModelportError('INVALID_MODEL', `the graph has two values named "${name}"`, { at: name });
    this.#inputs.push({ ...toValueInfo(own, type), ...(docString === undefined ? {} : { docString }) });
    return this.#record(own, { type });
  }

  /**
   * Weights and other constants. They lie in the main graph, wherever they are used. A message may leave its bytes in a file until the model is written.
   * `name` is made unique.
   */
  constant(tensor: ConstantTensor | TensorProto, name?: string): Value {
    const isMessage = 'dims' in tensor;
    const count = (isMessage ? tensor.dims : tensor.shape).reduce((product, size) => product * size, 1);
    let key: string | undefined;
    if (count <= sharedElements && name === undefined) {
      const small = isMessage ? fromTensorProto(tensor) : tensor;
      key = `${small.elementType} ${small.shape.join(',')} ${Array.isArray(small.data) ? small.data.map((text) => Buffer.from(text).toString('base64')).join(',') : Array.from(small.data as Float64Array, (element) => (Object.is(element, -0) ? '-0' : String(element))).join(',')}`;
      const same = this.#shared.constants.get(key);
      if (same !== undefined) return same;
    }
    const own = this.#uniqueName(name ?? (isMessage ? (tensor.name ?? 'constant') : 'constant'));
    this.#shared.initializers.set(own, isMessage ? { ...tensor, name: own } : toTensorProto(tensor, own));
    const value = this.#record(own, isMessage ? knownInitializer(tensor) : count <= mostElements ? knownConstant(tensor) : { type: tensorType(tensor.elementType, tensor.shape), constant: tensor }, this.#root());
    if (key !== undefined) this.#shared.constants.set(key, value);
    return value;
  }

  /**
   * Adds a node. An input that is undefined is left out. With `outputs` (their names, or how many) it gives a list, else the only output.
   * Throws `INVALID_MODEL` where the operator cannot take such inputs, `INTERNAL` where the node itself is malformed.
   */
  node(operator: string, inputs: readonly (Value | undefined)[], attributes?: AttributeValues, options?: NodeOptions): Value;
  node(operator: string, inputs: readonly (Value | undefined)[], attributes: AttributeValues, options: NodeOptions & { readonly outputs: number | readonly string[] }): Value[];
  node(operator: string, inputs: readonly (Value | undefined)[], attributes: AttributeValues = {}, options: NodeOptions & { readonly outputs?: number | readonly string[] } = {}): Value | Value[] {
    const domain = options.domain ?? '';
    let opset = this.#shared.domains.get(domain);
    if (opset === undefined) this.#shared.domains.set(domain, (opset = 1));
    const schema = operatorSchema(domain, operator, opset);
    const given = [...inputs];
    while (given.length > 0 && given.at(-1) === undefined) given.pop();
    for (const value of given) if (value !== undefined && !this.sees(value)) throw new ModelportError('INTERNAL', `${operator} uses "${value.name}", which is made inside another graph`);
    const name = this.#uniqueNodeName(options.name ?? operator);
    const count = options.outputs === undefined ? 1 : typeof options.outputs === 'number' ? options.outputs : options.outputs.length;
    const outputs = Array.from({ length: count }, (_, index) => {
      if (typeof options.outputs === 'object') return this.#uniqueName(options.outputs[index]!);
      return this.#uniqueName(index === 0 ? name : `${name}.${schema?.outputs[index]?.variadic === false ? schema.outputs[index].name : index}`);
    });
    const node: NodeProto = {
      input: given.map((value) => value?.name ?? ''),
      output: outputs,
      name,
      opType: operator,
      ...(domain === '' ? {} : { domain }),
      attribute: toAttributes(attributes, { domain, name: operator, opset }),
    };
    if (schema !== undefined && (given.length < schema.leastInputs || given.length > schema.mostInputs)) {
      throw new ModelportError('INTERNAL', `${operator} takes ${schema.leastInputs} to ${schema.mostInputs} inputs, not ${given.length}`);
    }
    const known = inferNode(new NodeContext(node, opset, given, (graph) => subgraphOutputs.get(graph.node) ?? []));
    this.#nodes.push(node);
    const values = outputs.map((output, index) => this.#record(output, known[index] ?? { type: undefined }));
    return options.outputs === undefined ? values[0]! : values;
  }

  /** The same value, of which more is known than could be told. Throws `INVALID_MODEL` where that contradicts what is known already. */
  refine(value: Value, known: { readonly elementType?: number; readonly shape?: Shape } | ValueType): Value {
    const type = mergeTypes('kind' in known ? known : tensorType(known.elementType ?? value.elementType, known.shape), value.type);
    if (type === undefined) throw new ModelportError('INVALID_MODEL', `"${value.name}" is ${nameOfType(value.type)} [${value.shape?.join(', ') ?? '?'}], which is not what it was said to be`, { at: value.name });
    return valueOf(value.name, { ...value, type });
  }

  /** Whether nodes added here may use the value: it is made in this graph or in one around it. */
  sees(value: Value): boolean {
    return this.#shared.makers.get(value.name) === this || (this.#parent !== undefined && this.#parent.sees(value));
  }

  /** Calls `build` with names below `name/`. Scopes nest. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${name}/`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /**
   * A graph inside this one, for an attribute of If, Loop or Scan. `build` adds its inputs and nodes to the builder that it gets, and returns the outputs;
   * it may use the values of the graphs around it.
   */
  subgraph(name: string, build: (body: GraphBuilder) => readonly Value[]): Subgraph {
    const body = new GraphBuilder({ opset: this.opset, machineLearningOpset: this.machineLearningOpset }, this);
    body.#scope = this.#scope;
    const outputs: Value[] = [];
    for (const value of build(body)) {
      // What a subgraph gives must be made in it, and once.
      const own = this.#shared.makers.get(value.name) === body && !body.#inputs.some((input) => input.name === value.name) && !outputs.some((other) => other.name === value.name);
      outputs.push(own ? value : valueOf(body.op.identity(value).name, value));
    }
    subgraphOutputs.set(body.#nodes, outputs);
    const graph: GraphProto = {
      node: body.#nodes,
      name: this.#uniqueNodeName(name),
      initializer: [],
      sparseInitializer: [],
      input: body.#inputs,
      output: outputs.map((value) => toValueInfo(value.name, value.type)),
      valueInfo: [],
    };
    return { graph, outputs };
  }

  /** Makes a value an output of the graph. Whatever else has the name gives it up. */
  output(value: Value, name: string = value.name): void {
    if (!this.sees(value)) throw new ModelportError('INTERNAL', `the output "${name}" is made inside another graph`);
    if (this.#outputs.some((output) => output.name === name)) throw new ModelportError('INVALID_MODEL', `the graph has two outputs named "${name}"`, { at: name });
    if (this.#inputs.some((input) => input.name === name)) throw new ModelportError('INVALID_MODEL', `the graph has an input and an output named "${name}"`, { at: name });
    this.#outputs.push({ value, name });
  }

  addFunction(definition: FunctionProto): void {
    this.#shared.functions.push(definition);
    if (!this.#shared.domains.has(definition.domain ?? '')) this.#shared.domains.set(definition.domain ?? '', 1);
  }

  /** The whole model. Nothing may be added afterwards. */
  build(description: ModelDescription): ModelProto {
    const names = new Map<string, string>();
    const inputs = new Set(this.#inputs.map((input) => input.name));
    const wanted = new Set(this.#outputs.map((output) => output.name));
    const outputs = this.#outputs.map(({ value, name }): ValueInfoProto => {
      // An input, a constant and what is an output already keep their names: the output is a copy.
      const taken = inputs.has(value.name) || this.#shared.initializers.has(value.name) || names.has(value.name);
      names.set(taken ? this.op.identity(value).name : value.name, name);
      return toValueInfo(name, value.type);
    });
    for (const name of wanted) if (this.#shared.names.has(name) && !names.has(name)) names.set(name, this.#uniqueName(name));
    const initializer = [...this.#shared.initializers.values()].map((tensor) => ({ ...tensor, name: names.get(tensor.name!) ?? tensor.name! }));
    const entries = ([key, value]: [string, string]): StringStringEntryProto => ({ key, value });
    const used = new Set(['', ...this.#shared.functions.map((definition) => definition.domain ?? ''), ...domainsOf(this.#nodes)]);
    return {
      irVersion: irVersionOf(this.opset),
      producerName: description.producer?.name ?? 'modelport',
      ...(description.producer === undefined ? {} : { producerVersion: description.producer.version }),
      ...(description.docString === undefined ? {} : { docString: description.docString }),
      opsetImport: [...this.#shared.domains].filter(([domain]) => used.has(domain)).map(([domain, version]) => ({ domain, version })),
      metadataProps: Object.entries(description.metadata ?? {}).map(entries),
      functions: this.#shared.functions,
      graph: {
        name: description.name,
        node: renameValues(this.#nodes, names),
        initializer,
        sparseInitializer: [],
        input: this.#inputs,
        output: outputs,
        valueInfo: [],
      },
    };
  }

  #root(): GraphBuilder {
    return this.#parent === undefined ? this : this.#parent.#root();
  }


  #record(name: string, known: KnownValue, maker: GraphBuilder = this): Value {
    this.#shared.names.add(name);
    this.#shared.makers.set(name, maker);
    return valueOf(name, known);
  }

  #uniqueName(name: string): string {
    return unique(this.#shared.names, this.#shared.lastNumbers, name);
  }

  #uniqueNodeName(name: string): string {
    return unique(this.#shared.nodeNames, this.#shared.lastNodeNumbers, `${this.#scope}${name}`);
  }
}

export interface Subgraph {
  readonly graph: GraphProto;
  readonly outputs: readonly Value[];
}

/** What is known of the outputs of graphs that were built here. */
const subgraphOutputs = new WeakMap<readonly NodeProto[], readonly Value[]>();

function valueOf(name: string, known: KnownValue): Value {
  const tensor = known.type?.kind === 'tensor' ? known.type : undefined;
  return { name, type: known.type, elementType: tensor?.elementType ?? 0, shape: tensor?.shape, elements: known.elements, constant: known.constant };
}

/** Adds the name, or the first of `name_2`, `name_3` … that is free. `last`: the numbers that were given out; names are never given back. */
function unique(names: Set<string>, last: Map<string, number>, name: string): string {
  let candidate = name;
  if (names.has(name)) {
    let number = last.get(name) ?? 1;
    do candidate = `${name}_${++number}`;
    while (names.has(candidate));
    last.set(name, number);
  }
  names.add(candidate);
  return candidate;
}

function* domainsOf(nodes: readonly NodeProto[]): Generator<string> {
  for (const node of nodes) {
    yield node.domain ?? '';
    for (const attribute of node.attribute) if (attribute.g !== undefined) yield* domainsOf(attribute.g.node);
  }
}

/** The oldest format that has the operator set, so that the most readers take it. */
function irVersionOf(opset: number): number {
  const known = Object.keys(irVersions).map(Number).filter((version) => version <= opset);
  return irVersions[Math.max(...known)]!;
}
