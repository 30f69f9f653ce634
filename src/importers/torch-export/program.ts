/**
 * The JSON program of torch.export, as `torch/_export/serde/schema.py` describes it (schema version 8 and the ones before that have the same fields).
 * What is read here is checked; what stands in it besides is passed over.
 */
import { ModelportError } from '../../errors.ts';

export type Size = number | string;

/** Of a tensor value: what the exporter knew. */
export interface TensorMeta {
  /** The exporter's own numbers of types, see `exportedScalarTypes`. */
  readonly dtype: number;
  /** A number, or the text of an expression of symbols. */
  readonly sizes: readonly Size[];
  readonly strides: readonly Size[];
  readonly storageOffset: Size;
}

/** One member is there: `{ as_tensor: … }`. */
export type Argument = Readonly<Record<string, unknown>>;

export interface ProgramNode {
  readonly target: string;
  readonly inputs: readonly { readonly name: string; readonly argument: Argument }[];
  readonly outputs: readonly Argument[];
  readonly stackTrace: string | undefined;
}

export interface ProgramGraph {
  readonly inputs: readonly Argument[];
  readonly outputs: readonly Argument[];
  readonly nodes: readonly ProgramNode[];
  readonly tensorValues: ReadonlyMap<string, TensorMeta>;
}

/** `{ user_input: { arg } }`, `{ parameter: { arg, parameter_name } }` … */
export type Spec = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Program {
  readonly graph: ProgramGraph;
  readonly inputSpecs: readonly Spec[];
  readonly outputSpecs: readonly Spec[];
  /** The names of a dict's entries where the program returns one. */
  readonly outputNames: readonly string[] | undefined;
  readonly ranges: ReadonlyMap<string, { readonly min: number | undefined; readonly max: number | undefined }>;
  readonly torchVersion: string;
  readonly schemaVersion: string;
}

const mostNodes = 2_000_000;
const mostDepth = 64;

export function damaged(problem: string): ModelportError {
  return new ModelportError('INVALID_MODEL', `the exported program is damaged: ${problem}`);
}

/** Integers that no double holds, and numbers that JSON does not have, are kept as `{ $int }` and `{ $float }`. */
export function parseProgramJson(text: string): unknown {
  const exact = /\d{16}|NaN|Infinity/.test(text)
    ? text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
        if (token.startsWith('"') || (token.length < 16 && /\d$/.test(token))) return token;
        if (/^-?\d+$/.test(token)) return `{"$int":"${token}"}`;
        return /\d$/.test(token) ? token : `{"$float":"${token}"}`;
      })
    : text;
  try {
    return JSON.parse(exact);
  } catch (error) {
    throw damaged(`it is no valid JSON (${(error as Error).message.slice(0, 120)})`);
  }
}

type Item = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown, what: string): Item {
  if (!isObject(value)) throw damaged(`${what} is no object`);
  return value;
}

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged(`${what} is no list`);
  return value as unknown[];
}

export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(`${what} is no text`);
  return value;
}

/** An int64. */
export function integerOf(value: unknown, what: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (isObject(value) && typeof value['$int'] === 'string') {
    const integer = BigInt(value['$int']);
    if (BigInt.asIntN(64, integer) === integer) return integer;
  }
  throw damaged(`${what} is no int`);
}

export function floatOf(value: unknown, what: string): number {
  if (typeof value === 'number') return value;
  if (isObject(value) && typeof value['$float'] === 'string') return Number(value['$float']);
  if (isObject(value) && typeof value['$int'] === 'string') return Number(value['$int']);
  if (value === 'Infinity' || value === '-Infinity' || value === 'NaN') return Number(value);
  throw damaged(`${what} is no number`);
}

/** `{ as_int: 3 }` or `{ as_expr: { expr_str } }` */
function readSize(value: unknown, what: string): Size {
  const size = objectOf(value, what);
  if (size['as_int'] !== undefined) {
    const number = Number(integerOf(size['as_int'], what));
    if (!Number.isSafeInteger(number)) throw damaged(`${what} is too large`);
    return number;
  }
  return textOf(objectOf(size['as_expr'], what)['expr_str'], what);
}

export function readTensorMeta(value: unknown, what: string): TensorMeta {
  const meta = objectOf(value, what);
  const sizes = listOf(meta['sizes'], `${what}.sizes`).map((size) => readSize(size, `${what}.sizes`));
  const strides = listOf(meta['strides'], `${what}.strides`).map((stride) => readSize(stride, `${what}.strides`));
  if (sizes.length > 64 || strides.length !== sizes.length) throw damaged(`${what} has ${sizes.length} sizes and ${strides.length} strides`);
  const layout = meta['layout'];
  if (layout !== undefined && layout !== 7) throw new ModelportError('INVALID_MODEL', `${what} is a sparse tensor, which is not covered`);
  return { dtype: Number(integerOf(meta['dtype'], `${what}.dtype`)), sizes, strides, storageOffset: meta['storage_offset'] === undefined ? 0 : readSize(meta['storage_offset'], `${what}.storage_offset`) };
}

