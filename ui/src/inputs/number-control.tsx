import { useState, type KeyboardEvent } from 'react';
import { writtenText } from '../json.ts';
import { fitsInside } from './units.ts';
import type { ControlProps } from './field-form.tsx';

export function NumberControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'number'>) {
  const { low, high, unit } = field;
  const inside = unit !== undefined && fitsInside(unit) ? unit : undefined;
  const step = field.step ?? niceStep(low, high, field.integer);
  const [typed, setTyped] = useState('');
  // What was typed stands as it is ("5," or "0.10") while it means the value; any other value came from elsewhere.
  const text = Object.is(read(typed), value ?? undefined) ? typed : format(value);

  const type = (written: string): void => {
    setTyped(written);
    onChange(read(written));
  };
  const nudge = (event: KeyboardEvent): void => {
    const direction = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
    if (direction === 0) return;
    event.preventDefault();
    const start = typeof value === 'number' && Number.isFinite(value) ? value : (low ?? 0);
    onChange(round(start + direction * step * (event.shiftKey ? 10 : 1), step));
  };

  const numeric = typeof value === 'number' && Number.isFinite(value);
  const slider = field.slider && low !== undefined && high !== undefined;
  const position = slider ? Math.min(high, Math.max(low, numeric ? value : (low + high) / 2)) : 0;
  return (
    <div className={slider ? 'number-row' : 'number-row alone'}>
      {slider && (
        <input
          className={numeric ? 'slider' : 'slider unset'}
          type="range"
          min={low}
          max={high}
          step={step}
          value={position}
          style={{ '--fill': `${((position - low) / (high - low)) * 100}%` } as React.CSSProperties}
          aria-labelledby={`${id}-label`}
          aria-valuetext={`${numeric ? value : 'not set'}${unit === undefined ? '' : ` ${unit}`}`}
          onChange={(event) => onChange(round(event.target.valueAsNumber, step))}
        />
      )}
      <div className="with-unit" data-unit={inside} style={inside === undefined ? undefined : ({ '--unit-width': `${inside.length}ch` } as React.CSSProperties)}>
        <input
          id={id}
          className="entry"
          inputMode={field.integer ? 'numeric' : 'decimal'}
          autoComplete="off"
          spellCheck={false}
          value={text}
          aria-invalid={invalid}
          aria-describedby={describedBy || undefined}
          onChange={(event) => type(event.target.value)}
          onKeyDown={nudge}
        />
        {inside !== undefined && <span className="unit">{inside}</span>}
      </div>
    </div>
  );
}

/** NaN where it is no number; a comma is a decimal point. */
function read(written: string): number | undefined {
  const trimmed = written.trim();
  return trimmed === '' ? undefined : Number(trimmed.replace(',', '.'));
}

function format(value: unknown): string {
  return typeof value === 'number' ? (Number.isNaN(value) ? '' : String(value)) : writtenText(value);
}

/** A hundredth of the range, rounded to 1, 2 or 5 times a power of ten. */
function niceStep(low: number | undefined, high: number | undefined, integer: boolean): number {
  if (integer) return 1;
  if (low === undefined || high === undefined || high <= low) return 0.1;
  const raw = (high - low) / 100;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = raw / power;
  return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
}

/** Takes away what binary fractions add: 0.30000000000000004. */
function round(value: number, step: number): number {
  const digits = Math.max(0, Math.ceil(-Math.log10(step)) + 1);
  return Number(value.toFixed(Math.min(digits, 12)));
}
