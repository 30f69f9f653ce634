/** The request that the form would send now, in four clients. Pure. */
import { formatJson, parseJson, writtenText, type JsonValue } from './json.ts';

export interface RequestFacts {
  /** Absolute. */
  readonly url: string;
  /** JSON text. */
  readonly body: string;
  /** Whether the server asked for an API key. */
  readonly needsKey: boolean;
  /** For the name of the file that a large body is read from: `iris`. */
  readonly model: string;
  /** The answer comes as server-sent events. */
  readonly stream?: boolean;
  /** What the client libraries call; absent where only the address is known. */
  readonly client?: ClientFacts;
}

export interface ClientFacts {
  /** The server's root, absolute. */
  readonly server: string;
  readonly door: 'predict' | 'infer';
  /** Undefined: the newest. */
  readonly version: string | undefined;
}

export interface Snippet {
  /** What "Copy" copies. */
  readonly full: string;
  /** The same with long data URLs cut short. */
  readonly shown: string;
  /** The body is read from a file of this name, which the page offers to download. */
  readonly bodyFile?: string;
}

export interface Language {
  readonly id: string;
  readonly title: string;
  /** Where it is absent, every request can be written. */
  offers?(request: RequestFacts): boolean;
  write(request: RequestFacts): Snippet;
}

/** Linux limits one argument to 128 KB; past half of it the body comes from a file. */
const mostInlineBytes = 64 * 1024;

export const languages: readonly Language[] = [
  { id: 'curl', title: 'curl', write: curl },
  { id: 'python', title: 'Python', write: python },
  { id: 'typescript', title: 'TypeScript', write: typescript },
  { id: 'gradio', title: 'Gradio', offers: ({ client, body }) => client?.door === 'predict' && client.version === undefined && isNamed(body), write: gradio },
];

function curl({ url, body, needsKey, model, stream = false }: RequestFacts): Snippet {
  const key = needsKey ? ` \\\n  -H "Authorization: Bearer $MODELPORT_API_KEY"` : '';
  const events = stream ? ` \\\n  -H 'Accept: text/event-stream'` : '';
  const head = `curl -sS${stream ? 'N' : ''} ${/^[\w:/.~%-]+$/.test(url) ? url : shellQuote(url)} \\\n  -H 'Content-Type: application/json'${events}${key} \\\n`;
  if (body.length > mostInlineBytes) return fromFile(`${head}  --data-binary @${model}-input.json`, model);
  return shortened(`${head}  -d ${shellQuote(prettyBody(body, 2))}`);
}

function python({ url, body, needsKey, model, stream = false }: RequestFacts): Snippet {
  const sent = [...(stream ? ['"Accept": "text/event-stream"'] : []), ...(needsKey ? ['"Authorization": "Bearer " + os.environ["MODELPORT_API_KEY"]'] : [])];
  const headers = `${sent.length === 0 ? '' : `,\n    headers={${sent.join(', ')}}`}${stream ? ',\n    stream=True' : ''}`;
  const imports = needsKey ? 'import os\n\nimport requests\n' : 'import requests\n';
  const end = stream
    ? '\nresponse.raise_for_status()\nfor line in response.iter_lines(decode_unicode=True):\n    if line.startswith("data: "):\n        print(line[6:], flush=True)\n'
    : '\nresponse.raise_for_status()\nprint(response.json())\n';
  if (body.length > mostInlineBytes) {
    return fromFile(`${imports.replace('import requests', 'import json\n\nimport requests')}\nresponse = requests.post(\n    ${JSON.stringify(url)},\n    json=json.load(open("${model}-input.json"))${headers},\n)${end}`, model);
  }
  const value = parseJson(body);
  // `requests` refuses NaN in `json=`; json.dumps writes it.
  const special = /NaN|Infinity/.test(body);
  const content = special
    ? `data=json.dumps(${pythonLiteral(value, '    ')})${!headers.includes('headers={') ? `,\n    headers={"Content-Type": "application/json"}${headers}` : headers.replace('headers={', 'headers={"Content-Type": "application/json", ')}`
    : `json=${pythonLiteral(value, '    ')}${headers}`;
  return shortened(`${special ? 'import json\n' : ''}${imports}\nresponse = requests.post(\n    ${JSON.stringify(url)},\n    ${content},\n)${end}`);
}

