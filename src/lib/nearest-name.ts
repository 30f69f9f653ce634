/**
 * The candidate that a mistyped name most likely meant, or undefined where none is close: at most a third of the longer
 * name's characters would have to change (Damerau–Levenshtein distance without regard to case, adjacent swaps count once).
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.slice(0, longestCompared).toLowerCase();
  let nearest: string | undefined;
  let nearestDistance = Infinity;
  for (const candidate of candidates) {
    const other = candidate.slice(0, longestCompared).toLowerCase();
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    if (Math.abs(wanted.length - other.length) > limit) continue;
    const distance = editDistance(wanted, other);
    if (distance <= limit && distance < nearestDistance) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

/** `; did you mean 'x'?`, or the candidates where none is close, or nothing where there are none. For the end of an error message. */
export function suggestName(name: string, candidates: Iterable<string>): string {
  const known = [...candidates];
  const nearest = nearestName(name, known);
  if (nearest !== undefined) return `; did you mean '${nearest}'?`;
  if (known.length === 0) return '';
  const shown = known.slice(0, mostListed).map((candidate) => `'${candidate}'`).join(', ');
  return `; there ${known.length === 1 ? 'is' : 'are'} ${shown}${known.length > mostListed ? ` and ${known.length - mostListed} more` : ''}`;
}

// The distance takes quadratic time, and names may come from clients.
const longestCompared = 100;
const mostListed = 10;

function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, beforePrevious[j - 2]! + 1);
      row.push(distance);
    }
    beforePrevious = previous;
    previous = row;
  }
  return previous[b.length]!;
}
