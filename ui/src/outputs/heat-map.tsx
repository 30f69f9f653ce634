import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { formatNumber } from './label-scores.ts';

export interface HeatMapProps {
  readonly width: number;
  readonly height: number;
  /** Row-major. */
  readonly data: readonly number[];
  readonly label: string;
}

/** Low is the ground, high the accent. The value under the pointer is written beside the legend. */
export function HeatMap({ width, height, data, label }: HeatMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [under, setUnder] = useState<{ row: number; column: number }>();
  let low = Infinity;
  let high = -Infinity;
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const paint = (): void => paintHeat(element, width, height, data, low, high);
    paint();
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const theme = new MutationObserver(paint);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    scheme.addEventListener('change', paint);
    return () => {
      theme.disconnect();
      scheme.removeEventListener('change', paint);
    };
  }, [width, height, data, low, high]);

  const point = (event: PointerEvent<HTMLCanvasElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    setUnder({
      column: Math.min(width - 1, Math.floor(((event.clientX - box.left) / box.width) * width)),
      row: Math.min(height - 1, Math.floor(((event.clientY - box.top) / box.height) * height)),
    });
  };
  return (
    <figure className="heat">
      <canvas ref={canvas} width={width} height={height} style={{ aspectRatio: `${width} / ${height}`, maxHeight: 420 }} role="img" aria-label={`${label}, from ${formatNumber(low)} to ${formatNumber(high)}`} onPointerMove={point} onPointerLeave={() => setUnder(undefined)} />
      <figcaption className="legend">
        <span>{formatNumber(low)}</span>
        <i />
        <span>{formatNumber(high)}</span>
        <span style={{ minWidth: '18ch', textAlign: 'right' }}>{under === undefined ? '' : `[${under.row}, ${under.column}] ${formatNumber(data[under.row * width + under.column]!)}`}</span>
      </figcaption>
    </figure>
  );
}

function paintHeat(canvas: HTMLCanvasElement, width: number, height: number, data: readonly number[], low: number, high: number): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const dark = getComputedStyle(document.documentElement).colorScheme === 'dark' || (document.documentElement.dataset['theme'] === undefined && matchMedia('(prefers-color-scheme: dark)').matches);
  const [from, to] = dark ? [[24, 30, 38], [126, 224, 247]] as const : [[246, 250, 252], [0, 78, 105]] as const;
  const image = context.createImageData(width, height);
  const span = high - low || 1;
  for (let index = 0; index < data.length; index++) {
    const share = Number.isNaN(data[index]!) ? 0 : (data[index]! - low) / span;
    for (let channel = 0; channel < 3; channel++) image.data[index * 4 + channel] = from[channel]! + share * (to[channel]! - from[channel]!);
    image.data[index * 4 + 3] = Number.isNaN(data[index]!) ? 0 : 255;
  }
  context.putImageData(image, 0, 0);
}
