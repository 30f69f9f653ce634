/** Colours for kinds of things in one output. Eight repeat; the label always stands beside the colour. */
import type { CSSProperties } from 'react';

const count = 8;

/** By label, in the order in which labels first come. */
export function categoriesOf(labels: Iterable<string>): ReadonlyMap<string, CSSProperties> {
  const styles = new Map<string, CSSProperties>();
  for (const label of labels) {
    if (!styles.has(label)) styles.set(label, { '--category': `var(--category-${(styles.size % count) + 1})` } as CSSProperties);
  }
  return styles;
}
