/** Builds the graph of an exported program: each node is an operator of ATen, an operation on sizes, or a branch. */
import { ModelportError } from '../../errors.ts';
import { ElementType } from '../../onnx/data-type.ts';
import { unknownDimension, type Dimension, type Shape } from '../../onnx/dimension.ts';
import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { version } from '../../version.ts';
import { AtenTensor, AtenTuple, GraphScalar, describeValue, isScalar, toScalar, type AtenValue } from '../aten/value.ts';
import { LoweringContext } from '../aten/lowering.ts';
import { ProgramStates, StatesNeeded, mostStates } from '../aten/program-states.ts';
import { lowerings } from '../aten/registry.ts';
import { scalarValue } from '../aten/arguments.ts';
import { nameSymbols } from './name-symbols.ts';
import { nameOf, readArgument, type Environment } from './read-argument.ts';
import { runSizeOperator } from './size-operators.ts';
import { elementTypeOfExport, type ExportArchive } from './archive.ts';
import { damaged, floatOf, integerOf, isObject, listOf, objectOf, readGraph, textOf, type Argument, type Program, type ProgramGraph, type ProgramNode, type Spec, type TensorMeta } from './program.ts';
import { sourceLineOf } from './source-line.ts';
import { Symbols } from './symbols.ts';

export const exportOpset = 20;

export interface BuiltProgram {
  readonly model: ModelProto;
  readonly operatorCount: number;
}

export function buildProgram(program: Program, archive: ExportArchive, note: (sentence: string) => void, progress: (part: number) => void): BuiltProgram {
  const states = new Set<string>();
  for (;;) {
    const notes = new Set<string>();
    try {
      const model = new ProgramBuilder(program, archive, (sentence) => notes.add(sentence), progress, states).build();
      for (const sentence of notes) note(sentence);
      return { model, operatorCount: program.graph.nodes.length };
    } catch (error) {
      if (!(error instanceof StatesNeeded)) throw error;
      for (const name of error.names) states.add(name);
    }
  }
}

class ProgramBuilder {
  readonly #program: Program;
  readonly #archive: ExportArchive;
  readonly #note: (sentence: string) => void;
  readonly #progress: (part: number) => void;
  readonly #graph = new GraphBuilder({ opset: exportOpset });
  readonly #context: LoweringContext;
  readonly #symbols = new Symbols();
  /** By full name: programs may use one weight under several names of arguments. */
  readonly #weights = new Map<string, AtenTensor>();
  readonly #buffers = new Set<string>();
  /** Buffers that the program changes, by full name. */
  readonly #wantedStates: ReadonlySet<string>;
  readonly #states: ProgramStates;

  constructor(program: Program, archive: ExportArchive, note: (sentence: string) => void, progress: (part: number) => void, states: ReadonlySet<string>) {
    this.#program = program;
    this.#archive = archive;
    this.#note = note;
    this.#progress = progress;
    this.#context = new LoweringContext({ graph: this.#graph, lowerings, note });
    this.#wantedStates = states;
    this.#states = new ProgramStates(this.#context, [...program.graph.inputs.map(nameOf), ...this.#outputNames()]);
  }

