/** One line at the bottom of a terminal that is written over as work goes on. Nothing is written where the stream is no terminal. */
import type { WriteStream } from 'node:tty';
import { visibleLength } from './terminal.ts';

export class LiveLine {
  readonly #stream: WriteStream;
  readonly #intervalMs: number;
  #shownAtMs = -Infinity;
  #visible = false;

  constructor(stream: WriteStream = process.stderr, intervalMs = 100) {
    this.#stream = stream;
    this.#intervalMs = intervalMs;
  }

  get enabled(): boolean {
    return this.#stream.isTTY && process.env['TERM'] !== 'dumb';
  }

  /** Shows what `write` gives for so many columns; called often, it writes seldom. */
  show(write: (columns: number) => string, now = performance.now()): void {
    if (!this.enabled || now - this.#shownAtMs < this.#intervalMs) return;
    this.#shownAtMs = now;
    this.#visible = true;
    const columns = (this.#stream.columns ?? 80) - 1;
    const text = write(columns);
    // A line that wraps could not be written over.
    this.#stream.write(`\r\u001b[2K${visibleLength(text) > columns ? cut(text, columns) : text}`);
  }

  /** Takes the line away, for what stays to be written. */
  clear(): void {
    if (!this.#visible) return;
    this.#visible = false;
    this.#shownAtMs = -Infinity;
    this.#stream.write('\r\u001b[2K');
  }
}

function cut(text: string, columns: number): string {
  // eslint-disable-next-line no-control-regex
  return [...text.replace(/\u001b\[[\d;]*m/g, '')].slice(0, columns).join('');
}

/** `███▌    `: a share from 0 to 1. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8);
  const full = Math.floor(eighths / 8);
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!;
  return '█'.repeat(full) + part + ' '.repeat(columns - full - (part === '' ? 0 : 1));
}

/** `8 s`, `4 min 10 s`, `2 h 5 min`. */
export function humanSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 100) return `${whole} s`;
  if (whole < 6000) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}
