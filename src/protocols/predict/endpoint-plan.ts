/** What the route of an endpoint needs to know of its input, found once: which part of a request holds which member. */
import type { Endpoint } from '../../endpoint.ts';
import type { JsonSchema } from '../../model.ts';
import { inputProperties, objectSchema, type InputProperty } from './input-schema.ts';

export type Place = 'path' | 'query' | 'header' | 'cookie' | 'body';

export interface PlacedInput {
  readonly name: string;
  readonly place: Place;
  /** What it is called there. */
  readonly key: string;
  readonly property: InputProperty;
  readonly schema: JsonSchema;
}

export interface EndpointPlan {
  /** In FastAPI's order of problems: path, query, header, cookie, body. */
  readonly inputs: readonly PlacedInput[];
  /** Those of the body. */
  readonly body: readonly PlacedInput[];
  /** The body is one value that is no object. */
  readonly wholeBody: boolean;
  readonly takesBody: boolean;
}

const places: readonly Place[] = ['path', 'query', 'header', 'cookie', 'body'];

export function planEndpoint({ signature }: Endpoint): EndpointPlan {
  const object = objectSchema(signature.input);
  if (object === undefined) return { inputs: [], body: [], wholeBody: true, takesBody: true };
  const members = object['properties'] as Record<string, JsonSchema>;
  const inputs = inputProperties(signature.input)
    .map((property): PlacedInput => {
      const schema = members[property.name]!;
      const hints = (schema['x-modelport'] ?? {}) as { readonly in?: Place; readonly name?: string };
      const place = hints.in ?? 'body';
      const key = hints.name ?? (place === 'header' ? property.name.replaceAll('_', '-') : property.name);
      return { name: property.name, place, key: place === 'header' ? key.toLowerCase() : key, property, schema };
    })
    .sort((left, right) => places.indexOf(left.place) - places.indexOf(right.place));
  const body = inputs.filter(({ place }) => place === 'body');
  return { inputs, body, wholeBody: false, takesBody: body.length > 0 };
}

/** Where a list stands in a query or form, its name is repeated. */
export function isList(input: PlacedInput): boolean {
  return input.property.types.includes('array');
}
