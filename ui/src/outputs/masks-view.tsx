/** Parts of a picture, each in a colour over it. */
import { useState, type CSSProperties, type SyntheticEvent } from 'react';
import { writtenText, type JsonValue } from '../json.ts';
import { hintsOf, isObject } from '../schema.ts';
import { ratioOf } from './boxes-view.tsx';
import { categoriesOf } from './categories.ts';
import { formatScore } from './label-scores.ts';
import { inputMember, pictureSource, type ViewProps } from './view.ts';

export function isMaskList(value: JsonValue): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item['mask'] === 'string');
}

export function MasksView({ value, schema, input, title }: ViewProps) {
  const segments = (value as readonly Record<string, JsonValue>[]).map((segment) => ({ label: writtenText(segment['label']), share: segment['share'] ?? segment['score'], mask: pictureSource(writtenText(segment['mask']))! }));
  const source = pictureSource(inputMember(input, hintsOf(schema).image));
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [ratio, setRatio] = useState<CSSProperties>();
  const [strength, setStrength] = useState(0.6);
  const colours = categoriesOf(segments.map(({ label }) => label));
  const measure = ({ currentTarget }: SyntheticEvent<HTMLImageElement>): void => setRatio(ratioOf({ width: currentTarget.naturalWidth, height: currentTarget.naturalHeight }));
  const toggle = (index: number): void => {
    const next = new Set(hidden);
    if (!next.delete(index)) next.add(index);
    setHidden(next);
  };
  return (
    <div className="found">
      <div className="marked" style={ratio} role="img" aria-label={`${title ?? 'Parts'}: ${segments.map(({ label }) => label).join(', ')}`}>
        {source !== undefined && <img src={source} alt="" onLoad={measure} />}
        {segments.map(({ label, mask }, index) => (hidden.has(index) ? null : <i key={index} className="mask" style={{ ...colours.get(label), opacity: source === undefined ? 1 : strength, maskImage: `url("${mask}")` } as CSSProperties} />))}
        {source === undefined && segments[0] !== undefined && <img src={segments[0].mask} alt="" style={{ visibility: 'hidden' }} onLoad={measure} />}
      </div>
      {segments.length === 0 && <p className="quiet">Nothing was found.</p>}
      {segments.length > 0 && (
        <>
          <label className="row caption least">
            Colour
            <input className="slider" type="range" min={0} max={1} step={0.05} value={strength} style={{ '--fill': `${strength * 100}%` } as CSSProperties} onChange={(event) => setStrength(event.target.valueAsNumber)} />
          </label>
          <div className="chips" role="group" aria-label="Shown parts">
            {segments.map(({ label, share }, index) => (
              <button key={index} type="button" className="chip category" style={colours.get(label)} aria-pressed={!hidden.has(index)} onClick={() => toggle(index)}>
                <i aria-hidden="true" />
                <span>{label}</span>
                {typeof share === 'number' && <span className="caption number">{formatScore(share, true)}</span>}
              </button>
            ))}
          </div>
        </>
      )}
    </div>
  );
}
