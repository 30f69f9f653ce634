/** A table that is filled in, or pasted from a spreadsheet, or dropped as a CSV file. The value is a list of rows. */
import { useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { Icon } from '../icons.tsx';
import { writtenText } from '../json.ts';
import { isObject, readCell, type Column } from '../schema.ts';
import { parseDelimited, rowsByColumn } from './delimited-text.ts';
import type { ControlProps } from './field-form.tsx';
import { FileChooser } from './file-chooser.tsx';
import { useFileDrop } from './use-file-drop.ts';

/** More rows are kept and sent, not drawn. */
const mostDrawn = 200;

type Row = Readonly<Record<string, unknown>>;

export function TableControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'table'>) {
  const { columns } = field;
  const grid = useRef<HTMLTableElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [refused, setRefused] = useState<string>();
  const rows: readonly Row[] = Array.isArray(value) ? value.map((row) => (isObject(row) ? row : {})) : [];
  // One empty row at the end is there to be written into.
  const drawn = rows.length === 0 ? [{}] : rows.slice(0, mostDrawn);

  const publish = (next: readonly Row[]): void => onChange(next.length === 0 ? undefined : next.slice(0, field.most));
  const write = (at: number, column: Column, written: string): void => {
    const read = readCell(column, written);
    const next = [...rows];
    const { [column.name]: _, ...others } = next[at] ?? {};
    next[at] = read === undefined ? others : { ...others, [column.name]: read };
    publish(next);
  };
  const place = (text: string, at: number, from: number): void => {
    const cells = parseDelimited(text);
    const read = rowsByColumn(cells, columns.map((column) => column.name));
    const headed = read.length < cells.length;
    const wanted = headed ? read : rowsByColumn(cells, columns.slice(from).map((column) => column.name));
    const next = [...rows];
    wanted.forEach((row, index) => {
      const place = headed ? rows.length + index : at + index;
      const merged: Record<string, unknown> = { ...next[place] };
      for (const column of columns) {
        const cell = row[column.name];
        const item = cell === undefined ? undefined : readCell(column, cell);
        if (item !== undefined) merged[column.name] = item;
      }
      next[place] = merged;
    });
    publish(next);
  };
  const paste = (event: ClipboardEvent, at: number, from: number): void => {
    const text = event.clipboardData.getData('text/plain');
    if (!/[\t\n]/.test(text.trim())) return;
    event.preventDefault();
    event.stopPropagation();
    place(text.trim(), at, from);
  };
  const readFile = async ([file]: readonly File[]): Promise<void> => {
    const text = await file!.text();
    const isText = !text.includes('\0');
    setRefused(isText ? undefined : `${file!.name} is no text. Save the sheet as CSV, or copy its cells and paste them.`);
    if (isText) place(text, rows.length, 0);
  };
  const { over, target } = useFileDrop((files) => void readFile(files));
  const move = (event: KeyboardEvent, at: number, column: number): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0 || event.target instanceof HTMLSelectElement) return;
    const target = grid.current?.querySelector<HTMLElement>(`[data-cell="${at + step}:${column}"]`);
    if (target === null || target === undefined) return;
    event.preventDefault();
    target.focus();
  };

  return (
    <div className="table-field" data-over={over} data-invalid={invalid} {...target}>
      <div className="table-frame" tabIndex={0} role="region" aria-label={`${field.title}: rows`}>
        <table ref={grid} aria-describedby={describedBy || undefined}>
          <thead>
            <tr>
              {columns.map((column) => <th key={column.name} scope="col" className={column.type === 'number' ? 'numeric' : undefined}>{column.title}</th>)}
              <td />
            </tr>
          </thead>
          <tbody>
            {drawn.map((row, at) => (
              <tr key={at}>
                {columns.map((column, index) => (
                  <td key={column.name}>
                    <Cell
                      id={at === 0 && index === 0 ? id : undefined}
                      column={column}
                      cell={row[column.name]}
                      place={`${at}:${index}`}
                      label={`${column.title}, row ${at + 1}`}
                      onWrite={(written) => write(at, column, written)}
                      onPaste={(event) => paste(event, at, index)}
                      onKeyDown={(event) => move(event, at, index)}
                    />
                  </td>
                ))}
                <td className="row-end"><button type="button" className="button plain icon" aria-label={`Remove row ${at + 1}`} disabled={rows.length === 0} onClick={() => publish(rows.filter((_, each) => each !== at))}><Icon name="close" size={12} /></button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="tools">
        <button type="button" className="button small" onClick={() => publish([...(rows.length === 0 ? [{}] : rows), {}])}><Icon name="plus" size={12} />Add a row</button>
        <button type="button" className="button plain small" onClick={() => chooser.current?.click()}>Open a CSV file</button>
        {rows.length > 0 && <button type="button" className="button plain small" onClick={() => publish([])}>Remove all</button>}
        <span className="caption tools-end">{rows.length > mostDrawn ? `${rows.length.toLocaleString('en')} rows; the first ${mostDrawn} are shown` : rows.length === 0 ? 'Or paste cells from a spreadsheet' : `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`}</span>
      </div>
      <FileChooser ref={chooser} label={`${field.title}: CSV file`} accept=".csv,.tsv,.txt,text/csv" onFiles={(files) => void readFile(files)} />
      {refused !== undefined && <p className="field-about" role="status">{refused}</p>}
    </div>
  );
}

interface CellProps {
  readonly id: string | undefined;
  readonly column: Column;
  readonly cell: unknown;
  readonly place: string;
  readonly label: string;
  readonly onWrite: (written: string) => void;
  readonly onPaste: (event: ClipboardEvent) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

function Cell({ id, column, cell, place, label, onWrite, onPaste, onKeyDown }: CellProps) {
  const [typed, setTyped] = useState('');
  const shared = { id, 'data-cell': place, 'aria-label': label, onPaste, onKeyDown };
  const choices = column.options ?? (column.type === 'boolean' ? [true, false] : undefined);
  if (choices !== undefined) {
    return (
      <select {...shared} value={writtenText(cell)} onChange={(event) => onWrite(event.target.value)}>
        <option value="" />
        {choices.map((choice) => <option key={writtenText(choice)} value={writtenText(choice)}>{column.options === undefined ? (choice === true ? 'yes' : 'no') : writtenText(choice)}</option>)}
      </select>
    );
  }
  // What was typed stands ("5," or "0.10") while it means the value.
  const text = readCell(column, typed) === cell ? typed : writtenText(cell);
  return (
    <input
      {...shared}
      className={column.type === 'number' ? 'numeric' : undefined}
      inputMode={column.type === 'number' ? 'decimal' : 'text'}
      autoComplete="off"
      spellCheck={false}
      aria-invalid={(column.type === 'number' && cell !== undefined && typeof cell !== 'number') || undefined}
      value={text}
      onChange={(event) => {
        setTyped(event.target.value);
        onWrite(event.target.value);
      }}
    />
  );
}
