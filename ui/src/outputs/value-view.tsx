/**
 * Shows a value as the thing it is: as its schema's widget says, where the value has that form, else as what it looks like. A new kind of
 * output is one component and one line in one of the two tables.
 */
import { lazy, Suspense, type ComponentType } from 'react';
import type { JsonSchema, OutputWidget } from '../api-types.ts';
import { formatJson, writtenText, type JsonValue } from '../json.ts';
import { hintsOf, humanize, isObject, resolve } from '../schema.ts';
import { AnswerSpanView, isAnswerSpan } from './answer-span-view.tsx';
import { BoxesView, isFoundList } from './boxes-view.tsx';
import { ChatMessages, messagesOf } from './chat-messages.tsx';
import { EntitiesView, isSpanList } from './entities-view.tsx';
import { AudioView, FileView, ImageView, isDataUrl, VideoView } from './file-view.tsx';
import { JsonTree } from './json-tree.tsx';
import { areProbabilities, formatNumber, formatScore, labelScoresOf, namedScoresOf } from './label-scores.ts';
import { isMaskList, MasksView } from './masks-view.tsx';
import { isMatrix, isSeries, MatrixView, SeriesView } from './numbers-view.tsx';
import { ScoreBars } from './score-bars.tsx';
import { Table, type Cell } from './table.tsx';
import { TextBox } from './text-box.tsx';
import { isTimeline } from './timeline.ts';
import type { ViewProps } from './view.ts';

interface View {
  matches(value: JsonValue, schema: JsonSchema): boolean;
  readonly Component: ComponentType<ViewProps>;
}

// The sound toolbox comes with it.
const TimelineView = lazy(async () => ({ default: (await import('./timeline-view.tsx')).TimelineView }));

const isText = (value: JsonValue): boolean => typeof value === 'string';
const scoresView: View = { matches: (value, schema) => namedScoresOf(value, hintsOf(schema).label) !== undefined, Component: ({ value, schema }) => <ScoreBars scores={namedScoresOf(value, hintsOf(schema).label)!} headline={false} /> };

const byWidget: Partial<Readonly<Record<OutputWidget, View>>> = {
  labels: scoresView,
  ranking: scoresView,
  boxes: { matches: isFoundList, Component: BoxesView },
  masks: { matches: isMaskList, Component: MasksView },
  entities: { matches: isSpanList, Component: EntitiesView },
  spans: { matches: isAnswerSpan, Component: AnswerSpanView },
  timeline: { matches: isTimeline, Component: TimelineView },
  line: { matches: (value) => Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number'), Component: SeriesView },
  text: { matches: isText, Component: TextView },
  textarea: { matches: isText, Component: TextView },
  image: { matches: (value) => isDataUrl(value), Component: ImageView },
  audio: { matches: (value) => isDataUrl(value), Component: AudioView },
  video: { matches: (value) => isDataUrl(value), Component: VideoView },
  file: { matches: (value) => isDataUrl(value), Component: FileView },
  table: { matches: isRecords, Component: RecordsTable },
  chat: { matches: (value) => messagesOf(value).length > 0, Component: ({ value }) => <ChatMessages messages={messagesOf(value)} /> },
  tensor: { matches: isMatrix, Component: MatrixView },
  json: { matches: () => true, Component: ({ value }) => <JsonTree value={value} /> },
};

const byForm: readonly View[] = [
  { matches: (value) => labelScoresOf(value) !== undefined, Component: ({ value }) => <ScoreBars scores={labelScoresOf(value)!} /> },
  { matches: (value) => winnerOf(value) !== undefined, Component: WinnerView },
  { matches: isAnswerSpan, Component: AnswerSpanView },
  { matches: (value) => typeof value === 'number' || typeof value === 'bigint', Component: NumberView },
  { matches: (value) => isDataUrl(value, 'image/'), Component: ImageView },
  { matches: (value) => isDataUrl(value, 'audio/'), Component: AudioView },
  { matches: (value) => isDataUrl(value, 'video/'), Component: VideoView },
  { matches: (value) => isDataUrl(value), Component: FileView },
  { matches: (value) => typeof value === 'boolean', Component: ({ value }) => <p className="big-number">{value === true ? 'Yes' : 'No'}</p> },
  { matches: isText, Component: ShortTextView },
  { matches: isSeries, Component: SeriesView },
  { matches: isMatrix, Component: MatrixView },
  { matches: isRecords, Component: RecordsTable },
  { matches: (value) => Array.isArray(value) && value.length === 0, Component: () => <p className="quiet">Nothing.</p> },
  { matches: isListOfViews, Component: ListView },
  { matches: (value) => isObject(value) && Object.keys(value).length > 0, Component: MembersView },
];

export function ValueView({ value, schema: written, ...context }: ViewProps) {
  const schema = resolve(written, written);
  const View = viewOf(value, schema)?.Component;
  return View === undefined ? <JsonTree value={value} /> : <Suspense fallback={<div className="control-coming" />}><View value={value} schema={schema} {...context} /></Suspense>;
}

function viewOf(value: JsonValue, schema: JsonSchema): View | undefined {
  const hinted = byWidget[hintsOf(schema).widget as OutputWidget];
  return hinted?.matches(value, schema) === true ? hinted : byForm.find((candidate) => candidate.matches(value, schema));
}

/** Whether nothing in it is shown as more than names and values. */
function isPlain(value: JsonValue, schema: JsonSchema): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'string' || !value.startsWith('data:');
  const view = viewOf(value, schema);
  if (view !== undefined && view.Component !== ListView && view.Component !== MembersView) return false;
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  return Object.entries(value).every(([name, member]) => {
    const inner = Array.isArray(value) ? schema['items'] : properties[name];
    return isPlain(member as JsonValue, isObject(inner) ? resolve(inner, inner) : {});
  });
}

