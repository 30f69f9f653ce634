/** Pieces of OpenAPI operations that several endpoints share. */
import type { JsonSchema } from '../../model.ts';

export const errorSchema: JsonSchema = { type: 'object', properties: { error: { type: 'string' } }, required: ['error'] };

export function jsonAnswer(description: string, schema: JsonSchema): JsonSchema {
  return { description, content: { 'application/json': { schema } } };
}

export function errorAnswer(description: string): JsonSchema {
  return jsonAnswer(description, errorSchema);
}

/** A part of the path, one of the given values. */
export function pathParameter(name: string, values: readonly string[], description: string): JsonSchema {
  return { name, in: 'path', required: true, description, schema: { type: 'string', ...(values.length === 0 ? {} : { enum: [...new Set(values)] }) } };
}