export function readGraph(value: unknown, depth = 0): ProgramGraph {
  if (depth > mostDepth) throw damaged('its graphs are nested too deeply');
  const graph = objectOf(value, 'a graph');
  const nodes = listOf(graph['nodes'], 'nodes');
  if (nodes.length > mostNodes) throw damaged(`it has ${nodes.length} nodes`);
  return {
    inputs: listOf(graph['inputs'], 'inputs').map((input) => objectOf(input, 'an input')),
    outputs: listOf(graph['outputs'], 'outputs').map((output) => objectOf(output, 'an output')),
    nodes: nodes.map(readNode),
    tensorValues: new Map(Object.entries(objectOf(graph['tensor_values'], 'tensor_values')).map(([name, meta]) => [name, readTensorMeta(meta, `the tensor ${name.slice(0, 100)}`)])),
  };
}

function readNode(value: unknown): ProgramNode {
  const node = objectOf(value, 'a node');
  const target = textOf(node['target'], 'the target of a node');
  const metadata = isObject(node['metadata']) ? node['metadata'] : {};
  const trace = metadata['stack_trace'];
  return {
    target,
    inputs: listOf(node['inputs'], `the inputs of ${target}`).map((input) => {
      const named = objectOf(input, `an input of ${target}`);
      return { name: textOf(named['name'], `the name of an input of ${target}`), argument: objectOf(named['arg'], `an input of ${target}`) };
    }),
    outputs: listOf(node['outputs'], `the outputs of ${target}`).map((output) => objectOf(output, `an output of ${target}`)),
    stackTrace: typeof trace === 'string' && trace !== '' ? trace : undefined,
  };
}

/** Throws `INVALID_MODEL` where the program is damaged or of a version that has other fields. */
export function readProgram(document: unknown): Program {
  const root = objectOf(document, 'it');
  const version = root['schema_version'];
  const major = isObject(version) ? version['major'] : version;
  if (typeof major !== 'number') throw damaged('it names no schema_version');
  if (major < 5 || major > 8) {
    throw new ModelportError('INVALID_MODEL', `the program has version ${major} of torch.export's schema; versions 5 to 8 are read. Load it with the PyTorch that wrote it and save it with a newer one`);
  }
  const module = objectOf(root['graph_module'], 'graph_module');
  const signature = objectOf(module['signature'], 'signature');
  const specs = (name: string): Spec[] => listOf(signature[name], name).map((spec) => objectOf(spec, name) as Spec);
  const ranges = new Map<string, { min: number | undefined; max: number | undefined }>();
  if (isObject(root['range_constraints'])) {
    for (const [symbol, range] of Object.entries(root['range_constraints'])) {
      if (!isObject(range)) continue;
      const bound = (limit: unknown): number | undefined => (typeof limit === 'number' ? limit : undefined);
      ranges.set(symbol, { min: bound(range['min_val']), max: bound(range['max_val']) });
    }
  }
  return {
    graph: readGraph(module['graph']),
    inputSpecs: specs('input_specs'),
    outputSpecs: specs('output_specs'),
    outputNames: outputNames(module),
    ranges,
    torchVersion: typeof root['torch_version'] === 'string' ? root['torch_version'] : '',
    schemaVersion: isObject(version) ? `${String(version['major'])}.${String(version['minor'])}` : String(version),
  };
}

/** The keys of the dict or dataclass that the program returns, flat, as its tree of outputs names them. */
function outputNames(module: Item): readonly string[] | undefined {
  const entry = Array.isArray(module['module_call_graph']) ? (module['module_call_graph'] as unknown[]).find((call) => isObject(call) && call['fqn'] === '') : undefined;
  const signature = isObject(entry) ? entry['signature'] : undefined;
  const text = isObject(signature) ? signature['out_spec'] : undefined;
  if (typeof text !== 'string') return undefined;
  try {
    const [, tree] = JSON.parse(text) as [number, TreeSpec];
    const names = namesOf(tree, '', 0);
    return names.every((name) => name !== '') && new Set(names).size === names.length ? names : undefined;
  } catch {
    return undefined;
  }
}

interface TreeSpec {
  readonly type: string | null;
  readonly context: string | null;
  readonly children_spec: readonly TreeSpec[];
}

function namesOf(tree: TreeSpec, path: string, depth: number): string[] {
  if (depth > mostDepth) throw new Error('too deep');
  if (tree.type === null) return [path];
  const join = (key: string): string => (path === '' ? key : `${path}_${key}`);
  let keys: readonly unknown[] | undefined;
  const context: unknown = tree.context === null ? null : JSON.parse(tree.context);
  if (Array.isArray(context) && context.length === tree.children_spec.length && context.every((key) => typeof key === 'string')) keys = context;
  else if (Array.isArray(context) && Array.isArray(context[0]) && context[0].length === tree.children_spec.length) keys = context[0] as unknown[];
  const isWrapper = tree.children_spec.length === 1 && keys === undefined;
  return tree.children_spec.flatMap((child, index) => namesOf(child, isWrapper ? path : keys === undefined ? (path === '' ? (child.type === null ? '' : `output_${index}`) : join(String(index))) : join(String(keys[index])), depth + 1));
}
