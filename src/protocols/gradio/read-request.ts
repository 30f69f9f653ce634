/** Bodies of requests: what they have to have, and how large it may be. */
import createBusboy from 'busboy';
import { ModelportError } from '../../errors.ts';
import type { HttpRequest } from '../../protocol.ts';
import { parseJson } from '../json/parse-json.ts';
import { isRecord } from './schema.ts';

const longestId = 200;
const mostFiles = 100;

export type Body = Readonly<Record<string, unknown>>;

/** A JSON object. Throws `INVALID_REQUEST`. */
export async function readBody({ body }: HttpRequest): Promise<Body> {
  const value = await parseJson(body);
  if (!isRecord(value)) throw new ModelportError('INVALID_REQUEST', 'the body is no JSON object: send {"data": [ … ]}', { at: 'body' });
  return value;
}

/** `data`, the values of the parameters in their order. Throws `INVALID_REQUEST`. */
export function readData({ data = [] }: Body): readonly unknown[] {
  if (!Array.isArray(data)) throw new ModelportError('INVALID_REQUEST', 'data is no list: send the values of the parameters in their order, as /gradio_api/info lists them', { at: 'data' });
  return data as unknown[];
}

/** What a client made up to recognize its own. Throws `INVALID_REQUEST`. */
export function readId(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= longestId) return value;
  throw new ModelportError('INVALID_REQUEST', `${name} is missing: send a text of 1 to ${longestId} characters`, { at: name });
}

export interface UploadedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The files of a multipart form, in their order. Throws `INVALID_REQUEST`, and `UNSUPPORTED_MEDIA_TYPE` for other bodies. */
export function readUpload({ body, headers }: HttpRequest): Promise<readonly UploadedFile[]> {
  const contentType = headers['content-type'];
  if (typeof contentType !== 'string' || !/^multipart\/form-data\b/i.test(contentType)) {
    throw new ModelportError('UNSUPPORTED_MEDIA_TYPE', 'files are uploaded as multipart/form-data, each as a part called files', { at: 'Content-Type' });
  }
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void => {
      reject(new ModelportError('INVALID_REQUEST', `the upload can't be read: ${reason}`, { at: 'body', ...(cause === undefined ? {} : { cause }) }));
    };
    let parser: ReturnType<typeof createBusboy>;
    try {
      // The listener limits the whole body, so a file may be as large as that.
      parser = createBusboy({ headers: { 'content-type': contentType }, defParamCharset: 'utf8', preservePath: false, limits: { fields: 100, fieldSize: 10_000, files: mostFiles, parts: mostFiles + 100, headerPairs: 100, fileSize: body.length + 1 } });
    } catch (error) {
      fail((error as Error).message, error);
      return;
    }
    const files: Promise<UploadedFile>[] = [];
    parser.on('file', (_part: string | undefined, stream, { filename }: { readonly filename?: string }) => {
      const content = collect(stream).then((bytes) => ({ name: filename ?? 'blob', bytes }));
      // Where the body is cut off, the parser has said so.
      content.catch(() => {});
      files.push(content);
    });
    parser.on('filesLimit', () => fail(`more than ${mostFiles} files`));
    parser.on('partsLimit', () => fail(`more than ${mostFiles + 100} parts`));
    parser.on('error', (error) => fail((error as Error).message, error));
    parser.on('close', () => {
      if (files.length === 0) fail('it holds no file');
      Promise.all(files).then(resolve, reject);
    });
    parser.end(body);
  });
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
