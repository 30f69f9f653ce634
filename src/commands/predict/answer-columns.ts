/** Answers as cells of a table: columns by the task's output schema, so that they are the same whatever the first answer is. */
import type { JsonSchema } from '../../model.ts';
import { objectSchema } from '../../protocols/predict/input-schema.ts';

export interface AnswerColumn {
  readonly title: string;
  /** Members that lead to the cell; none: the answer itself. */
  readonly path: readonly string[];
}

const mostColumns = 200;

/** Members of objects that the schema spells out become columns (`probabilities.setosa`); lists and other objects are JSON in one cell. */
export function answerColumns(output: JsonSchema | undefined): AnswerColumn[] {
  const schema = output === undefined ? undefined : objectSchema(output);
  const columns = schema === undefined ? [] : columnsOf(schema, []);
  return columns.length === 0 || columns.length > mostColumns ? [{ title: 'output', path: [] }] : columns;
}

function columnsOf(schema: JsonSchema, path: readonly string[]): AnswerColumn[] {
  const { properties } = schema as { properties?: Record<string, JsonSchema> };
  return Object.entries(properties ?? {}).flatMap(([name, member]) => {
    const here = [...path, name];
    const inner = typeof member === 'object' && member !== null && path.length < 3 && typeof member['properties'] === 'object' ? columnsOf(member, here) : [];
    return inner.length > 0 ? inner : [{ title: here.join('.'), path: here }];
  });
}

export function answerCell(answer: unknown, { path }: AnswerColumn): string {
  let value = answer;
  for (const name of path) value = typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
