/** From an archive to a model: guesses what the inputs are, follows `forward`, names the outputs. */
import { ModelportError, isModelportError } from '../../errors.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';
import type { ImportOptions } from '../../importer.ts';
import { ElementType } from '../../onnx/data-type.ts';
import { foldConstants } from '../../onnx/fold-constants.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { removeDeadCode } from '../../onnx/remove-dead-code.ts';
import { shareSubexpressions } from '../../onnx/share-subexpressions.ts';
import { version } from '../../version.ts';
import { LoweringContext } from '../aten/lowering.ts';
import { ProgramStates, StatesNeeded, mostStates } from '../aten/program-states.ts';
import { lowerings } from '../aten/registry.ts';
import { AtenTensor, AtenTuple, GraphScalar } from '../aten/value.ts';
import { FixedSize } from './fixed-size.ts';
import { InputGuesses } from './guess-inputs.ts';
import { ProgramRaised } from './frame.ts';
import { Interpreter } from './interpreter.ts';
import { isNumber, scalarType } from './program-numbers.ts';
import { makeInputs, parametersOf, type InputPlan } from './program-inputs.ts';
import type { ScriptArchive } from './script-archive.ts';
import { NamedTuple, ScriptDict, ScriptObject, type ScriptValue } from './script-value.ts';
import type { FunctionDefinition, Statement } from './syntax.ts';

const opset = 21;
/** How many sizes a program may fix before it is given up. */
const mostFixed = 12;

/** Throws `INVALID_MODEL` naming the operator and its line in the archive, `INVALID_USAGE` for options that do not fit. */
export function importProgram(archive: ScriptArchive, options: ImportOptions): ModelProto {
  if (options.architecture !== undefined) throw new ModelportError('INVALID_USAGE', 'the file holds its program; an architecture is named for files of weights alone', { at: 'architecture' });
  if (options.precision !== undefined) throw new ModelportError('INVALID_USAGE', 'a TorchScript program computes in the types that it says; leave the precision out', { at: 'precision' });
  options.progress?.('reading the program', 0);
  const guesses = guessInputs(archive, options);
  if (guesses.refusal !== undefined) throw guesses.refusal;
  const declarations = options.inputs ?? [];
  const notes = new Set<string>();
  const fixed = new Map<string, number>();
  const states = new Set<string>();
  let model: ModelProto;
  for (;;) {
    notes.clear();
    try {
      model = follow(archive, { declarations, guesses, fixed, states }, (sentence) => notes.add(sentence));
      break;
    } catch (error) {
      if (error instanceof StatesNeeded) {
        const known = states.size;
        for (const name of error.names) states.add(name);
        if (states.size === known || states.size > mostStates) throw new ModelportError('INVALID_MODEL', `the model changes ${printable(error.names.slice(0, 3).join(', '))}: it keeps state from one call to the next, which is not imported. Give the state as an input and output of forward`, { cause: error });
        continue;
      }
      if (!(error instanceof FixedSize) || fixed.has(error.dimension) || fixed.size >= mostFixed) {
        if (error instanceof FixedSize) throw new ModelportError('INVALID_MODEL', error.message);
        throw error;
      }
      fixed.set(error.dimension, error.size);
    }
  }
  options.progress?.('simplifying the graph', 0.7);
  for (const [dimension, size] of fixed) options.note?.(`The size ${dimension} is ${size}: the program has it as a constant, as traced programs do. Trace it with the size that you need, or script it.`);
  for (const [name, { shape }] of guesses.found) {
    if (declarations.some((declaration) => declaration.name === name || declaration.name === undefined) || !model.graph!.input.some((input) => input.name === name)) continue;
    options.note?.(`The input ${name} is taken to be [${shape.map((size) => (typeof size === 'string' ? (fixed.get(size) ?? size) : size)).join(', ')}], from the first layer that it reaches; declare it if that is wrong.`);
  }
  for (const note of notes) options.note?.(note);
  return removeDeadCode(shareSubexpressions(foldConstants(removeDeadCode(model))));
}

function rootOf(run: Interpreter, archive: ScriptArchive): { readonly root: ScriptObject; readonly forward: FunctionDefinition } {
  const root = run.weights.load(archive.module(), '');
  if (!(root instanceof ScriptObject)) throw new ModelportError('INVALID_MODEL', `the archive holds ${run.describe(root)}, not a module`);
  const forward = root.type.definition.methods.get('forward');
  if (forward === undefined) {
    const others = [...root.type.definition.methods.keys()].slice(0, 8).join(', ');
    throw new ModelportError('INVALID_MODEL', `${printable(root.type.path)} has no method forward${others === '' ? '' : ` (it has ${printable(others)})`}; export it with a forward, which is what is served`);
  }
  return { root, forward };
}

