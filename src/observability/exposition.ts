/** Prometheus' text format. https://prometheus.io/docs/instrumenting/exposition_formats/ */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Counts of values up to each bound, not cumulative; the last count is of what is above all bounds. */
export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export type MetricFamily =
  | { readonly name: string; readonly help: string; readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
  | { readonly name: string; readonly help: string; readonly type: 'histogram'; readonly samples: readonly HistogramSample[] };

export function expose(families: readonly MetricFamily[]): string {
  let text = '';
  for (const family of families) {
    if (family.samples.length === 0) continue;
    text += `# HELP ${family.name} ${family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${family.name} ${family.type}\n`;
    if (family.type === 'histogram') for (const sample of family.samples) text += exposeHistogram(family.name, sample);
    else for (const { labels, value } of family.samples) text += `${family.name}${labelText(labels)} ${number(value)}\n`;
  }
  return text;
}

function exposeHistogram(name: string, { labels, bounds, counts, sum }: HistogramSample): string {
  let text = '';
  let total = 0;
  for (let index = 0; index < bounds.length; index++) {
    total += counts[index]!;
    text += `${name}_bucket${labelText({ ...labels, le: number(bounds[index]!) })} ${total}\n`;
  }
  total += counts[bounds.length]!;
  return `${text}${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${total}\n${name}_sum${labelText(labels)} ${number(sum)}\n${name}_count${labelText(labels)} ${total}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  return `{${entries.map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).join(',')}}`;
}

function number(value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);
}
