/** Models of a running server: the predict door of Modelport, and Open Inference of any server. */
import { errorTable, ModelportError, type ErrorCode } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { PredictSignature, TensorSpec } from '../../model.ts';
import type { Predictor } from './predictor.ts';

export interface RemoteOptions {
  readonly model?: string;
  readonly apiKey?: string;
}

interface PageDocument {
  readonly models: readonly {
    readonly name: string;
    readonly versions: readonly { readonly served?: { readonly signature: { readonly inputs: readonly TensorSpec[] }; readonly predict?: PredictSignature & { readonly path: string } } }[];
  }[];
}

/** More than a server's batch, few enough for any server. */
const concurrency = 64;

/** Throws `INVALID_USAGE` where nothing answers, several models are served and none is named, or the named one is not. */
export async function openRemotePredictor(url: string, options: RemoteOptions): Promise<Predictor> {
  const server = url.replace(/\/+$/, '');
  if (!URL.canParse(server) || !/^https?:/.test(server)) throw new ModelportError('INVALID_USAGE', `'${url}' is no address of a server: write it as http://127.0.0.1:8000`, { at: '--url' });
  const headers: Record<string, string> = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
  const known = await readModels(server, headers);
  const name = chooseModel(server, known, options.model);
  const served = known?.get(name);
  const post = async (path: string, body: string | Uint8Array): Promise<string> => {
    let response: Response;
    try {
      response = await fetch(`${server}/${path}`, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: body as string | Uint8Array<ArrayBuffer> });
      const text = await response.text();
      if (response.ok) return text;
      throw answerError(response, text);
    } catch (error) {
      if (error instanceof ModelportError) throw error;
      throw new ModelportError('UNAVAILABLE', `${server} does not answer: ${causeOf(error)}`, { cause: error });
    }
  };
  return {
    name,
    inputs: served?.signature.inputs ?? [],
    task: served?.predict,
    concurrency,
    predict: async (value) => JSON.parse(await post(served!.predict!.path, JSON.stringify(value, filesAsText))) as unknown,
    infer: (request) => post(`v2/models/${encodeURIComponent(name)}/infer`, request),
    [Symbol.asyncDispose]: async () => {},
  };
}

type ServedDocument = NonNullable<PageDocument['models'][number]['versions'][number]['served']>;

/** Undefined where the server is another one, which does not tell of tasks. */
async function readModels(server: string, headers: Readonly<Record<string, string>>): Promise<Map<string, ServedDocument> | undefined> {
  let response: Response;
  try {
    response = await fetch(`${server}/ui/models`, { headers });
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `${server} does not answer: ${causeOf(cause)}`, { cause });
  }
  if (response.status === 401) throw new ModelportError('UNAUTHENTICATED', `${server} asks for an API key: give it with --api-key or MODELPORT_API_KEY`);
  if (!response.ok || !(response.headers.get('content-type') ?? '').includes('json')) {
    await response.arrayBuffer();
    return undefined;
  }
  const document = (await response.json()) as PageDocument;
  return new Map(document.models.flatMap(({ name, versions }) => {
    const served = versions.findLast((version) => version.served !== undefined)?.served;
    return served === undefined ? [] : [[name, served] as const];
  }));
}

function chooseModel(server: string, known: ReadonlyMap<string, unknown> | undefined, wanted: string | undefined): string {
  const names = [...(known?.keys() ?? [])];
  if (wanted !== undefined) {
    if (known !== undefined && !known.has(wanted)) throw new ModelportError('INVALID_USAGE', `${server} serves no model '${wanted}'${suggestName(wanted, names)}`, { at: '--model' });
    return wanted;
  }
  if (names.length === 1) return names[0]!;
  const which = names.length === 0 ? '--model NAME' : `--model ${names.slice(0, 8).join(', --model ')}${names.length > 8 ? ' …' : ''}`;
  throw new ModelportError('INVALID_USAGE', `${names.length === 0 ? `${server} does not say what it serves` : `${server} serves ${names.length} models`}, say which: ${which}`, { at: '--model' });
}

function filesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') : value;
}

function answerError(response: Response, text: string): ModelportError {
  let document: { error?: unknown; code?: unknown; at?: unknown } = {};
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    // Something in front of the server answered.
  }
  const code = typeof document.code === 'string' && Object.hasOwn(errorTable, document.code) ? (document.code as ErrorCode) : (Object.keys(errorTable) as ErrorCode[]).find((each) => errorTable[each].httpStatus === response.status);
  const retryAfterSeconds = Number(response.headers.get('retry-after') ?? NaN);
  return new ModelportError(code ?? (response.status >= 500 ? 'INTERNAL' : 'INVALID_REQUEST'), typeof document.error === 'string' ? document.error : `the server answered ${response.status}: ${text.slice(0, 200)}`, {
    ...(typeof document.at === 'string' ? { at: document.at } : {}),
    ...(Number.isNaN(retryAfterSeconds) ? {} : { retryAfterSeconds }),
  });
}

/** `fetch failed` says nothing; its cause does. */
function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : ((cause as { code?: string } | undefined)?.code ?? message);
}