/** Attributes of the module that its methods set: what it keeps from one call to the next. */
function keptAttributes({ type: { definition } }: ScriptObject): string[] {
  const found = new Set<string>();
  const visit = (statements: readonly Statement[], self: string): void => {
    for (const statement of statements) {
      if (statement.kind === 'assign') for (const target of statement.targets) if (target.kind === 'attribute' && target.object.kind === 'name' && target.object.name === self) found.add(target.name);
      if (statement.kind === 'if') [statement.yes, statement.no].forEach((inner) => visit(inner, self));
      if (statement.kind === 'for' || statement.kind === 'while' || statement.kind === 'with') visit(statement.body, self);
    }
  };
  for (const method of definition.methods.values()) visit(method.body, method.parameters[0]?.name ?? '');
  return [...found];
}

function follow(archive: ScriptArchive, plan: InputPlan, note: (sentence: string) => void): ModelProto {
  const graph = new GraphBuilder({ opset });
  const context = new LoweringContext({ graph, lowerings, note });
  const run = new Interpreter(archive, context);
  const { root, forward } = rootOf(run, archive);
  const made = new ProgramStates(context, forward.parameters.map(({ name }) => name));
  run.weights.states = { wanted: plan.states, made };
  let args: Map<string, ScriptValue>;
  let result: ScriptValue;
  try {
    args = makeInputs(run, forward, plan);
    for (const name of inputNames(args)) made.reserve(name);
    for (const name of plan.states) loadState(root, name, run);
    result = run.callMethod(root, 'forward', [], args);
  } catch (error) {
    const kept = keptAttributes(root);
    if (isModelportError(error) && error.code === 'INVALID_MODEL' && kept.length > 0 && !error.message.includes('keeps state')) {
      throw new ModelportError('INVALID_MODEL', `${error.message}. Besides, the model changes its own ${printable(kept.join(', '))}: it keeps state from one call to the next, which is not imported`, { cause: error });
    }
    if (error instanceof ProgramRaised) throw run.refuse(`the program raises for every input: ${printable(error.message)}`);
    throw error;
  }
  context.sourceLine = undefined;
  const written = run.writtenWeights;
  if (written.length > 0) {
    const refused = written.filter((name) => name.startsWith('constants.') || plan.states.has(name));
    if (refused.length === 0) throw new StatesNeeded(written);
    throw run.refuse(`the model changes ${printable(refused.slice(0, 3).join(', '))}: it keeps state from one call to the next, which is not imported. Give the state as an input and output of forward`);
  }
  checkSharing(run, made, plan.states);
  const outputs = new Map<string, AtenTensor>();
  collectOutputs(run, result, '', outputs);
  if (outputs.size === 0) throw run.refuse('forward gives no tensor');
  const inputs = new Set(inputNames(args));
  for (const [name, tensor] of outputs) {
    const given = made.reserve(inputs.has(name) ? unique(`${name}_output`, outputs) : name);
    graph.output(context.read(tensor), given);
  }
  const metadata = made.finish(run.stateAttributes);
  return graph.build({ name: root.type.definition.name, producer: { name: 'modelport', version }, docString: `${root.type.path} (TorchScript)`, metadata: { framework: 'torchscript', model: root.type.path.replace(/^__torch__\./, '').replaceAll(/___torch_mangle_\d+\./g, ''), ...metadata } });
}

/** Before the program begins, so that what a state is lies outside of all branches and loops. */
function loadState(root: ScriptObject, name: string, run: Interpreter): void {
  let value: ScriptValue | undefined = root;
  for (const part of name.split('.')) {
    if (value instanceof ScriptObject) value = value.get(part);
    else if (Array.isArray(value) || value instanceof AtenTuple) value = (Array.isArray(value) ? value : value.items)[Number(part)];
    else if (value instanceof ScriptDict) value = value.entries.get(part);
    else value = undefined;
  }
  if (!(value instanceof AtenTensor)) throw run.refuse(`the model changes ${printable(name)} and keeps it from one call to the next, which is not imported. Give the state as an input and output of forward`);
}

