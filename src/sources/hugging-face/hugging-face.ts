/**
 * `hf:ORGANIZATION/NAME@REVISION/PATH`: a file of a model hub that speaks Hugging Face's API, `PATH/` a folder of it, and without a path the whole repository.
 * `HF_ENDPOINT` names another hub, `HF_TOKEN` (or the file that `huggingface-cli login` writes) says who asks. A revision is a branch, tag or commit.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { downloadToStore } from '../../download.ts';
import { ModelportError } from '../../errors.ts';
import { HttpClient, statusError } from '../../http-client.ts';
import { checkMemberPath, checkPin, splitPin, type FetchedContent, type Source, type SourceContext, type StoredContent } from '../../source.ts';

const form = 'hf:ORGANIZATION/NAME@REVISION/PATH';
const maximumDocumentBytes = 64 << 20;
const maximumFiles = 10_000;
/** What of a whole repository serves nobody: other frameworks' copies and pictures are left to those who name them. */
const neverTaken = /^(?:\.gitattributes|\.git\/)/;

interface HubReference {
  readonly repository: string;
  readonly revision: string;
  /** '' for all; ends with a slash where it is a folder. */
  readonly path: string;
  readonly sha256: string | undefined;
}

interface Entry {
  readonly path: string;
  /** Known of files in large-file storage. */
  readonly sha256: string | undefined;
}

export const huggingFace: Source = {
  scheme: 'hf',
  form,
  async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
    const wanted = parseReference(reference);
    const hub = await connect(context);
    try {
      const commit = await hub.commit(wanted);
      const single = wanted.path !== '' && !wanted.path.endsWith('/');
      const all = await hub.list(wanted.repository, commit);
      const entries = all.filter(({ path }) => (single ? path === wanted.path : path.startsWith(wanted.path) && !neverTaken.test(path)));
      if (entries.length === 0) throw new ModelportError('NOT_FOUND', `${wanted.repository} at ${wanted.revision} holds no ${wanted.path || 'files'} (${reference})`, { at: reference });
      const files = new Map<string, StoredContent>();
      for (const entry of entries) {
        const stored = await hub.file(wanted.repository, commit, entry);
        if (single) checkPin(reference, wanted.sha256, stored.digest);
        files.set(single ? entry.path.split('/').pop()! : entry.path.slice(wanted.path.length), stored);
      }
      if (!single && wanted.sha256 !== undefined) throw new ModelportError('INVALID_USAGE', `${reference}: a digest pins one file; pin a repository by its commit, as in ${form.replace('REVISION', commit)}`, { at: reference });
      if (commit !== wanted.revision && wanted.sha256 === undefined) context.note?.(`${reference} is not pinned: write @${commit} in it`);
      const name = single && !/^model\.[^.]+$/.test(wanted.path.split('/').pop()!) ? wanted.path.split('/').pop()!.replace(/\.[^.]*$/, '') : wanted.repository.split('/').pop()!;
      return { files, name, revision: single ? [...files.values()][0]!.digest : `sha256:${createHash('sha256').update(commit).digest('hex')}` };
    } finally {
      await hub.close();
    }
  },
};

export function parseReference(reference: string): HubReference {
  const { place, sha256 } = splitPin(reference);
  const match = /^hf:([\w.-]{1,96}\/[\w.-]{1,96})(?:@([\w.-]{1,128}))?(?:\/(.*))?$/.exec(place);
  if (match === null || match[1]!.split('/').some((part) => /^\.+$/.test(part))) throw new ModelportError('INVALID_USAGE', `'${reference}' names nothing in a hub: write ${form}`, { at: reference });
  const path = match[3] ?? '';
  if (path !== '') checkMemberPath(path, reference);
  return { repository: match[1]!, revision: match[2] ?? 'main', path, sha256 };
}

interface Hub {
  commit(wanted: HubReference): Promise<string>;
  list(repository: string, commit: string): Promise<Entry[]>;
  file(repository: string, commit: string, entry: Entry): Promise<StoredContent>;
  close(): Promise<void>;
}

async function connect(context: SourceContext): Promise<Hub> {
  const { environment } = context;
  const endpoint = (environment['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, '');
  const home = environment['HF_HOME'] ?? join(environment['HOME'] ?? homedir(), '.cache', 'huggingface');
  const token = environment['HF_TOKEN'] ?? (await readFile(environment['HF_TOKEN_PATH'] ?? join(home, 'token'), 'utf8').catch(() => '')).trim();
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  const client = new HttpClient();
  const json = async (url: string): Promise<unknown> => {
    const response = await client.request(url, { headers, ...(context.signal === undefined ? {} : { signal: context.signal }) });
    if (response.status !== 200) throw await statusError(response, url);
    try {
      return JSON.parse(await response.text(maximumDocumentBytes));
    } catch (cause) {
      throw new ModelportError('UNAVAILABLE', `${endpoint} is no model hub: its answer is not JSON`, { cause });
    }
  };
  return {
    async commit({ repository, revision }) {
      const { sha } = ((await json(`${endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`)) ?? {}) as { sha?: unknown };
      if (typeof sha !== 'string' || !/^[0-9a-f]{40,64}$/.test(sha)) throw new ModelportError('UNAVAILABLE', `${endpoint} does not say which commit ${repository}@${revision} is`);
      return sha;
    },
    async list(repository, commit) {
      const listed = await json(`${endpoint}/api/models/${repository}/tree/${commit}?recursive=true`);
      if (!Array.isArray(listed)) throw new ModelportError('UNAVAILABLE', `${endpoint} does not list the files of ${repository}`);
      if (listed.length > maximumFiles) throw new ModelportError('INVALID_MODEL', `${repository} holds more than ${maximumFiles} files, which is refused`);
      return listed.flatMap((item: unknown): Entry[] => {
        const { type, path, lfs } = (item ?? {}) as { type?: unknown; path?: unknown; lfs?: { oid?: unknown } };
        if (type !== 'file' || typeof path !== 'string') return [];
        checkMemberPath(path, repository);
        const oid = lfs?.oid;
        return [{ path, sha256: typeof oid === 'string' && /^[0-9a-f]{64}$/.test(oid) ? oid : undefined }];
      });
    },
    file: async (repository, commit, { path, sha256 }) =>
      await downloadToStore(client, `${endpoint}/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`, context, { what: `${repository}/${path}`, headers, ...(sha256 === undefined ? {} : { expected: { algorithm: 'sha256', hex: sha256 } }) }),
    close: () => client.close(),
  };
}
