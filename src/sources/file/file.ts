/** `file:///PATH#sha256=…`: a file of this machine, copied into the store; for what is pinned, or lies on a disk that is not always there. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelportError } from '../../errors.ts';
import { checkPin, splitPin, type FetchedContent, type Source, type SourceContext } from '../../source.ts';

export const file: Source = {
  scheme: 'file',
  form: 'file:///PATH#sha256=…',
  async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
    const { place, sha256 } = splitPin(reference);
    let path: string;
    try {
      path = fileURLToPath(place);
    } catch (cause) {
      throw new ModelportError('INVALID_USAGE', `'${reference}' is no file: write file:// and an absolute path`, { at: reference, cause });
    }
    const status = await stat(path).catch(() => undefined);
    if (status?.isFile() !== true) throw new ModelportError('NOT_FOUND', `${reference}: there is no file ${path}`, { at: reference });
    const stored = await context.store.put(createReadStream(path));
    checkPin(reference, sha256, stored.digest);
    const fileName = basename(path);
    return { files: new Map([[fileName, stored]]), name: fileName.replace(/\.[^.]*$/, '') || 'model', revision: stored.digest };
  },
};
