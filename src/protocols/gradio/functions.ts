/** Endpoints as the functions of a Gradio app: names, numbers, parameters, outputs. */
import { createHash } from 'node:crypto';
import type { Endpoint } from '../../endpoint.ts';
import { ModelportError } from '../../errors.ts';
import { componentOf, type Component } from './components.ts';
import type { JobFiles } from './file-data.ts';
import { describe, outputsOf, titleOf, type Output } from './outputs.ts';
import { isRecord, membersOf, shapeOf, type Shape } from './schema.ts';

export interface GradioFunction {
  /** Without the slash that clients write in front of it. */
  readonly apiName: string;
  /** `fn_index`. */
  readonly id: number;
  /** `undocumented`: a second name of another function. */
  readonly visibility: 'public' | 'undocumented';
  readonly endpoint: Endpoint;
  readonly parameters: readonly Parameter[];
  readonly outputs: readonly Output[];
  /** Whether it gives values before its last one. */
  readonly streams: boolean;
  /** What the endpoint takes, from the parameters in their order; those that are missing at the end are left out. Throws `INVALID_VALUE`. */
  read(data: readonly unknown[], files: JobFiles): Promise<unknown>;
}

export interface Parameter {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly component: Component;
  readonly hasDefault: boolean;
  /** null where nothing is sent in its place. */
  readonly default: unknown;
  readonly example: unknown;
}

export type FunctionTable = ReadonlyMap<string, GradioFunction>;

/** What names are made of: they stand in paths as they are. */
const foreign = /[^A-Za-z0-9._-]/g;
const longestName = 200;

/** By API name. The only endpoint is `predict`, too, which is what a Gradio app with one function calls it. */
export function listFunctions(endpoints: readonly Endpoint[]): FunctionTable {
  const functions = new Map<string, GradioFunction>();
  const ids = new Set<number>([0]);
  for (const endpoint of endpoints) {
    const plain = endpoint.name.replace(foreign, '_').slice(0, longestName);
    let apiName = plain;
    for (let number = 1; functions.has(apiName); number++) apiName = `${plain}_${number}`;
    // From the name, so that it stays when models come and go, and is the same on every replica.
    let id = createHash('sha256').update(apiName).digest().readUInt32BE() >>> 1;
    while (ids.has(id)) id++;
    ids.add(id);
    functions.set(apiName, createFunction(endpoint, apiName, id));
  }
  const [only, another] = [...functions.values()];
  if (only !== undefined && another === undefined && only.apiName !== 'predict') functions.set('predict', { ...only, apiName: 'predict', id: 0, visibility: 'undocumented' });
  return functions;
}

function createFunction(endpoint: Endpoint, apiName: string, id: number): GradioFunction {
  const { signature } = endpoint;
  const shape = shapeOf(signature.input);
  const members = membersOf(shape);
  const fields: readonly Field[] = members === undefined ? [{ key: undefined, shape, required: true }] : members.map(({ name, shape: member, required }) => ({ key: name, shape: member, required }));
  const example = signature.examples[0];
  const parameters = fields.map((field) => createParameter(field, field.key === undefined ? example : isRecord(example) ? example[field.key] : undefined));
  return {
    apiName,
    id,
    visibility: 'public',
    endpoint,
    parameters,
    outputs: outputsOf(signature),
    streams: endpoint.predictStream !== undefined || generatesText(endpoint),
    read: (data, files) => readValue(fields, parameters, data, files),
  };
}

/** Whether its text can be had as it grows, through the model's own verb. */
export function generatesText({ served, signature }: Endpoint): boolean {
  return signature.task === 'text-generation' && served.model.generate !== undefined;
}

interface Field {
  /** Undefined: the input is no object, and this is the whole of it. */
  readonly key: string | undefined;
  readonly shape: Shape;
  readonly required: boolean;
}

/** What clients' own functions call their options. */
const reserved = new Set(['api_name', 'fn_index', 'result_callbacks', 'headers']);

function createParameter({ key, shape, required }: Field, example: unknown): Parameter {
  const name = key === undefined ? 'value' : reserved.has(key) ? `${key}_` : key;
  const component = componentOf(shape, 'input');
  const given = shape.schema['default'];
  return {
    name,
    label: titleOf(shape, key ?? 'value'),
    description: describe(shape),
    component,
    hasDefault: !required || given !== undefined,
    default: given ?? null,
    // Pictures and sounds would drown the rest.
    example: shape.mediaType === undefined && (JSON.stringify(example)?.length ?? 0) <= 2000 ? (example ?? null) : null,
  };
}

async function readValue(fields: readonly Field[], parameters: readonly Parameter[], data: readonly unknown[], files: JobFiles): Promise<unknown> {
  if (data.length > fields.length) throw new ModelportError('INVALID_VALUE', `data has ${data.length} values, and there ${fields.length === 1 ? 'is 1 parameter' : `are ${fields.length} parameters`}: ${parameters.map(({ name }) => name).join(', ') || 'none'}`, { at: 'data' });
  const value: Record<string, unknown> = {};
  for (const [index, { key, shape, required }] of fields.entries()) {
    const { name, component } = parameters[index]!;
    const given = data[index];
    if (key === undefined) return component.read(given, name, files);
    // Clients send null for what was not given.
    if (given === undefined || (given === null && !required && !shape.nullable)) continue;
    Object.defineProperty(value, key, { value: await component.read(given, name, files), enumerable: true, configurable: true, writable: true });
  }
  return value;
}