  build(): ModelProto {
    const { graph, inputSpecs, outputSpecs } = this.#program;
    if (inputSpecs.length !== graph.inputs.length) throw damaged(`it has ${graph.inputs.length} inputs, its signature ${inputSpecs.length}`);
    if (outputSpecs.length !== graph.outputs.length) throw damaged(`it has ${graph.outputs.length} outputs, its signature ${outputSpecs.length}`);
    nameSymbols(this.#program, this.#symbols, this.#note);
    const environment: Environment = new Map();
    // What callers give comes before what a sequence carries.
    for (const isUser of [true, false]) for (const [index, spec] of inputSpecs.entries()) if ((spec['user_input'] !== undefined) === isUser) this.#input(spec, graph.inputs[index]!, environment);
    this.#run(graph, environment);
    const states = this.#changedBuffers(environment);
    this.#outputs(environment);
    const metadata = this.#states.finish(states);
    return this.#graph.build({
      name: 'torch.export',
      producer: { name: 'modelport', version },
      docString: `imported from a program of torch.export (PyTorch ${this.#program.torchVersion}, schema ${this.#program.schemaVersion})`,
      metadata: { framework: 'PyTorch', ...(this.#program.torchVersion === '' ? {} : { framework_version: this.#program.torchVersion }), program: 'torch.export', ...metadata },
    });
  }

  // ---- signature

  #input(spec: Spec, argument: Argument, environment: Environment): void {
    const [kind] = Object.keys(spec);
    const details = kind === undefined ? undefined : spec[kind];
    if (kind === undefined || details === undefined) throw damaged('an input has no kind');
    if (kind === 'constant_input') {
      const name = textOf(details['name'], 'the name of a constant input');
      environment.set(name, this.#constantOf(objectOf(details['value'], name), name));
      return;
    }
    if (kind === 'token') return;
    if (kind === 'custom_obj') throw new ModelportError('INVALID_MODEL', `the program holds an object of a custom class (${JSON.stringify(details['custom_obj_name'])}), which is not covered`);
    const name = nameOf(argument);
    if (kind === 'user_input') {
      environment.set(name, this.#userInput(argument, name));
      return;
    }
    const target = textOf(details[kind === 'parameter' ? 'parameter_name' : kind === 'buffer' ? 'buffer_name' : 'tensor_constant_name'], `the name of ${name}`);
    const meta = this.#program.graph.tensorValues.get(name);
    if (meta === undefined) throw damaged(`${name} has no type`);
    const known = this.#weights.get(target);
    if (known !== undefined) {
      environment.set(name, known);
      return;
    }
    const source = kind === 'tensor_constant' ? (this.#archive.constant(target) ?? this.#archive.weight(target)) : (this.#archive.weight(target) ?? this.#archive.constant(target));
    if (source === undefined) throw damaged(`the archive does not hold ${target}`);
    if (source.elementType !== elementTypeOfExport(meta.dtype, target) || source.shape.length !== meta.sizes.length || source.shape.some((size, axis) => size !== meta.sizes[axis])) {
      throw damaged(`${target} has another type or shape than the program says`);
    }
    if (kind === 'buffer') this.#buffers.add(target);
    const tensor = this.#wantedStates.has(target) ? this.#states.add(source) : this.#context.weight(source);
    this.#setStrides(tensor, meta);
    this.#weights.set(target, tensor);
    environment.set(name, tensor);
  }

  #userInput(argument: Argument, name: string): AtenValue {
    if (argument['as_tensor'] !== undefined) {
      const meta = this.#program.graph.tensorValues.get(name);
      if (meta === undefined) throw damaged(`the input ${name} has no type`);
      const shape = meta.sizes.map((size, axis): Dimension => {
        if (typeof size === 'number') return size;
        const symbol = this.#symbols.symbolOf(size);
        return (symbol === undefined ? this.#symbols.dimension(size) : this.#symbols.nameOf(symbol)) ?? `${name}_${axis}`;
      });
      const tensor = this.#context.input(this.#graph.input(name, elementTypeOfExport(meta.dtype, `the input ${name}`), shape));
      this.#setStrides(tensor, meta);
      return tensor;
    }
    if (argument['as_sym_int'] !== undefined) return toScalar(this.#graph.input(name, ElementType.INT64, []));
    if (argument['as_sym_bool'] !== undefined) return toScalar(this.#graph.input(name, ElementType.BOOL, []));
    if (argument['as_sym_float'] !== undefined) return toScalar(this.#graph.input(name, ElementType.DOUBLE, []));
    if (argument['as_none'] !== undefined) return null;
    throw new ModelportError('INVALID_MODEL', `the input ${name} is no tensor and no number, which is not covered`);
  }

  #constantOf(value: Argument, name: string): AtenValue {
    if (value['as_none'] !== undefined) return null;
    if (value['as_int'] !== undefined) return integerOf(value['as_int'], name);
    if (value['as_float'] !== undefined) return floatOf(value['as_float'], name);
    if (value['as_bool'] !== undefined) return value['as_bool'] === true;
    if (value['as_string'] !== undefined) return textOf(value['as_string'], name);
    throw damaged(`the constant ${name} has no value`);
  }

  #userOutputs(): Argument[] {
    return this.#program.outputSpecs.flatMap((spec, index) => (spec['user_output'] === undefined && spec['loss_output'] === undefined ? [] : [this.#program.graph.outputs[index] ?? {}]));
  }

  #outputNames(): string[] {
    const { length } = this.#userOutputs();
    const given = this.#program.outputNames;
    return Array.from({ length }, (_, index) => (given?.length === length ? given[index]! : length === 1 ? 'output' : `output_${index}`));
  }

  #outputs(environment: Environment): void {
    const users = this.#userOutputs();
    const names = this.#outputNames();
    const taken = new Set(this.#program.graph.inputs.map((input) => (isObject(input['as_tensor']) ? String(input['as_tensor']['name']) : '')));
    let count = 0;
    for (const [index, argument] of users.entries()) {
      const value = readArgument(argument, environment, this.#context);
      const name = taken.has(names[index]!) ? `${names[index]!}_out` : names[index]!;
      if (value instanceof AtenTensor) this.#graph.output(this.#context.read(value), name);
      else if (value instanceof GraphScalar) this.#graph.output(value.value, name);
      else if (isScalar(value)) this.#graph.output(scalarValue(this.#context, value), name);
      else if (value === null) this.#note(`The program returns None as output ${index}, which is left out.`);
      else throw new ModelportError('INVALID_MODEL', `output ${index} is ${describeValue(value)}, which is not covered`);
      if (value !== null) count++;
    }
    if (count === 0) throw new ModelportError('INVALID_MODEL', 'the program returns nothing');
  }

  /** What the states hold at the end. Throws {@link StatesNeeded} for buffers that are none yet. */
  #changedBuffers(environment: Environment): Map<string, AtenTensor> {
    const last = new Map<string, AtenTensor>();
    const needed = new Set<string>();
    const changed = (name: string): void => {
      if (this.#states.has(name)) return;
      if (!this.#buffers.has(name) || needed.size + this.#wantedStates.size >= mostStates) throw this.#changes(name);
      const memory = this.#archive.memoryOf(name);
      const shared = [...this.#weights.keys()].find((other) => other !== name && this.#archive.memoryOf(other) === memory);
      if (memory === undefined || shared !== undefined) throw this.#changes(name, shared === undefined ? '' : `, and with it ${shared}, which is the same memory`);
      needed.add(name);
    };
    for (const spec of this.#program.outputSpecs) {
      const mutation = spec['buffer_mutation'] ?? spec['parameter_mutation'];
      if (mutation === undefined) continue;
      const name = String(mutation['buffer_name'] ?? mutation['parameter_name']);
      const target = this.#weights.get(name);
      const value = isObject(mutation['arg']) ? environment.get(String(mutation['arg']['name'])) : undefined;
      if (target === undefined || !(value instanceof AtenTensor)) throw this.#changes(name);
      if (this.#context.read(value) === this.#context.read(target) && !this.#context.writtenStorages.has(target.storage)) continue;
      changed(name);
      last.set(name, value);
    }
    for (const [name, tensor] of this.#weights) if (this.#context.writtenStorages.has(tensor.storage)) changed(name);
    if (needed.size > 0) throw new StatesNeeded([...needed]);
    for (const { origin } of this.#context.writtenStorages) {
      if (origin?.kind === 'input') this.#note(`The program writes into its input ${origin.name}; who calls the import keeps that tensor as it is.`);
    }
    return last;
  }

  #changes(name: string, besides = ''): ModelportError {
    return new ModelportError('INVALID_MODEL', `the program changes ${name}${besides} and would keep it for the next call, which a graph cannot: pass the state as an input and return it as an output`);
  }

  // ---- nodes

  #run(graph: ProgramGraph, environment: Environment): void {
    for (const [index, node] of graph.nodes.entries()) {
      if (index % 64 === 0) this.#progress(index / graph.nodes.length);
      this.#context.sourceLine = node.stackTrace === undefined ? undefined : sourceLineOf(node.stackTrace);
      this.#context.operator = node.target;
      this.#node(node, graph, environment);
    }
  }

  #node(node: ProgramNode, graph: ProgramGraph, environment: Environment): void {
    const { target } = node;
    if (target === 'torch.ops.higher_order.cond') {
      this.#branch(node, graph, environment);
      return;
    }
    if (target.startsWith('torch.ops.higher_order.wrap_with_set_grad_enabled') || target.startsWith('torch.ops.higher_order.wrap_with_autocast')) {
      this.#wrapped(node, graph, environment);
      return;
    }
    const aten = /^torch\.ops\.aten\.([\w.]+)$/.exec(target)?.[1];
    if (aten === undefined) {
      const values = node.inputs.map(({ argument }) => readArgument(argument, environment, this.#context));
      const result = runSizeOperator(this.#context, target, values);
      if (result === undefined) throw this.#context.refuse('this operator is not covered');
      this.#bind(node.outputs, [result], graph, environment);
      return;
    }
    if (isCheck(aten)) {
      if (aten.startsWith('_assert_async')) this.#note(`A check of the program is left out, because it depends on the input${this.#context.sourceLine === undefined ? '' : ` (${this.#context.sourceLine})`}.`);
      return;
    }
    const values = new Map(node.inputs.map(({ name, argument }) => [name, readArgument(argument, environment, this.#context)]));
    const results = this.#scalarOperator(aten, values) ?? this.#context.lower(`aten::${aten}`, values);
    this.#bind(node.outputs, results, graph, environment);
  }

  /** Those that leave tensors. */
  #scalarOperator(name: string, values: ReadonlyMap<string, AtenValue>): AtenValue[] | undefined {
    if (name !== 'item.default' && name !== '_local_scalar_dense.default') return undefined;
    const tensor = values.get('self');
    if (!(tensor instanceof AtenTensor)) throw damaged('item is called on something else than a tensor');
    const value = this.#context.read(tensor);
    const type = tensor.elementType === ElementType.BOOL ? ElementType.BOOL : tensor.elementType === ElementType.FLOAT || tensor.elementType === ElementType.DOUBLE || tensor.elementType === ElementType.FLOAT16 || tensor.elementType === ElementType.BFLOAT16 ? ElementType.DOUBLE : ElementType.INT64;
    const single = value.shape?.length === 0 ? value : this.#context.graph.op.reshape(value, []);
    return [toScalar(this.#context.cast(single, type))];
  }

  #branch(node: ProgramNode, graph: ProgramGraph, environment: Environment): void {
    const [condition, yes, no, operands] = node.inputs.map(({ argument }) => argument);
    if (condition === undefined || yes === undefined || no === undefined) throw damaged('a branch has too few arguments');
    const given = operands === undefined ? [] : readArgument(operands, environment, this.#context);
    const list = Array.isArray(given) ? given : given instanceof AtenTuple ? [...given.items] : [given];
    const test = readArgument(condition, environment, this.#context);
    const known = typeof test === 'boolean' ? test : undefined;
    if (known !== undefined) {
      const inner: Environment = new Map();
      this.#bind(node.outputs, this.#inner(known ? yes : no, list, inner), graph, environment);
      return;
    }
    const flag = test instanceof AtenTensor ? this.#context.read(test) : test instanceof GraphScalar ? test.value : undefined;
    if (flag === undefined) throw damaged('the condition of a branch is no truth value');
    const single = flag.shape?.length === 0 ? flag : this.#context.graph.op.reshape(flag, []);
    const build = (branch: Argument) => (body: GraphBuilder): Value[] =>
      this.#context.inside(body, () => {
        const { result, writes } = this.#context.trackWrites(() => this.#inner(branch, list, new Map()).map((value) => this.#valueOf(value)));
        if (writes.size > 0 && [...writes.keys()].some((storage) => list.some((item) => item instanceof AtenTensor && item.storage === storage))) throw this.#context.refuse('a branch writes into a tensor from outside');
        return result;
      });
    const results = this.#context.graph.op.if(this.#context.cast(single, ElementType.BOOL), build(yes), build(no));
    this.#bind(node.outputs, results.map((value) => this.#context.tensor(value)), graph, environment);
  }

  /** A body that is run as it is: without gradients, or in another mode of precision. */
  #wrapped(node: ProgramNode, graph: ProgramGraph, environment: Environment): void {
    const values = node.inputs.map(({ argument }) => argument);
    const place = values.findIndex((argument) => argument['as_graph'] !== undefined);
    if (place === -1) throw damaged('a wrapped body is missing');
    if (node.target.includes('autocast')) {
      const enabled = values.slice(0, place).some((argument) => argument['as_bool'] === true);
      if (enabled) throw this.#context.refuse('it computes with mixed precision (autocast)');
    }
    const given = values.slice(place + 1).flatMap((argument) => {
      const value = readArgument(argument, environment, this.#context);
      return Array.isArray(value) ? value : [value];
    });
    this.#bind(node.outputs, this.#inner(values[place]!, given, new Map()), graph, environment);
  }

  #inner(argument: Argument, given: readonly AtenValue[], environment: Environment): AtenValue[] {
    const graph = readGraph(objectOf(objectOf(argument['as_graph'], 'a branch')['graph'], 'a branch'));
    if (graph.inputs.length !== given.length) throw damaged(`a branch takes ${graph.inputs.length} values and gets ${given.length}`);
    for (const [index, input] of graph.inputs.entries()) environment.set(nameOf(input), given[index]!);
    const { sourceLine, operator } = this.#context;
    this.#run(graph, environment);
    this.#context.sourceLine = sourceLine;
    this.#context.operator = operator;
    return graph.outputs.map((output) => readArgument(output, environment, this.#context));
  }

  #valueOf(value: AtenValue): Value {
    if (value instanceof AtenTensor) return this.#context.read(value);
    if (isScalar(value)) return scalarValue(this.#context, value);
    throw this.#context.refuse(`a branch gives ${describeValue(value)}`);
  }

  // ---- values

  /** Names results, and compares what is known of them with what the exporter knew. */
  #bind(outputs: readonly Argument[], results: readonly AtenValue[], graph: ProgramGraph, environment: Environment): void {
    if (outputs.length === 0) return;
    if (outputs.length > results.length) throw damaged(`${this.#context.operator} gives ${results.length} values, but ${outputs.length} are named`);
    for (const [index, argument] of outputs.entries()) {
      const result = results[index]!;
      const [kind] = Object.keys(argument);
      const details = kind === undefined ? undefined : argument[kind];
      if (kind === 'as_none' || result === null) continue;
      if (kind === 'as_tensor') {
        const name = textOf(objectOf(details, kind)['name'], kind);
        environment.set(name, this.#checked(name, result, graph));
      } else if (kind === 'as_tensors' || kind === 'as_optional_tensors') {
        const names = listOf(details, kind).map((item) => objectOf(item, kind));
        if (!Array.isArray(result) || result.length !== names.length) throw damaged(`${this.#context.operator} gives ${describeValue(result)}, but ${names.length} tensors are named`);
        for (const [place, item] of names.entries()) {
          const inner = isObject(item['as_tensor']) ? item['as_tensor'] : item;
          const name = textOf(inner['name'], kind);
          environment.set(name, this.#checked(name, result[place]!, graph));
        }
      } else if (kind === 'as_sym_int' || kind === 'as_sym_float' || kind === 'as_sym_bool') {
        environment.set(textOf(objectOf(details, kind)['as_name'], kind), result);
      } else throw this.#context.refuse(`a result of the kind ${String(kind)} is not covered`);
    }
  }

  #checked(name: string, value: AtenValue, graph: ProgramGraph): AtenValue {
    const given = isScalar(value) ? this.#context.tensorOfScalar(value, false) : value;
    if (!(given instanceof AtenTensor)) throw this.#context.refuse(`it gives ${describeValue(value)} where the program has a tensor`);
    const meta = graph.tensorValues.get(name);
    if (meta === undefined) throw damaged(`${name} has no type`);
    const elementType = elementTypeOfExport(meta.dtype, name);
    if (given.elementType !== elementType) throw this.#context.refuse(`its result would have the type ${given.elementType}, but the program says ${elementType}`);
    const { shape } = given;
    if (shape !== undefined && shape.length !== meta.sizes.length) throw this.#context.refuse(`its result would have ${shape.length} axes, but the program says ${meta.sizes.length}`);
    const wanted: Shape = meta.sizes.map((size, axis) => {
      const own = shape?.[axis];
      const known = this.#symbols.dimension(size);
      if (typeof own === 'number' && typeof known === 'number' && own !== known) throw this.#context.refuse(`its result would have the size ${own} on axis ${axis}, but the program says ${known}`);
      if (own !== undefined && !String(own).includes('?')) return typeof known === 'number' ? known : own;
      return known ?? own ?? unknownDimension();
    });
    const isExact = shape !== undefined && wanted.every((size, axis) => size === shape[axis]);
    const tensor = isExact ? given : this.#refined(given, wanted);
    this.#setStrides(tensor, meta);
    return tensor;
  }

  #refined(tensor: AtenTensor, shape: Shape): AtenTensor {
    const value = this.#context.graph.refine(this.#context.read(tensor), { shape });
    if (tensor.steps.length === 0) tensor.storage.value = value;
    const other = new AtenTensor(tensor.storage, tensor.steps, value, tensor.isWrappedNumber);
    other.cached = { whole: tensor.storage.value, value };
    return other;
  }

  #setStrides(tensor: AtenTensor, meta: TensorMeta): void {
    const strides = meta.strides.map((stride) => this.#symbols.dimension(stride));
    tensor.strides = strides.every((stride) => stride !== undefined) ? strides : undefined;
  }
}

/** Operators that only look whether something holds. */
function isCheck(name: string): boolean {
  return /^(?:_assert_\w+|_functional_assert\w*|sym_constrain_range\w*|_assert_async)(?:\.\w+)?$/.test(name);
}