function typescript(request: RequestFacts): Snippet {
  return typescriptClient(request) ?? typescriptFetch(request);
}

/** With the package's own client; undefined where it cannot send exactly this body. */
function typescriptClient({ body, needsKey, model, stream = false, client }: RequestFacts): Snippet | undefined {
  if (client === undefined || isExact(body)) return undefined;
  const large = body.length > mostInlineBytes;
  const version = client.version === undefined ? '' : `, { version: ${scriptString(client.version)} }`;
  const payload = client.door === 'infer' ? tensorLiteral(parseJson(body)) : large ? `JSON.parse(await readFile('${model}-input.json', 'utf8'))` : scriptLiteral(parseJson(body));
  if (payload === undefined || (client.door === 'infer' && (large || stream))) return undefined;
  const imports = `import { createClient } from 'modelport/client';\n${large ? "import { readFile } from 'node:fs/promises';\n" : ''}`;
  const created = `const client = createClient(${scriptString(client.server)}${needsKey ? ', { apiKey: process.env.MODELPORT_API_KEY }' : ''});\n`;
  const call = `client.${client.door === 'infer' ? 'infer' : stream ? 'stream' : 'predict'}(${scriptString(model)}, ${payload}${version})`;
  const text = `${imports}\n${created}${stream ? `for await (const part of ${call}) console.log(part);` : `const answer = await ${call};\nconsole.log(answer);`}\n`;
  return large ? fromFile(text, model) : shortened(text);
}

/** Numbers that JSON.stringify would change. */
function isExact(body: string): boolean {
  return /NaN|Infinity|\d{16}/.test(body);
}

const arrays: Readonly<Record<string, string>> = { FP32: 'Float32Array', FP64: 'Float64Array', INT8: 'Int8Array', INT16: 'Int16Array', INT32: 'Int32Array', UINT8: 'Uint8Array', UINT16: 'Uint16Array', UINT32: 'Uint32Array' };

/** The inputs of an Open Inference body as the client takes them; undefined where it takes other arrays. */
function tensorLiteral(body: JsonValue): string | undefined {
  const { inputs } = body as { readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[]; readonly data: readonly JsonValue[] }[] };
  const lines = inputs.map(({ name, datatype, shape, data }) => (arrays[datatype] === undefined ? undefined : `  ${scriptName(name)}: { shape: [${shape.join(', ')}], data: ${arrays[datatype]}.of(${numbersOf(data).join(', ')}) },\n`));
  return lines.includes(undefined) ? undefined : `{\n${lines.join('')}}`;
}

function numbersOf(data: JsonValue): readonly string[] {
  return Array.isArray(data) ? (data as readonly JsonValue[]).flatMap(numbersOf) : [writtenText(data)];
}

function isNamed(body: string): boolean {
  return body.startsWith('{');
}

/** Files are uploaded: what is a data URL here is bytes there. */
function gradio({ body, needsKey, model, stream = false, client }: RequestFacts): Snippet {
  const large = body.length > mostInlineBytes;
  const inputs = large
    ? `JSON.parse(await readFile('${model}-input.json', 'utf8'))`
    : scriptLiteral(parseJson(body)).replace(/'(data:[\w/+.-]+;base64,[\w+/=]*)'/g, "await (await fetch('$1')).blob()");
  // As the server writes names of endpoints for this protocol.
  const name = `/${model.replace(/[^A-Za-z0-9._-]/g, '_')}`;
  const key = needsKey ? ', {\n  headers: { Authorization: `Bearer ${process.env.MODELPORT_API_KEY}` },\n}' : '';
  const head = `import { Client } from '@gradio/client';\n${large ? "import { readFile } from 'node:fs/promises';\n" : ''}\nconst app = await Client.connect(${scriptString(client!.server)}${key});\n`;
  const text = stream
    ? `${head}const job = app.submit(${scriptString(name)}, ${inputs});\nfor await (const event of job) {\n  if (event.type === 'data') console.log(event.data);\n}\n`
    : `${head}const { data } = await app.predict(${scriptString(name)}, ${inputs});\nconsole.log(data);\n`;
  return large ? fromFile(text, model) : shortened(text);
}

