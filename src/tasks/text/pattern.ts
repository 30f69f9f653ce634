/** The `pattern` of a normalizer, pre-tokenizer or decoder: a text or a regular expression. */
import { z } from 'zod';
import { fromLiteral, fromOniguruma } from './regular-expression.ts';

export type Pattern = { String: string } | { Regex: string };

export const patternSchema: z.ZodType<Pattern> = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })]);

/** With the flags `gu`. */
export function toRegExp(pattern: Pattern): RegExp {
  return 'String' in pattern ? fromLiteral(pattern.String) : fromOniguruma(pattern.Regex);
}
