/** Parts of a text, highlighted in it. Offsets count characters (Unicode code points). */
import { Fragment } from 'react';
import { writtenText, type JsonValue } from '../json.ts';
import { hintsOf, isObject } from '../schema.ts';
import { categoriesOf } from './categories.ts';
import { formatScore } from './label-scores.ts';
import { splitSpans, type Span } from './text-spans.ts';
import { inputMember, type ViewProps } from './view.ts';

export function isSpanList(value: JsonValue): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item['start'] === 'number' && typeof item['end'] === 'number');
}

export function EntitiesView({ value, schema, input, whole }: ViewProps) {
  const hints = hintsOf(schema);
  const named = hints.textField ?? 'text';
  const sibling = isObject(whole) ? whole[named] : undefined;
  const text = typeof sibling === 'string' ? sibling : inputMember(input, named);
  const spans = (value as readonly Record<string, JsonValue>[]).map((item): Span => ({ start: Number(item['start']), end: Number(item['end']), label: writtenText(item['label']), ...(typeof item['score'] === 'number' ? { score: item['score'] } : {}) }));
  if (text === undefined) return <p className="quiet">The text is not there any more.</p>;
  return (
    <>
      <HighlightedText text={text} spans={spans} />
      {spans.length === 0 && <p className="quiet">Nothing was found in it.</p>}
    </>
  );
}

export function HighlightedText({ text, spans }: { readonly text: string; readonly spans: readonly Span[] }) {
  const colours = categoriesOf(spans.map(({ label }) => label));
  const pieces = splitSpans(text, spans);
  return (
    <p className="highlighted">
      {pieces.map(({ content, span }, index) => (span === undefined
        ? <Fragment key={index}>{content}</Fragment>
        : (
          <mark key={index} style={colours.get(span.label)} title={span.score === undefined ? span.label : `${span.label} ${formatScore(span.score, true)}`}>
            {content}
            {span.label !== '' && <span className="mark-label"> {span.label}</span>}
          </mark>
        )))}
    </p>
  );
}
