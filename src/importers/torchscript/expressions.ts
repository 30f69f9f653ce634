/** Expressions of a program: names, literals, attributes, subscripts and calls. */
import { printable } from '../../formats/pickle/pickle-value.ts';
import { AtenTensor, AtenTuple, type AtenValue } from '../aten/value.ts';
import { callBuiltin, construct } from './builtins.ts';
import { callOperator } from './call-operator.ts';
import type { Frame } from './frame.ts';
import type { Interpreter } from './interpreter.ts';
import { keyOf } from './known-values.ts';
import { isNumber, negate } from './program-numbers.ts';
import { pathOf } from './script-type.ts';
import { Absent, ScriptClass, ScriptDict, ScriptFunction, ScriptObject, Unknown, asAten, type ScriptValue } from './script-value.ts';
import type { Expression } from './syntax.ts';

/** What an expression is worth now; calls and operators run. */
export function evaluateExpression(run: Interpreter, expression: Expression, frame: Frame): ScriptValue {
  switch (expression.kind) {
    case 'name':
      return readVariable(run, expression.name, frame);
    case 'int':
      return BigInt.asIntN(64, expression.value);
    case 'float':
    case 'string':
    case 'constant':
      return expression.value;
    case 'list':
      return expression.elements.map((element) => asAten(run.evaluate(element, frame)));
    case 'tuple':
      return new AtenTuple(expression.elements.map((element) => asAten(run.evaluate(element, frame))));
    case 'dict':
      return new ScriptDict(expression.entries.map(([key, value]) => [keyOf(run, run.evaluate(key, frame)), run.evaluate(value, frame)]));
    case 'negate': {
      const value = run.evaluate(expression.operand, frame);
      return isNumber(value) ? negate(value, run.context) : callOperator(run, 'aten', 'neg', [value], new Map());
    }
    case 'attribute':
      return lookUpPath(run, expression, frame) ?? run.attribute(run.evaluate(expression.object, frame), expression.name);
    case 'subscript':
      return subscript(run, run.evaluate(expression.object, frame), expression.index, frame);
    case 'call':
      return callExpression(run, expression, frame);
    case 'slice':
      throw run.refuse('a slice stands outside of an index');
  }
}

function readVariable(run: Interpreter, name: string, frame: Frame): ScriptValue {
  const value = frame.variables.get(name);
  if (value === undefined) throw run.refuse(`the variable ${printable(name)} is read, but not set`);
  if (value instanceof Absent && !value.isAnything) throw run.refuse(value.reason);
  return value;
}

/** What a dotted name means that begins with no variable. Undefined where it begins with one. */
function lookUpPath(run: Interpreter, expression: Expression, frame: Frame): ScriptValue | undefined {
  const path = pathOf(expression);
  if (path === undefined || frame.variables.has(path.slice(0, path.indexOf('.')))) return undefined;
  if (path.startsWith('CONSTANTS.')) {
    const pickled = run.archive.constant(path.slice(10));
    if (pickled === undefined) throw run.refuse(`the archive has no constant ${printable(path)}`);
    return run.constants.load(pickled, path.slice(10));
  }
  if (!path.startsWith('__torch__.')) throw run.refuse(`the name ${printable(path)} is not known`);
  const definition = run.archive.function(path);
  if (definition !== undefined) return new ScriptFunction(definition);
  const type = run.archive.class(path);
  if (type !== undefined) return type;
  // A member of an Enum.
  const dot = path.lastIndexOf('.');
  const owner = run.archive.class(path.slice(0, dot));
  if (owner !== undefined && owner.definition.base === 'Enum') return run.attribute(owner, path.slice(dot + 1));
  throw run.refuse(`${printable(path)} is not in the archive`);
}

