/**
 * Whether a model is what the standard allows: names, operators, numbers of inputs and outputs, attributes, types, tensors, shapes.
 * https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import { isModelportError, ModelportError } from '../errors.ts';
import { checkNode } from './check-node.ts';
import { DataLocation, type FunctionProto, type GraphProto, type ModelProto, type NodeProto, type TensorProto, type ValueInfoProto } from './model-proto.ts';
import { inferModel, opsetsOf, type Inference, type KnownValues } from './infer-shapes.ts';
import { isStandardDomain } from './operator-schema.ts';
import { newestMachineLearningOpset, newestOpset } from './operator-table.ts';
import { tensorElements } from './tensor-elements.ts';

export interface ModelProblem {
  readonly message: string;
  /** `node "conv1"`, `tensor "w"`, `opset_import`. */
  readonly at: string;
}

export interface CheckOptions {
  /** Where external data lies; without it, such data is not looked at. */
  readonly directory?: string;
  /** More than this many are not looked for. Default 100. */
  readonly mostProblems?: number;
}

/** Empty where the model is valid. Weights are read only as far as their sizes say too little. */
export function checkModel(model: ModelProto, options: CheckOptions = {}): ModelProblem[] {
  const check = new ModelCheck(model, options);
  try {
    check.model(model);
  } catch (error) {
    if (!(error instanceof TooManyProblems)) throw error;
  }
  return check.problems;
}

/** Throws `INVALID_MODEL` with the first problem. */
export function assertValidModel(model: ModelProto, options: CheckOptions = {}): void {
  const [first] = checkModel(model, { ...options, mostProblems: 1 });
  if (first !== undefined) throw new ModelportError('INVALID_MODEL', `the model is not valid: ${first.message}`, { at: first.at });
}

class TooManyProblems extends Error {}

/** The names that can be used, and the types of their values. */
interface Scope {
  readonly names: Set<string>;
  readonly known: KnownValues;
  readonly outer: Scope | undefined;
}

class ModelCheck {
  readonly problems: ModelProblem[] = [];
  readonly #options: CheckOptions;
  readonly #inference: Inference;
  readonly #functions: ReadonlySet<string>;

  constructor(model: ModelProto, options: CheckOptions) {
    this.#options = options;
    this.#inference = inferModel(model);
    this.#functions = new Set(model.functions.map((definition) => `${definition.domain ?? ''}:${definition.name ?? ''}`));
  }

