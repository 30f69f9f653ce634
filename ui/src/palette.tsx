import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import type { PageModel } from './api-types.ts';
import { isService, stateOf } from './groups.ts';
import { formatRoute } from './route.ts';
import { StateMark } from './state-mark.tsx';

interface Destination {
  readonly title: string;
  readonly kind: string;
  readonly href: string;
  readonly model?: PageModel;
  /** Instead of going to `href`. */
  readonly act?: () => void;
}

/** Finds models and pages. Opened with ⌘K. */
export interface PaletteProps {
  readonly models: readonly PageModel[];
  readonly onKeys: () => void;
  readonly onClose: () => void;
}

export function Palette({ models, onKeys, onClose }: PaletteProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [query, setQuery] = useState('');
  const [selected, setSelected] = useState(0);

  useEffect(() => dialog.current?.showModal(), []);

  const found = useMemo(() => {
    const all: Destination[] = [
      ...models.map((model) => ({ title: model.name, kind: isService(model) ? 'Service' : 'Model', href: formatRoute({ page: 'model', name: model.name }), model })),
      { title: 'Gallery', kind: 'Page', href: '#/gallery' },
      { title: 'Dashboard', kind: 'Page', href: '#/dashboard' },
      { title: 'API docs', kind: 'Page', href: 'docs' },
      { title: 'Metrics', kind: 'Page', href: 'metrics' },
      { title: 'Keys', kind: 'Help', href: '#keys', act: onKeys },
    ];
    const words = query.toLowerCase().split(/\s+/).filter((word) => word !== '');
    return all.filter(({ title, kind }) => words.every((word) => `${title} ${kind}`.toLowerCase().includes(word)));
  }, [models, onKeys, query]);
  const index = Math.min(selected, Math.max(0, found.length - 1));

  const go = (destination: Destination | undefined): void => {
    if (destination === undefined) return;
    dialog.current?.close();
    if (destination.act === undefined) location.href = destination.href;
    else destination.act();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') setSelected((index + 1) % Math.max(1, found.length));
    else if (event.key === 'ArrowUp') setSelected((index + found.length - 1) % Math.max(1, found.length));
    else if (event.key === 'Enter') go(found[index]);
    else return;
    event.preventDefault();
  };

  return (
    <dialog ref={dialog} className="palette" aria-label="Search" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <input
        role="combobox"
        aria-label="Search models and pages"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={found.length === 0 ? undefined : `palette-${index}`}
        placeholder="Search models and pages"
        autoComplete="off"
        spellCheck={false}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setSelected(0);
        }}
        onKeyDown={press}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {found.map((destination, position) => (
          <li
            key={destination.href}
            id={`palette-${position}`}
            role="option"
            aria-selected={position === index}
            ref={(element) => {
              if (position === index) element?.scrollIntoView({ block: 'nearest' });
            }}
            onPointerMove={() => setSelected(position)}
            onClick={() => go(destination)}
          >
            {destination.model !== undefined && <StateMark state={stateOf(destination.model)} />}
            {destination.title}
            <span className="caption">{destination.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="nothing" role="status">Nothing is called “{query}”.</p>}
    </dialog>
  );
}
