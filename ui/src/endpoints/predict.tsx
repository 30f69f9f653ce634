/** People's door of a model with a task: a value by one schema in, a value by another out. */
import type { PagePredict } from '../api-types.ts';
import { FieldForm } from '../inputs/field-form.tsx';
import { formatJson, writtenText } from '../json.ts';
import { summarizeValue, ValueView } from '../outputs/value-view.tsx';
import { fieldAt, fieldsOf, getAt, initialValue, problemsOf, type Field } from '../schema.ts';
import type { Endpoint, Summary } from './endpoint.ts';

export function predictEndpoint(model: string, version: string, predict: PagePredict): Endpoint {
  const fields = fieldsOf(predict.input);
  const summarize = (value: unknown): Summary => summarizeInput(fields, value);
  return {
    model,
    version,
    path: predict.path,
    task: predict.task,
    examples: predict.examples.map((example) => {
      const value = merge(initialValue(fields), example);
      return { value, summary: summarize(value) };
    }),
    initial: () => (predict.examples.length > 0 ? merge(initialValue(fields), predict.examples[0]) : initialValue(fields)),
    restore: (value) => value,
    empty: () => initialValue(fields),
    problems: (value) => problemsOf(fields, value),
    body: (value) => formatJson(value),
    summarize,
    summarizeAnswer: summarizeValue,
    fieldAt: (at, message) => {
      const named = fieldAt(fields, at) ?? fields.find((field) => field.name !== '' && new RegExp(`(^|\\W)${escapeRegExp(field.name)}(\\W|$)`).test(message));
      return named?.path.join('.');
    },
    Form: (props) => <FieldForm fields={fields} {...props} />,
    Output: ({ answer }) => <ValueView value={answer} schema={predict.output} />,
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
    else if (typeof item === 'object') parts.push(formatJson(item).slice(0, 60));
    else parts.push(field.kind === 'number' && field.unit !== undefined && fields.length < 3 ? `${writtenText(item)} ${field.unit}` : writtenText(item));
  }
  const text = parts.join(' · ').slice(0, 120);
  return image === undefined ? { text: text === '' ? 'Empty' : text } : { text, image };
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
