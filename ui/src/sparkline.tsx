export interface SparklineProps {
  /** Oldest first; undefined where nothing was measured. */
  readonly series: readonly (readonly (number | undefined)[])[];
  /** Points that the whole width stands for. */
  readonly capacity: number;
  readonly label: string;
}

const width = 240;
const height = 56;

/** Lines over time, newest at the right, without axes: the last value is written beside it. */
export function Sparkline({ series, capacity, label }: SparklineProps) {
  const highest = Math.max(...series.flat().map((value) => value ?? 0), Number.MIN_VALUE);
  return (
    <svg className="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <line className="spark-floor" x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
      {series.map((values, index) => <path key={index} className={index === 0 ? 'spark-line' : 'spark-line spark-second'} d={pathOf(values, highest, capacity)} />)}
    </svg>
  );
}

function pathOf(values: readonly (number | undefined)[], highest: number, capacity: number): string {
  let path = '';
  let drawing = false;
  values.forEach((value, index) => {
    if (value === undefined) {
      drawing = false;
      return;
    }
    const x = width - ((values.length - 1 - index) / Math.max(1, capacity - 1)) * width;
    const y = height - 2 - (value / highest) * (height - 6);
    path += `${drawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    // A single point between gaps is still seen.
    if (!drawing) path += 'h.01';
    drawing = true;
  });
  return path;
}
