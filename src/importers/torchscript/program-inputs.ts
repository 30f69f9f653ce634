/** From the parameters of `forward` to inputs of the graph. */
import { ModelportError } from '../../errors.ts';
import { printable } from '../../formats/pickle/pickle-value.ts';
import type { InputDeclaration } from '../../importer.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { dataTypes, ElementType } from '../../onnx/data-type.ts';
import type { Dimension, Shape } from '../../onnx/dimension.ts';
import { AtenTuple, GraphScalar } from '../aten/value.ts';
import type { InputGuess, InputGuesses } from './guess-inputs.ts';
import type { Interpreter } from './interpreter.ts';
import { nameOfScriptType, typeOf, type ScriptType } from './script-type.ts';
import { ScriptDict, asAten, type ScriptValue } from './script-value.ts';
import type { FunctionDefinition } from './syntax.ts';

export interface InputPlan {
  readonly declarations: readonly InputDeclaration[];
  readonly guesses: InputGuesses;
  /** Sizes that the program fixes, by their names. */
  readonly fixed: ReadonlyMap<string, number>;
  /** Tensors that the program changes and keeps, by full name. */
  readonly states: ReadonlySet<string>;
}

/** Names of tensors that the parameters stand for, in order, with their types; of lists and dicts, what was declared. */
export function parametersOf(forward: FunctionDefinition): { readonly name: string; readonly type: ScriptType; readonly hasInitial: boolean }[] {
  return forward.parameters.slice(1).map(({ name, type, initial }) => ({ name, type: typeOf(type) ?? { name: 'Tensor', parameters: [] }, hasInitial: initial !== undefined }));
}

/** Makes the inputs of the graph, and the arguments of `forward`. Throws `INVALID_USAGE` for declarations that do not fit, `INVALID_MODEL` where a shape has to be said. */
export function makeInputs(run: Interpreter, forward: FunctionDefinition, plan: InputPlan): Map<string, ScriptValue> {
  const parameters = parametersOf(forward);
  const assigned = assignDeclarations(parameters, plan.declarations);
  const maker = new InputMaker(run, plan, assigned);
  const args = new Map<string, ScriptValue>();
  for (const { name, type, hasInitial } of parameters) {
    const declared = maker.isDeclared(name);
    if (hasInitial && !declared) {
      run.context.note(`The input ${name} is left out: forward takes its default.`);
      continue;
    }
    args.set(name, maker.make(name, type));
  }
  return args;
}

/** Declarations by the name of the input that each is for. Those without a name count in the order of the program's inputs. */
function assignDeclarations(parameters: ReturnType<typeof parametersOf>, declarations: readonly InputDeclaration[]): Map<string, InputDeclaration> {
  const assigned = new Map<string, InputDeclaration>();
  const leaves = parameters.flatMap(({ name, type }) => leavesOf(name, type));
  let next = 0;
  for (const declaration of declarations) {
    let { name } = declaration;
    if (name === undefined) {
      while (next < leaves.length && assigned.has(leaves[next]!)) next++;
      name = leaves[next++];
      if (name === undefined) throw new ModelportError('INVALID_USAGE', `${declarations.length} inputs are declared, but forward takes ${leaves.length}: ${leaves.join(', ')}`, { at: 'inputs' });
    } else if (!parameters.some((parameter) => parameter.name === name || name!.startsWith(`${parameter.name}_`) || name!.startsWith(`${parameter.name}.`))) {
      throw new ModelportError('INVALID_USAGE', `forward takes no input '${printable(name)}'${suggestName(name, leaves)}`, { at: 'inputs' });
    }
    if (assigned.has(name)) throw new ModelportError('INVALID_USAGE', `the input '${printable(name)}' is declared twice`, { at: 'inputs' });
    assigned.set(name, declaration);
  }
  return assigned;
}

function leavesOf(name: string, type: ScriptType): string[] {
  if (type.name === 'Tuple') return type.parameters.flatMap((parameter, index) => leavesOf(`${name}_${index}`, parameter));
  return type.name === 'Optional' && type.parameters[0] !== undefined ? leavesOf(name, type.parameters[0]) : [name];
}

