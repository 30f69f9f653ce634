/** Which component a schema becomes, how values go there and back, and what changed between two. */
import { expect, test } from 'vitest';
import type { Endpoint } from '../../../src/endpoint.ts';
import { getEndpoint } from '../../../src/endpoint.ts';
import type { JsonSchema, PredictSignature } from '../../../src/model.ts';
import { componentOf } from '../../../src/protocols/gradio/components.ts';
import { diff, type Edit } from '../../../src/protocols/gradio/diff.ts';
import { JobFiles } from '../../../src/protocols/gradio/file-data.ts';
import type { FileStore } from '../../../src/protocols/gradio/file-store.ts';
import { listFunctions, type GradioFunction } from '../../../src/protocols/gradio/functions.ts';
import { shapeOf } from '../../../src/protocols/gradio/schema.ts';
import { FakeRepository } from '../../fixtures/fake-repository.ts';
import { fuzzRuns, random, type Random } from '../../fixtures/random.ts';
import { objectSchema, part } from './parts.ts';

const stored = new Map<string, Uint8Array>();
const store: FileStore = {
  async write(bytes, name) {
    const path = `${stored.size.toString(16).padStart(32, '0')}/${name}`;
    stored.set(path, bytes);
    return path;
  },
  async read(path) {
    const bytes = stored.get(path);
    return bytes === undefined ? undefined : { name: path.slice(33), bytes };
  },
};
const files = new JobFiles(store, 'http://here', '/gradio_api');

const picture: JsonSchema = { type: 'string', format: 'image', contentMediaType: 'image/*' };
const table: JsonSchema = { type: 'array', items: objectSchema({ name: { type: 'string' }, age: { type: 'number' } }), 'x-modelport': { widget: 'table' } };

test.each<[string, JsonSchema, string, string]>([
  ['a picture', picture, 'Image', 'Image'],
  ['a picture or nothing', { anyOf: [picture, { type: 'null' }] }, 'Image', 'Image'],
  ['a sound', { type: 'string', contentMediaType: 'audio/*' }, 'Audio', 'Audio'],
  ['a film', { type: 'string', contentMediaType: 'video/mp4' }, 'Video', 'Video'],
  ['a file', { type: 'string', format: 'binary' }, 'File', 'File'],
  ['pictures', { type: 'array', items: picture }, 'File', 'Gallery'],
  ['files', { type: 'array', items: { type: 'string', format: 'binary' } }, 'File', 'File'],
  ['a conversation', { type: 'array', items: { type: 'object' }, 'x-modelport': { widget: 'chat' } }, 'Chatbot', 'Chatbot'],
  ['a table', table, 'Dataframe', 'Dataframe'],
  ['choices', { type: 'string', enum: ['a', 'b'] }, 'Dropdown', 'Textbox'],
  ['several choices', { type: 'array', items: { enum: ['a', 'b'] } }, 'Checkboxgroup', 'Checkboxgroup'],
  ['yes or no', { type: ['boolean', 'null'] }, 'Checkbox', 'Checkbox'],
  ['text', { type: 'string' }, 'Textbox', 'Textbox'],
  ['text by reference', { $ref: '#/$defs/t', $defs: { t: { type: 'string' } } }, 'Textbox', 'Textbox'],
  ['a slider', { type: 'number', 'x-modelport': { widget: 'slider', minimum: 0, maximum: 1 } }, 'Slider', 'Number'],
  ['a slider without an end', { type: 'number', 'x-modelport': { widget: 'slider', minimum: 0 } }, 'Number', 'Number'],
  ['a number', { type: 'integer' }, 'Number', 'Number'],
  ['texts to type', { type: 'array', items: { type: 'string' }, 'x-modelport': { widget: 'tags' } }, 'Dropdown', 'Json'],
  ['numbers', { type: 'array', items: { type: 'number' } }, 'Json', 'Json'],
  ['anything', {}, 'Json', 'Json'],
  ['an object', { type: 'object' }, 'Json', 'Json'],
  ['a reference to nothing', { $ref: '#/$defs/none' }, 'Json', 'Json'],
])('%s', (_name, schema, input, output) => {
  expect([componentOf(shapeOf(schema), 'input').name, componentOf(shapeOf(schema), 'output').name]).toEqual([input, output]);
});