function subscript(run: Interpreter, object: ScriptValue, index: Expression, frame: Frame): ScriptValue {
  if (object instanceof Unknown) return new Unknown(object.input, undefined);
  if (index.kind === 'slice') {
    const start = index.start === undefined ? null : run.evaluate(index.start, frame);
    const end = index.end === undefined ? null : run.evaluate(index.end, frame);
    if (object instanceof AtenTuple) {
      const cut = callOperator(run, 'aten', 'slice', [[...object.items], start, end], new Map());
      return new AtenTuple(cut as AtenValue[]);
    }
    return callOperator(run, 'aten', 'slice', [object, ...(object instanceof AtenTensor ? [0n] : []), start, end], new Map());
  }
  const key = run.evaluate(index, frame);
  if (object instanceof AtenTuple) {
    if (typeof key !== 'bigint') throw run.refuse(`a tuple is indexed with ${run.describe(key)}`);
    const found = object.items.at(Number(key));
    if (found === undefined) throw run.raised('IndexError: tuple index out of range');
    return found;
  }
  if (object instanceof AtenTensor) return callOperator(run, 'aten', 'select', [object, 0n, key], new Map());
  return callOperator(run, 'aten', '__getitem__', [object, key], new Map());
}

function callExpression(run: Interpreter, expression: Expression & { kind: 'call' }, frame: Frame): ScriptValue {
  const { callee } = expression;
  run.at(expression.place);
  if (callee.kind === 'name' && !frame.variables.has(callee.name)) return callBuiltin(run, callee.name, expression, frame);
  const path = pathOf(callee);
  const root = path?.slice(0, path.indexOf('.'));
  const inner = callee.kind === 'attribute' ? callee : undefined;
  if (path !== undefined && root !== undefined && inner !== undefined && !frame.variables.has(root)) {
    if (root === 'torch' || root === 'ops') {
      if (inner.name === 'RaiseException') return raise(run, expression, frame);
      const [args, keywords] = evaluateArguments(run, expression, frame);
      run.at(expression.place);
      const parts = path.split('.');
      if (root === 'torch') return callOperator(run, 'aten', parts.at(-1)!, args, keywords);
      return callOperator(run, parts.slice(1, -1).join('.'), parts.at(-1)!, args, keywords);
    }
    if (root === '__torch__' && inner.name === '__new__') {
      const type = run.archive.class(path.slice(0, -'.__new__'.length));
      if (type === undefined) throw run.refuse(`${printable(path)} is not in the archive`);
      return new ScriptObject(type, new Map());
    }
  }
  const target = inner === undefined ? run.evaluate(callee, frame) : (lookUpPath(run, inner, frame) ?? calledMember(run, inner, frame));
  const [args, keywords] = evaluateArguments(run, expression, frame);
  run.at(expression.place);
  if (target instanceof ScriptFunction) return run.call(target, args, keywords);
  if (target instanceof ScriptClass) return construct(run, target, args, keywords);
  throw run.refuse(`${run.describe(target)} is called`);
}

/** Where the message shows what the input is, it is left out; the program raises all the same. */
function raise(run: Interpreter, { args: [message] }: Expression & { kind: 'call' }, frame: Frame): never {
  const isUnknown = message?.kind === 'name' && frame.variables.get(message.name) instanceof Absent;
  const text = message === undefined || isUnknown ? undefined : run.evaluate(message, frame);
  throw run.raised(typeof text === 'string' ? text : 'an exception');
}

/** A method is not an attribute that is read. */
function calledMember(run: Interpreter, callee: Expression & { kind: 'attribute' }, frame: Frame): ScriptValue {
  const object = run.evaluate(callee.object, frame);
  if (object instanceof ScriptObject) {
    const method = object.type.definition.methods.get(callee.name);
    if (method !== undefined) return new ScriptFunction(method, object);
  }
  return run.attribute(object, callee.name);
}

function evaluateArguments(run: Interpreter, { args, keywords }: Expression & { kind: 'call' }, frame: Frame): [ScriptValue[], Map<string, ScriptValue>] {
  return [args.map((argument) => run.evaluate(argument, frame)), new Map(keywords.map(({ name, value }) => [name, run.evaluate(value, frame)]))];
}
