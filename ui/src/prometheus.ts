/** Reads Prometheus' text format (version 0.0.4), as far as a dashboard needs it. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const linePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const labelPattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export function parsePrometheus(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = linePattern.exec(line);
    if (match === null) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(labelPattern)) {
      labels[name!] = value!.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
    }
    const value = match[3] === '+Inf' ? Infinity : match[3] === '-Inf' ? -Infinity : Number(match[3]);
    samples.push({ name: match[1]!, labels, value });
  }
  return samples;
}

/** Sum of all samples of a name whose labels include `labels`; undefined when there is none. */
export function sumOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  let sum: number | undefined;
  for (const sample of samples) {
    if (sample.name === name && matches(sample, labels)) sum = (sum ?? 0) + sample.value;
  }
  return sum;
}

function matches(sample: Sample, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}

/** Cumulative counts of a histogram by upper bound, ascending, summed over all its other labels. */
export function bucketsOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): Map<number, number> {
  const buckets = new Map<number, number>();
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket` || !matches(sample, labels)) continue;
    const bound = sample.labels['le'] === '+Inf' ? Infinity : Number(sample.labels['le']);
    buckets.set(bound, (buckets.get(bound) ?? 0) + sample.value);
  }
  return new Map([...buckets].sort(([left], [right]) => left - right));
}

/**
 * The quantile of what was observed between two readings of a histogram, by linear interpolation within a bucket as
 * PromQL's histogram_quantile does. Undefined when nothing was observed.
 */
export function quantileBetween(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>, quantile: number): number | undefined {
  const counts = [...after].map(([bound, count]) => ({ bound, count: Math.max(0, count - (before.get(bound) ?? 0)) }));
  const total = counts.at(-1)?.count ?? 0;
  if (total === 0) return undefined;
  const rank = quantile * total;
  let lowBound = 0;
  let lowCount = 0;
  for (const { bound, count } of counts) {
    if (count >= rank) {
      if (bound === Infinity) return lowBound;
      return count === lowCount ? bound : lowBound + ((bound - lowBound) * (rank - lowCount)) / (count - lowCount);
    }
    lowBound = bound;
    lowCount = count;
  }
  return lowBound;
}
