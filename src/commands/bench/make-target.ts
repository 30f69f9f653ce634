/** What is sent where: a request for a model, made from its signature or example, or for any URL. */
import { readFile } from 'node:fs/promises';
import { ModelportError } from '../../errors.ts';
import { float32Text } from '../../lib/number-text.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { bytesOfTensor } from '../../protocols/open-inference/binary-tensors.ts';
import { generator, randomData } from '../../serving/sample-inputs.ts';
import { elementCount, isDatatype, type Datatype, type Tensor } from '../../tensor.ts';
import type { BenchFlags } from '../bench.ts';
import type { SocketTarget } from './http-socket.ts';

export interface BenchTarget extends SocketTarget {
  readonly url: string;
  readonly method: string;
  readonly bodyBytes: number;
  /** `iris, JSON`: what a request is, for people. */
  readonly about: string;
}

interface Body {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly about: string;
}

const mostElements = 1 << 24;
const largestBodyBytes = 1 << 30;

/** Asks the server what it needs to know, and then once what will be asked. Throws `INVALID_USAGE` where no load makes sense. */
export async function makeTarget(given: string, flags: BenchFlags): Promise<BenchTarget> {
  if (!URL.canParse(given) || !/^https?:\/\//.test(given)) throw new ModelportError('INVALID_USAGE', `'${given}' is no URL: write it as http://127.0.0.1:8000`);
  const base = new URL(given);
  const own = readHeaders(flags);
  const isServer = flags.model !== undefined || flags.predict === true || (/^\/*$/.test(base.pathname) && flags.body === undefined && flags.method === undefined);
  const { url, body } = isServer ? await modelRequest(base, flags, own) : { url: base, body: flags.body === undefined ? undefined : await bodyOfFile(flags.body) };
  const method = isServer ? 'POST' : (flags.method ?? (body === undefined ? 'GET' : 'POST'));
  const headers = { ...body?.headers, ...own };
  await probe(url, method, body, headers);
  const tls = url.protocol === 'https:';
  const head = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`, 'user-agent: modelport-bench', 'accept: */*', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  if (body !== undefined || method !== 'GET') head.push(`content-length: ${body?.bytes.byteLength ?? 0}`);
  return {
    url: url.href,
    method,
    bodyBytes: body?.bytes.byteLength ?? 0,
    about: body?.about ?? 'no body',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port === '' ? (tls ? 443 : 80) : url.port),
    tls,
    request: Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body?.bytes ?? Buffer.alloc(0)]),
    headOnly: method === 'HEAD',
  };
}

function readHeaders({ header = [], apiKey }: BenchFlags): Record<string, string> {
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  for (const text of header) {
    const match = /^([\w!#$%&'*+.^`|~-]+):\s*([^\r\n]*)$/.exec(text);
    if (match === null) throw new ModelportError('INVALID_USAGE', `--header '${text}': write name:value`, { at: '--header' });
    headers[match[1]!.toLowerCase()] = match[2]!;
  }
  return headers;
}

async function bodyOfFile(path: string): Promise<Body> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > largestBodyBytes) throw new Error('it is larger than 1 GB');
    return { bytes, headers: { 'content-type': path.endsWith('.json') ? 'application/json' : 'application/octet-stream' }, about: path };
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `--body: can't read ${path}: ${(cause as Error).message}`, { at: '--body', cause });
  }
}

interface InputDocument {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

async function modelRequest(base: URL, flags: BenchFlags, headers: Readonly<Record<string, string>>): Promise<{ url: URL; body: Body }> {
  const prefix = base.href.replace(/\/+$/, '');
  const name = flags.model ?? (await onlyModel(prefix, headers));
  if (flags.predict === true) return predictRequest(prefix, name, headers);
  const url = `${prefix}/v2/models/${encodeURIComponent(name)}`;
  if (flags.body !== undefined) return { url: new URL(`${url}/infer`), body: await bodyOfFile(flags.body) };
  const metadata = (await getJson(url, headers, `is '${name}' a model of this server?`)) as { inputs?: readonly InputDocument[] };
  if (!Array.isArray(metadata.inputs)) throw new ModelportError('INVALID_USAGE', `${url} does not tell the model's inputs: is that an Open Inference server?`);
  const shapes = readShapes(flags.shape ?? [], metadata.inputs as readonly InputDocument[]);
  const random = generator(flags.seed);
  let total = 0;
  const inputs = (metadata.inputs as readonly InputDocument[]).map((input): { name: string; tensor: Tensor } => {
    if (!isDatatype(input.datatype)) throw new ModelportError('INVALID_USAGE', `input '${input.name}' has the datatype ${input.datatype}, which is not known here: give --body`);
    const shape = shapes.get(input.name) ?? input.shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? flags.rows : 1));
    total += elementCount(shape);
    if (total > mostElements) throw new ModelportError('INVALID_USAGE', `a request would have ${total} elements: give a smaller --shape, or --body`);
    return { name: input.name, tensor: { datatype: input.datatype, shape, data: randomData(input.datatype, elementCount(shape), random) } };
  });
  return { url: new URL(`${url}/infer`), body: flags.binary === true ? binaryBody(inputs, name) : jsonBody(inputs, name) };
}

