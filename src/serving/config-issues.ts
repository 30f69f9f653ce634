/** What a schema found wrong, in sentences that name the file, the line and the nearest key. */
import type { z } from 'zod';
import { nearest } from '../lib/nearest.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const mostTold = 5;

/** `locate` gives `model.yaml:4` for a path like `instances.count`. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, value: unknown, locate: (path: string) => string): { readonly message: string; readonly at: string } {
  const issues = error.issues.flatMap((issue) => flatten(issue, []));
  const told = issues.slice(0, mostTold).map((issue) => sentence(issue, schema, value, locate));
  const more = issues.length - told.length;
  const message = told.map(({ text }) => text).join('; ') + (more > 0 ? `; and ${more} more` : '');
  return { message, at: told[0]!.at };
}

/** An issue inside a union is told by the alternative that was evidently meant: the one that failed below its root, if there is one. */
function flatten(issue: Issue, base: Path): Issue[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.filter((alternative) => alternative.some((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys' || inner.code.startsWith('too_')));
    meant.sort((left, right) => left.length - right.length);
    if (meant[0] !== undefined) return meant[0].flatMap((inner) => flatten(inner, path));
  }
  return [{ ...issue, path }];
}

function sentence(issue: Issue, schema: z.ZodType, value: unknown, locate: (path: string) => string): { readonly text: string; readonly at: string } {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const at = locate(path === '' ? key : `${path}.${key}`);
    const known = keysAt(schema, issue.path);
    const guess = nearest(key, known);
    const help = guess === undefined ? `. Known are ${known.join(', ')}` : `: did you mean '${guess}'?`;
    return { text: `unknown key '${key.slice(0, 100)}'${path === '' ? '' : ` in ${path}`} (${at})${help}`, at };
  }
  const at = locate(path);
  const found = valueAt(value, issue.path);
  const subject = path === '' ? 'the config' : path;
  return { text: `${subject} (${at}) ${complaint(issue)}${found === undefined ? '' : `, found ${JSON.stringify(found)?.slice(0, 80)}`}`, at };
}

function complaint(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
    case 'invalid_value':
      return `expects ${expected(issue)}`;
    case 'invalid_union':
      return `expects ${[...new Set(issue.errors.flatMap((alternative) => alternative.slice(0, 1).map(expected)))].join(', or ')}`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : issue.origin === 'array' ? `needs at least ${issue.minimum} element${issue.minimum === 1 ? '' : 's'}` : `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'array' ? ' elements' : ''}`;
    default:
      return `is wrong: ${issue.message}`;
  }
}

function expected(issue: Issue): string {
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value)).join(', ').replace(/, ([^,]*)$/, ' or $1');
  if (issue.code !== 'invalid_type') return issue.message;
  switch (issue.expected) {
    case 'object': case 'record': return 'an object of keys and values';
    case 'array': case 'tuple': return 'a list';
    case 'int': return 'a whole number';
    case 'boolean': return 'true or false';
    case 'string': return 'text';
    default: return `a ${issue.expected}`;
  }
}

export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`), '');
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

/** The keys that the schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const { def } = schema as unknown as { def: SchemaDefinition };
  switch (def.type) {
    case 'optional': case 'default': case 'nullable':
      return keysAt(def.innerType!, path);
    case 'union':
      return [...new Set(def.options!.flatMap((option) => keysAt(option, path)))];
    case 'array':
      return path.length === 0 ? [] : keysAt(def.element!, path.slice(1));
    case 'record':
      return path.length === 0 ? [] : keysAt(def.valueType!, path.slice(1));
    case 'object': {
      const [first, ...rest] = path;
      if (first === undefined) return Object.keys(def.shape!);
      const member = def.shape![String(first)];
      return member === undefined ? [] : keysAt(member, rest);
    }
    default:
      return [];
  }
}

interface SchemaDefinition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
}
