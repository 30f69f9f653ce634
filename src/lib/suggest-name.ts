import { nearest } from './nearest.ts';

/** For the end of an error message: `; did you mean 'x'?`, or what there is where nothing is close, or '' where there is nothing. */
export function suggestName(name: string, candidates: Iterable<string>): string {
  const known = [...candidates];
  const guess = nearest(name, known);
  if (guess !== undefined) return `; did you mean '${guess}'?`;
  if (known.length === 0) return '';
  const shown = known.slice(0, mostListed).map((candidate) => `'${candidate}'`).join(', ');
  return `; there ${known.length === 1 ? 'is' : 'are'} ${shown}${known.length > mostListed ? ` and ${known.length - mostListed} more` : ''}`;
}

const mostListed = 10;
