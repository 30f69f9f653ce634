/** Things found in a picture, drawn where they are. Coordinates are pixels of the picture. */
import { useMemo, useState, type CSSProperties } from 'react';
import { writtenText, type JsonValue } from '../json.ts';
import { hintsOf, isObject } from '../schema.ts';
import { categoriesOf } from './categories.ts';
import { formatScore } from './label-scores.ts';
import { inputMember, pictureSource, type ViewProps } from './view.ts';

interface Found {
  readonly label: string;
  readonly score: number | undefined;
  readonly points: readonly (readonly [number, number])[];
}

const mostListed = 200;
/** So many are named in the picture; of more, the one that is pointed at. */
const mostNamed = 12;
/** Longer labels stand one below the other. */
const longestLabel = 24;
/** More marks are drawn without what is costly. */
const mostWithHalo = 100;

export function isFoundList(value: JsonValue): boolean {
  return Array.isArray(value) && value.every((item) => foundOf(item as JsonValue, undefined) !== undefined);
}

export function BoxesView({ value, schema, input, title }: ViewProps) {
  const hints = hintsOf(schema);
  const source = pictureSource(inputMember(input, hints.image));
  const all = useMemo(() => (value as readonly JsonValue[]).map((item) => foundOf(item, hints.label)).filter((each) => each !== undefined), [value, hints.label]);
  const [size, setSize] = useState<{ readonly width: number; readonly height: number }>();
  const [least, setLeast] = useState(0);
  const [chosen, setChosen] = useState<number>();
  const scored = all.some(({ score }) => score !== undefined);
  // Texts differ in every line: colours for kinds would say nothing.
  const kinds = hints.label === 'text' ? categoriesOf(['']) : categoriesOf(all.map(({ label }) => label));
  const found = all.map((each, index) => ({ ...each, index })).filter(({ score }) => (score ?? 1) >= least);
  const reads = hints.label === 'text';
  const named = found.filter(({ index }) => chosen === index || (chosen === undefined && !reads && found.length <= mostNamed));
  const styleOf = (label: string) => kinds.get(label) ?? kinds.get('');
  return (
    <div className="found">
      {source !== undefined && (
        <div className="marked" style={size === undefined ? undefined : ratioOf(size)}>
          <img src={source} alt="The input" onLoad={(event) => setSize({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight })} />
          {size !== undefined && (
            <svg viewBox={`0 0 ${size.width} ${size.height}`} data-many={found.length > mostWithHalo} role="img" aria-label={`${title ?? 'Found'}: ${found.length} marked in the picture`}>
              {found.map(({ label, points, index }) => (
                <g key={index} style={styleOf(label)} className={chosen === index ? 'chosen' : chosen === undefined ? undefined : 'other'} onPointerEnter={() => setChosen(index)} onPointerLeave={() => setChosen(undefined)}>
                  <polygon points={points.map((point) => point.join(',')).join(' ')} />
                </g>
              ))}
            </svg>
          )}
          {size !== undefined && named.map(({ label, points, index }) => (
            <span key={index} className="mark-tag" aria-hidden="true" style={{ ...styleOf(label), left: `${share(points, 0, size.width)}%`, top: `${share(points, 1, size.height)}%` }}>{label}</span>
          ))}
        </div>
      )}
      {all.length === 0 && <p className="quiet">Nothing was found.</p>}
      {scored && all.length > 1 && (
        <label className="row caption least">
          Least score
          <input className="slider" type="range" min={0} max={1} step={0.01} value={least} style={{ '--fill': `${least * 100}%` } as CSSProperties} onChange={(event) => setLeast(event.target.valueAsNumber)} />
          <span className="number">{formatScore(least, true)}</span>
        </label>
      )}
      {all.length > 0 && (
        <ol className="found-list" data-long={all.some(({ label }) => label.length > longestLabel)} aria-label={title ?? 'Found'}>
          {found.slice(0, mostListed).map(({ label, score, index }) => (
            <li key={index} style={styleOf(label)} data-chosen={chosen === index} onPointerEnter={() => setChosen(index)} onPointerLeave={() => setChosen(undefined)}>
              <i aria-hidden="true" />
              <span>{label}</span>
              {score !== undefined && <span className="caption number">{formatScore(score, score >= 0 && score <= 1)}</span>}
            </li>
          ))}
        </ol>
      )}
      {found.length > mostListed && <p className="caption">{found.length - mostListed} more; Download has all.</p>}
    </div>
  );
}

/** Where a mark begins along an axis, in percent of the picture. */
function share(points: Found['points'], axis: 0 | 1, size: number): number {
  return Math.max(0, (Math.min(...points.map((point) => point[axis])) / Math.max(1, size)) * 100);
}

export function ratioOf({ width, height }: { readonly width: number; readonly height: number }): CSSProperties {
  return { '--ratio': (width / Math.max(1, height)).toFixed(4) } as CSSProperties;
}

/** `{label, score, box: {xmin, …} | [x1, y1, x2, y2], polygon: [[x, y], …]}`. */
function foundOf(item: JsonValue, named: string | undefined): Found | undefined {
  if (!isObject(item)) return undefined;
  const { box, polygon, score } = item;
  const points = Array.isArray(polygon) ? polygon as [number, number][] : cornersOf(box as JsonValue | undefined);
  if (points === undefined || !points.every((point) => Array.isArray(point) && point.length === 2)) return undefined;
  const label = (named === undefined ? undefined : item[named]) ?? item['label'] ?? item['text'] ?? item['class'];
  return { label: writtenText(label), score: typeof score === 'number' ? score : undefined, points };
}

function cornersOf(box: JsonValue | undefined): [number, number][] | undefined {
  const sides = Array.isArray(box) ? (box as readonly JsonValue[]) : isObject(box) ? [box['xmin'], box['ymin'], box['xmax'], box['ymax']] : [];
  if (sides.length !== 4 || !sides.every((side) => typeof side === 'number')) return undefined;
  const [left, top, right, bottom] = sides as [number, number, number, number];
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}