function typescriptFetch({ url, body, needsKey, model, stream = false }: RequestFacts): Snippet {
  const key = `${stream ? ", Accept: 'text/event-stream'" : ''}${needsKey ? ', Authorization: `Bearer ${process.env.MODELPORT_API_KEY}`' : ''}`;
  const large = body.length > mostInlineBytes;
  const exact = isExact(body);
  const payload = large
    ? `await readFile('${model}-input.json', 'utf8')`
    : exact
      ? `\`${prettyBody(body, 2).replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``
      : `JSON.stringify(${indentRest(scriptLiteral(parseJson(body)), '  ')})`;
  const text = `${large ? "import { readFile } from 'node:fs/promises';\n\n" : ''}const response = await fetch(${scriptString(url)}, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json'${key} },
  body: ${payload},
});
if (!response.ok) throw new Error(await response.text());
${stream ? 'for await (const text of response.body!.pipeThrough(new TextDecoderStream())) process.stdout.write(text);' : 'console.log(await response.json());'}
`;
  return large ? fromFile(text, model) : shortened(text);
}

function fromFile(text: string, model: string): Snippet {
  return { full: text, shown: text, bodyFile: `${model}-input.json` };
}

function shortened(full: string): Snippet {
  return { full, shown: full.replace(/(data:[\w/+.-]+;base64,[\w+/]{24})[\w+/=]{80,}/g, (whole, start: string) => `${start}… ${Math.ceil(whole.length / 1024)} KB`) };
}

/** What fits beside the form; a longer body is written over several lines. */
const longestLine = 48;

function prettyBody(body: string, indent: number): string {
  const compact = formatJson(parseJson(body));
  return compact.length <= longestLine ? spaced(compact) : indentRest(formatJson(parseJson(body), indent), '  ');
}

function spaced(compact: string): string {
  return compact.replace(/("(?:[^"\\]|\\.)*")|([,:])/g, (_, quoted: string | undefined, mark: string) => quoted ?? `${mark} `);
}

function indentRest(text: string, prefix: string): string {
  return text.replaceAll('\n', `\n${prefix}`);
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function pythonLiteral(value: JsonValue, indent: string): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'number' && !Number.isFinite(value)) return `float("${String(value).toLowerCase().replace('infinity', 'inf')}")`;
  if (typeof value === 'string') return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
  if (typeof value !== 'object') return String(value);
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map((item) => pythonLiteral(item, inner));
    const flat = (value as readonly JsonValue[]).every((item) => typeof item !== 'object' || item === null);
    return flat ? `[${items.join(', ')}]` : `[\n${items.map((item) => `${inner}${item},\n`).join('')}${indent}]`;
  }
  const entries = Object.entries(value);
  return entries.length === 0 ? '{}' : `{\n${entries.map(([name, item]) => `${inner}${JSON.stringify(name)}: ${pythonLiteral(item, inner)},\n`).join('')}${indent}}`;
}

function scriptLiteral(value: JsonValue, indent = ''): string {
  if (typeof value === 'string') return scriptString(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map((item) => scriptLiteral(item, inner));
    const flat = (value as readonly JsonValue[]).every((item) => typeof item !== 'object' || item === null);
    return flat ? `[${items.join(', ')}]` : `[\n${items.map((item) => `${inner}${item},\n`).join('')}${indent}]`;
  }
  const entries = Object.entries(value);
  return entries.length === 0 ? '{}' : `{\n${entries.map(([key, item]) => `${inner}${scriptName(key)}: ${scriptLiteral(item, inner)},\n`).join('')}${indent}}`;
}

function scriptString(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

function scriptName(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : scriptString(key);
}