function functionOf(signature: Partial<PredictSignature>): GradioFunction {
  const endpoint: Endpoint = getEndpoint(new FakeRepository([part('f', () => {}, signature)]), 'f')!;
  return listFunctions([endpoint]).get('f')!;
}

const outputsOf = async (signature: Partial<PredictSignature>, answer: unknown, input: unknown = {}): Promise<unknown[]> => {
  const { outputs } = functionOf(signature);
  return Promise.all(outputs.map(async (output) => [output.label, output.component.name, await output.write(answer, input, files)]));
};

test('answers become outputs', async () => {
  const text: JsonSchema = { type: 'string' };
  const number: JsonSchema = { type: 'number' };
  const labels = { type: 'array', items: objectSchema({ label: text, score: number }), 'x-modelport': { widget: 'labels' } };
  expect(await outputsOf({ output: text }, 'x')).toEqual([['output', 'Textbox', 'x']]);
  expect(await outputsOf({ output: objectSchema({ sum: number, note: text }, ['sum']) }, { sum: 1n })).toEqual([['sum', 'Number', 1], ['note', 'Textbox', null]]);
  expect(await outputsOf({ task: 'some-task', output: objectSchema({ sum: number, note: text }, ['sum']) }, { sum: 2 })).toEqual([['sum', 'Number', 2]]);
  expect(await outputsOf({ output: { type: 'object', additionalProperties: number } }, { a: Number.NaN })).toEqual([['output', 'Json', { a: null }]]);
  const label = { label: 'cat', confidences: [{ label: 'cat', confidence: 0.7 }, { label: 'dog', confidence: 0.3 }] };
  expect(await outputsOf({ task: 'image-classification', output: objectSchema({ label: text, score: number, labels }) }, { label: 'cat', score: 0.7, labels: [{ label: 'cat', score: 0.7 }, { label: 'dog', score: 0.3 }] })).toEqual([['label', 'Label', label]]);
  const byName = { type: 'object', additionalProperties: number, 'x-modelport': { widget: 'labels' } };
  expect(await outputsOf({ task: 'tabular-classification', output: { anyOf: [objectSchema({ label: text, probabilities: byName }), { type: 'array' }] } }, { label: 'cat', probabilities: { dog: 0.3, cat: 0.7 } })).toEqual([['label', 'Label', label]]);
  const entities = { type: 'array', items: objectSchema({ label: text, start: number, end: number }), 'x-modelport': { widget: 'entities', textField: 'text' } };
  const found = [{ label: 'PER', start: 3, end: 6 }, { label: 'X', start: 4, end: 5 }];
  expect(await outputsOf({ task: 'token-classification', output: objectSchema({ entities, text }) }, { entities: found, text: '🎉 Ada!' })).toEqual([
    ['text', 'Highlightedtext', [{ token: '🎉 A', class_or_confidence: null }, { token: 'da!', class_or_confidence: 'PER' }]],
    ['entities', 'Json', found],
  ]);
  const masks = { type: 'array', items: objectSchema({ label: text, share: number, mask: picture }), 'x-modelport': { widget: 'masks', image: 'image' } };
  const pixel = new Uint8Array(Buffer.from('89504e470d0a1a0a', 'hex'));
  const [image, facts] = (await outputsOf({ task: 'image-segmentation', output: objectSchema({ segments: masks }) }, { segments: [{ label: 'cat', share: 1, mask: 'data:image/png;base64,iVBORw0KGgo=' }] }, { image: pixel })) as [unknown[], unknown[]];
  expect(image).toEqual(['image', 'Annotatedimage', { image: expect.objectContaining({ mime_type: 'image/png' }), annotations: [{ label: 'cat', image: expect.objectContaining({ orig_name: 'mask.png', url: expect.stringMatching(/^http:\/\/here\/gradio_api\/file=0/) }) }] }]);
  expect(facts).toEqual(['segments', 'Json', [{ label: 'cat', share: 1 }]]);
});

