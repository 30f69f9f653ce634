/** Numbers as people read them. */

/** `754 B`, `3.2 MB`: powers of 1000, as disks and registries count. */
export function humanBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return scaled(bytes, ['KB', 'MB', 'GB', 'TB']);
}

/** `131`, `784 K`, `2.69 M`, `7 B`. */
export function humanCount(count: number): string {
  if (count < 10_000) return String(count);
  return scaled(count, ['K', 'M', 'B', 'T']);
}

function scaled(value: number, units: readonly string[]): string {
  let rest = value;
  let unit = '';
  for (const next of units) {
    rest /= 1000;
    unit = next;
    if (rest < 999.5) break;
  }
  return `${Number(rest.toPrecision(3))} ${unit}`;
}
