/** A line over time or index: few ticks, no box, the last value at its end, the value under the pointer. */
import { useId, useState, type PointerEvent } from 'react';
import { formatNumber } from './label-scores.ts';

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface LineChartProps {
  readonly label: string;
  readonly values: readonly number[];
  /** Of the first value, and between values. Default: 0 and 1. */
  readonly start?: number;
  readonly step?: number;
  /** `s`; '' for an index. */
  readonly unit?: string;
  /** Shaded, in the units of the horizontal axis. */
  readonly stretches?: readonly Stretch[];
  /** A mark on the horizontal axis. */
  readonly cursor?: number | undefined;
}

const width = 600;
const height = 160;

export function LineChart({ label, values, start = 0, step = 1, unit = '', stretches = [], cursor }: LineChartProps) {
  const [under, setUnder] = useState<number>();
  const about = useId();
  const finite = values.filter((value) => Number.isFinite(value));
  const share = finite.every((value) => value >= 0 && value <= 1);
  const low = share ? 0 : Math.min(...extent(finite));
  const high = share ? 1 : Math.max(...extent(finite));
  const end = start + step * Math.max(1, values.length - 1);
  const x = (at: number): number => ((at - start) / (end - start || 1)) * width;
  const y = (value: number): number => height - ((value - low) / (high - low || 1)) * height;
  const last = values.at(-1);
  const shown = under ?? values.length - 1;
  const point = (event: PointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    setUnder(Math.max(0, Math.min(values.length - 1, Math.round(((event.clientX - box.left) / box.width) * (values.length - 1)))));
  };
  return (
    <figure className="chart">
      <div className="chart-value caption number" aria-hidden="true">
        {values[shown] === undefined ? '' : `${formatNumber(round(values[shown]))}${unit === '' ? ` at ${formatNumber(round(start + shown * step))}` : ` at ${formatNumber(round(start + shown * step))} ${unit}`}`}
      </div>
      <div className="chart-area">
        <span className="chart-high caption number">{formatNumber(round(high))}</span>
        <span className="chart-low caption number">{formatNumber(round(low))}</span>
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-labelledby={about} onPointerMove={point} onPointerLeave={() => setUnder(undefined)}>
          <title id={about}>{`${label}: ${values.length} values from ${formatNumber(round(low))} to ${formatNumber(round(high))}${last === undefined ? '' : `, the last is ${formatNumber(round(last))}`}`}</title>
          {stretches.map((stretch, index) => <rect key={index} className="chart-stretch" x={x(Math.max(start, stretch.start))} width={Math.max(1, x(Math.min(end, stretch.end)) - x(Math.max(start, stretch.start)))} y="0" height={height} />)}
          <line className="chart-floor" x1="0" x2={width} y1={height} y2={height} />
          <path className="chart-line" d={pathOf(values, (index) => x(start + index * step), y)} />
          {cursor !== undefined && cursor <= end && <line className="chart-cursor" x1={x(cursor)} x2={x(cursor)} y1="0" y2={height} />}
          {under !== undefined && <line className="chart-under" x1={x(start + under * step)} x2={x(start + under * step)} y1="0" y2={height} />}
        </svg>
        <span className="chart-start caption number">{formatNumber(round(start))}</span>
        <span className="chart-end caption number">{formatNumber(round(end))}{unit === '' ? '' : ` ${unit}`}</span>
      </div>
    </figure>
  );
}

function extent(values: readonly number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low === Infinity ? [0, 1] : [low, high];
}

/** At most a few points a pixel: of each stretch the lowest and the highest. */
function pathOf(values: readonly number[], x: (index: number) => number, y: (value: number) => number): string {
  const stride = Math.max(1, Math.ceil(values.length / (width * 2)));
  let path = '';
  let drawing = false;
  for (let at = 0; at < values.length; at += stride) {
    let low = at;
    let high = at;
    for (let index = at; index < Math.min(values.length, at + stride); index++) {
      if (values[index]! < values[low]!) low = index;
      if (values[index]! > values[high]!) high = index;
    }
    for (const index of low === high ? [low] : low < high ? [low, high] : [high, low]) {
      const value = values[index]!;
      if (!Number.isFinite(value)) {
        drawing = false;
        continue;
      }
      path += `${drawing ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      drawing = true;
    }
  }
  return path;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