async function onlyModel(prefix: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const response = await ask(`${prefix}/v2/repository/index`, { method: 'POST', headers });
  const text = await response.text();
  if (!response.ok) throw new ModelportError('INVALID_USAGE', `${prefix} does not tell its models (${response.status}): name one with --model, or give a whole URL`);
  const names = [...new Set((JSON.parse(text) as { name: string; state?: string }[]).filter(({ state }) => state === undefined || state === 'READY').map(({ name }) => name))];
  if (names.length === 1) return names[0]!;
  throw new ModelportError('INVALID_USAGE', `${prefix} serves ${names.length === 0 ? 'no model' : `${names.length} models, say which: --model ${names.slice(0, 8).join(', --model ')}${names.length > 8 ? ' …' : ''}`}`, { at: '--model' });
}

/** The model's own example at people's door. */
async function predictRequest(prefix: string, name: string, headers: Readonly<Record<string, string>>): Promise<{ url: URL; body: Body }> {
  interface Page {
    readonly models: readonly { readonly name: string; readonly versions: readonly { readonly served?: { readonly predict?: { readonly path: string; readonly examples: readonly unknown[] } } }[] }[];
  }
  const { models } = (await getJson(`${prefix}/ui/models`, headers, 'is that a Modelport server?')) as Page;
  const model = models.find((each) => each.name === name);
  if (model === undefined) throw new ModelportError('INVALID_USAGE', `${prefix} serves no model '${name}'${suggestName(name, models.map((each) => each.name))}`, { at: '--model' });
  const predict = model.versions.findLast((version) => version.served?.predict !== undefined)?.served?.predict;
  if (predict === undefined) throw new ModelportError('INVALID_USAGE', `model '${name}' has no task: leave --predict out`);
  if (predict.examples.length === 0) throw new ModelportError('INVALID_USAGE', `model '${name}' has no example: give --body with ${prefix}/${predict.path}`);
  return { url: new URL(`${prefix}/${predict.path}`), body: { bytes: Buffer.from(JSON.stringify(predict.examples[0])), headers: { 'content-type': 'application/json' }, about: `${name}, its example` } };
}

function readShapes(given: readonly string[], inputs: readonly InputDocument[]): Map<string, number[]> {
  return new Map(
    given.map((text) => {
      const match = /^(.+):(\d+(?:,\d+)*)$/.exec(text);
      if (match === null) throw new ModelportError('INVALID_USAGE', `--shape '${text}': write it as image:1,3,224,224`, { at: '--shape' });
      if (!inputs.some((input) => input.name === match[1])) throw new ModelportError('INVALID_USAGE', `--shape: there is no input '${match[1]!}'${suggestName(match[1]!, inputs.map((input) => input.name))}`, { at: '--shape' });
      return [match[1]!, match[2]!.split(',').map(Number)];
    }),
  );
}

function jsonBody(inputs: readonly { readonly name: string; readonly tensor: Tensor }[], model: string): Body {
  const documents = inputs.map(({ name, tensor }) => `{"name":${JSON.stringify(name)},"shape":${JSON.stringify(tensor.shape)},"datatype":"${tensor.datatype}","data":[${elementTexts(tensor).join(',')}]}`);
  return { bytes: Buffer.from(`{"inputs":[${documents.join(',')}]}`), headers: { 'content-type': 'application/json' }, about: `${model}, JSON` };
}

function elementTexts({ datatype, data }: Tensor): string[] {
  if (Array.isArray(data)) return data.map((bytes) => JSON.stringify(Buffer.from(bytes).toString()));
  // Half-precision elements are bits here; any number will do.
  const write: Partial<Record<Datatype, (value: number | bigint) => string>> = { BOOL: (value) => (Number(value) === 0 ? 'false' : 'true'), FP32: (value) => float32Text(value as number), FP16: () => '0.5', BF16: () => '0.5' };
  return Array.from(data as ArrayLike<number | bigint>, write[datatype] ?? String);
}

function binaryBody(inputs: readonly { readonly name: string; readonly tensor: Tensor }[], model: string): Body {
  const parts = inputs.map(({ tensor }) => bytesOfTensor(tensor));
  const head = Buffer.from(JSON.stringify({ inputs: inputs.map(({ name, tensor }, index) => ({ name, shape: tensor.shape, datatype: tensor.datatype, parameters: { binary_data_size: parts[index]!.byteLength } })), parameters: { binary_data_output: true } }));
  return { bytes: Buffer.concat([head, ...parts]), headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.byteLength) }, about: `${model}, binary` };
}

/** One request before thousands: a mistake is told by the server's own words. */
async function probe(url: URL, method: string, body: Body | undefined, headers: Readonly<Record<string, string>>): Promise<void> {
  const response = await ask(url.href, { method, headers, ...(body === undefined ? {} : { body: body.bytes as Uint8Array<ArrayBuffer> }) });
  const text = await response.text();
  if (response.ok) return;
  throw new ModelportError('INVALID_USAGE', `the first request was answered ${response.status}, so there is nothing to measure\n      ${method} ${url.href}\n      ${text.slice(0, 400).trim()}`);
}

async function getJson(url: string, headers: Readonly<Record<string, string>>, question: string): Promise<unknown> {
  const response = await ask(url, { headers });
  const text = await response.text();
  if (!response.ok) throw new ModelportError('INVALID_USAGE', `${url} answered ${response.status}: ${question} ${text.slice(0, 200)}`.trim());
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `${url} does not answer JSON: ${question}`, { cause });
  }
}

async function ask(url: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(60_000) });
  } catch (error) {
    const { cause, message } = error as Error;
    throw new ModelportError('INVALID_USAGE', `${new URL(url).origin} does not answer: ${cause instanceof Error && cause.message !== '' ? cause.message : ((cause as { code?: string } | undefined)?.code ?? message)}`, { cause: error });
  }
}
