/**
 * Runs a TorchScript program without its tensors: statement by statement, as PyTorch would, with values of a graph where tensors would be.
 * What does not depend on an input is computed now; what does becomes nodes.
 */
import { printable } from '../../formats/pickle/pickle-value.ts';
import type { LoweringContext } from '../aten/lowering.ts';
import { StatesNeeded } from '../aten/program-states.ts';
import { AtenTensor, AtenTuple, describeValue } from '../aten/value.ts';
import { runFor, runIf, runWhile } from './control-flow.ts';
import { evaluateExpression } from './expressions.ts';
import { ProgramRaised, type Frame, type Returned } from './frame.ts';
import type { InputGuesses } from './guess-inputs.ts';
import { Heap } from './heap.ts';
import { ValueLoader } from './load-value.ts';
import { callOperator } from './call-operator.ts';
import { isNumber, toBool } from './program-numbers.ts';
import type { ScriptArchive } from './script-archive.ts';
import { Absent, EnumMember, NamedTuple, PackedLayer, ScriptClass, ScriptDict, ScriptFunction, ScriptObject, TensorSequence, Unknown, type ScriptValue } from './script-value.ts';
import type { Expression, FunctionDefinition, Place, Statement } from './syntax.ts';

/** What a file may cost. Models of a thousand layers take a tenth. */
const limits = { steps: 3_000_000, operators: 150_000, depth: 150 } as const;

export class Interpreter {
  readonly context: LoweringContext;
  readonly archive: ScriptArchive;
  readonly heap: Heap;
  readonly frames: Frame[] = [];
  readonly weights: ValueLoader;
  readonly constants: ValueLoader;
  /** States that the program set as attributes, by their names, as they are now. */
  readonly stateAttributes = new Map<string, AtenTensor>();
  /** Set while inputs are guessed. */
  guesses: InputGuesses | undefined;
  /** How many branches and loops of the graph are open. */
  bodyDepth = 0;
  /** Attributes of modules that were read before they were set, and those that were set. */
  readonly #read = new WeakMap<ScriptObject, Set<string>>();
  readonly #set = new WeakMap<ScriptObject, Set<string>>();
  #steps = 0;
  #operators = 0;
  #place: Place | undefined;

  constructor(archive: ScriptArchive, context: LoweringContext) {
    this.archive = archive;
    this.context = context;
    this.heap = new Heap((problem) => this.refuse(problem));
    this.weights = new ValueLoader(archive, context, this.heap, 'data');
    this.constants = new ValueLoader(archive, context, this.heap, 'constants');
  }

  // ---- errors

  refuse(problem: string): Error {
    return this.context.refuse(problem);
  }

  fail(problem: string): never {
    throw this.refuse(problem);
  }

  /** A check whose outcome only the running graph would know is not made. */
  noteCheck(place: Place, message = ''): void {
    this.context.note(`A check of the program is left out, because it depends on the input (${place.file}, line ${place.line}${message === '' ? '' : `: ${message.slice(0, 200)}`}).`);
  }

  /** The program itself says that something is wrong. */
  raised(message: string): ProgramRaised {
    return new ProgramRaised(message);
  }

  describe(value: ScriptValue | undefined): string {
    if (value instanceof ScriptObject) return `a ${value.type.path}`;
    if (value instanceof ScriptDict) return 'a dict';
    if (value instanceof Absent) return 'a value that is not there on every path';
    if (value instanceof Unknown) return 'a value that is not known yet';
    if (value instanceof PackedLayer) return `a packed layer (${value.type})`;
    if (value instanceof EnumMember) return `${value.type.path}.${value.name}`;
    if (value instanceof ScriptFunction || value instanceof ScriptClass) return 'a function or class';
    if (value instanceof TensorSequence) return 'a list whose length depends on the input';
    return describeValue(value);
  }

  // ---- calls

  callMethod(self: ScriptObject, name: string, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue> = new Map()): ScriptValue {
    const definition = self.type.definition.methods.get(name);
    if (definition === undefined) throw this.refuse(`${printable(self.type.path)} has no method ${printable(name)}`);
    return this.call(new ScriptFunction(definition, self), args, keywords);
  }

