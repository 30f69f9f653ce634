/** Shows a value as the thing it is. The first view that matches is taken; a new kind of output is one line here. */
import type { ComponentType } from 'react';
import type { JsonSchema } from '../api-types.ts';
import { formatJson, writtenText, type JsonValue } from '../json.ts';
import { humanize, isObject, resolve } from '../schema.ts';
import { JsonTree } from './json-tree.tsx';
import { formatNumber, formatScore, areProbabilities, labelScoresOf } from './label-scores.ts';
import { ScoreBars } from './score-bars.tsx';
import { Table, type Cell } from './table.tsx';

interface ViewProps {
  readonly value: JsonValue;
  readonly schema: JsonSchema;
}

interface View {
  matches(value: JsonValue): boolean;
  readonly Component: ComponentType<ViewProps>;
}

const views: readonly View[] = [
  { matches: (value) => labelScoresOf(value) !== undefined, Component: ({ value }) => <ScoreBars scores={labelScoresOf(value)!} /> },
  { matches: (value) => winnerOf(value) !== undefined, Component: WinnerView },
  { matches: (value) => typeof value === 'number' || typeof value === 'bigint', Component: NumberView },
  { matches: (value) => typeof value === 'string' && value.startsWith('data:image/'), Component: ({ value }) => <img className="image-output" src={writtenText(value)} alt="Output" /> },
  { matches: (value) => typeof value === 'string' || typeof value === 'boolean', Component: ({ value }) => <p className={writtenText(value).length <= 40 ? 'big-number' : 'text-output'}>{writtenText(value)}</p> },
  { matches: isRecords, Component: ({ value }) => <RecordsTable records={value as readonly Record<string, JsonValue>[]} /> },
  { matches: (value) => isObject(value) && Object.keys(value).length > 0, Component: MembersView },
];

export function ValueView({ value, schema: written }: ViewProps) {
  const schema = resolve(written, written);
  const view = views.find((candidate) => candidate.matches(value));
  return view === undefined ? <JsonTree value={value} /> : <view.Component value={value} schema={schema} />;
}

/** `{label: 'setosa', scores: […]}`: the scores say it all. */
function winnerOf(value: JsonValue): { readonly scores: JsonValue; readonly rest: Record<string, JsonValue> } | undefined {
  if (!isObject(value)) return undefined;
  const found = Object.entries(value).find(([, member]) => labelScoresOf(member) !== undefined);
  if (found === undefined) return undefined;
  const best = labelScoresOf(found[1])![0]!;
  const rest = Object.entries(value).filter(([name, member]) => name !== found[0] && writtenText(member) !== best.label && member !== best.score);
  return { scores: found[1], rest: Object.fromEntries(rest) as Record<string, JsonValue> };
}

function WinnerView({ value, schema }: ViewProps) {
  const { scores, rest } = winnerOf(value)!;
  return (
    <>
      <ScoreBars scores={labelScoresOf(scores)!} />
      {Object.keys(rest).length > 0 && <MembersView value={rest} schema={schema} />}
    </>
  );
}

function NumberView({ value, schema }: ViewProps) {
  const hints = schema['x-modelport'];
  const unit = isObject(hints) && typeof hints['unit'] === 'string' ? hints['unit'] : undefined;
  return <p className="big-number">{formatNumber(value as number | bigint)}{unit !== undefined && <span className="unit">{unit}</span>}</p>;
}

function MembersView({ value, schema }: ViewProps) {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  return (
    <>
      {Object.entries(value as Record<string, JsonValue>).map(([name, member]) => {
        const inner = properties[name];
        const title = isObject(inner) && typeof inner['title'] === 'string' ? inner['title'] : humanize(name);
        return (
          <div className="output-part" key={name}>
            <h3 className="output-name">{title}</h3>
            <ValueView value={member} schema={isObject(inner) ? inner : {}} />
          </div>
        );
      })}
    </>
  );
}

function isRecords(value: JsonValue): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && Object.values(item).every((member) => typeof member !== 'object' || member === null));
}

function RecordsTable({ records }: { readonly records: readonly Record<string, JsonValue>[] }) {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return <Table label="Output" columns={columns} rows={records.map((record) => columns.map((name) => record[name] as Cell))} />;
}

/** One line about a value. */
export function summarizeValue(value: JsonValue): string {
  const scores = labelScoresOf(value) ?? (winnerOf(value) === undefined ? undefined : labelScoresOf(winnerOf(value)!.scores));
  if (scores !== undefined) return `${scores[0]!.label} ${formatScore(scores[0]!.score, areProbabilities(scores))}`;
  if (typeof value === 'number' || typeof value === 'bigint') return formatNumber(value);
  if (typeof value === 'string') return value.startsWith('data:') ? 'A file' : value.slice(0, 80);
  if (Array.isArray(value)) return `${value.length} items`;
  if (isObject(value)) {
    const first = Object.entries(value).find(([, member]) => typeof member === 'number' || typeof member === 'string');
    if (first !== undefined) return `${humanize(first[0])} ${summarizeValue(first[1])}`;
  }
  return formatJson(value).slice(0, 80);
}
