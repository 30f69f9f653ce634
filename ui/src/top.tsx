import { useEffect, useState } from 'react';
import { Icon, Mark, type IconName } from './icons.tsx';
import { applyTheme, currentTheme, followTheme, type Theme } from './theme.ts';

export const chord = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl ';

export interface TopProps {
  readonly menuOpen: boolean;
  readonly onMenu: () => void;
  readonly onSearch: () => void;
}

const themes: Record<Theme, { readonly next: Theme; readonly icon: IconName }> = {
  system: { next: 'light', icon: 'system' },
  light: { next: 'dark', icon: 'sun' },
  dark: { next: 'system', icon: 'moon' },
};

export function Top({ menuOpen, onMenu, onSearch }: TopProps) {
  const [theme, setTheme] = useState(currentTheme);
  const { next, icon } = themes[theme];
  useEffect(() => followTheme(setTheme), []);
  return (
    <header className="top">
      <button type="button" className="button plain icon menu-button" aria-label="Models and pages" aria-expanded={menuOpen} aria-controls="side" onClick={onMenu}><Icon name="menu" /></button>
      <a className="brand" href="#/"><Mark />Modelport</a>
      <button type="button" className="button search" aria-label="Search models and pages" aria-keyshortcuts="Meta+K Control+K" data-keys={`${chord}K`} onClick={onSearch}>
        <Icon name="search" size={14} /><span>Search</span>
      </button>
      <a className="button plain top-link" href="docs">API docs</a>
      <button
        type="button"
        className="button plain icon"
        aria-label={`Theme: ${theme}. Switch to ${next}.`}
        title={`Theme: ${theme}`}
        onClick={() => {
          applyTheme(next);
          setTheme(next);
        }}
      >
        <Icon name={icon} />
      </button>
    </header>
  );
}