  call({ definition, self }: ScriptFunction, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): ScriptValue {
    if (this.frames.length >= limits.depth) throw this.refuse(`functions call each other more than ${limits.depth} deep`);
    const variables = this.#bind(definition, self === undefined ? args : [self, ...args], keywords);
    const frame: Frame = { definition, variables };
    const place = this.#place;
    const run = (): ScriptValue => this.execute(definition.body, frame)?.value ?? null;
    this.frames.push(frame);
    try {
      const scope = self?.name?.split('.').at(-1);
      return scope === undefined || scope === '' ? run() : this.context.graph.scope(scope, run);
    } finally {
      this.frames.pop();
      if (place !== undefined) this.at(place);
    }
  }

  #bind(definition: FunctionDefinition, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): Map<string, ScriptValue> {
    const variables = new Map<string, ScriptValue>();
    if (args.length > definition.parameters.length) throw this.refuse(`${printable(definition.name)} is called with ${args.length} arguments; it takes ${definition.parameters.length}`);
    for (const [index, parameter] of definition.parameters.entries()) {
      const given = index < args.length ? args[index] : keywords.get(parameter.name);
      if (given !== undefined) variables.set(parameter.name, given);
      else if (parameter.initial !== undefined) variables.set(parameter.name, this.evaluate(parameter.initial, { definition, variables }));
      else throw this.refuse(`${printable(definition.name)} is called without its argument ${printable(parameter.name)}`);
    }
    return variables;
  }

  // ---- statements

  execute(statements: readonly Statement[], frame: Frame): Returned | undefined {
    for (const statement of statements) {
      const returned = this.#statement(statement, frame);
      if (returned !== undefined) return returned;
    }
    return undefined;
  }

  #statement(statement: Statement, frame: Frame): Returned | undefined {
    this.at(statement.place);
    this.#step();
    switch (statement.kind) {
      case 'assign':
        this.#assign(statement, this.evaluate(statement.value, frame), frame);
        return undefined;
      case 'expression':
        this.evaluate(statement.value, frame);
        return undefined;
      case 'if':
        return runIf(this, frame, statement);
      case 'while':
        return runWhile(this, frame, statement);
      case 'for':
        return runFor(this, frame, statement);
      case 'with': {
        const context = this.evaluate(statement.context, frame);
        if (!(context instanceof ScriptObject) || !/\.(?:grad_mode|autocast_mode)\.|no_grad|inference_mode|enable_grad|autocast|record_function/.test(context.type.path)) throw this.refuse(`'with' is used with ${this.describe(context)}`);
        if (statement.target?.kind === 'name') frame.variables.set(statement.target.name, context);
        return this.execute(statement.body, frame);
      }
      case 'assert': {
        const given = this.evaluate(statement.condition, frame);
        if (given instanceof Unknown) return undefined;
        const condition = this.truth(given);
        if (condition === false) throw this.raised('AssertionError');
        if (condition !== true) this.noteCheck(statement.place);
        return undefined;
      }
      case 'return':
        return { value: statement.value === undefined ? null : this.evaluate(statement.value, frame) };
      case 'pass':
        return undefined;
    }
  }

  #assign(statement: Statement & { kind: 'assign' }, value: ScriptValue, frame: Frame): void {
    if (!statement.unpack) {
      this.assignTo(statement.targets[0]!, value, frame);
      return;
    }
    if (value instanceof Unknown) {
      for (const target of statement.targets) this.assignTo(target, value, frame);
      return;
    }
    const items = value instanceof AtenTuple ? value.items : Array.isArray(value) ? value : this.fail(`${this.describe(value)} is taken apart`);
    if (items.length !== statement.targets.length) throw this.raised(`ValueError: ${statement.targets.length} values are expected, but there are ${items.length}`);
    const copy = [...items];
    for (const [index, target] of statement.targets.entries()) this.assignTo(target, copy[index]!, frame);
  }

  assignTo(target: Expression, value: ScriptValue, frame: Frame): void {
    if (target.kind === 'name') frame.variables.set(target.name, value);
    else if (target.kind === 'attribute') this.setAttribute(this.evaluate(target.object, frame), target.name, value);
    else if (target.kind === 'tuple' || target.kind === 'list') {
      const items = value instanceof AtenTuple ? value.items : Array.isArray(value) ? [...value] : this.fail(`${this.describe(value)} is taken apart`);
      if (items.length !== target.elements.length) throw this.raised('ValueError: too many or too few values to unpack');
      for (const [index, element] of target.elements.entries()) this.assignTo(element, items[index]!, frame);
    } else if (target.kind === 'subscript') {
      callOperator(this, 'aten', '_set_item', [this.evaluate(target.object, frame), this.evaluate(target.index, frame), value], new Map());
    } else throw this.refuse('something is assigned to what is no variable');
  }

  /** What a module keeps lives on to the next call. That is harmless where nothing reads it before it is set again. */
  setAttribute(object: ScriptValue, name: string, value: ScriptValue): void {
    if (!(object instanceof ScriptObject)) throw this.refuse(`an attribute of ${this.describe(object)} is set`);
    const before = object.attributes.get(name) ?? object.get(name);
    if (before === value && !(value instanceof AtenTensor)) return;
    if (object.name !== undefined && (this.#read.get(object)?.has(name) === true || this.bodyDepth > 0)) {
      const path = object.name === '' ? name : `${object.name}.${name}`;
      const isTensor = before instanceof AtenTensor && value instanceof AtenTensor && this.bodyDepth === 0 && this.guesses === undefined;
      if (isTensor && this.weights.states?.made.has(path) !== true && before.storage.origin?.kind === 'weight' && before.storage.origin.name === path) throw new StatesNeeded([path]);
      if (!isTensor || this.weights.states?.made.has(path) !== true) throw this.refuse(`the model changes its attribute ${printable(path)}, which it also reads: it keeps state from one call to the next, which is not imported. Give the state as an input and output of forward instead`);
      this.stateAttributes.set(path, value);
    }
    this.heap.changing(object);
    object.attributes.set(name, value);
    if (object.name !== undefined) addTo(this.#set, object, name);
  }

  attribute(object: ScriptValue, name: string): ScriptValue {
    if (object instanceof ScriptObject) {
      const found = object.get(name);
      if (found !== undefined) {
        if (object.name !== undefined && this.#set.get(object)?.has(name) !== true) addTo(this.#read, object, name);
        return found;
      }
      const constant = object.type.definition.constants.get(name);
      if (constant !== undefined) return this.evaluate(constant, { definition: emptyFunction(constant.place), variables: new Map() });
      const method = object.type.definition.methods.get(name);
      if (method !== undefined) return new ScriptFunction(method, object);
      if (object.type.definition.attributes.has(name)) return null;
      throw this.refuse(`${printable(object.type.path)} has no attribute ${printable(name)}`);
    }
    if (object instanceof NamedTuple) {
      const index = object.fields.indexOf(name);
      if (index !== -1) return object.items[index]!;
    }
    if (object instanceof EnumMember) {
      if (name === 'name') return object.name;
      if (name === 'value') return object.value;
    }
    if (object instanceof ScriptClass && object.definition.base === 'Enum') {
      const member = object.definition.constants.get(name);
      if (member !== undefined) return new EnumMember(object, name, this.evaluate(member, { definition: emptyFunction(member.place), variables: new Map() }));
    }
    if (object instanceof AtenTensor || object instanceof Unknown) return callOperator(this, 'prim', name, [object], new Map());
    throw this.refuse(`the attribute ${printable(name)} of ${this.describe(object)} is read`);
  }

  // ---- expressions

  evaluate(expression: Expression, frame: Frame): ScriptValue {
    this.#step();
    return evaluateExpression(this, expression, frame);
  }

  /** A condition: known now, or a value of the graph. */
  truth(value: ScriptValue): ReturnType<typeof toBool> {
    if (isNumber(value)) return toBool(value, this.context);
    const converted = value instanceof AtenTensor ? callOperator(this, 'aten', 'Bool', [value], new Map()) : null;
    if (!isNumber(converted)) throw this.refuse(`a condition is ${this.describe(value)}`);
    return toBool(converted, this.context);
  }

  // ---- limits

  #step(): void {
    if (++this.#steps > limits.steps) throw this.refuse(`the program takes more than ${limits.steps} steps to follow; does it loop?`);
  }

  /** To be called for each operator of tensors. */
  countOperator(): void {
    if (++this.#operators > limits.operators) throw this.refuse(`the program runs more than ${limits.operators} operators`);
  }

  /** Where the program is now, for messages. */
  at(place: Place): void {
    this.#place = place;
    this.context.sourceLine = `${place.file}, line ${place.line}`;
  }

  /** Weights that the program wrote, by name: such a model changes with each call. */
  get writtenWeights(): string[] {
    return [...this.weights.written, ...this.constants.written];
  }
}

function addTo(names: WeakMap<ScriptObject, Set<string>>, object: ScriptObject, name: string): void {
  const known = names.get(object);
  if (known === undefined) names.set(object, new Set([name]));
  else known.add(name);
}

function emptyFunction(place: Place): FunctionDefinition {
  return { name: '', place, parameters: [], result: undefined, body: [] };
}