class InputMaker {
  readonly #run: Interpreter;
  readonly #plan: InputPlan;
  readonly #declared: ReadonlyMap<string, InputDeclaration>;

  constructor(run: Interpreter, plan: InputPlan, declared: ReadonlyMap<string, InputDeclaration>) {
    this.#run = run;
    this.#plan = plan;
    this.#declared = declared;
  }

  isDeclared(name: string): boolean {
    return [...this.#declared.keys()].some((key) => key === name || key.startsWith(`${name}_`) || key.startsWith(`${name}.`));
  }

  make(name: string, type: ScriptType): ScriptValue {
    const { context } = this.#run;
    const [first] = type.parameters;
    switch (type.name) {
      case 'Tensor': {
        const { elementType, shape } = this.#shape(name);
        return context.input(context.graph.input(name, elementType, shape));
      }
      case 'int':
        return new GraphScalar('int', context.graph.input(name, ElementType.INT64, []));
      case 'float':
        return new GraphScalar('float', context.graph.input(name, ElementType.DOUBLE, []));
      case 'bool':
        return new GraphScalar('bool', context.graph.input(name, ElementType.BOOL, []));
      case 'Optional':
        if (first === undefined) break;
        return this.make(name, first);
      case 'Tuple':
        return new AtenTuple(type.parameters.map((parameter, index) => asAten(this.make(`${name}_${index}`, parameter))));
      case 'List': {
        const count = this.#count(`${name}_`);
        if (first === undefined || count === 0) return this.#fail(name, type, `${name}_0:fp32[…] ${name}_1:fp32[…] …`);
        return Array.from({ length: count }, (_, index) => asAten(this.make(`${name}_${index}`, first)));
      }
      case 'Dict': {
        const element = type.parameters[1];
        const keys = [...this.#declared.keys()].filter((key) => key.startsWith(`${name}.`)).map((key) => key.slice(name.length + 1));
        if (element === undefined || first?.name !== 'str' || keys.length === 0) return this.#fail(name, type, `${name}.KEY:fp32[…]`);
        return new ScriptDict(keys.map((key) => [key, this.make(`${name}.${key}`, element)]));
      }
    }
    return this.#fail(name, type);
  }

  #count(prefix: string): number {
    let count = 0;
    while (this.isDeclared(`${prefix}${count}`)) count++;
    return count;
  }

  #shape(name: string): InputGuess {
    const declaration = this.#declared.get(name);
    const settle = (shape: Shape): Shape => shape.map((size): Dimension => (typeof size === 'string' ? (this.#plan.fixed.get(size) ?? size) : size));
    if (declaration !== undefined) {
      const elementType = [...dataTypes.values()].find((facts) => facts.datatype === declaration.datatype)?.number;
      if (elementType === undefined || elementType === ElementType.STRING) throw new ModelportError('INVALID_USAGE', `the input '${name}' cannot be of type ${declaration.datatype}`, { at: 'inputs' });
      return { elementType, shape: settle(declaration.shape.map((size) => (size === -1 ? `${name}_size` : size))) };
    }
    const guess = this.#plan.guesses.found.get(name);
    if (guess !== undefined) return { elementType: guess.elementType, shape: settle(guess.shape) };
    const { stoppedAt } = this.#plan.guesses;
    throw new ModelportError('INVALID_MODEL', `what shape the input '${name}' has cannot be told from the program; say it: --input '${name}:fp32[batch,3,224,224]', with your own type and sizes (a name is a size that varies)${stoppedAt === undefined ? '' : `. The program was followed up to this: ${stoppedAt}`}`, { at: 'inputs' });
  }

  #fail(name: string, type: ScriptType, example?: string): never {
    throw new ModelportError('INVALID_MODEL', `the input '${name}' is ${nameOfScriptType(type)}, which ${example === undefined ? 'is not imported' : `has to be declared: --input '${example}'`}`, { at: 'inputs' });
  }
}
