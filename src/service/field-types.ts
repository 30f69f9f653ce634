/**
 * Types of inputs and outputs beside zod's own: pictures, sound, files, tables, tensors, conversations. Their JSON Schema says
 * `format`, `contentMediaType` and `x-modelport.widget`, by which forms, documents and the predict door know them.
 */
import { z } from 'zod';
import { ModelportError } from '../errors.ts';
import { createTensor, datatypes, elementCount, type Datatype, type NumericArray, type Tensor } from '../tensor.ts';
import { mediaTypeOfBytes } from '../lib/media-type.ts';

/** Bytes of a file. As JSON it is a data URL. */
export interface FileBytes extends Uint8Array {
  /** As the client says it; undefined where it does not. */
  readonly mediaType?: string;
}

export interface FieldOptions {
  readonly title?: string;
  readonly description?: string;
}

export interface FileOptions extends FieldOptions {
  /** Largest size. Default: what the server takes. */
  readonly maxBytes?: number;
  /** `application/pdf`, `text/*` … for the chooser of forms. */
  readonly mediaType?: string;
}

/** Bytes as base64 text, as a data URL, or as a file of a multipart form; the handler gets bytes. In an answer: bytes, which go out as a data URL. */
export type FileField = z.ZodType<FileBytes, unknown>;

/** A picture file. */
export function image(options: FileOptions & { /** The form has a canvas to draw on. */ readonly draw?: boolean } = {}): FileField {
  return fileField('image', { widget: options.draw === true ? 'draw' : 'image' }, 'image/*', options);
}

/** A sound file. */
export function audio(options: FileOptions = {}): FileField {
  return fileField('audio', { widget: 'audio' }, 'audio/*', options);
}

/** Any file. */
export function file(options: FileOptions = {}): FileField {
  return fileField('binary', { widget: 'file' }, 'application/octet-stream', options);
}

function fileField(format: string, hints: Readonly<Record<string, unknown>>, mediaType: string, options: FileOptions): FileField {
  const { maxBytes = Infinity, title, description } = options;
  return z
    .unknown()
    .transform((value, context): FileBytes => {
      const read = readBytes(value);
      if (typeof read === 'string' || read.byteLength > maxBytes) {
        context.addIssue({ code: 'custom', message: typeof read === 'string' ? read : `the file has ${read.byteLength} bytes; at most ${maxBytes} are taken` });
        return z.NEVER;
      }
      return read;
    })
    .meta({
      type: 'string',
      format,
      contentMediaType: options.mediaType ?? mediaType,
      contentEncoding: 'base64',
      ...(title === undefined ? {} : { title }),
      ...(description === undefined ? {} : { description }),
      'x-modelport': hints,
    });
}

/** Bytes, or what is wrong. */
function readBytes(value: unknown): FileBytes | string {
  if (value instanceof Uint8Array) return asFile(value, (value as FileBytes).mediaType);
  if (typeof value !== 'string') return 'a file is wanted: base64 text, a data URL, or a file of a multipart form';
  const url = /^data:([^;,]*)(?:;[^;,]+)*;base64,/.exec(value.slice(0, 200));
  if (value.startsWith('data:') && url === null) return 'the data URL is not base64: write data:image/png;base64,…';
  const text = (url === null ? value : value.slice(url[0].length)).replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) return 'the text is not base64';
  if (text === '') return 'the file is empty';
  return asFile(new Uint8Array(Buffer.from(text, 'base64')), url === null || url[1] === '' ? undefined : url[1]);
}

/** Marks bytes as a file of a media type, so that an answer carries it: `return fileBytes(png, 'image/png')`. */
export function fileBytes(bytes: Uint8Array, mediaType?: string): FileBytes {
  return asFile(bytes, mediaType);
}

function asFile(bytes: Uint8Array, mediaType: string | undefined): FileBytes {
  if (Object.hasOwn(bytes, 'toJSON')) return bytes;
  const marked = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Object.defineProperties(marked, {
    mediaType: { value: mediaType },
    toJSON: { value: () => `data:${mediaType ?? mediaTypeOfBytes(bytes)};base64,${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}` },
  });
}

