/** Files on Gradio's wire: an object with a path, https://github.com/gradio-app/gradio/blob/main/gradio/data_classes.py. */
import { ModelportError } from '../../errors.ts';
import type { JsonSchema } from '../../model.ts';
import type { FileStore } from './file-store.ts';
import { anyMediaType, extensionOf, mediaTypeOfBytes, mediaTypeOfName } from '../../lib/media-type.ts';
import { isRecord } from './schema.ts';

export interface FileData {
  readonly path: string;
  readonly url: string;
  readonly size: number;
  readonly orig_name: string;
  readonly mime_type: string;
  readonly is_stream: false;
  readonly meta: { readonly _type: 'gradio.FileData' };
}

const orNull = (type: string): JsonSchema => ({ anyOf: [{ type }, { type: 'null' }], default: null });

/** By the `const` below `meta` clients know that a value is a file. */
export const fileDataSchema: JsonSchema = {
  title: 'FileData',
  type: 'object',
  properties: {
    path: { type: 'string', title: 'Path' },
    url: orNull('string'),
    size: orNull('integer'),
    orig_name: orNull('string'),
    mime_type: orNull('string'),
    is_stream: { type: 'boolean', default: false },
    meta: { type: 'object', properties: { _type: { type: 'string', const: 'gradio.FileData' } }, default: { _type: 'gradio.FileData' } },
  },
  required: ['path'],
};

/** A client's files during one job. */
export class JobFiles {
  readonly #store: FileStore;
  readonly #publicUrl: string;
  readonly #apiPrefix: string;

  /** `publicUrl`: where the client reaches this server, without a slash at the end; '' where that is not known. */
  constructor(store: FileStore, publicUrl: string, apiPrefix: string) {
    this.#store = store;
    this.#publicUrl = publicUrl;
    this.#apiPrefix = apiPrefix;
  }

  /**
   * The bytes that a client means: of a file that this server holds, or of a data URL. Other text is given back as it is: base64,
   * for whoever reads the value. Throws `INVALID_VALUE` where there is no such file, and for addresses: nothing is fetched.
   */
  async read(value: unknown, at: string): Promise<unknown> {
    if (typeof value === 'string') {
      const path = storedPath(value);
      return path === undefined ? value : this.#stored(path, undefined, at);
    }
    if (!isFileData(value)) return value;
    const { path, url, orig_name: original, mime_type: mediaType } = value;
    for (const text of [path, url]) {
      const stored = typeof text === 'string' ? storedPath(text) : undefined;
      if (stored !== undefined) return this.#stored(stored, typeof mediaType === 'string' && mediaType !== '' ? mediaType : mediaTypeOfName(typeof original === 'string' ? original : stored), at);
    }
    const given = [url, path].find((text) => typeof text === 'string' && text !== '') as string | undefined;
    if (given?.startsWith('data:') === true) return given;
    const shown = given === undefined ? 'no path' : `'${given.slice(0, 100)}'`;
    const reason = given !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? `is ${shown}, and addresses are not fetched here` : `has ${shown}, which is no file that was uploaded here`;
    throw new ModelportError('INVALID_VALUE', `${at} ${reason}: upload the file (handle_file with a path on your machine), and send what the upload answered`, { at });
  }

  async #stored(path: string, mediaType: string | undefined, at: string): Promise<Uint8Array> {
    const file = await this.#store.read(path);
    if (file === undefined) throw new ModelportError('INVALID_VALUE', `${at} is a file that is not here any more: uploaded files are kept for a limited time. Upload it again`, { at });
    const known = [mediaType, mediaTypeOfName(file.name), mediaTypeOfBytes(file.bytes)].find((type) => type !== undefined && type !== anyMediaType);
    return Object.defineProperty(file.bytes, 'mediaType', { value: known });
  }

  /** Keeps bytes of an answer and says where clients find them. `name`: without its extension. */
  async write(bytes: Uint8Array & { readonly mediaType?: string }, name: string, told?: string): Promise<FileData> {
    const mediaType = [bytes.mediaType, told].find((type) => type !== undefined && /^[\w.+-]+\/[\w.+-]+$/.test(type) && type !== anyMediaType) ?? mediaTypeOfBytes(bytes);
    const original = `${name}.${extensionOf(mediaType)}`;
    const path = await this.#store.write(bytes, original);
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return { path, url: `${this.#publicUrl}${this.#apiPrefix}/file=${encoded}`, size: bytes.byteLength, orig_name: original, mime_type: mediaType, is_stream: false, meta: { _type: 'gradio.FileData' } };
  }
}

/** Any object with a path or an address is a file where one is wanted; elsewhere it has to say so below `meta`. */
export function isFileData(value: unknown): value is Readonly<Record<string, unknown>> {
  return isRecord(value) && (typeof value['path'] === 'string' || typeof value['url'] === 'string');
}

export function saysFileData(value: unknown): boolean {
  return isFileData(value) && isRecord(value['meta']) && value['meta']['_type'] === 'gradio.FileData';
}

/** The path of a file that a store may hold: alone, or behind `file=` in an address of this server. Whose address it is does not matter: nothing is fetched. */
function storedPath(text: string): string | undefined {
  if (text.length > 2000) return undefined;
  if (/^[0-9a-f]{32}\/[^/]+$/.test(text)) return text;
  const behind = /\/file=([0-9a-f]{32}\/[^/?#]+)/.exec(text)?.[1];
  if (behind === undefined) return undefined;
  try {
    return decodeURIComponent(behind);
  } catch {
    return undefined;
  }
}
