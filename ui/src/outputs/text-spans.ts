/** A text cut at its spans. Pure. */
export interface Span {
  /** In Unicode code points; the end is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly label: string;
  readonly score?: number;
}

export interface Piece {
  readonly content: string;
  readonly span?: Span;
}

/** Spans that begin inside of an earlier one are left out; offsets beyond the text are cut. */
export function splitSpans(text: string, spans: readonly Span[]): Piece[] {
  const characters = [...text];
  const pieces: Piece[] = [];
  let at = 0;
  for (const span of [...spans].sort((left, right) => left.start - right.start || right.end - left.end)) {
    const start = Math.max(0, span.start);
    const end = Math.min(characters.length, span.end);
    if (start < at || end <= start) continue;
    if (start > at) pieces.push({ content: characters.slice(at, start).join('') });
    pieces.push({ content: characters.slice(start, end).join(''), span });
    at = end;
  }
  if (at < characters.length) pieces.push({ content: characters.slice(at).join('') });
  return pieces;
}
