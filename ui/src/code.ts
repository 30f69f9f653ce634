/** The request that the form would send now, in three languages. Pure. */
import { formatJson, parseJson, type JsonValue } from './json.ts';

export interface RequestFacts {
  /** Absolute. */
  readonly url: string;
  /** JSON text. */
  readonly body: string;
  /** Whether the server asked for an API key. */
  readonly needsKey: boolean;
  /** For the name of the file that a large body is read from: `iris`. */
  readonly model: string;
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
  write(request: RequestFacts): Snippet;
}

/** Linux limits one argument to 128 KB; past half of it the body comes from a file. */
const mostInlineBytes = 64 * 1024;

export const languages: readonly Language[] = [
  { id: 'curl', title: 'curl', write: curl },
  { id: 'python', title: 'Python', write: python },
  { id: 'typescript', title: 'TypeScript', write: typescript },
];

function curl({ url, body, needsKey, model }: RequestFacts): Snippet {
  const key = needsKey ? ` \\\n  -H "Authorization: Bearer $MODELPORT_API_KEY"` : '';
  const head = `curl -sS ${/^[\w:/.~%-]+$/.test(url) ? url : shellQuote(url)} \\\n  -H 'Content-Type: application/json'${key} \\\n`;
  if (body.length > mostInlineBytes) return fromFile(`${head}  --data-binary @${model}-input.json`, model);
  return shortened(`${head}  -d ${shellQuote(prettyBody(body, 2))}`);
}

function python({ url, body, needsKey, model }: RequestFacts): Snippet {
  const headers = needsKey ? `,\n    headers={"Authorization": "Bearer " + os.environ["MODELPORT_API_KEY"]}` : '';
  const imports = needsKey ? 'import os\n\nimport requests\n' : 'import requests\n';
  const end = '\nresponse.raise_for_status()\nprint(response.json())\n';
  if (body.length > mostInlineBytes) {
    return fromFile(`${imports.replace('import requests', 'import json\n\nimport requests')}\nresponse = requests.post(\n    ${JSON.stringify(url)},\n    json=json.load(open("${model}-input.json"))${headers},\n)${end}`, model);
  }
  const value = parseJson(body);
  // `requests` refuses NaN in `json=`; json.dumps writes it.
  const special = /NaN|Infinity/.test(body);
  const content = special
    ? `data=json.dumps(${pythonLiteral(value, '    ')})${headers === '' ? ',\n    headers={"Content-Type": "application/json"}' : headers.replace('headers={', 'headers={"Content-Type": "application/json", ')}`
    : `json=${pythonLiteral(value, '    ')}${headers}`;
  return shortened(`${special ? 'import json\n' : ''}${imports}\nresponse = requests.post(\n    ${JSON.stringify(url)},\n    ${content},\n)${end}`);
}

function typescript({ url, body, needsKey, model }: RequestFacts): Snippet {
  const key = needsKey ? ', Authorization: `Bearer ${process.env.MODELPORT_API_KEY}`' : '';
  const large = body.length > mostInlineBytes;
  const exact = /NaN|Infinity|\d{16}/.test(body);
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
console.log(await response.json());
`;
  return large ? fromFile(text, model) : shortened(text);
}

function fromFile(text: string, model: string): Snippet {
  return { full: text, shown: text, bodyFile: `${model}-input.json` };
}

function shortened(full: string): Snippet {
  return { full, shown: full.replace(/(data:[\w/+.-]+;base64,[\w+/]{24})[\w+/=]{80,}/g, (whole, start: string) => `${start}… ${Math.ceil(whole.length / 1024)} KB`) };
}

function prettyBody(body: string, indent: number): string {
  const compact = formatJson(parseJson(body));
  return compact.length <= 72 ? spaced(compact) : indentRest(formatJson(parseJson(body), indent), '  ');
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
  const name = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : scriptString(key));
  return entries.length === 0 ? '{}' : `{\n${entries.map(([key, item]) => `${inner}${name(key)}: ${scriptLiteral(item, inner)},\n`).join('')}${indent}}`;
}

function scriptString(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