/** `{label: 'setosa', scores: […]}`: the scores say it all. */
function winnerOf(value: JsonValue): { readonly scores: JsonValue; readonly rest: Record<string, JsonValue> } | undefined {
  if (!isObject(value)) return undefined;
  const found = Object.entries(value).find(([, member]) => labelScoresOf(member as JsonValue) !== undefined);
  if (found === undefined) return undefined;
  const best = labelScoresOf(found[1] as JsonValue)![0]!;
  const rest = Object.entries(value).filter(([name, member]) => name !== found[0] && writtenText(member) !== best.label && member !== best.score);
  return { scores: found[1] as JsonValue, rest: Object.fromEntries(rest) as Record<string, JsonValue> };
}

function WinnerView({ value, schema, input }: ViewProps) {
  const { scores, rest } = winnerOf(value)!;
  return (
    <>
      <ScoreBars scores={labelScoresOf(scores)!} />
      {Object.keys(rest).length > 0 && <MembersView value={rest} schema={schema} input={input} />}
    </>
  );
}

function NumberView({ value, schema }: ViewProps) {
  const { unit } = hintsOf(schema);
  return <p className="big-number">{formatNumber(value as number | bigint)}{unit !== undefined && <span className="unit">{unit}</span>}</p>;
}

function TextView({ value, title }: ViewProps) {
  const text = writtenText(value);
  return text === '' ? <p className="quiet">No text.</p> : <TextBox text={text} label={title ?? 'Text'} />;
}

/** A word or two are the answer, and large. */
function ShortTextView(props: ViewProps) {
  const text = writtenText(props.value);
  return text !== '' && text.length <= 40 && !text.includes('\n') ? <p className="big-number">{text}</p> : <TextView {...props} />;
}

const isScalar = (value: JsonValue): boolean => (typeof value !== 'object' || value === null) && !(typeof value === 'string' && (value.length > 60 || value.startsWith('data:')));

/** What fills the width comes first, then lists; single facts stand together in a line. */
function MembersView({ value, schema, input, whole }: ViewProps) {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const members = Object.entries(value as Record<string, JsonValue>).map(([name, member]) => {
    const inner = isObject(properties[name]) ? resolve(properties[name], properties[name]) : {};
    return { name, member, inner, title: typeof inner['title'] === 'string' ? inner['title'] : humanize(name), widget: hintsOf(inner).widget as OutputWidget | undefined };
  });
  // Far inside, a tree is read more easily than headings below headings.
  if (whole !== undefined && members.some(({ member }) => typeof member === 'object' && member !== null) && isPlain(value, schema)) return <JsonTree value={value} />;
  const alone = whole === undefined && members.every(({ member }) => isScalar(member)) && members.length <= 2;
  const scalars = alone ? [] : members.filter(({ member, widget }) => isScalar(member) && widget === undefined);
  const pictures = members.filter(({ widget }) => widget !== undefined && drawn.has(widget));
  const others = members.filter((member) => !scalars.includes(member) && !pictures.includes(member));
  // What is drawn on the whole text or over the whole recording need not be told again.
  const told = new Set(pictures.flatMap(({ inner }) => [hintsOf(inner).textField]));
  const facts = scalars.filter(({ name }) => !told.has(name));
  return (
    <>
      {facts.length > 0 && <Facts facts={facts} />}
      {[...pictures, ...others.filter(({ name }) => !told.has(name))].map(({ name, member, inner, title }) => (
        <div className="output-part" key={name}>
          {(members.length > 1 || name !== 'text') && <h3 className="output-name">{title}</h3>}
          <ValueView value={member} schema={inner} input={input} whole={value} title={title} />
        </div>
      ))}
    </>
  );
}

