/** `https://HOST/PATH#sha256=…` (and `http:`): a file at an address, followed by its digest where it is pinned. */
import { downloadToStore } from '../../download.ts';
import { ModelportError } from '../../errors.ts';
import { HttpClient, shownUrl } from '../../http-client.ts';
import { credentialsFor } from '../../netrc.ts';
import { splitPin, type FetchedContent, type Source, type SourceContext } from '../../source.ts';

async function fetchAddress(reference: string, context: SourceContext): Promise<FetchedContent> {
  const { place, sha256 } = splitPin(reference);
  let address: URL;
  try {
    address = new URL(place);
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `'${reference}' is no address`, { at: reference, cause });
  }
  if (address.protocol === 'http:' && sha256 === undefined && !/^(?:localhost|127\.|\[::1\])/.test(address.hostname)) {
    throw new ModelportError('INVALID_USAGE', `${shownUrl(place)} is not encrypted, so anybody on the way could change the file: write https:, or pin it with #sha256=`, { at: reference });
  }
  const fileName = decodeURIComponent(address.pathname.split('/').pop() ?? '');
  if (fileName === '' || /[\\/\0]/.test(fileName)) throw new ModelportError('INVALID_USAGE', `'${reference}' names no file: the address must end with a file's name`, { at: reference });
  const client = new HttpClient();
  try {
    const { url, headers } = await credentialsFor(place, context.environment);
    const stored = await downloadToStore(client, url, context, { what: fileName, headers, ...(sha256 === undefined ? {} : { expected: { algorithm: 'sha256', hex: sha256 } }) });
    if (sha256 === undefined) context.note?.(`${shownUrl(place)} is not pinned: write #${stored.digest.replace(':', '=')} behind it`);
    const stem = fileName.replace(/\.[^.]*$/, '');
    return { files: new Map([[fileName, stored]]), name: /^(?:model)?$/i.test(stem) ? address.hostname : stem, revision: stored.digest };
  } finally {
    await client.close();
  }
}

const form = 'https://HOST/PATH/FILE#sha256=…';

export const https: Source = { scheme: 'https', form, fetch: fetchAddress };
export const http: Source = { scheme: 'http', form, fetch: fetchAddress };
