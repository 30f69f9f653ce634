export type Theme = 'system' | 'light' | 'dark';

const themeName = 'modelport-theme';

/** Calls back when another tab of this page chose a theme, with it applied here. Returns what ends that. */
export function followTheme(chosen: (theme: Theme) => void): () => void {
  const follow = ({ key, newValue }: StorageEvent): void => {
    if (key !== themeName) return;
    show(newValue === 'light' || newValue === 'dark' ? newValue : 'system');
    chosen(currentTheme());
  };
  window.addEventListener('storage', follow);
  return () => window.removeEventListener('storage', follow);
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

export function currentTheme(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function applyTheme(theme: Theme): void {
  show(theme);
  try {
    localStorage.setItem(themeName, theme);
  } catch {
    // Storage may be forbidden: the choice holds until the page is left.
  }
}