const drawn: ReadonlySet<OutputWidget> = new Set<OutputWidget>(['boxes', 'masks', 'entities', 'timeline', 'image']);

interface Fact {
  readonly name: string;
  readonly title: string;
  readonly member: JsonValue;
  readonly inner: JsonSchema;
}

function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {facts.map(({ name, title, member, inner }) => (
        <div key={name}>
          <dt>{title}</dt>
          <dd>{factText(member, inner)}{hintsOf(inner).unit === undefined ? '' : ` ${hintsOf(inner).unit}`}</dd>
        </div>
      ))}
    </dl>
  );
}

function factText(value: JsonValue, schema: JsonSchema): string {
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  if (value === null || value === '') return '–';
  if (typeof value === 'number') return schema['minimum'] === 0 && schema['maximum'] === 1 && schema['type'] === 'number' ? formatScore(value, true) : formatNumber(value);
  return writtenText(value);
}

function isRecords(value: JsonValue): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item) && Object.values(item).every((member) => typeof member !== 'object' || member === null));
}

function RecordsTable({ value, title }: ViewProps) {
  const records = value as readonly Record<string, JsonValue>[];
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return <Table label={title ?? 'Answer'} columns={columns} rows={records.map((record) => columns.map((name) => record[name] as Cell))} />;
}

/** More are a tree. */
const mostParts = 50;

function isListOfViews(value: JsonValue): boolean {
  return Array.isArray(value) && value.length > 0 && value.length <= mostParts && (value as readonly JsonValue[]).every((item) => typeof item === 'object' ? item !== null : isDataUrl(item));
}

function ListView({ value, schema, input, title, whole }: ViewProps) {
  const items = isObject(schema['items']) ? schema['items'] : {};
  const list = value as readonly JsonValue[];
  if (whole !== undefined && isPlain(value, schema)) return <JsonTree value={value} />;
  return list.map((item, index) => (
    <div className="output-part" key={index}>
      {list.length > 1 && <h4 className="output-name caption">{index + 1}</h4>}
      <ValueView value={item} schema={items} input={input} whole={value} title={title === undefined ? undefined : `${title} ${index + 1}`} />
    </div>
  ));
}

/** One line about a value. */
export function summarizeValue(value: JsonValue): string {
  const scores = labelScoresOf(value) ?? (winnerOf(value) === undefined ? undefined : labelScoresOf(winnerOf(value)!.scores));
  if (scores !== undefined) return `${scores[0]!.label} ${formatScore(scores[0]!.score, areProbabilities(scores))}`;
  if (typeof value === 'number' || typeof value === 'bigint') return formatNumber(value);
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  if (typeof value === 'string') return value.startsWith('data:') ? 'A file' : value.slice(0, 80);
  if (Array.isArray(value)) return summarizeList(value as readonly JsonValue[]);
  if (isObject(value)) {
    const first = Object.entries(value).find(([, member]) => typeof member === 'number' || (typeof member === 'string' && member !== ''));
    if (first !== undefined) return typeof first[1] === 'string' ? summarizeValue(first[1]) : `${humanize(first[0])} ${summarizeValue(first[1] as JsonValue)}`;
    const list = Object.entries(value).find(([, member]) => Array.isArray(member));
    if (list !== undefined) return `${humanize(list[0])}: ${summarizeList(list[1] as readonly JsonValue[])}`;
  }
  return formatJson(value).slice(0, 80);
}

function summarizeList(list: readonly JsonValue[]): string {
  if (list.length === 0) return 'nothing';
  const named = list.map((item) => (isObject(item) ? (item['label'] ?? item['text'] ?? item['item'] ?? item['word']) : undefined)).filter((name) => typeof name === 'string');
  if (named.length === list.length) return `${named.slice(0, 4).join(', ')}${named.length > 4 ? ` and ${named.length - 4} more` : ''}`.slice(0, 100);
  const rows = list.slice(0, 3).map((item) => (isObject(item) ? Object.values(item).filter((cell) => typeof cell === 'string' || typeof cell === 'number').slice(0, 2).map((cell) => (typeof cell === 'number' ? formatNumber(cell) : cell)).join(' ') : ''));
  if (rows.every((row) => row !== '' && !row.includes('data:'))) return `${rows.join(', ')}${list.length > 3 ? ` and ${list.length - 3} more` : ''}`.slice(0, 100);
  return list.length === 1 ? '1 item' : `${list.length} items`;
}
