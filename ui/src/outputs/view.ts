/** What a view is given, and how it finds what belongs to it. */
import type { JsonSchema } from '../api-types.ts';
import type { JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';

export interface ViewProps {
  readonly value: JsonValue;
  readonly schema: JsonSchema;
  /** What was answered: pictures are marked and texts are highlighted in it. */
  readonly input: unknown;
  /** The object that the value is a member of. */
  readonly whole?: JsonValue | undefined;
  /** What the value is called. */
  readonly title?: string | undefined;
}

/** A text or data URL of the input. Where the input is itself one, that. */
export function inputMember(input: unknown, name: string | undefined): string | undefined {
  if (typeof input === 'string') return input;
  const member: unknown = isObject(input) && name !== undefined ? input[name] : undefined;
  return typeof member === 'string' && member !== '' ? member : undefined;
}

/** A picture as an address that a browser can show. */
export function pictureSource(image: string | undefined): string | undefined {
  if (image === undefined) return undefined;
  return image.startsWith('data:') ? image : `data:image/png;base64,${image}`;
}
