/** What the standard says about each operator: its inputs, outputs, types and attributes, by version. */
import { operatorRows, typeSets } from './operator-table.ts';

export interface OperatorParameter {
  readonly name: string;
  /** Parameters of one variable have one type. Undefined where the types are listed. */
  readonly variable: string | undefined;
  /** Allowed types, as in `tensor(float)`. */
  readonly types: ReadonlySet<string>;
  readonly optional: boolean;
  /** Only of the last: it comes any number of times. */
  readonly variadic: boolean;
  /** Of a variadic one: all have the same type. */
  readonly homogeneous: boolean;
}

export interface OperatorAttribute {
  /** An `AttributeType`. */
  readonly type: number;
  readonly required: boolean;
  /** Where it is a number, text or a list of them. */
  readonly default: number | string | readonly (number | string)[] | undefined;
}

export interface OperatorSchema {
  readonly domain: string;
  readonly name: string;
  /** The operator set in which it became what it is. */
  readonly sinceVersion: number;
  readonly deprecated: boolean;
  readonly leastInputs: number;
  readonly mostInputs: number;
  readonly leastOutputs: number;
  readonly mostOutputs: number;
  readonly inputs: readonly OperatorParameter[];
  readonly outputs: readonly OperatorParameter[];
  readonly attributes: ReadonlyMap<string, OperatorAttribute>;
}

type Parameter = [name: string, types: string | number, option: number];
type Row = [
  sinceVersion: number,
  counts: [number, number, number, number],
  inputs: Parameter[],
  outputs: Parameter[],
  variables: Record<string, number>,
  attributes: Record<string, [type: number, required: number, fallback?: OperatorAttribute['default']]>,
  deprecated: number,
];

const schemas = new Map<string, readonly OperatorSchema[]>();
const parsedTypeSets = new Map<number, ReadonlySet<string>>();

/** The schema in force in version `opset` of its domain; undefined where there is none. */
export function operatorSchema(domain: string, name: string, opset: number): OperatorSchema | undefined {
  return operatorVersions(domain, name).findLast((schema) => schema.sinceVersion <= opset);
}

/** All versions, oldest first. */
export function operatorVersions(domain: string, name: string): readonly OperatorSchema[] {
  const key = `${domain === 'ai.onnx' ? '' : domain}:${name}`;
  let versions = schemas.get(key);
  if (versions === undefined) {
    if (!Object.hasOwn(operatorRows, key)) return [];
    versions = (JSON.parse(operatorRows[key]!) as Row[]).map((row) => parse(domain === 'ai.onnx' ? '' : domain, name, row));
    schemas.set(key, versions);
  }
  return versions;
}

/** The names of the operators of a domain. */
export function operatorNames(domain: string): string[] {
  return Object.keys(operatorRows).flatMap((key) => (key.slice(0, key.indexOf(':')) === domain ? [key.slice(domain.length + 1)] : []));
}

/** Domains whose operators are in the table. */
export function isStandardDomain(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx' || domain === 'ai.onnx.ml';
}

function parse(domain: string, name: string, [sinceVersion, counts, inputs, outputs, variables, attributes, deprecated]: Row): OperatorSchema {
  const parameters = (list: Parameter[]) =>
    list.map(([name, types, option]): OperatorParameter => {
      const variable = typeof types === 'string' ? types : undefined;
      return {
        name,
        variable,
        types: typeSet(typeof types === 'string' ? variables[types]! : types),
        optional: option === 1,
        variadic: option >= 2,
        homogeneous: option === 3,
      };
    });
  const [leastInputs, mostInputs, leastOutputs, mostOutputs] = counts;
  return {
    domain,
    name,
    sinceVersion,
    deprecated: deprecated === 1,
    leastInputs,
    mostInputs,
    leastOutputs,
    mostOutputs,
    inputs: parameters(inputs),
    outputs: parameters(outputs),
    attributes: new Map(Object.entries(attributes).map(([name, [type, required, fallback]]) => [name, { type, required: required === 1, default: fallback }])),
  };
}

/** A type in a set may itself have a space, after the comma of a map. */
function typeSet(index: number): ReadonlySet<string> {
  let types = parsedTypeSets.get(index);
  if (types === undefined) parsedTypeSets.set(index, (types = new Set(typeSets[index]!.replaceAll(', ', ',').split(' '))));
  return types;
}
