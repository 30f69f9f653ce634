/** The JSON Schemas of rows and of their answers. */
import type { JsonSchema } from '../../model.ts';
import { numberRange } from './cell.ts';
import type { Column, Table } from './columns.ts';

/** More categories than this are described, not listed. */
const mostListed = 1000;

/** One row, which is what a form shows, a list of rows, or columns and rows. */
export function tableSchema(table: Table): JsonSchema {
  const row = rowSchema(table);
  return {
    anyOf: [
      row,
      { type: 'array', title: 'Rows', items: row },
      {
        type: 'object',
        title: 'Columns and rows',
        description: 'The columns may stand in any order; left out, they are in this one.',
        properties: {
          columns: { type: 'array', const: table.columns.map((column) => column.name) },
          rows: { type: 'array', items: { type: 'array', prefixItems: table.columns.map(columnSchema), minItems: table.columns.length, items: false } },
        },
        required: ['rows'],
        additionalProperties: false,
      },
    ],
  };
}

function rowSchema(table: Table): JsonSchema {
  return {
    type: 'object',
    title: 'Row',
    properties: Object.fromEntries(table.columns.map((column) => [column.name, columnSchema(column)])),
    required: table.columns.filter((column) => column.spec.optional !== true).map((column) => column.name),
    additionalProperties: false,
  };
}

function columnSchema({ kind, feature, categories, spec }: Column): JsonSchema {
  const { minimum, maximum, step, unit } = feature;
  const type = kind === 'text' ? 'string' : kind;
  const names = categories === undefined || categories.size > mostListed ? undefined : [...categories.keys()];
  const range = kind === 'number' || kind === 'integer' ? numberRange(spec.datatype) : undefined;
  const hints = {
    ...((kind === 'number' || kind === 'integer') && minimum !== undefined && maximum !== undefined ? { widget: 'slider' } : {}),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(step === undefined ? {} : { step }),
    ...(unit === undefined ? {} : { unit }),
  };
  return {
    type: feature.nullable === true ? [type, 'null'] : type,
    ...(feature.title === undefined ? {} : { title: feature.title }),
    ...(feature.description === undefined ? {} : { description: feature.description }),
    ...(names === undefined ? {} : { enum: feature.nullable === true ? [...names, null] : names }),
    ...(range === undefined ? {} : { minimum: range[0], maximum: range[1] }),
    ...(feature.default === undefined ? {} : { default: feature.default }),
    ...(Object.keys(hints).length === 0 ? {} : { 'x-modelport': hints }),
  };
}

/** One answer for one row, a list of answers for rows. */
export function answerSchema(answer: JsonSchema): JsonSchema {
  return { anyOf: [answer, { type: 'array', title: 'Answers', items: answer }] };
}

/** A row that a form can begin with: defaults, else the middle of the range, else the first category. */
export function exampleRow(table: Table): Record<string, unknown> | undefined {
  const row: Record<string, unknown> = {};
  for (const { name, kind, feature, categories } of table.columns) {
    const { minimum, maximum } = feature;
    const middle = minimum !== undefined && maximum !== undefined ? Number(((minimum + maximum) / 2).toPrecision(3)) : undefined;
    const value = feature.default ?? categories?.keys().next().value ?? (kind === 'integer' && middle !== undefined ? Math.round(middle) : middle);
    if (value === undefined) return undefined;
    row[name] = value;
  }
  return row;
}
