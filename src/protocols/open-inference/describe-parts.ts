/** Pieces of OpenAPI operations that several endpoints share. */
import type { JsonSchema } from '../../model.ts';
import { datatypes, type Datatype } from '../../tensor.ts';

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

/** One element of a tensor as JSON. */
export function elementSchema(datatype: Datatype): JsonSchema {
  switch (datatypes[datatype].kind) {
    case 'boolean':
      return { enum: [true, false, 0, 1] };
    case 'bytes':
      return { type: 'string' };
    case 'integer': {
      const bits = Number(/\d+/.exec(datatype)![0]);
      // 64 bits are more than a JSON number holds: bounds would be rounded.
      if (bits === 64) return { type: 'integer' };
      return datatype.startsWith('U') ? { type: 'integer', minimum: 0, maximum: 2 ** bits - 1 } : { type: 'integer', minimum: -(2 ** (bits - 1)), maximum: 2 ** (bits - 1) - 1 };
    }
    default:
      return { type: 'number' };
  }
}
