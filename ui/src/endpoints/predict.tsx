/** People's door of a model with a task or of an endpoint of a service: a value by one schema in, a value by another out. */
import type { JsonSchema, PagePredict } from '../api-types.ts';
import { formatSize, sizeBytesOf } from '../data-url.ts';
import { FieldForm } from '../inputs/field-form.tsx';
import { formatJson, writtenText, type JsonValue } from '../json.ts';
import { joinParts, replyText } from '../outputs/joined-parts.ts';
import { summarizeValue, ValueView } from '../outputs/value-view.tsx';
import { fieldAt, fieldsOf, getAt, initialValue, isObject, problemsOf, setAt, withoutDefaults, type Field } from '../schema.ts';
import { batchOf } from './batch-of.ts';
import type { Endpoint, EndpointStream, Summary } from './endpoint.ts';

export function predictEndpoint(model: string, version: string, predict: PagePredict): Endpoint {
  const fields = fieldsOf(predict.input);
  const summarize = (value: unknown): Summary => summarizeInput(fields, value);
  const stream = streamOf(predict, fields);
  const batch = batchOf(fields);
  const listen = listenOf(fields);
  const chat = fields.find((field) => field.kind === 'chat');
  // Pieces of text that were joined are shown as one.
  const schemaOf = (answer: JsonValue): JsonSchema => (predict.part === undefined || Array.isArray(answer) ? predict.output : predict.part);
  return {
    model,
    version,
    path: predict.path,
    task: predict.task,
    door: 'predict',
    examples: predict.examples.map((example) => {
      const value = merge(initialValue(fields), example);
      return { value, summary: summarize(value) };
    }),
    ...(stream === undefined ? {} : { stream }),
    ...(batch === undefined ? {} : { batch }),
    ...(listen === undefined ? {} : { listen }),
    ...(chat === undefined ? {} : {
      withReply: (value, answer) => {
        const messages = getAt(value, chat.path);
        const content = replyText(answer);
        return content === undefined || !Array.isArray(messages) ? undefined : setAt(value, chat.path, [...messages as unknown[], { role: 'assistant', content }]);
      },
    }),
    initial: () => (predict.examples.length > 0 ? merge(initialValue(fields), predict.examples[0]) : initialValue(fields)),
    restore: (value) => value,
    empty: () => initialValue(fields),
    problems: (value) => problemsOf(fields, value),
    body: (value) => formatJson(withoutDefaults(fields, value)),
    summarize,
    summarizeAnswer: summarizeValue,
    fieldAt: (at, message) => {
      const named = fieldAt(fields, at) ?? fields.find((field) => field.name !== '' && new RegExp(`(^|\\W)${escapeRegExp(field.name)}(\\W|$)`).test(message));
      return named?.path.join('.');
    },
    Form: (props) => <FieldForm fields={fields} {...props} />,
    Output: ({ answer, input }) => <ValueView value={answer} schema={schemaOf(answer)} input={input} />,
  };
}

/** Models with a task answer whole, and say how long each step took; services may tell their progress. */
function streamOf({ stream, task, path, part, tokensPath }: PagePredict, fields: readonly Field[]): EndpointStream | undefined {
  const sent = (value: unknown): unknown => withoutDefaults(fields, value);
  if (stream === 'tokens' && tokensPath !== undefined) {
    return {
      single: false,
      request: (value) => {
        const { prompt, ...parameters } = Object(sent(value)) as Record<string, unknown>;
        return { path: tokensPath, body: formatJson({ text_input: writtenText(prompt), parameters }) };
      },
      join: (parts) => ({ text: parts.map((event) => (isObject(event) ? writtenText(event['text_output']) : '')).join('') }),
    };
  }
  const request = (value: unknown): { path: string; body: string } => ({ path, body: formatJson(sent(value)) });
  if (part !== undefined) return { single: false, request, join: joinParts };
  return task === 'service' ? { single: true, request, join: (parts) => parts.at(-1) ?? null } : undefined;
}

function listenOf(fields: readonly Field[]): Endpoint['listen'] {
  const audio = fields.find((field) => field.kind === 'audio');
  const named = fields.find((field) => field.role === 'stream');
  const ends = fields.find((field) => field.role === 'stream-end');
  if (audio?.kind !== 'audio' || named === undefined) return undefined;
  return {
    sampleRate: audio.sampleRate,
    without: (value) => setAt(value, audio.path, undefined),
    place: (value, piece) => {
      const placed = setAt(setAt(value, audio.path, piece.audio), named.path, piece.stream);
      return ends === undefined ? placed : setAt(placed, ends.path, piece.last);
    },
  };
}

function merge(defaults: unknown, example: unknown): unknown {
  const both = [defaults, example].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
  return both ? { ...(defaults as object), ...(example as object) } : example;
}

function summarizeInput(fields: readonly Field[], value: unknown): Summary {
  const parts: string[] = [];
  let image: string | undefined;
  for (const field of fields) {
    const item = getAt(value, field.path);
    if (item === undefined || field.advanced) continue;
    if (field.kind === 'image') image ??= writtenText(item);
    else parts.push(summarizeItem(field, item, fields.length));
  }
  const text = parts.filter((part) => part !== '').join(' · ').slice(0, 120);
  return image === undefined ? { text: text === '' ? 'Empty' : text } : { text, image };
}

function summarizeItem(field: Field, item: unknown, fieldCount: number): string {
  if (field.kind === 'audio') return 'Recording';
  if (field.kind === 'file') return Array.isArray(item) ? `${item.length} ${item.length === 1 ? 'file' : 'files'}` : `File of ${formatSize(sizeBytesOf(writtenText(item)))}`;
  if (field.kind === 'table') {
    const rows = Array.isArray(item) ? (item as readonly unknown[]) : [];
    const first = isObject(rows[0]) ? Object.values(rows[0]).map(writtenText).join(', ').slice(0, 40) : '';
    return `${first}${first === '' ? '' : ' · '}${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`;
  }
  if (field.kind === 'chat') return Array.isArray(item) ? writtenText((item as { role: string; content: string }[]).findLast((message) => message.role === 'user')?.content) : '';
  if ((field.kind === 'tags' || field.kind === 'lines') && Array.isArray(item)) return item.map(writtenText).join(', ').slice(0, 60);
  if (typeof item === 'object') return formatJson(item).slice(0, 60);
  return field.kind === 'number' && field.unit !== undefined && fieldCount < 3 ? `${writtenText(item)} ${field.unit}` : writtenText(item);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
