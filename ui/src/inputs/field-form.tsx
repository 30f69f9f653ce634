/** A form from fields. A kind of field is one component and one line in `controls`. */
import { lazy, Suspense, useId, useMemo, type ClipboardEvent, type ComponentType } from 'react';
import type { FormProps } from '../endpoints/endpoint.ts';
import { Icon } from '../icons.tsx';
import { getAt, setAt, type Field, type FieldKind, type FieldOf } from '../schema.ts';
import { FileControl } from './file-control.tsx';
import { ImageControl } from './image-control.tsx';
import { NumberControl } from './number-control.tsx';
import { parsePastedRow } from './pasted-row.ts';
import { FieldProblemText } from './problem-text.tsx';
import { DateControl, JsonControl, LinesControl, SelectControl, SwitchControl, TextControl } from './text-controls.tsx';
import { TagsControl } from './tags-control.tsx';
import { fitsInside } from './units.ts';

export interface ControlProps<K extends FieldKind> {
  readonly field: FieldOf<K>;
  readonly id: string;
  readonly value: unknown;
  readonly invalid: boolean;
  /** Ids of the description, what is said beside the title, and the problem. */
  readonly describedBy: string;
  /** Of a conversation: the answer that is being written. */
  readonly reply?: string | undefined;
  readonly onChange: (value: unknown) => void;
}

// Loaded when a form has one: most have none.
const AudioControl = lazy(async () => ({ default: (await import('./audio-control.tsx')).AudioControl }));
const ChatControl = lazy(async () => ({ default: (await import('./chat-control.tsx')).ChatControl }));
const TableControl = lazy(async () => ({ default: (await import('./table-control.tsx')).TableControl }));
const TensorControl = lazy(async () => ({ default: (await import('./tensor-control.tsx')).TensorControl }));

/** Controls of several parts, which a label cannot be for. */
const groups: ReadonlySet<FieldKind> = new Set<FieldKind>(['image', 'audio', 'file', 'table', 'tags', 'chat']);
/** What a schema says about these is how they travel; the control shows what to do. */
const selfExplaining: ReadonlySet<FieldKind> = new Set<FieldKind>(['image', 'audio', 'file']);

const controls: { readonly [K in FieldKind]: ComponentType<ControlProps<K>> } = {
  number: NumberControl,
  text: TextControl,
  lines: LinesControl,
  select: SelectControl,
  switch: SwitchControl,
  image: ImageControl,
  audio: AudioControl,
  file: FileControl,
  table: TableControl,
  tags: TagsControl,
  tensor: TensorControl,
  chat: ChatControl,
  date: DateControl,
  json: JsonControl,
};

export function FieldForm({ fields, value, problems, reply, onChange }: FormProps & { readonly fields: readonly Field[] }) {
  const basic = useMemo(() => fields.filter((field) => !field.advanced), [fields]);
  const advanced = useMemo(() => fields.filter((field) => field.advanced), [fields]);

  // A row copied from a spreadsheet fills the fields from the one it is pasted into.
  const pasteRow = (event: ClipboardEvent, from: number): void => {
    const cells = parsePastedRow(event.clipboardData.getData('text/plain'), fields.map((field) => field.name));
    if (cells === undefined) return;
    const targets = cells.names ?? fields.slice(from).filter((field) => !groups.has(field.kind) && field.kind !== 'json').map((field) => field.name);
    let next = value;
    cells.values.forEach((cell, index) => {
      const field = fields.find((candidate) => candidate.name === targets[index]);
      if (field !== undefined) next = setAt(next, field.path, field.kind === 'number' ? Number(cell.replace(',', '.')) : cell);
    });
    event.preventDefault();
    onChange(next);
  };

  const row = (field: Field) => {
    const path = field.path.join('.');
    return (
      <FieldRow
        key={path}
        field={field}
        value={getAt(value, field.path)}
        problem={problems.find((problem) => problem.field === path)?.message}
        reply={field.kind === 'chat' ? reply : undefined}
        onChange={(item) => onChange(setAt(value, field.path, item === undefined && field.required && field.nullable ? null : item))}
        onPaste={(event) => pasteRow(event, fields.indexOf(field))}
      />
    );
  };

  return (
    <div className="form">
      {basic.map(row)}
      {advanced.length > 0 && (
        <details className="more" open={advanced.some((field) => problems.some((problem) => problem.field === field.path.join('.'))) || undefined}>
          <summary><Icon name="chevron" size={12} /> More options</summary>
          <div className="form">{advanced.map(row)}</div>
        </details>
      )}
    </div>
  );
}

interface RowProps {
  readonly field: Field;
  readonly value: unknown;
  readonly problem: string | undefined;
  readonly reply: string | undefined;
  readonly onChange: (value: unknown) => void;
  readonly onPaste: (event: ClipboardEvent) => void;
}

function FieldRow({ field, value, problem, reply, onChange, onPaste }: RowProps) {
  const id = useId();
  const about = selfExplaining.has(field.kind) ? undefined : field.description;
  const group = groups.has(field.kind);
  const caption = captionOf(field);
  const told = [...(about === undefined ? [] : ['about']), ...(caption === '' ? [] : ['caption']), ...(problem === undefined ? [] : ['problem'])];
  const Control = controls[field.kind] as ComponentType<ControlProps<FieldKind>>;
  return (
    <div className="field" data-field={field.path.join('.')} onPaste={onPaste}>
      <div className="field-head">
        {group ? <span className="label" id={`${id}-label`}>{field.title}</span> : <label htmlFor={id} id={`${id}-label`}>{field.title}</label>}
        {caption !== '' && <span className="caption" id={`${id}-caption`}>{caption}</span>}
      </div>
      {about !== undefined && <p className="field-about" id={`${id}-about`}>{about}</p>}
      <div className="control" {...(group && field.kind !== 'image' ? { role: 'group', 'aria-labelledby': `${id}-label` } : {})}>
        <Suspense fallback={<div className="control-coming" />}>
          <Control field={field} id={id} value={value} invalid={problem !== undefined} describedBy={told.map((part) => `${id}-${part}`).join(' ')} reply={reply} onChange={onChange} />
        </Suspense>
      </div>
      <FieldProblemText id={`${id}-problem`} problem={problem} />
    </div>
  );
}

function captionOf(field: Field): string {
  const optional = field.required && !field.nullable ? '' : 'optional';
  if (field.kind !== 'number') return optional;
  const unit = field.unit === undefined || fitsInside(field.unit) ? '' : field.unit;
  if (field.low !== undefined && field.high !== undefined) return `${field.low} – ${field.high}${unit === '' ? '' : ` ${unit}`}`;
  return [unit, optional].filter((part) => part !== '').join(' · ');
}
