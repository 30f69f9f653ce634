/** What people read about `model.yaml`, made from its schema: the JSON Schema for editors and the reference page. */
import { z } from 'zod';
import { modelConfigSchema } from './model-config.ts';

interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly prefixItems?: readonly SchemaNode[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** JSON Schema 2020-12 of what may be written. */
export function modelConfigJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(modelConfigSchema, { target: 'draft-2020-12', io: 'input' });
  return {
    $schema,
    title: 'Modelport model configuration',
    description: 'model.yaml: what a person writes about a model. Everything is optional; what is left out is inferred from the model.',
    ...schema,
  };
}

/** The reference page, in Markdown. */
export function modelConfigDocumentation(): string {
  const lines = [
    '# model.yaml',
    '',
    '<!-- Written by `npm run schema` from src/model-config.ts. -->',
    '',
    'A model needs no configuration: what can be inferred is inferred, and `modelport inspect` shows the result and where each value came from.',
    'What you want otherwise goes into a file beside the model: `model.yaml` in its folder, or `iris.yaml` beside `iris.onnx`.',
    "Triton's `config.pbtxt` is read instead where there is one; what it says and is not honoured is reported at the start.",
    '',
    'Editors complete and check the file when its first line is',
    '',
    '```yaml',
    '# yaml-language-server: $schema=./node_modules/modelport/schema/model-config.schema.json',
    '```',
    '',
    'An example:',
    '',
    '```yaml',
    ...example,
    '```',
    '',
    'A key that does not exist is an error that names the nearest one. YAML aliases (`*name`) are not covered.',
    '',
  ];
  section(lines, modelConfigJsonSchema(), '', 'Keys');
  return `${lines.join('\n').trimEnd()}\n`;
}

const example = [
  'description: Iris species from four lengths',
  'inputs:',
  '  - name: measurements',
  '    description: Sepal length, sepal width, petal length, petal width',
  '    unit: cm',
  '    minimum: 0',
  '    maximum: 10',
  'outputs:',
  '  - name: probabilities',
  '    labels: [setosa, versicolor, virginica]',
  'batching:',
  '  maxSize: 32',
  '  maxQueueDelayMs: 2',
  'instances:',
  '  count: 2',
  'versions:',
  '  latest: 2',
];

function section(lines: string[], node: SchemaNode, path: string, title: string): void {
  lines.push(path === '' ? `## ${title}` : `### \`${path}\``, '');
  if (path !== '' && node.description !== undefined) lines.push(node.description, '');
  lines.push('| key | value | |', '|---|---|---|');
  const inner: { readonly path: string; readonly node: SchemaNode }[] = [];
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    const required = node.required?.includes(key) === true ? ' (required)' : '';
    const standard = child.default === undefined ? '' : ` Default: \`${JSON.stringify(child.default)}\`.`;
    lines.push(`| \`${key}\`${required} | ${cell(valueText(child))} | ${cell(`${child.description ?? ''}${standard}`.trim())} |`);
    const object = objectOf(child, path === '' ? key : `${path}.${key}`);
    if (object !== undefined) inner.push(object);
  }
  lines.push('');
  for (const child of inner) section(lines, child.node, child.path, child.path);
}

/** The object with keys of its own that a value is or holds, with the path to write it under. */
function objectOf(node: SchemaNode, path: string): { readonly path: string; readonly node: SchemaNode } | undefined {
  const found = node.properties !== undefined ? { path, node } : node.items !== undefined ? objectOf(node.items, `${path}[]`)
    : typeof node.additionalProperties === 'object' && node.additionalProperties.properties !== undefined ? { path: `${path}.<name>`, node: node.additionalProperties }
    : node.anyOf?.map((alternative) => objectOf(alternative, path)).find((object) => object !== undefined);
  return found === undefined ? undefined : { path: found.path, node: found.node.description === undefined && node.description !== undefined ? { ...found.node, description: node.description } : found.node };
}

function valueText(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(valueText))].join(' or ');
  if (Array.isArray(node.type)) return (node.type as readonly string[]).map((type) => valueText({ type })).join(' or ');
  switch (node.type) {
    case 'array':
      return node.items === undefined || Object.keys(node.items).length === 0 ? (node.prefixItems === undefined ? 'list' : `list of ${node.prefixItems.length}`) : `list of ${valueText(node.items)}`;
    case 'object':
      return node.properties === undefined && typeof node.additionalProperties === 'object' && Object.keys(node.additionalProperties).length > 0 ? `name → ${valueText(node.additionalProperties)}` : 'object';
    case 'string':
      return 'text';
    case 'boolean':
      return '`true` or `false`';
    case 'integer':
    case 'number': {
      const kind = node.type === 'integer' ? 'whole number' : 'number';
      const low = node.minimum === undefined || node.minimum === Number.MIN_SAFE_INTEGER ? '' : ` from ${node.minimum}`;
      return `${kind}${low}${node.maximum === undefined || node.maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${node.maximum}`}`;
    }
    default:
      return 'anything';
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
