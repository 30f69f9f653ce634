/** Which component a schema becomes, how values go there and back, and what changed between two. */
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
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
  const gaps = { type: 'array', items: { type: 'array', items: objectSchema({ token: text, score: number }), 'x-modelport': { widget: 'labels', label: 'token' } } };
  const words = [[{ token: 'red', score: 0.6 }, { token: 'blue', score: 0.4 }], [{ token: 'car', score: 1 }]];
  expect(await outputsOf({ task: 'fill-mask', output: objectSchema({ best: text, gaps }) }, { best: 'a red car', gaps: words })).toEqual([
    ['label', 'Label', { label: 'red', confidences: [{ label: 'red', confidence: 0.6 }, { label: 'blue', confidence: 0.4 }] }],
    ['best', 'Textbox', 'a red car'],
    ['gaps', 'Json', words],
  ]);
});

describe('marks in a picture', () => {
  const boxes = (named: object): JsonSchema => ({ type: 'array', items: objectSchema({ label: { type: 'string' }, text: { type: 'string' }, box: { type: 'object' } }), 'x-modelport': { widget: 'boxes', image: 'image', ...named } });
  type Annotated = { image: { path: string } | null; annotations: { label: string; image: { path: string } }[] };
  const opacities = async (path: string): Promise<{ width: number; height: number; at: (x: number, y: number) => number }> => {
    const { data, info } = await sharp(stored.get(path)!).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, at: (x, y) => data[(y * info.width + x) * info.channels + 3]! };
  };

  test('boxes are pictures as large as it is, turned as it is looked at', async () => {
    const turned = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'white' } }).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const output = objectSchema({ text: { type: 'string' }, lines: boxes({ label: 'text' }) });
    const answer = { text: 'hello', lines: [{ label: 'x', text: 'hello', box: { xmin: 2, ymin: 5, xmax: 12, ymax: 30 } }, { label: 'x', text: 'out', box: { xmin: -5, ymin: 35, xmax: 90, ymax: 90 } }] };
    for (const image of [turned, `data:image/jpeg;base64,${turned.toString('base64')}`, turned.toString('base64')]) {
      const [annotated, facts, text] = (await outputsOf({ task: 'optical-character-recognition', output }, answer, { image })) as [[string, string, Annotated], unknown[], unknown[]];
      expect(annotated.slice(0, 2)).toEqual(['image', 'Annotatedimage']);
      expect(Buffer.from(stored.get(annotated[2].image!.path)!).equals(turned)).toBe(true);
      expect(annotated[2].annotations.map(({ label }) => label)).toEqual(['hello', 'out']);
      const { width, height, at } = await opacities(annotated[2].annotations[0]!.image.path);
      expect([width, height]).toEqual([20, 40]);
      expect([at(1, 10), at(2, 10), at(6, 10), at(11, 10), at(12, 10), at(6, 5), at(6, 29), at(6, 30)]).toEqual([0, 255, 127, 255, 0, 255, 255, 0]);
      expect((await opacities(annotated[2].annotations[1]!.image.path)).at(19, 39)).toBe(255);
      expect(facts).toEqual(['lines', 'Json', answer.lines]);
      expect(text).toEqual(['text', 'Textbox', 'hello']);
    }
  });

  test('masks are transparent where nothing is', async () => {
    const mask = await sharp(Buffer.from([0, 255, 0, 255, 0, 0]), { raw: { width: 3, height: 2, channels: 1 } }).png().toBuffer();
    const output = objectSchema({ segments: { type: 'array', items: objectSchema({ label: { type: 'string' }, mask: picture }), 'x-modelport': { widget: 'masks', image: 'image' } } });
    const [[, , value]] = (await outputsOf({ task: 'image-segmentation', output }, { segments: [{ label: 'cat', mask: `data:image/png;base64,${mask.toString('base64')}` }] }, { image: mask })) as [[string, string, Annotated]];
    const { at } = await opacities(value.annotations[0]!.image.path);
    expect([at(0, 0), at(1, 0), at(2, 0), at(0, 1), at(1, 1)]).toEqual([0, 255, 0, 255, 0]);
  });

  test('what is no picture, or no box, is told without marks', async () => {
    const output = objectSchema({ objects: boxes({}) });
    const objects = [{ label: 'cat', box: { xmin: 0, ymin: 0, xmax: 1, ymax: 1 } }];
    expect(await outputsOf({ task: 'object-detection', output }, { objects }, {})).toEqual([['image', 'Annotatedimage', { image: null, annotations: [] }], ['objects', 'Json', objects]]);
    for (const [image, given] of [[Buffer.from('no picture'), objects], [await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } }).png().toBuffer(), [{ label: 'cat' }]]] as const) {
      const [[, , value]] = (await outputsOf({ task: 'object-detection', output }, { objects: given }, { image })) as [[string, string, Annotated]];
      expect(value).toMatchObject({ image: { size: image.length }, annotations: [] });
    }
  });
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
