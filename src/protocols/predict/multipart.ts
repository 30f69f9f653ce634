/** multipart/form-data as a value: file parts become bytes, text parts what their property's type says. */
import createBusboy from 'busboy';
import { ModelportError } from '../../errors.ts';
import { fieldsValue, set } from './form-fields.ts';
import type { InputProperty } from './input-schema.ts';

const limits = { fields: 1000, files: 100, parts: 1100, fieldNameSize: 1000, headerPairs: 100 };

export interface Parts {
  readonly fields: [string, string][];
  readonly files: [string, Uint8Array][];
}

/** Throws `INVALID_REQUEST` where the body is cut off or malformed, `INVALID_VALUE` where a part does not fit. */
export async function readMultipart(body: Uint8Array, contentType: string, properties: readonly InputProperty[]): Promise<Record<string, unknown>> {
  return assemble(await readParts(body, contentType), properties);
}

/** The parts in the order of the body. Throws `INVALID_REQUEST` where it is cut off or malformed. */
export function readParts(body: Uint8Array, contentType: string): Promise<Parts> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void => {
      reject(new ModelportError('INVALID_REQUEST', `the multipart body can't be read: ${reason}`, { at: 'body', ...(cause === undefined ? {} : { cause }) }));
    };
    let parser: ReturnType<typeof createBusboy>;
    try {
      // The listener limits the whole body, so a part may be as large as that.
      parser = createBusboy({ headers: { 'content-type': contentType }, limits: { ...limits, fieldSize: body.length, fileSize: body.length + 1 } });
    } catch (error) {
      fail(`${(error as Error).message}. The Content-Type names the boundary: multipart/form-data; boundary=…`, error);
      return;
    }
    const fields: [string, string][] = [];
    const files: [string, Promise<Uint8Array>][] = [];
    // A part may be without a name, whatever the types of the parser say.
    parser.on('field', (name: string | undefined, text) => fields.push([name ?? '', text]));
    parser.on('file', (name: string | undefined, stream) => {
      const content = collect(stream);
      // Where the body is cut off, the parser has said so; the same complaint of the part is not needed.
      content.catch(() => {});
      files.push([name ?? '', content]);
    });
    parser.on('fieldsLimit', () => fail(`more than ${limits.fields} fields`));
    parser.on('filesLimit', () => fail(`more than ${limits.files} files`));
    parser.on('partsLimit', () => fail(`more than ${limits.parts} parts`));
    parser.on('error', (error) => fail((error as Error).message, error));
    parser.on('close', () => {
      Promise.all(files.map(async ([name, content]): Promise<[string, Uint8Array]> => [name, await content])).then((read) => resolve({ fields, files: read }), reject);
    });
    parser.end(body);
  });
}

function assemble({ fields, files }: Parts, properties: readonly InputProperty[]): Record<string, unknown> {
  const value = fieldsValue(fields, properties);
  for (const [name, bytes] of files) {
    const property = properties.find((each) => each.name === name);
    if (property?.types.includes('array') === true) {
      set(value, name, [...((value[name] as unknown[] | undefined) ?? []), bytes]);
      continue;
    }
    if (Object.hasOwn(value, name)) throw new ModelportError('INVALID_VALUE', `the part '${name.slice(0, 80)}' is given twice`, { at: name });
    // A file that holds a text field (curl's `-F text=@review.txt`) is that text.
    set(value, name, property !== undefined && !property.file ? fieldsValue([[name, new TextDecoder().decode(bytes)]], properties)[name] : bytes);
  }
  return value;
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
