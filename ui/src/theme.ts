export type Theme = 'system' | 'light' | 'dark';

const themeName = 'modelport-theme';

export function currentTheme(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(themeName, theme);
  } catch {
    // Storage may be forbidden: the choice holds until the page is left.
  }
}
