/** Schemas of PyTorch's operators: names, types and defaults of arguments, overloads. The language is that of torch's native_functions.yaml. */
import { ModelportError } from '../../errors.ts';
import { schemaTable } from './schema-table.ts';
import { AtenTensor, AtenTuple, GraphScalar, type AtenValue } from './value.ts';

export interface AtenArgument {
  readonly name: string;
  /** `Tensor`, `int`, `Scalar`, `t` …; symbolic types are the plain ones here. */
  readonly type: string;
  /** 0: no list; 1: a list; 2: a list of lists. */
  readonly lists: number;
  /** `int[2]`: a single int stands for two. */
  readonly length: number | undefined;
  readonly isOptional: boolean;
  /** Of a list's elements: `Tensor?[]`. */
  readonly elementsAreOptional: boolean;
  /** The operator writes into it. */
  readonly isWritten: boolean;
  readonly keywordOnly: boolean;
  /** Undefined: it must be given. */
  readonly fallback: AtenValue | undefined;
}

export interface AtenSchema {
  /** `add` */
  readonly name: string;
  /** `Tensor`; '' for the default. */
  readonly overload: string;
  readonly arguments: readonly AtenArgument[];
  /** The types of what is returned, without aliases. */
  readonly returns: readonly string[];
  readonly text: string;
}

let lines: Map<string, string[]> | undefined;
const parsed = new Map<string, readonly AtenSchema[]>();

/** All overloads of an operator (`add`), in the order in which PyTorch tries them; [] where there is no such operator here. */
export function schemasOf(name: string): readonly AtenSchema[] {
  let found = parsed.get(name);
  if (found === undefined) {
    if (lines === undefined) {
      lines = new Map();
      for (const line of schemaTable.split('\n')) {
        const own = line.slice(0, line.search(/[.(]/));
        const list = lines.get(own);
        if (list === undefined) lines.set(own, [line]);
        else list.push(line);
      }
    }
    parsed.set(name, (found = (lines.get(name) ?? []).map(parseSchema)));
  }
  return found;
}

/** `schemaOf('add', 'Tensor')`; the overload `default` is ''. */
export function schemaOf(name: string, overload: string): AtenSchema | undefined {
  const wanted = overload === 'default' ? '' : overload;
  return schemasOf(name).find((schema) => schema.overload === wanted);
}

/** Parses `name.overload(Tensor self, int dim=0) -> Tensor`. */
export function parseSchema(text: string): AtenSchema {
  const open = text.indexOf('(');
  const end = closing(text, open);
  const [name, overload = ''] = text.slice(0, open).split('.') as [string, string?];
  let keywordOnly = false;
  const list: AtenArgument[] = [];
  for (const part of splitTop(text.slice(open + 1, end))) {
    if (part === '*') keywordOnly = true;
    else if (part !== '...') list.push(parseArgument(part, keywordOnly));
  }
  const after = text.slice(end + 1).replace(/^\s*->\s*/, '').trim();
  const isTuple = after.startsWith('(') && closing(after, 0) === after.length - 1;
  const returns = isTuple ? splitTop(after.slice(1, -1)) : after === '' ? [] : [after];
  return { name, overload, arguments: list, returns: returns.map((type) => plainType(type.split(' ')[0]!)), text };
}

function parseArgument(part: string, keywordOnly: boolean): AtenArgument {
  const equals = topLevel(part, '=');
  const declaration = equals === -1 ? part : part.slice(0, equals);
  const space = declaration.lastIndexOf(' ');
  const written = declaration.slice(0, space);
  let type = plainType(written);
  const isOptional = type.endsWith('?');
  if (isOptional) type = type.slice(0, -1);
  let lists = 0;
  let length: number | undefined;
  let elementsAreOptional = false;
  for (let match = /^(.*)\[(\d*)\]$/.exec(type); match !== null; match = /^(.*)\[(\d*)\]$/.exec(type)) {
    type = match[1]!;
    lists++;
    if (match[2] !== '') length = Number(match[2]);
    if (type.endsWith('?')) {
      elementsAreOptional = true;
      type = type.slice(0, -1);
    }
  }
  const fallback = equals === -1 ? undefined : parseDefault(part.slice(equals + 1).trim(), type, lists, length);
  return { name: declaration.slice(space + 1), type, lists, length, isOptional, elementsAreOptional, isWritten: /\([^)]*!/.test(written), keywordOnly, fallback };
}

/** Without aliases, and with plain types for symbolic ones. */
function plainType(type: string): string {
  return type.replaceAll(/(?<=[\w\]?])\((?:[a-z*]|->|!|\||\s)+\)/g, '').replaceAll(/\bSym(Int|Float|Bool)\b/g, (_, plain: string) => plain.toLowerCase());
}

function parseDefault(text: string, type: string, lists: number, length: number | undefined): AtenValue {
  if (text === 'None') return null;
  if (text === 'True' || text === 'False') return text === 'True';
  if (text.startsWith('"')) return text.slice(1, -1);
  if (text.startsWith('[')) return splitTop(text.slice(1, -1)).map((item) => parseDefault(item, type, 0, undefined));
  if (/^[+-]?\d+$/.test(text) && type !== 'float') {
    const value = BigInt(text);
    return lists > 0 ? Array.from({ length: length ?? 1 }, () => value) : value;
  }
  if (text === 'contiguous_format') return 0n;
  const number = text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
  if (Number.isNaN(number)) return text;
  return lists > 0 ? Array.from({ length: length ?? 1 }, () => number) : number;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    if (text[index] === '(') depth++;
    else if (text[index] === ')' && --depth === 0) return index;
  }
  throw new ModelportError('INTERNAL', `the schema ${text} is not closed`);
}

