/** Lists of numbers: one list as a line, equal lists as a heat map. */
import { HeatMap } from './heat-map.tsx';
import { formatNumber } from './label-scores.ts';
import { LineChart } from './line-chart.tsx';
import type { JsonValue } from '../json.ts';
import type { ViewProps } from './view.ts';

/** Fewer are read as they are. */
const fewest = 12;

export function isSeries(value: JsonValue): value is readonly number[] {
  return Array.isArray(value) && value.length >= fewest && value.every((each) => typeof each === 'number');
}

export function isMatrix(value: JsonValue): value is readonly (readonly number[])[] {
  if (!Array.isArray(value) || value.length < 2) return false;
  const rows = value as readonly JsonValue[];
  const width = Array.isArray(rows[0]) ? rows[0].length : 0;
  return width >= 2 && width * rows.length >= fewest && rows.every((row) => Array.isArray(row) && row.length === width && row.every((each) => typeof each === 'number'));
}

export function SeriesView({ value, title }: ViewProps) {
  const series = value as readonly number[];
  const norm = Math.sqrt(series.reduce((sum, each) => sum + each * each, 0));
  return (
    <>
      <LineChart label={title ?? 'Values'} values={series} />
      <p className="caption number">{series.length.toLocaleString('en')} numbers · length {formatNumber(Number(norm.toPrecision(4)))}</p>
    </>
  );
}

export function MatrixView({ value, title }: ViewProps) {
  const rows = value as readonly (readonly number[])[];
  return <HeatMap label={`${title ?? 'Values'}, ${rows.length} rows of ${rows[0]!.length}`} width={rows[0]!.length} height={rows.length} data={rows.flat()} />;
}