  #problem(message: string, at: string): void {
    this.problems.push({ message, at });
    if (this.problems.length >= (this.#options.mostProblems ?? 100)) throw new TooManyProblems();
  }

  model(model: ModelProto): void {
    if (model.irVersion === undefined) this.#problem('it does not say its IR version', 'ir_version');
    if (model.opsetImport.length === 0 && (model.irVersion ?? 0) >= 3) this.#problem('it imports no operator set', 'opset_import');
    const opsets = opsetsOf(model);
    if (opsets.size < model.opsetImport.length) this.#problem('it imports an operator set twice', 'opset_import');
    const newest: Readonly<Record<string, number>> = { '': newestOpset, 'ai.onnx.ml': newestMachineLearningOpset };
    for (const [domain, version] of opsets) {
      if (version > (newest[domain] ?? Infinity)) this.#problem(`it imports version ${version} of ${domain || 'the standard operators'}; the newest that is known is ${newest[domain]}`, 'opset_import');
    }
    this.#unique(model.metadataProps.map((entry) => entry.key ?? ''), (key) => `the metadata has the key "${key}" twice`, 'metadata_props');
    if (model.graph === undefined) this.#problem('it holds no graph', 'graph');
    else this.#graph(model.graph, opsets, undefined, model.irVersion ?? 0);
    this.#unique(model.functions.map((definition) => `${definition.domain ?? ''}:${definition.name ?? ''}:${definition.overload ?? ''}`), (name) => `the function "${name}" is there twice`, 'functions');
    for (const definition of model.functions) this.#function(definition, opsets);
    for (const problem of this.#inference.problems) this.#problem(problem, 'shapes');
  }

  #graph(graph: GraphProto, opsets: ReadonlyMap<string, number>, outer: Scope | undefined, irVersion: number): void {
    const at = `graph "${graph.name ?? ''}"`;
    if ((graph.name ?? '') === '') this.#problem('a graph has no name', 'graph');
    const scope: Scope = { names: new Set(), known: this.#inference.graphs.get(graph) ?? new Map(), outer };
    for (const input of graph.input) {
      const name = input.name ?? '';
      if (name === '') this.#problem('an input has no name', at);
      else if (isVisible(scope, name)) this.#problem(`the input "${name}" has the name of another value`, at);
      // Inputs of subgraphs may leave their types to inference.
      if (outer === undefined) this.#typed(input, 'input');
      scope.names.add(name);
    }
    const inputs = new Set(scope.names);
    const initialized = new Set<string>();
    for (const tensor of [...graph.initializer, ...graph.sparseInitializer.map((sparse) => sparse.values ?? { dims: [] })]) {
      const name = tensor.name ?? '';
      if (name === '') this.#problem('an initializer has no name', at);
      else if (initialized.has(name)) this.#problem(`the initializer "${name}" is there twice`, `tensor "${name}"`);
      else if (!inputs.has(name) && irVersion < 4) this.#problem(`the initializer "${name}" is not an input, which IR version ${irVersion} asks for`, `tensor "${name}"`);
      initialized.add(name);
      scope.names.add(name);
    }
    for (const tensor of graph.initializer) this.#tensor(tensor);
    for (const node of graph.node) this.#node(node, scope, opsets, irVersion);
    for (const output of graph.output) {
      const name = output.name ?? '';
      if (!scope.names.has(name)) this.#problem(`the output "${name}" is made by no node of ${at}`, `output "${name}"`);
      if (outer === undefined) this.#typed(output, 'output');
    }
    this.#unique(graph.output.map((output) => output.name ?? ''), (name) => `the output "${name}" is there twice`, at);
  }

  /** What a model takes and gives has a type and a rank. */
  #typed(value: ValueInfoProto, kind: string): void {
    const at = `${kind} "${value.name ?? ''}"`;
    if (value.type === undefined) this.#problem(`the ${at} has no type`, at);
    else if (value.type.tensorType !== undefined && value.type.tensorType.shape === undefined) this.#problem(`the ${at} has no shape: its sizes may be left open, but not their number`, at);
  }

  #node(node: NodeProto, scope: Scope, opsets: ReadonlyMap<string, number>, irVersion: number, parameters?: ReadonlySet<string>): void {
    const at = (node.name ?? '') === '' ? `node for "${node.output[0] ?? ''}"` : `node "${node.name}"`;
    const domain = node.domain === 'ai.onnx' ? '' : (node.domain ?? '');
    for (const name of node.input) if (name !== '' && !isVisible(scope, name)) this.#problem(`${at} (${node.opType ?? ''}) uses "${name}", which nothing before it makes`, at);
    const opset = opsets.get(domain);
    const isFunction = this.#functions.has(`${node.domain ?? ''}:${node.opType ?? ''}`);
    if (opset === undefined) {
      if (!isFunction) this.#problem(`${at} (${node.opType ?? ''}) is of the domain "${domain}", which is not imported`, at);
    } else if (!isFunction && isStandardDomain(domain)) {
      checkNode(node, { opset, typeOf: (name) => lookUp(scope, name), report: (what) => this.#problem(`${at} (${node.opType ?? ''}): ${what}`, at) });
    }
    this.#unique(node.attribute.map((attribute) => attribute.name ?? ''), (name) => `${at} has the attribute "${name}" twice`, at);
    for (const attribute of node.attribute) {
      const reference = attribute.refAttrName ?? '';
      if (reference !== '' && parameters?.has(reference) !== true) this.#problem(`${at} refers to the attribute "${reference}" of a function, ${parameters === undefined ? 'but is in none' : 'which has none such'}`, at);
      if (attribute.t !== undefined) this.#tensor(attribute.t);
      for (const tensor of attribute.tensors ?? []) this.#tensor(tensor);
      if (attribute.g !== undefined) this.#graph(attribute.g, opsets, scope, irVersion);
      for (const graph of attribute.graphs ?? []) this.#graph(graph, opsets, scope, irVersion);
    }
    for (const name of node.output) {
      if (name === '') continue;
      if (isVisible(scope, name)) this.#problem(`${at} makes "${name}", which is made already`, at);
      scope.names.add(name);
    }
  }

  #function(definition: FunctionProto, modelOpsets: ReadonlyMap<string, number>): void {
    const at = `function "${definition.domain ?? ''}:${definition.name ?? ''}"`;
    this.#unique(definition.input, (name) => `${at} has the input "${name}" twice`, at);
    const parameters = [...definition.attribute, ...definition.attributeProto.map((attribute) => attribute.name ?? '')];
    this.#unique(parameters, (name) => `${at} has the attribute "${name}" twice`, at);
    const scope: Scope = { names: new Set(definition.input), known: new Map(), outer: undefined };
    const opsets = definition.opsetImport.length === 0 ? modelOpsets : opsetsOf(definition);
    for (const node of definition.node) this.#node(node, scope, opsets, Infinity, new Set(parameters));
    for (const name of definition.output) if (!scope.names.has(name)) this.#problem(`${at} gives "${name}", which no node of it makes`, at);
  }

  #tensor(tensor: TensorProto): void {
    const external = tensor.dataLocation === DataLocation.EXTERNAL;
    if (external && this.#options.directory === undefined) return;
    const fields = [tensor.rawData, tensor.floatData, tensor.int32Data, tensor.int64Data, tensor.doubleData, tensor.uint64Data, tensor.stringData].filter((field) => field !== undefined);
    if (fields.length > 1) this.#problem(`the tensor "${tensor.name ?? ''}" keeps its data in more than one field`, `tensor "${tensor.name ?? ''}"`);
    try {
      tensorElements(tensor, this.#options.directory);
    } catch (error) {
      if (!isModelportError(error)) throw error;
      this.#problem(error.message, error.at ?? 'tensor');
    }
  }

  #unique(names: readonly string[], message: (name: string) => string, at: string): void {
    const seen = new Set<string>();
    for (const name of names) {
      if (seen.has(name)) this.#problem(message(name), at);
      seen.add(name);
    }
  }
}

function isVisible(scope: Scope | undefined, name: string): boolean {
  for (let current = scope; current !== undefined; current = current.outer) if (current.names.has(name)) return true;
  return false;
}

function lookUp(scope: Scope | undefined, name: string): ReturnType<KnownValues['get']> {
  for (let current = scope; current !== undefined; current = current.outer) if (current.names.has(name)) return current.known.get(name);
  return undefined;
}