function splitTop(text: string): string[] {
  const parts: string[] = [];
  let rest = text;
  for (let comma = topLevel(rest, ','); comma !== -1; comma = topLevel(rest, ',')) {
    parts.push(rest.slice(0, comma).trim());
    rest = rest.slice(comma + 1);
  }
  if (rest.trim() !== '') parts.push(rest.trim());
  return parts;
}

function topLevel(text: string, wanted: string): number {
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') quoted = !quoted;
    if (quoted) continue;
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character)) depth--;
    else if (depth === 0 && character === wanted) return index;
  }
  return -1;
}

export interface BoundCall {
  readonly schema: AtenSchema;
  /** One for each argument of the schema, defaults filled in. */
  readonly values: ReadonlyMap<string, AtenValue>;
}

/** Binds what was given to a schema's arguments. Undefined where it does not fit. `isLoose`: numbers convert as TorchScript converts them. */
export function bind(schema: AtenSchema, positional: readonly AtenValue[], keyword: ReadonlyMap<string, AtenValue>, isLoose = true): BoundCall | undefined {
  const values = new Map<string, AtenValue>();
  let used = 0;
  let usedKeywords = 0;
  for (const argument of schema.arguments) {
    let given: AtenValue | undefined;
    if (!argument.keywordOnly && used < positional.length) given = positional[used++];
    else if (keyword.has(argument.name)) {
      given = keyword.get(argument.name);
      usedKeywords++;
    } else if (argument.fallback !== undefined) given = argument.fallback;
    else if (argument.isOptional) given = null;
    const value = given === undefined ? undefined : fit(argument, given, isLoose);
    if (value === undefined) return undefined;
    values.set(argument.name, value);
  }
  return used === positional.length && usedKeywords === keyword.size ? { schema, values } : undefined;
}

/** The overload that PyTorch takes: the first that fits as it is, else the first that fits after conversions. */
export function resolveOverload(name: string, positional: readonly AtenValue[], keyword: ReadonlyMap<string, AtenValue>): BoundCall | undefined {
  for (const isLoose of [false, true]) {
    for (const schema of schemasOf(name)) {
      const bound = bind(schema, positional, keyword, isLoose);
      if (bound !== undefined) return bound;
    }
  }
  return undefined;
}

/** The value as the argument takes it; undefined where it does not. */
function fit(argument: AtenArgument, value: AtenValue, isLoose: boolean): AtenValue | undefined {
  if (value === null) return argument.isOptional || argument.fallback === null || argument.type === 't' || argument.type === 'Any' ? null : undefined;
  if (argument.lists === 0) return fitOne(argument.type, value, isLoose);
  if (!Array.isArray(value)) {
    const single = argument.length === undefined ? undefined : fitOne(argument.type, value, isLoose);
    return single === undefined ? undefined : Array.from({ length: argument.length! }, () => single);
  }
  const type = argument.lists > 1 ? 'Any' : argument.type;
  for (const [index, item] of value.entries()) {
    const fitted = item === null && argument.elementsAreOptional ? null : fitOne(type, item, isLoose);
    if (fitted === undefined) return undefined;
    // A list keeps its identity where nothing in it changes.
    if (fitted !== item) return value.map((element, place) => (place < index ? element : element === null ? null : (fitOne(type, element, isLoose) ?? element)));
  }
  return value;
}

function fitOne(type: string, value: AtenValue, isLoose: boolean): AtenValue | undefined {
  const kind = kindOf(value);
  switch (type) {
    case 'Tensor':
      // A number where a tensor is wanted becomes one; it stays a number in promotion.
      return kind === 'Tensor' || (isLoose && (kind === 'int' || kind === 'float' || kind === 'bool')) ? value : undefined;
    case 'int':
      return kind === 'int' || kind === 'none' ? value : undefined;
    case 'float':
      return kind === 'float' ? value : isLoose && typeof value === 'bigint' ? Number(value) : undefined;
    case 'bool':
      return kind === 'bool' ? value : undefined;
    case 'Scalar':
    case 'number':
      return kind === 'int' || kind === 'float' || kind === 'bool' ? value : undefined;
    case 'str':
    case 'Device':
      return kind === 'str' ? value : undefined;
    case 'ScalarType':
    case 'Layout':
    case 'MemoryFormat':
      return typeof value === 'bigint' ? value : undefined;
    case 'Dimname':
    case 'Generator':
    case 'Stream':
    case 'Storage':
    case 'complex':
      return undefined;
    default:
      return value;
  }
}

function kindOf(value: AtenValue): string {
  if (value instanceof AtenTensor) return 'Tensor';
  if (value instanceof GraphScalar) return value.type;
  if (value instanceof AtenTuple) return 'tuple';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'bigint' ? 'int' : typeof value === 'number' ? 'float' : typeof value === 'boolean' ? 'bool' : 'str';
}
