/** What many can be given of at once: the one file, the one text, or the row that a form is about. */
import { getAt, initialValue, isObject, readCell, setAt, type Column, type Field } from '../schema.ts';
import type { Batch } from './endpoint.ts';

export function batchOf(fields: readonly Field[]): Batch | undefined {
  const shown = fields.filter((field) => !field.advanced);
  const files = shown.filter((field) => field.kind === 'image' || field.kind === 'audio' || (field.kind === 'file' && !field.many));
  if (files.length === 1) {
    const file = files[0]!;
    const accept = file.kind === 'image' ? 'image/*' : file.kind === 'audio' ? 'audio/*' : file.kind === 'file' ? file.accept : '';
    return { over: { kind: 'files', field: file.title, accept }, place: (value, item) => ('content' in item ? setAt(value, file.path, item.content) : value) };
  }
  const texts = shown.filter((field) => field.kind === 'text' && field.required);
  if (files.length > 0 || shown.some((field) => field.kind === 'chat' || field.kind === 'table')) return undefined;
  if (texts.length === 1 && shown.length <= 3) {
    const [text] = texts;
    return { over: { kind: 'lines', field: text!.title }, place: (value, item) => ('content' in item ? setAt(value, text!.path, item.content) : value) };
  }
  const scalar = fields.every((field) => field.path.length === 1 && ['number', 'text', 'select', 'switch'].includes(field.kind));
  if (!scalar || fields.length === 0) return undefined;
  return {
    over: { kind: 'rows', columns: fields.map((field) => field.name) },
    place: (_value, item) => {
      if (!('cells' in item)) return initialValue(fields);
      let row: unknown = initialValue(fields);
      for (const field of fields) {
        const written = item.cells[field.name];
        if (written !== undefined) row = setAt(row, field.path, readCell(columnOf(field), written));
        const read = getAt(row, field.path);
        if (field.kind === 'number' && read !== undefined && typeof read !== 'number') throw new Error(`${field.title}: “${written}” is no number`);
        if (read === undefined && field.required) {
          if (!field.nullable) throw new Error(`${field.title} is empty`);
          row = setAt(row, field.path, null);
        }
      }
      return isObject(row) ? row : {};
    },
  };
}

function columnOf(field: Field): Column {
  return {
    name: field.name,
    title: field.title,
    type: field.kind === 'number' ? 'number' : field.kind === 'switch' ? 'boolean' : 'text',
    required: field.required,
    options: field.kind === 'select' ? field.options : undefined,
  };
}
