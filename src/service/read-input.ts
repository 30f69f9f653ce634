/** An input as it came → the value that the handler gets, or every problem with it. */
import { core, z } from 'zod';
import type { JsonSchema } from '../model.ts';
import { InvalidValueError, type ValueProblem } from '../value-problem.ts';
import { conform } from './conform.ts';
import { isRecord } from './conform-problem.ts';
import { emailProblem } from './conform-text.ts';

export type ReadInput = (value: unknown) => unknown;

/** JSON Schema of what a zod schema takes (`input`) or gives (`output`). What JSON can't describe is described as anything. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      // Limits that nobody set.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if ((zodSchema._zod.def as { readonly format?: unknown }).format === 'time') Object.assign(jsonSchema, { format: 'time' });
      if (zodSchema._zod.def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
      // The pattern says nothing that the format does not, and drowns a reader.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  }) as Record<string, unknown>;
  return described;
}

/**
 * Throws {@link InvalidValueError}. Values that fit as they are pass zod alone, which is fast; for the others pydantic's
 * conversions are tried, and its words say what is wrong.
 */
export function createReadInput(schema: z.ZodType, described: JsonSchema): ReadInput {
  return (value) => {
    const direct = schema.safeParse(value);
    if (direct.success) return direct.data;
    const conformed = conform(value, described);
    const read = schema.safeParse(conformed.value);
    if (read.success && conformed.problems.length === 0) return read.data;
    throw new InvalidValueError(allProblems(conformed.problems, read.error, value, described));
  };
}

/** As {@link createReadInput}, for schemas with asynchronous checks. */
export function createReadInputAsync(schema: z.ZodType, described: JsonSchema): (value: unknown) => Promise<unknown> {
  return async (value) => {
    const direct = await schema.safeParseAsync(value);
    if (direct.success) return direct.data;
    const conformed = conform(value, described);
    const read = await schema.safeParseAsync(conformed.value);
    if (read.success && conformed.problems.length === 0) return read.data;
    throw new InvalidValueError(allProblems(conformed.problems, read.error, value, described));
  };
}

/** What pydantic's rules found, and what only zod knows about the other members; in the order of the members. */
function allProblems(found: readonly ValueProblem[], error: z.ZodError | undefined, value: unknown, described: JsonSchema): ValueProblem[] {
  const further = (error?.issues ?? []).flatMap((issue) => problemsOfIssue(issue, value)).filter(({ loc }) => !found.some((other) => loc.length === 0 || other.loc.length === 0 || other.loc[0] === loc[0]));
  if (further.length === 0) return [...found];
  const members = isRecord(described['properties']) ? Object.keys(described['properties']) : [];
  const place = ({ loc }: ValueProblem): number => (typeof loc[0] === 'string' && members.includes(loc[0]) ? members.indexOf(loc[0]) : members.length);
  return [...found, ...further].sort((left, right) => place(left) - place(right));
}

export function isAsyncSchemaError(error: unknown): boolean {
  return error instanceof core.$ZodAsyncError;
}

/** What only zod knows: refinements and its own formats. They are to pydantic what a validator function finds. */
function problemsOfIssue(issue: core.$ZodIssue, value: unknown): ValueProblem[] {
  const loc = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const input = valueAt(value, loc);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ type: 'extra_forbidden', loc: [...loc, key], msg: 'Extra inputs are not permitted', input: valueAt(value, [...loc, key]) }));
  if (issue.code === 'invalid_format' && issue.format === 'email') {
    const reason = emailProblem(String(input)) ?? 'The email address is not valid.';
    return [{ type: 'value_error', loc, msg: `value is not a valid email address: ${reason}`, input, ctx: { reason } }];
  }
  return [{ type: 'value_error', loc, msg: `Value error, ${issue.message}`, input, ctx: { error: {} } }];
}

function valueAt(value: unknown, loc: readonly (string | number)[]): unknown {
  return loc.reduce<unknown>((found, part) => (typeof found === 'object' && found !== null ? (found as Record<string | number, unknown>)[part] : undefined), value);
}
