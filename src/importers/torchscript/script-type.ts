/** Types as TorchScript writes them in annotations, and whether a value has one. */
import { AtenTensor, AtenTuple, GraphScalar } from '../aten/value.ts';
import { EnumMember, NamedTuple, ScriptDict, ScriptFunction, ScriptObject, TensorSequence, type ScriptValue } from './script-value.ts';
import type { Expression } from './syntax.ts';

export interface ScriptType {
  /** `Tensor`, `int`, `List`, `Optional` …, or the path of a class. */
  readonly name: string;
  readonly parameters: readonly ScriptType[];
}

/** Undefined where the expression is no type. */
export function typeOf(expression: Expression | undefined): ScriptType | undefined {
  if (expression === undefined) return undefined;
  switch (expression.kind) {
    case 'name':
      return { name: expression.name, parameters: [] };
    case 'constant':
      return expression.value === null ? { name: 'NoneType', parameters: [] } : undefined;
    case 'attribute': {
      const path = pathOf(expression);
      return path === undefined ? undefined : { name: path, parameters: [] };
    }
    case 'subscript': {
      const outer = typeOf(expression.object);
      if (outer === undefined) return undefined;
      const items = expression.index.kind === 'tuple' ? expression.index.elements : [expression.index];
      const parameters = items.map(typeOf);
      return parameters.every((parameter) => parameter !== undefined) ? { name: outer.name, parameters: parameters } : undefined;
    }
    case 'tuple':
      return expression.elements.length === 0 ? { name: 'Tuple', parameters: [] } : undefined;
    default:
      return undefined;
  }
}

/** `a.b.c`, where it is only that. */
export function pathOf(expression: Expression): string | undefined {
  if (expression.kind === 'name') return expression.name;
  if (expression.kind !== 'attribute') return undefined;
  const object = pathOf(expression.object);
  return object === undefined ? undefined : `${object}.${expression.name}`;
}

/** Undefined where it cannot be told. An empty list is a list of anything. */
export function hasType(value: ScriptValue, type: ScriptType): boolean | undefined {
  const [first] = type.parameters;
  switch (type.name) {
    case 'Tensor':
      return value instanceof AtenTensor;
    case 'int':
      return typeof value === 'bigint' || (value instanceof GraphScalar && value.type === 'int');
    case 'float':
      return typeof value === 'number' || (value instanceof GraphScalar && value.type === 'float');
    case 'bool':
      return typeof value === 'boolean' || (value instanceof GraphScalar && value.type === 'bool');
    case 'number':
    case 'Scalar':
      return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean' || value instanceof GraphScalar;
    case 'str':
      return typeof value === 'string';
    case 'NoneType':
    case 'None':
      return value === null;
    case 'Any':
      return true;
    case 'Optional':
      return value === null ? true : first === undefined ? undefined : hasType(value, first);
    case 'Union':
      return any(type.parameters.map((parameter) => hasType(value, parameter)));
    case 'list':
      return Array.isArray(value) || value instanceof TensorSequence;
    case 'tuple':
      return value instanceof AtenTuple;
    case 'List':
      if (value instanceof TensorSequence) return first?.name === 'Tensor';
      if (!Array.isArray(value)) return false;
      return value.length === 0 || first === undefined ? (value.length === 0 ? undefined : true) : all(value.map((item) => hasType(item, first)));
    case 'Tuple':
      if (!(value instanceof AtenTuple)) return false;
      return type.parameters.length === value.items.length && all(value.items.map((item, index) => hasType(item, type.parameters[index]!)));
    case 'Dict': {
      if (!(value instanceof ScriptDict)) return false;
      const element = type.parameters[1];
      return element === undefined ? undefined : all([...value.entries.values()].map((item) => hasType(item, element)));
    }
    default:
      if (value instanceof ScriptObject || value instanceof EnumMember || value instanceof NamedTuple) return value.type.path === type.name;
      return value instanceof ScriptFunction ? undefined : type.name.startsWith('__torch__.') ? false : undefined;
  }
}

function all(answers: readonly (boolean | undefined)[]): boolean | undefined {
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
}

function any(answers: readonly (boolean | undefined)[]): boolean | undefined {
  return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
}

/** `Optional[List[Tensor]]` */
export function nameOfScriptType(type: ScriptType): string {
  return type.parameters.length === 0 ? type.name : `${type.name}[${type.parameters.map(nameOfScriptType).join(', ')}]`;
}