test('values of parameters become the input', async () => {
  const path = await store.write(new TextEncoder().encode('hello'), 'a.txt');
  const called = functionOf({ input: objectSchema({ file: { type: 'string', format: 'binary' }, rows: table, messages: { type: 'array', 'x-modelport': { widget: 'chat' } }, any: {}, maybe: { type: ['number', 'null'] }, headers: { type: 'string' } }, ['file']) });
  expect(called.parameters.map(({ name }) => name)).toEqual(['file', 'rows', 'messages', 'any', 'maybe', 'headers_']);
  const meta = { _type: 'gradio.FileData' };
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }], metadata: null }];
  const value = (await called.read([{ path: 'elsewhere', url: `http://here/gradio_api/file=${path}`, meta }, { headers: ['name', 'age'], data: [['Ada', 36]], metadata: null }, messages, { deep: [{ path, meta }] }, null, null], files)) as Record<string, unknown>;
  expect(new TextDecoder().decode(value['file'] as Uint8Array)).toBe('hello');
  expect(value['file']).toMatchObject({ mediaType: 'text/plain' });
  expect(value['rows']).toEqual([{ name: 'Ada', age: 36 }]);
  expect(value['messages']).toEqual([{ role: 'user', content: 'ab' }]);
  expect(new TextDecoder().decode((value['any'] as { deep: Uint8Array[] }).deep[0])).toBe('hello');
  // Null where null is meant, nothing where nothing was given.
  expect(value['maybe']).toBe(null);
  expect(Object.hasOwn(value, 'headers')).toBe(false);
  expect(await called.read(['aGk='], files)).toEqual({ file: 'aGk=' });
  expect(await functionOf({ input: { type: 'array', items: { type: 'number' } } }).read([[1, 2]], files)).toEqual([1, 2]);
});

/** As both clients apply changes. */
function applied(value: unknown, edits: readonly Edit[]): unknown {
  let result = structuredClone(value);
  for (const [action, path, change] of edits) {
    if (path.length === 0) {
      result = action === 'append' ? (result as string) + (change as string) : change;
      continue;
    }
    let target = result as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) target = target[key] as Record<string | number, unknown>;
    const last = path.at(-1)!;
    if (action === 'replace') target[last] = change;
    else if (action === 'append') target[last] = (target[last] as string) + (change as string);
    else if (Array.isArray(target)) target.splice(Number(last), action === 'delete' ? 1 : 0, ...(action === 'delete' ? [] : [change]));
    else if (action === 'delete') delete target[last];
    else target[last] = change;
  }
  return result;
}

function anyValue(source: Random, depth: number): unknown {
  switch (source.integer(0, depth > 2 ? 3 : 5)) {
    case 0:
      return source.integer(0, 3);
    case 1:
      return 'abcdef'.slice(0, source.integer(0, 6));
    case 2:
      return source.pick([null, true, false]);
    case 3:
      return source.next();
    case 4:
      return Array.from({ length: source.integer(0, 4) }, () => anyValue(source, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: source.integer(0, 4) }, () => [source.pick(['a', 'b', 'c', '__proto_', '0']), anyValue(source, depth + 1)]));
  }
}

test('fuzz: changes lead from one value to the next', () => {
  const source = random(7);
  for (let run = 0; run < fuzzRuns; run++) {
    const before = anyValue(source, 0);
    const after = anyValue(source, 0);
    expect(applied(before, diff(before, after))).toEqual(after);
  }
  expect(diff({ text: 'one', list: [1, 2, 3] }, { text: 'one two', list: [1] })).toEqual([['append', ['text'], ' two'], ['delete', ['list', 2], null], ['delete', ['list', 1], null]]);
});
