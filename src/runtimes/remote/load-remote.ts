/** Asks a server of the Open Inference Protocol what a model of its is. */
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import type { BatchFacts, Signature, TensorSpec } from '../../model.ts';
import type { LoadOptions } from '../../runtime.ts';
import { isDatatype } from '../../tensor.ts';
import { HttpConnection } from './http-connection.ts';
import { remoteError, RemoteModel } from './remote-model.ts';

interface Settings {
  readonly url: URL;
  readonly model: string;
  readonly version: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
}

/** Throws `INVALID_CONFIG`, `UNAVAILABLE` (no answer), `NOT_FOUND` (no such model there) or `INVALID_MODEL` (metadata that makes no sense). */
export async function loadRemote(artifact: Artifact, options: LoadOptions): Promise<RemoteModel> {
  const settings = settingsOf(artifact, options);
  const connection = new HttpConnection(settings.url, settings);
  try {
    const path = `/v2/models/${encodeURIComponent(settings.model)}${settings.version === undefined ? '' : `/versions/${encodeURIComponent(settings.version)}`}`;
    const metadata = await getJson(connection, path);
    if (metadata === undefined) throw new ModelportError('NOT_FOUND', `the remote server ${settings.url.origin} has no model '${settings.model}'${settings.version === undefined ? '' : `, version ${settings.version}`}`);
    // Both are extensions: a server may lack them.
    const config = (await getJson(connection, `${path}/config`)) ?? {};
    const server = (await getJson(connection, '/v2')) ?? {};
    const extensions = list(server['extensions']);
    return new RemoteModel(connection, { signature: signatureOf(metadata, config, settings), path, binary: extensions.includes('binary_tensor_data') });
  } catch (error) {
    connection.close();
    throw error;
  }
}

function settingsOf(artifact: Artifact, { parameters }: LoadOptions): Settings {
  const setting = (name: string): string | undefined => {
    const value = parameters[name] ?? artifact.metadata[name];
    return value === undefined ? undefined : `${value as string | number | boolean}`;
  };
  const wrong = (name: string, what: string) => new ModelportError('INVALID_CONFIG', `parameters.${name} of a remote model ${what}`, { at: `parameters.${name}` });
  const number = (name: string, otherwise: number): number => {
    const value = Number(setting(name) ?? otherwise);
    if (!(value > 0)) throw wrong(name, `is '${setting(name)}', which is no positive number`);
    return value;
  };
  const address = setting('url');
  const model = setting('model');
  if (address === undefined) throw wrong('url', 'is missing: write where its server is, such as http://127.0.0.1:8000');
  if (model === undefined) throw wrong('model', 'is missing: write the name that it has on its server');
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) throw wrong('url', `is '${address}', which is no http address`);
  const key = setting('apiKey');
  return {
    url: new URL(address),
    model,
    version: setting('version'),
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    timeoutMs: number('timeoutMs', 300_000),
    maxResponseBytes: number('maxResponseBytes', 2 ** 30),
  };
}

/** Undefined where there is none: 404, or the protocol's 400 for an unknown model. */
async function getJson(connection: HttpConnection, path: string): Promise<Record<string, unknown> | undefined> {
  const answer = await connection.send({ method: 'GET', path, repeatable: true });
  if (answer.status === 400 || answer.status === 404 || answer.status === 405 || answer.status === 501) return undefined;
  if (answer.status !== 200) throw remoteError(answer, connection.url);
  try {
    const value = JSON.parse(Buffer.from(answer.body).toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new ModelportError('INVALID_MODEL', `${connection.url.origin}${path} gives no JSON: is there a server of the Open Inference Protocol?`);
}

function signatureOf(metadata: Record<string, unknown>, config: Record<string, unknown>, settings: Settings): Signature {
  const largest = Number(config['max_batch_size'] ?? 0);
  const batches = Number.isSafeInteger(largest) && largest > 0;
  const optional = new Set(list(config['input']).filter((input) => (input as { optional?: unknown }).optional === true).map((input) => (input as { name: string }).name));
  const specs = (key: 'inputs' | 'outputs'): TensorSpec[] =>
    list(metadata[key]).map((entry) => {
      const { name, datatype, shape } = (entry ?? {}) as { name?: unknown; datatype?: unknown; shape?: unknown };
      if (typeof name !== 'string' || typeof datatype !== 'string' || !isDatatype(datatype) || !Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size))) {
        throw new ModelportError('INVALID_MODEL', `the remote model '${settings.model}' at ${settings.url.origin} describes its ${key} in a way that this protocol does not know: ${JSON.stringify(entry)?.slice(0, 200)}`);
      }
      return {
        name,
        datatype,
        shape: (shape as number[]).map((size) => Math.max(-1, size)),
        ...(batches && shape[0] === -1 ? { batchAxis: 0 } : {}),
        ...(optional.has(name) ? { optional: true } : {}),
      };
    });
  const batch: BatchFacts = batches
    ? { maxSize: largest, reason: `can batch: its server says max_batch_size ${largest}` }
    : { maxSize: 0, reason: `cannot batch: its server ${config['max_batch_size'] === undefined ? 'does not say whether it can' : 'says max_batch_size 0'}` };
  return { inputs: specs('inputs'), outputs: specs('outputs'), batch };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
