import { useState } from 'react';
import { formatNumber } from './label-scores.ts';

export type Cell = string | number | bigint | boolean | null | undefined;

export interface TableProps {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Numbers the rows. */
  readonly numbered?: boolean;
  readonly label: string;
}

const shownRows = 200;

/** Sortable by its headers; at most the first 200 rows are drawn. */
export function Table({ columns, rows, numbered = false, label }: TableProps) {
  const [order, setOrder] = useState<{ column: number; descending: boolean }>();
  const numeric = columns.map((_, column) => rows.every((row) => typeof row[column] !== 'string' && typeof row[column] !== 'boolean'));
  const indexed = rows.map((row, index) => ({ row, index }));
  if (order !== undefined) {
    indexed.sort((left, right) => compare(left.row[order.column], right.row[order.column]) * (order.descending ? -1 : 1));
  }
  return (
    <>
      <div className="table-frame" role="region" aria-label={label} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {numbered && <td aria-hidden="true" />}
              {columns.map((name, column) => (
                <th key={column} scope="col" className={numeric[column] === true ? 'numeric' : undefined} aria-sort={order?.column === column ? (order.descending ? 'descending' : 'ascending') : undefined}>
                  <button type="button" onClick={() => setOrder({ column, descending: order?.column === column && !order.descending })}>{name}{order?.column === column ? (order.descending ? ' ↓' : ' ↑') : ''}</button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {indexed.slice(0, shownRows).map(({ row, index }) => (
              <tr key={index}>
                {numbered && <th scope="row">{index}</th>}
                {columns.map((_, column) => <td key={column} className={numeric[column] === true ? 'numeric' : undefined}>{format(row[column])}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shownRows && <p className="caption">The first {shownRows} of {rows.length.toLocaleString('en')} rows. Download has all.</p>}
    </>
  );
}

function format(cell: Cell): string {
  if (cell === null || cell === undefined) return '–';
  return typeof cell === 'number' || typeof cell === 'bigint' ? formatNumber(cell) : String(cell);
}

function compare(left: Cell, right: Cell): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return String(left ?? '').localeCompare(String(right ?? ''), 'en', { numeric: true });
}
