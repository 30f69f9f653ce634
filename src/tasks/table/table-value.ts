/** What clients send as rows of a table → the elements of each row, in the order of the columns. */
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { readCell, type Element } from './cell.ts';
import type { Column, Table } from './columns.ts';

export interface Rows {
  /** One element a column; undefined where an optional input is left out. */
  readonly rows: readonly (readonly (Element | undefined)[])[];
  /** Whether one row was sent as itself: then its answer is no list either. */
  readonly single: boolean;
}

/**
 * Takes a row `{sepal_length: 5.1, …}`, a list of rows, or `{columns: ["sepal_length", …], rows: [[5.1, …], …]}` with the
 * columns in any order; without `columns` they are in the order of the model. Throws `INVALID_VALUE`.
 */
export function readRows(value: unknown, table: Table): Rows {
  const byName = new Map(table.columns.map((column, place) => [column.name, place]));
  if (Array.isArray(value)) return { rows: value.map((row: unknown, index) => readRecord(row, table, byName, `[${index}]`, ` (row ${index}, counted from 0)`)), single: false };
  if (typeof value === 'object' && value !== null && 'rows' in value && !byName.has('rows')) return { rows: readMatrix(value, table, byName), single: false };
  return { rows: [readRecord(value, table, byName, '', '')], single: true };
}

function readRecord(row: unknown, table: Table, byName: ReadonlyMap<string, number>, path: string, where: string): (Element | undefined)[] {
  if (typeof row !== 'object' || row === null || Array.isArray(row) || row instanceof Uint8Array) {
    const found = row === undefined ? 'missing' : row === null ? 'null' : Array.isArray(row) ? 'a list without column names' : row instanceof Uint8Array ? 'a file' : `a ${typeof row}`;
    const first = table.columns[0]!.name;
    const advice = Array.isArray(row) ? `write {"columns": ["${first}", …], "rows": [[…], …]}` : `write an object with its columns, {"${first}": …}`;
    throw new ModelportError('INVALID_VALUE', `${path === '' ? 'the value' : 'a row'} is ${found}: ${advice}${where}`, path === '' ? {} : { at: path });
  }
  const prefix = path === '' ? '' : `${path}.`;
  for (const name of Object.keys(row)) if (!byName.has(name)) throw unknownColumn(name, table, `${prefix}${name}`, where);
  return table.columns.map((column) => readNamed(column, Object.hasOwn(row, column.name) ? (row as Record<string, unknown>)[column.name] : undefined, `${prefix}${column.name}`, where));
}

function readMatrix(value: object, table: Table, byName: ReadonlyMap<string, number>): (Element | undefined)[][] {
  const { rows, columns } = value as { readonly rows: unknown; readonly columns?: unknown };
  for (const name of Object.keys(value)) {
    if (name !== 'rows' && name !== 'columns') throw new ModelportError('INVALID_VALUE', `beside 'rows' there may be 'columns', but not '${name}'`, { at: name });
  }
  if (!Array.isArray(rows)) throw new ModelportError('INVALID_VALUE', "'rows' is not a list: write a list of rows, each a list of cells", { at: 'rows' });
  const names = columns === undefined ? table.columns.map((column) => column.name) : columns;
  if (!Array.isArray(names)) throw new ModelportError('INVALID_VALUE', "'columns' is not a list of names", { at: 'columns' });
  // Where each column of the model lies in the rows that were sent.
  const places = new Array<number | undefined>(table.columns.length).fill(undefined);
  names.forEach((name: unknown, index) => {
    const place = typeof name === 'string' ? byName.get(name) : undefined;
    if (place === undefined) throw unknownColumn(typeof name === 'string' ? name : JSON.stringify(name), table, `columns[${index}]`, '');
    if (places[place] !== undefined) throw new ModelportError('INVALID_VALUE', `column '${String(name)}' is there twice`, { at: `columns[${index}]` });
    places[place] = index;
  });
  table.columns.forEach((column, index) => {
    if (places[index] === undefined && column.spec.optional !== true) throw missingColumn(column, table, 'columns', '');
  });
  return rows.map((row: unknown, index) => {
    const where = ` (row ${index}, counted from 0)`;
    if (!Array.isArray(row)) throw new ModelportError('INVALID_VALUE', `a row is ${row === null ? 'null' : `a ${typeof row}`}, not a list of cells${where}`, { at: `rows[${index}]` });
    if (row.length !== names.length) {
      throw new ModelportError('INVALID_VALUE', `a row has ${row.length} cells, but there are ${names.length} columns${where}`, { at: `rows[${index}]` });
    }
    return table.columns.map((column, place) => {
      const cell = places[place];
      return cell === undefined ? undefined : readNamed(column, row[cell] ?? null, `rows[${index}][${cell}]`, where);
    });
  });
}

function readNamed(column: Column, value: unknown, at: string, where: string): Element | undefined {
  if (value === undefined && column.spec.optional === true) return undefined;
  try {
    return readCell(column, value, at);
  } catch (error) {
    if (where === '' || !(error instanceof ModelportError)) throw error;
    throw new ModelportError(error.code, error.message + where, { at });
  }
}

function unknownColumn(name: string, table: Table, at: string, where: string): ModelportError {
  return new ModelportError('INVALID_VALUE', `there is no column '${name.slice(0, 100)}'${suggestName(name, table.columns.map((column) => column.name))}${where}`, { at });
}

function missingColumn(column: Column, table: Table, at: string, where: string): ModelportError {
  return new ModelportError('INVALID_VALUE', `column '${column.name}' is missing: the model takes ${table.columns.map((each) => `'${each.name}'`).slice(0, 20).join(', ')}${where}`, { at });
}
