/** A list of short texts or numbers: captions, labels, items. Written one after the other, each becomes a tag. */
import { useId, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { Icon } from '../icons.tsx';
import { writtenText } from '../json.ts';
import type { ControlProps } from './field-form.tsx';

/** So many choices are buttons; more are suggested while one types. */
const mostButtons = 12;

export function TagsControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'tags'>) {
  const items = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (field.options !== undefined && field.options.length <= mostButtons) {
    return (
      <div className="chips" data-invalid={invalid}>
        {field.options.map((option, index) => {
          const chosen = items.includes(option);
          const next = chosen ? items.filter((item) => item !== option) : [...items, option];
          return <button key={writtenText(option)} id={index === 0 ? id : undefined} type="button" className="chip" aria-pressed={chosen} onClick={() => onChange(next.length === 0 && !field.required ? undefined : next)}>{writtenText(option)}</button>;
        })}
      </div>
    );
  }
  return <TagEntry field={field} id={id} items={items} invalid={invalid} describedBy={describedBy} onItems={(next) => onChange(next.length === 0 ? undefined : next.slice(0, field.most))} />;
}

interface EntryProps extends Omit<ControlProps<'tags'>, 'value' | 'onChange'> {
  readonly items: readonly unknown[];
  readonly onItems: (items: readonly unknown[]) => void;
}

function TagEntry({ field, id, items, invalid, describedBy, onItems }: EntryProps) {
  const [typed, setTyped] = useState('');
  const list = useId();
  const entry = useRef<HTMLInputElement>(null);

  const read = (written: string): unknown => {
    const trimmed = written.trim();
    const known = field.options?.find((option) => writtenText(option) === trimmed);
    if (known !== undefined) return known;
    const number = Number(trimmed.replace(',', '.'));
    return field.numeric && trimmed !== '' && !Number.isNaN(number) ? number : trimmed;
  };
  const add = (written: readonly string[]): void => {
    const fresh = written.map(read).filter((item) => item !== '');
    setTyped('');
    if (fresh.length > 0) onItems([...new Set([...items, ...fresh])]);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && typed.trim() !== '' && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      add([typed]);
    } else if (event.key === 'Backspace' && typed === '' && items.length > 0) {
      event.preventDefault();
      setTyped(writtenText(items.at(-1)));
      onItems(items.slice(0, -1));
    }
  };
  const paste = (event: ClipboardEvent): void => {
    // A caption may have commas; lines and cells are apart.
    const parts = event.clipboardData.getData('text/plain').split(/[\r\n\t]+/);
    if (parts.length < 2) return;
    event.preventDefault();
    event.stopPropagation();
    add(parts);
  };

  return (
    <div className="tags" data-invalid={invalid} onClick={(event) => event.target === event.currentTarget && entry.current?.focus()}>
      <ul aria-label={field.title}>
        {items.map((item, index) => (
          <li key={`${index}-${writtenText(item)}`} className="tag-item">
            <span>{writtenText(item)}</span>
            <button type="button" aria-label={`Remove ${writtenText(item)}`} onClick={() => {
              onItems(items.filter((_, each) => each !== index));
              entry.current?.focus();
            }}><Icon name="close" size={12} /></button>
          </li>
        ))}
      </ul>
      <input
        ref={entry}
        id={id}
        className="entry"
        autoComplete="off"
        list={field.options === undefined ? undefined : list}
        inputMode={field.numeric ? 'decimal' : 'text'}
        placeholder={items.length === 0 ? 'Write one and press Enter' : 'One more'}
        aria-label={`${field.title}: add`}
        aria-describedby={describedBy || undefined}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={press}
        onPaste={paste}
        onBlur={() => typed.trim() !== '' && add([typed])}
      />
      {field.options !== undefined && <datalist id={list}>{field.options.map((option) => <option key={writtenText(option)} value={writtenText(option)} />)}</datalist>}
    </div>
  );
}