/** What is one tensor after this call would be two in the next: a write to one must not be one to the other. */
function checkSharing(run: Interpreter, made: ProgramStates, names: ReadonlySet<string>): void {
  const last = new Map([...names].flatMap((name) => (made.has(name) ? [[name, run.stateAttributes.get(name) ?? made.tensor(name)!] as const] : [])));
  for (const [name, { storage }] of last) {
    const weight = storage.origin?.kind === 'weight' ? storage.origin.name : undefined;
    const other = weight ?? [...last].find(([candidate, tensor]) => candidate !== name && (tensor.storage === storage || storage.perhapsSame.has(tensor.storage)))?.[0];
    const oldState = [...names].find((candidate) => candidate !== name && made.tensor(candidate)?.storage === storage);
    if (other !== undefined || oldState !== undefined) throw run.refuse(`the model keeps ${printable(name)} from one call to the next, in the same memory as ${printable(other ?? oldState!)}, which is not imported. Use clone() where it is set`);
  }
}

/** Names: of a dict its keys, of a NamedTuple its fields, else `output`, and with an index where there are several. */
function collectOutputs(run: Interpreter, value: ScriptValue, name: string, outputs: Map<string, AtenTensor>): void {
  const join = (part: string): string => (name === '' ? part : `${name}_${part}`);
  if (value instanceof AtenTensor) outputs.set(unique(name === '' ? 'output' : name, outputs), value);
  else if (isNumber(value)) {
    if (name === '' || scalarType(value) !== undefined) outputs.set(unique(name === '' ? 'output' : name, outputs), run.context.tensorOfScalar(value, false));
  } else if (value instanceof NamedTuple) for (const [index, item] of value.items.entries()) collectOutputs(run, item, join(value.fields[index]!), outputs);
  else if (value instanceof AtenTuple || Array.isArray(value)) {
    const items = Array.isArray(value) ? value : value.items;
    for (const [index, item] of items.entries()) collectOutputs(run, item, items.length === 1 && name === '' ? 'output' : name === '' ? `output_${index}` : join(String(index)), outputs);
  } else if (value instanceof ScriptDict) for (const [key, item] of value.entries) collectOutputs(run, item, join(String(key).replaceAll(/[^\w.-]/g, '_')), outputs);
  else if (value instanceof ScriptObject && value.name === undefined) for (const attribute of value.attributeNames) collectOutputs(run, value.get(attribute) ?? null, join(attribute), outputs);
  else if (value === null || typeof value === 'string') run.context.note(`The output ${name === '' ? 'of forward' : name} is ${value === null ? 'None' : 'a text'} and is left out.`);
  else throw run.refuse(`forward gives ${run.describe(value)}${name === '' ? '' : ` as ${printable(name)}`}, which cannot be an output`);
}

/** The names of the graph's inputs. */
function* inputNames(args: ReadonlyMap<string, ScriptValue>): Generator<string> {
  const pending: ScriptValue[] = [...args.values()];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (value instanceof AtenTensor) yield value.storage.origin?.name ?? '';
    else if (value instanceof GraphScalar) yield value.value.name;
    else if (value instanceof AtenTuple) pending.push(...value.items);
    else if (Array.isArray(value)) pending.push(...value);
    else if (value instanceof ScriptDict) pending.push(...value.entries.values());
  }
}

function unique(name: string, taken: ReadonlyMap<string, unknown>): string {
  let candidate = name;
  for (let number = 2; taken.has(candidate); number++) candidate = `${name}_${number}`;
  return candidate;
}

/** Follows the program without knowing its inputs, for as long as that goes. */
function guessInputs(archive: ScriptArchive, options: ImportOptions): InputGuesses {
  const context = new LoweringContext({ graph: new GraphBuilder({ opset }), lowerings });
  const run = new Interpreter(archive, context);
  const { root, forward } = rootOf(run, archive);
  const guesses = new InputGuesses();
  const parameters = parametersOf(forward);
  if (parameters.every(({ name, type }) => type.name !== 'Tensor' || options.inputs?.some((input) => input.name === name) === true)) return guesses;
  run.guesses = guesses;
  try {
    run.callMethod(root, 'forward', [], new Map(parameters.filter(({ hasInitial }) => !hasInitial).map(({ name }) => [name, guesses.input(name)])));
  } catch (error) {
    // Only the first layers matter; what cannot be imported is said when the program is followed in earnest.
    if (!isModelportError(error) && !(error instanceof ProgramRaised)) throw error;
    guesses.stoppedAt = error.message;
  }
  for (const { name, type, hasInitial } of parameters) {
    if (hasInitial || type.name !== 'Tensor' || guesses.found.has(name)) continue;
    // Names that the models of Hugging Face's library have.
    if (/^(?:decoder_)?(?:input_ids|attention_mask|token_type_ids|position_ids|segment_ids)$/.test(name)) guesses.found.set(name, { elementType: ElementType.INT64, shape: ['batch', name.startsWith('decoder_') ? 'decoder_sequence' : 'sequence'] });
  }
  return guesses;
}
