/** What a program calls that is no operator and no function of its own: Python's functions, annotations, classes. */
import { printable } from '../../formats/pickle/pickle-value.ts';
import { callOperator } from './call-operator.ts';
import type { Frame } from './frame.ts';
import type { Interpreter } from './interpreter.ts';
import { isNumber, toBool, toFloat, toInt } from './program-numbers.ts';
import { hasType, nameOfScriptType, typeOf } from './script-type.ts';
import { Absent, NamedTuple, ScriptObject, Unknown, asAten, type ScriptClass, type ScriptValue } from './script-value.ts';
import type { Expression } from './syntax.ts';

/** Functions that have no module: `annotate`, `isinstance`, `int` … */
export function callBuiltin(run: Interpreter, name: string, expression: Expression & { kind: 'call' }, frame: Frame): ScriptValue {
  const [first, second] = expression.args;
  const value = (argument: Expression | undefined): ScriptValue => (argument === undefined ? run.fail(`${name}() is called without an argument`) : run.evaluate(argument, frame));
  switch (name) {
    case 'annotate': {
      const type = typeOf(first);
      const annotated = value(second);
      return type === undefined ? annotated : convert(run, annotated, type.name);
    }
    case 'unchecked_cast':
      return value(second);
    case 'uninitialized':
      return new Absent(`a variable of type ${nameOfScriptType(typeOf(first) ?? { name: 'Any', parameters: [] })} is read that is not set`, true);
    case 'isinstance': {
      const given = value(first);
      if (given instanceof Unknown) return true;
      const types = second === undefined ? [] : (second.kind === 'list' || second.kind === 'tuple') && second.elements.length > 0 ? second.elements : [second];
      const answers = types.map((type) => {
        const wanted = typeOf(type);
        return wanted === undefined ? undefined : hasType(given, wanted);
      });
      if (answers.includes(true)) return true;
      if (answers.includes(undefined)) throw run.refuse(`whether ${run.describe(given)} is an instance of a type cannot be told`);
      return false;
    }
    case 'int':
    case 'float':
    case 'bool':
      return convert(run, value(first), name);
    case 'str':
      return callOperator(run, 'aten', 'str', [value(first)], new Map());
    case 'len':
      return callOperator(run, 'aten', 'len', [value(first)], new Map());
    case 'getattr':
      return run.attribute(value(first), textOf(run, value(second)));
    case 'hasattr': {
      const object = value(first);
      const attribute = textOf(run, value(second));
      return object instanceof ScriptObject && (object.attributeNames.includes(attribute) || object.type.definition.methods.has(attribute));
    }
    case 'setattr':
      run.setAttribute(value(first), textOf(run, value(second)), value(expression.args[2]));
      return null;
    case 'print':
      return null;
    default:
      throw run.refuse(`${printable(name)}() is not imported`);
  }
}

function textOf(run: Interpreter, value: ScriptValue): string {
  return typeof value === 'string' ? value : run.fail(`an attribute is named ${run.describe(value)}`);
}

/** Numbers of another kind, and tensors of one element as numbers. */
function convert(run: Interpreter, value: ScriptValue, type: string): ScriptValue {
  if (type !== 'int' && type !== 'float' && type !== 'bool') return value;
  if (isNumber(value)) return type === 'int' ? toInt(value, run.context) : type === 'float' ? toFloat(value, run.context) : toBool(value, run.context);
  if (value instanceof Absent || value === null) return value;
  return callOperator(run, 'aten', type === 'int' ? 'Int' : type === 'float' ? 'Float' : 'Bool', [value], new Map());
}

/** An instance of a class of the archive. */
export function construct(run: Interpreter, type: ScriptClass, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>): ScriptValue {
  if (type.definition.base === 'NamedTuple') {
    const fields = [...type.definition.attributes.keys()];
    return new NamedTuple(type, fields, fields.map((field, index) => {
      const given = index < args.length ? args[index] : keywords.get(field);
      return given === undefined ? run.fail(`${printable(type.path)} is made without ${printable(field)}`) : asAten(given);
    }));
  }
  const object = new ScriptObject(type, new Map());
  if (type.definition.methods.has('__init__')) run.callMethod(object, '__init__', args, keywords);
  return object;
}
