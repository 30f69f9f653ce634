import { useEffect, useRef, useState } from 'react';
import { Icon } from '../icons.tsx';
import { formatJson, parseJson, writtenText } from '../json.ts';
import { UnreadJson } from '../schema.ts';
import type { ControlProps } from './field-form.tsx';

export function TextControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'text'>) {
  const shared = {
    id,
    value: writtenText(value),
    'aria-invalid': invalid,
    'aria-describedby': describedBy || undefined,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value === '' && !field.required ? undefined : event.target.value),
  };
  return field.multiline ? <textarea className="entry" rows={4} {...shared} /> : <input className="entry" autoComplete="off" {...shared} />;
}

/** A list of strings, one a line. */
export function LinesControl({ id, value, invalid, describedBy, onChange }: ControlProps<'lines'>) {
  const text = Array.isArray(value) ? value.join('\n') : '';
  return (
    <textarea
      id={id}
      className="entry"
      rows={4}
      value={text}
      placeholder="One a line"
      aria-invalid={invalid}
      aria-describedby={describedBy || undefined}
      onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value.split('\n'))}
    />
  );
}

export function SelectControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'select'>) {
  const index = field.options.findIndex((option) => option === value);
  return (
    <span className="select">
      <select id={id} className="entry" value={index} aria-invalid={invalid} aria-describedby={describedBy || undefined} onChange={(event) => onChange(field.options[Number(event.target.value)])}>
        {(index < 0 || !field.required) && <option value={-1}>{field.required ? 'Choose …' : 'Not given'}</option>}
        {field.options.map((option, position) => <option key={position} value={position}>{option === null ? 'none' : writtenText(option)}</option>)}
      </select>
      <Icon name="down" size={14} />
    </span>
  );
}

export function SwitchControl({ id, value, describedBy, onChange }: ControlProps<'switch'>) {
  return (
    <span className="switch-row">
      <input id={id} className="switch" type="checkbox" role="switch" checked={value === true} aria-describedby={describedBy || undefined} onChange={(event) => onChange(event.target.checked)} />
      <span className="quiet">{value === true ? 'yes' : 'no'}</span>
    </span>
  );
}

/** Whatever no other control knows, as JSON. */
export function JsonControl({ id, value, invalid, describedBy, onChange }: ControlProps<'json'>) {
  const [text, setText] = useState(() => written(value));
  const sent = useRef(value);
  useEffect(() => {
    if (value !== sent.current) setText(written(value));
    sent.current = value;
  }, [value]);
  const type = (next: string): void => {
    setText(next);
    sent.current = read(next);
    onChange(sent.current);
  };
  return <textarea id={id} className="entry code" rows={4} spellCheck={false} value={text} placeholder="JSON" aria-invalid={invalid} aria-describedby={describedBy || undefined} onChange={(event) => type(event.target.value)} />;
}

function written(value: unknown): string {
  if (value === undefined) return '';
  return value instanceof UnreadJson ? value.text : formatJson(value, 2);
}

function read(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    return new UnreadJson(text, `This is not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** A day, a time, or both. What has a time zone is sent with the one of this machine. */
export function DateControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'date'>) {
  return (
    <input
      id={id}
      className="entry narrow"
      type={field.type}
      step={field.type === 'date' ? undefined : 1}
      aria-invalid={invalid}
      aria-describedby={describedBy || undefined}
      value={field.type === 'datetime-local' ? asLocal(value) : writtenText(value)}
      onChange={(event) => {
        const { value: written } = event.target;
        onChange(written === '' ? undefined : field.type === 'datetime-local' ? new Date(written).toISOString() : written);
      }}
    />
  );
}

/** An instant as this machine's clock shows it: `2026-01-31T12:30:00`. */
function asLocal(value: unknown): string {
  const instant = new Date(writtenText(value));
  if (writtenText(value) === '' || Number.isNaN(instant.getTime())) return '';
  return new Date(instant.getTime() - instant.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
