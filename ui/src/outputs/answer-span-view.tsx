/** An answer that is a part of a given text: the answer, where it stands, and what else it might be. */
import { writtenText, type JsonValue } from '../json.ts';
import { hintsOf, isObject } from '../schema.ts';
import { HighlightedText } from './entities-view.tsx';
import { formatScore } from './label-scores.ts';
import { ScoreBars } from './score-bars.tsx';
import { inputMember, type ViewProps } from './view.ts';

export function isAnswerSpan(value: JsonValue): boolean {
  return isObject(value) && typeof value['answer'] === 'string' && typeof value['start'] === 'number' && typeof value['end'] === 'number';
}

export function AnswerSpanView({ value, schema, input }: ViewProps) {
  const { answer, score, start, end, answers } = value as Record<string, JsonValue>;
  const text = inputMember(input, hintsOf(schema).textField ?? 'context');
  const others = Array.isArray(answers) ? (answers as readonly JsonValue[]).flatMap((each) => (isObject(each) ? [{ label: writtenText(each['answer']), score: Number(each['score']) }] : [])) : [];
  return (
    <>
      <p className="headline">
        <span className="headline-label">{writtenText(answer) === '' ? 'No answer' : writtenText(answer)}</span>
        {typeof score === 'number' && <span className="headline-score">{formatScore(score, score <= 1)}</span>}
      </p>
      {text !== undefined && <HighlightedText text={text} spans={[{ start: Number(start), end: Number(end), label: '' }]} />}
      {others.length > 1 && <ScoreBars scores={others} headline={false} />}
    </>
  );
}
