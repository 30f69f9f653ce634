/** What keys do. The page that is shown says which commands it has. */
import { createContext, useContext, useEffect, type RefObject } from 'react';

export interface Commands {
  run?: () => void;
  nextExample?: () => void;
  toggleCode?: () => void;
  cancel?: () => void;
}

/** Tells the page which commands there are now. */
export const CommandsContext = createContext<(commands: Commands) => void>(() => {});

/** Offers commands while the component is shown. */
export function useCommands(commands: Commands): void {
  const offer = useContext(CommandsContext);
  useEffect(() => {
    offer(commands);
    return () => offer({});
  });
}

export const keysHelp: readonly { readonly keys: string; readonly what: string }[] = [
  { keys: 'Enter', what: 'Run (⌘ or Ctrl-Enter in text)' },
  { keys: 'r', what: 'Run' },
  { keys: 'e', what: 'Next example' },
  { keys: 'c', what: 'Use from code' },
  { keys: '⌘K', what: 'Find a model or page (Ctrl-K)' },
  { keys: 'Esc', what: 'Stop the run, close what is open' },
  { keys: '?', what: 'This list' },
];

const lettersName = 'modelport-letters';

/** Letters alone can be switched off: whoever speaks to the computer types them by accident (WCAG 2.1.4). */
export function lettersAreOn(): boolean {
  try {
    return localStorage.getItem(lettersName) !== 'off';
  } catch {
    return true;
  }
}

export function switchLetters(on: boolean): void {
  try {
    localStorage.setItem(lettersName, on ? 'on' : 'off');
  } catch {
    // Storage may be forbidden: they stay on.
  }
}

export interface PageKeys {
  openPalette(): void;
  openKeys(): void;
}

export function useShortcuts(holder: RefObject<Commands>, page: PageKeys): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing) return;
      const commands = holder.current;
      const chord = event.metaKey || event.ctrlKey;
      if (chord && event.key.toLowerCase() === 'k') act(event, () => page.openPalette());
      else if (document.querySelector('dialog[open]') !== null) return;
      else if (chord && event.key === 'Enter') act(event, commands.run);
      else if (event.key === 'Escape') commands.cancel?.();
      else if (chord || event.altKey || isWriting(event.target)) return;
      else if (event.key === 'Enter' && event.target === document.body) act(event, commands.run);
      else if (!lettersAreOn()) return;
      else if (event.key === 'r') act(event, commands.run);
      else if (event.key === 'e') act(event, commands.nextExample);
      else if (event.key === 'c') act(event, commands.toggleCode);
      else if (event.key === '?') act(event, () => page.openKeys());
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  });
}

function act(event: KeyboardEvent, command: (() => void) | undefined): void {
  if (command === undefined) return;
  event.preventDefault();
  command();
}

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !['range', 'checkbox', 'file', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
