/** Where a request holds an input, where it is not where it would be anyway: `query(z.int().default(10))`. */
import type { z } from 'zod';

interface Hinted {
  readonly 'x-modelport'?: Readonly<Record<string, unknown>>;
}

function located<Schema extends z.ZodType>(schema: Schema, place: string, name?: string): Schema {
  const before = (schema.meta() as Hinted | undefined)?.['x-modelport'];
  return schema.meta({ ...schema.meta(), 'x-modelport': { ...before, in: place, ...(name === undefined ? {} : { name }) } });
}

/** `?name=…`; a list takes the name several times. */
export function query<Schema extends z.ZodType>(schema: Schema, name?: string): Schema {
  return located(schema, 'query', name);
}

/** A header; without a name `user_agent` is `user-agent`. */
export function header<Schema extends z.ZodType>(schema: Schema, name?: string): Schema {
  return located(schema, 'header', name);
}

export function cookie<Schema extends z.ZodType>(schema: Schema, name?: string): Schema {
  return located(schema, 'cookie', name);
}

/** In the body, where it would be in the query. */
export function body<Schema extends z.ZodType>(schema: Schema): Schema {
  return located(schema, 'body');
}
