/** Where a request holds each input: in the path, the query, a header, a cookie or the body. Said in the schema itself, for every protocol to read. */
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { JsonSchema, PredictSignature } from '../model.ts';
import { isRecord } from './conform-problem.ts';

/** The schema with `x-modelport.in` for every member: as declared, `path` where the path names it, `query` for methods without a body, else `body`. */
export function describeInput(schema: JsonSchema, method: string, path: string): JsonSchema {
  const { properties } = schema;
  if (!isRecord(properties)) return schema;
  const inPath = new Set(pathNames(path));
  const located = Object.entries(properties as Record<string, JsonSchema>).map(([name, member]) => {
    const hints = hintsOf(member);
    const place = hints['in'] ?? (inPath.has(name) ? 'path' : method === 'GET' || method === 'DELETE' ? 'query' : 'body');
    return [name, place === 'body' && hints['in'] === undefined ? member : { ...member, 'x-modelport': { ...hints, in: place } }];
  });
  return { ...schema, properties: Object.fromEntries(located) };
}

/** Throws `INVALID_CONFIG` where path and schema name different inputs. */
export function requireLocations({ input, http }: PredictSignature, what: string): void {
  const properties = isRecord(input['properties']) ? (input['properties'] as Record<string, JsonSchema>) : {};
  const named = pathNames(http!.path);
  for (const name of named) {
    if (!Object.hasOwn(properties, name)) throw new ModelportError('INVALID_CONFIG', `the path of ${what} names '${name}', which is no input${suggestName(name, Object.keys(properties))}: add it to the input schema`);
  }
  for (const [name, member] of Object.entries(properties)) {
    if (hintsOf(member)['in'] === 'path' && !named.includes(name)) throw new ModelportError('INVALID_CONFIG', `input '${name}' of ${what} is in the path, which does not name it: write path: '${http!.path}/{${name}}'`);
  }
}

/** `x-modelport` of a schema: hints for forms, and where a request holds the value. */
function hintsOf(schema: JsonSchema): Readonly<Record<string, unknown>> {
  const hints = schema['x-modelport'];
  return isRecord(hints) ? hints : {};
}

function pathNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
}