/** Rows of named columns. Forms take pasted spreadsheets. */
export function table<Columns extends z.ZodRawShape>(columns: Columns, options: FieldOptions & { readonly maxRows?: number } = {}): z.ZodArray<z.ZodObject<Columns>> {
  const { maxRows, ...texts } = options;
  const rows = z.array(z.object(columns));
  return (maxRows === undefined ? rows : rows.max(maxRows)).meta({ ...texts, 'x-modelport': { widget: 'table' } });
}

/** Numbers in nested lists, of a fixed or free (-1) size each axis; the handler gets a tensor. */
export function tensor<D extends Exclude<Datatype, 'BYTES'>>(datatype: D, shape: readonly number[], options: FieldOptions = {}): z.ZodType<Tensor<D>, unknown> {
  return z
    .unknown()
    .transform((value, context): Tensor<D> => {
      if (isTensor(value)) return value as Tensor<D>;
      const found: number[] = [];
      const read = flatten(value, shape, found);
      if (typeof read === 'string') {
        context.addIssue({ code: 'custom', message: read });
        return z.NEVER;
      }
      const whole = datatype === 'INT64' || datatype === 'UINT64' ? BigInt64Array.from(read, (each) => BigInt(Math.trunc(each))) : read;
      const array = datatypes[datatype].array as unknown as { from(elements: ArrayLike<number | bigint>): NumericArray };
      return createTensor(datatype, found, array.from(whole) as never);
    })
    .meta({ ...options, ...tensorSchema(shape), 'x-modelport': { widget: 'tensor', datatype, shape: [...shape] } });
}

/** As JSON a tensor is nested lists. */
export function nestedNumbers({ shape, data }: Tensor): unknown {
  if (data.length !== elementCount(shape)) throw new ModelportError('INTERNAL', 'the elements of a tensor do not fill its shape');
  let level: unknown[] = Array.from(data as NumericArray, (each: number | bigint) => (typeof each === 'bigint' ? Number(each) : each));
  for (const size of [...shape].slice(1).reverse()) level = Array.from({ length: size === 0 ? 0 : level.length / size }, (_, index) => level.slice(index * size, (index + 1) * size));
  return shape.length === 0 ? level[0] : level;
}

function tensorSchema(shape: readonly number[]): Record<string, unknown> {
  const [size, ...rest] = shape;
  if (size === undefined) return { type: 'number' };
  return { type: 'array', ...(size >= 0 ? { minItems: size, maxItems: size } : {}), items: tensorSchema(rest) };
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'datatype' in value && 'shape' in value && 'data' in value;
}

/** The numbers in order, or what is wrong. Writes the sizes that were found into `found`. */
function flatten(value: unknown, shape: readonly number[], found: number[]): number[] | string {
  let level: unknown[] = [value];
  for (const [axis, size] of shape.entries()) {
    const next: unknown[] = [];
    let length: number | undefined;
    for (const part of level) {
      if (!Array.isArray(part)) return `nested lists of ${shape.length} levels are wanted: level ${axis + 1} is not a list`;
      length ??= part.length;
      if (part.length !== length) return `lists of level ${axis + 1} have unequal lengths`;
      for (const element of part as unknown[]) next.push(element);
    }
    found.push(length ?? 0);
    if (size >= 0 && length !== size) return `axis ${axis} has size ${length ?? 0}; ${size} is wanted`;
    level = next;
  }
  if (!level.every((element) => typeof element === 'number')) return `nested lists of ${shape.length} levels of numbers are wanted`;
  return level as number[];
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A conversation, the last message last. */
export function chat(options: FieldOptions = {}): z.ZodType<ChatMessage[], ChatMessage[]> {
  return z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1).meta({ ...options, 'x-modelport': { widget: 'chat' } });
}
