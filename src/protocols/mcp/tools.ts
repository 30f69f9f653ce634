/** Endpoints as MCP tools: names, schemas, and answers as content. */
import { endpointSummary, type Endpoint } from '../../endpoint.ts';
import type { JsonSchema } from '../../model.ts';

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description?: string;
  readonly inputSchema: JsonSchema;
  /** Only of answers that are objects: others are text. */
  readonly outputSchema?: JsonSchema;
}

export interface NamedTool {
  readonly tool: Tool;
  readonly endpoint: Endpoint;
  /** The input is no object: it is the argument `value`. */
  readonly wrapped: boolean;
}

/** What tool names are made of: clients allow no more. */
const foreign = /[^A-Za-z0-9_-]/g;
const longestName = 64;

export function listTools(endpoints: readonly Endpoint[]): ReadonlyMap<string, NamedTool> {
  const tools = new Map<string, NamedTool>();
  for (const endpoint of endpoints) {
    const { signature } = endpoint;
    const plain = endpoint.name.replace(foreign, '_').slice(0, longestName);
    let name = plain;
    for (let number = 2; tools.has(name); number++) name = `${plain.slice(0, longestName - 4)}_${number}`;
    const input = objectOf(withoutHints(signature.input) as JsonSchema);
    const wrapped = input['type'] !== 'object';
    const output = withoutHints(signature.output) as JsonSchema;
    const description = [signature.description ?? endpoint.served.config.config.description, exampleText(signature.examples[0])].filter((text) => text !== undefined).join('\n\n');
    tools.set(name, {
      endpoint,
      wrapped,
      tool: {
        name,
        title: endpointSummary(endpoint),
        ...(description === '' ? {} : { description }),
        inputSchema: wrapped ? { type: 'object', properties: { value: input }, required: ['value'] } : input,
        ...(output['type'] === 'object' ? { outputSchema: output } : {}),
      },
    });
  }
  return tools;
}

/** The schema, or the first of its alternatives, that is an object: arguments of tools are. */
function objectOf(schema: JsonSchema): JsonSchema {
  const { anyOf, oneOf, $defs } = schema;
  const object = (Array.isArray(anyOf) ? (anyOf as JsonSchema[]) : Array.isArray(oneOf) ? (oneOf as JsonSchema[]) : []).find((choice) => choice['type'] === 'object');
  return object === undefined ? schema : { ...object, ...($defs === undefined ? {} : { $defs }) };
}

/** Long ones (a picture) would drown the tool. */
function exampleText(example: unknown): string | undefined {
  const text = example === undefined ? undefined : JSON.stringify(example);
  return text === undefined || text.length > 500 ? undefined : `Example: ${text}`;
}

/** Hints are for forms; models that read tools pay for every word. */
function withoutHints(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHints);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, member]) => (name === 'x-modelport' ? [] : [[name, withoutHints(member)]])));
}

export type Content = { readonly type: 'text'; readonly text: string } | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string };

export interface ToolResult {
  readonly content: readonly Content[];
  readonly structuredContent?: unknown;
  readonly isError?: true;
}

/** Pictures and sounds go as such, beside the text that the rest is. */
export function toolResult(answer: unknown, { endpoint }: NamedTool): ToolResult {
  const plain = JSON.parse(JSON.stringify(answer, asJson) ?? 'null') as unknown;
  const media: Content[] = [];
  const text = takeMedia(plain, media);
  // Parts of a text that was streamed are that text.
  const whole = endpoint.signature.part !== undefined && Array.isArray(text) && text.every((part) => typeof part === 'string') ? text.join('') : typeof text === 'string' ? text : JSON.stringify(text);
  const onlyMedia = media.length === 1 && text === placeholder(1);
  return { content: [...(onlyMedia ? [] : [{ type: 'text' as const, text: whole }]), ...media], ...(typeof plain === 'object' && plain !== null && !Array.isArray(plain) ? { structuredContent: plain } : {}) };
}

function asJson(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  return typeof value === 'bigint' ? String(value) : value;
}

const placeholder = (number: number): string => `[attachment ${number}]`;

function takeMedia(value: unknown, media: Content[]): unknown {
  if (typeof value === 'string') {
    const match = /^data:((image|audio)\/[\w.+-]+);base64,/.exec(value.slice(0, 100));
    if (match === null) return value;
    media.push({ type: match[2] as 'image' | 'audio', data: value.slice(match[0].length), mimeType: match[1]! });
    return placeholder(media.length);
  }
  if (Array.isArray(value)) return value.map((each) => takeMedia(each, media));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, takeMedia(member, media)]));
}
