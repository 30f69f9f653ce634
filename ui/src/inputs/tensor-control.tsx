/** Numbers in nested lists: as JSON, or as rows from a spreadsheet. */
import { useState } from 'react';
import { formatJson, parseJson, type JsonValue } from '../json.ts';
import { UnreadJson } from '../schema.ts';
import { describeShape, parseTensorText } from '../tensor-text.ts';
import type { ControlProps } from './field-form.tsx';

export function TensorControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'tensor'>) {
  const [typed, setTyped] = useState<{ readonly text: string; readonly value: unknown }>();
  const text = value instanceof UnreadJson ? value.text : typed !== undefined && typed.value === value ? typed.text : (value === undefined || value === null ? '' : formatJson(value, 2));
  const spec = { name: field.title, datatype: field.datatype, shape: field.shape };
  const write = (written: string): void => {
    const next = written.trim() === '' ? undefined : read(written);
    setTyped({ text: written, value: next });
    onChange(next);
  };
  const read = (written: string): unknown => {
    try {
      const { shape, tokens } = parseTensorText(written, spec);
      return nest(tokens.map((token) => parseJson(token)), shape);
    } catch (error) {
      return new UnreadJson(written, error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <textarea id={id} className="entry code" rows={3} spellCheck={false} aria-invalid={invalid} aria-describedby={describedBy || undefined} placeholder="[[1, 2], [3, 4]], or rows from a spreadsheet" value={text} onChange={(event) => write(event.target.value)} />
      <p className="caption mono">{describeShape(spec)}</p>
    </>
  );
}

function nest(elements: readonly JsonValue[], shape: readonly number[]): JsonValue {
  let level: readonly JsonValue[] = elements;
  for (const size of [...shape].slice(1).reverse()) level = Array.from({ length: level.length / Math.max(1, size) }, (_, index) => level.slice(index * size, (index + 1) * size));
  return shape.length === 0 ? (level[0] ?? null) : level;
}
