/** One request over HTTP to every task there is, and one with a mistake: the answers have the members that their schemas require. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { constantTensor } from '../../src/onnx/constant-tensor.ts';
import { ElementType } from '../../src/onnx/data-type.ts';
import { GraphBuilder, type Value } from '../../src/onnx/graph-builder.ts';
import { writeModelFile } from '../../src/onnx/write-model-file.ts';
import { tasks } from '../../src/tasks/index.ts';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';

const { FLOAT, INT64 } = ElementType;
const fixtures = join(root, 'test/fixtures');
const folder = mkdtempSync(join(tmpdir(), 'modelport-every-task-'));

/** A model in a folder of its own, beside the files that are given. */
function write(name: string, build: (graph: GraphBuilder) => void, files: Readonly<Record<string, string>> = {}): void {
  const graph = new GraphBuilder({ opset: 18 });
  build(graph);
  mkdirSync(join(folder, name));
  writeModelFile(graph.build({ name }), join(folder, name, 'model.onnx'));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
}

const node = (graph: GraphBuilder, operator: string, inputs: readonly Value[], attributes = {}): Value => graph.node(operator, inputs, attributes) as Value;
const floats = (graph: GraphBuilder, values: readonly number[], shape: readonly number[]): Value => graph.constant(constantTensor(FLOAT, values, shape));
const integers = (graph: GraphBuilder, ...values: number[]): Value => graph.constant(constantTensor(INT64, values));

let server: RunningModelport;
beforeAll(async () => {
  for (const name of ['text-classification', 'token-classification', 'zero-shot-classification', 'fill-mask', 'question-answering', 'feature-extraction', 'text-generation']) cpSync(join(fixtures, 'text', name), join(folder, name), { recursive: true });
  cpSync(join(fixtures, 'text/feature-extraction'), join(folder, 'sentence-similarity'), { recursive: true });
  writeFileSync(join(folder, 'sentence-similarity/model.yaml'), 'task: sentence-similarity\n');
  for (const name of ['vit', 'detr', 'segformer', 'clip', 'wav2vec2']) cpSync(join(fixtures, 'tasks/models', name), join(folder, name), { recursive: true });
  for (const name of ['iris', 'fuel', 'films']) cpSync(join(root, 'examples/models', name), join(folder, name), { recursive: true });
  // Somebody speaks where it is loud.
  write('listener', (graph) => {
    const samples = graph.input('input', FLOAT, [1, 'samples']);
    const rate = graph.input('sr', INT64, []);
    const loudest = node(graph, 'ReduceMax', [node(graph, 'Abs', [samples]), integers(graph, 1)], { keepdims: 1 });
    graph.output(node(graph, 'Mul', [loudest, node(graph, 'Div', [node(graph, 'Cast', [rate], { to: FLOAT }), node(graph, 'Cast', [rate], { to: FLOAT })])]), 'output');
  });
  // A file of small bytes is text.
  write('bytes', (graph) => {
    const bytes = graph.input('bytes', INT64, ['batch', 16]);
    const level = node(graph, 'Mul', [node(graph, 'ReduceMean', [node(graph, 'Cast', [bytes], { to: FLOAT }), integers(graph, 1)], { keepdims: 1 }), floats(graph, [1 / 256], [1])]);
    graph.output(node(graph, 'Concat', [level, node(graph, 'Sub', [floats(graph, [1], [1]), level])], { axis: 1 }), 'scores');
  }, { 'model.yaml': 'task: { name: file-classification, beginSize: 8, endSize: 8, labels: [binary, txt] }\n' });
  // Dark pixels are text, and every line of it says "ab".
  write('detector', (graph) => {
    const picture = graph.input('x', FLOAT, [1, 3, 'height', 'width']);
    graph.output(node(graph, 'Sigmoid', [node(graph, 'Mul', [node(graph, 'ReduceMean', [picture, integers(graph, 1)], { keepdims: 1 }), floats(graph, [-20], [1])])]), 'map');
  }, { 'model.yaml': "task: { name: optical-character-recognition, recognizer: reader, color: rgb, characters: [a, b] }\nbatching: false\n" });
  write('reader', (graph) => {
    const lines = graph.input('x', FLOAT, ['lines', 3, 48, 'width']);
    const nothing = node(graph, 'Mul', [node(graph, 'Reshape', [node(graph, 'ReduceMean', [lines, integers(graph, 1, 2, 3)], { keepdims: 1 }), integers(graph, -1, 1, 1)]), floats(graph, [0], [1])]);
    graph.output(node(graph, 'Add', [nothing, floats(graph, [0, 1, 0, 0, 0, 1], [1, 2, 3])]), 'classes');
  }, { 'model.yaml': 'task: none\n' });
  server = await startModelport({ arguments: [folder, '--grpc-port', 'off'] });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const photo = readFileSync(join(fixtures, 'images/photo.jpg')).toString('base64');
const sound = readFileSync(join(fixtures, 'tasks/recordings/sound.mp3')).toString('base64');
const car = { cylinders: 8, displacement: 307, horsepower: 130, weight: 3504, acceleration: 12, year: 1970, origin: 'USA' };

const cases: Readonly<Record<string, readonly [model: string, value: object, wrong: object]>> = {
  'audio-classification': ['wav2vec2', { audio: sound }, { audio: 'x' }],
  'feature-extraction': ['feature-extraction', { text: 'hello' }, { text: 1 }],
  'file-classification': ['bytes', { file: Buffer.from('hello, this is some text').toString('base64') }, {}],
  'fill-mask': ['fill-mask', { text: 'I [MASK] it' }, { text: 'no gap' }],
  'image-classification': ['vit', { image: photo }, { image: 'x' }],
  'image-segmentation': ['segformer', { image: photo }, { picture: photo }],
  'object-detection': ['detr', { image: photo, threshold: 0.1 }, { image: photo, threshold: 2 }],
  'optical-character-recognition': ['detector', { image: readFileSync(join(fixtures, 'images/upright.png')).toString('base64') }, { image: '' }],
  'question-answering': ['question-answering', { question: 'Who?', context: 'the movie was great' }, { question: 'Who?' }],
  recommendation: ['films', { user: 'likes romances', topK: 3 }, { user: 'likes romances', topK: -1 }],
  'sentence-similarity': ['sentence-similarity', { source: 'a film', sentences: ['a movie', 'a car'] }, { source: 'a film', sentences: [] }],
  'tabular-classification': ['iris', { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 }, { sepal_length: 'long' }],
  'tabular-regression': ['fuel', car, {}],
  'text-classification': ['text-classification', { text: 'good' }, { text: '' }],
  'text-generation': ['text-generation', { prompt: 'hello', maxTokens: 3 }, { prompt: 'hello', maxTokens: 46 }],
  'token-classification': ['token-classification', { text: 'Sarah lives in Berlin' }, { text: 'x', aggregation: 'all' }],
  'voice-activity-detection': ['listener', { audio: sound }, { audio: sound, threshold: 3 }],
  'zero-shot-classification': ['zero-shot-classification', { text: 'a film', labels: ['sport', 'cinema'] }, { text: 'a film' }],
  'zero-shot-image-classification': ['clip', { image: photo, labels: ['a cat', 'a dog'] }, { image: photo, labels: [] }],
};

it('every task is asked', () => {
  expect(Object.keys(cases).sort()).toEqual(tasks.map(({ name }) => name).sort());
});

interface Described {
  readonly name: string;
  readonly versions: readonly { readonly served?: { readonly predict?: { readonly task: string; readonly output: { readonly required?: readonly string[]; readonly anyOf?: readonly { readonly required?: readonly string[] }[] } } } }[];
}

it.each(Object.entries(cases))('%s', async (task, [model, value, wrong]) => {
  const { models } = (await (await fetch(`${server.url}/ui/models`)).json()) as { models: Described[] };
  const described = models.find(({ name }) => name === model)?.versions[0]?.served?.predict;
  expect(described?.task).toBe(task);
  const post = (body: object): Promise<Response> => fetch(`${server.url}/models/${model}/predict`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  const response = await post(value);
  const text = await response.text();
  expect([response.status, text.slice(0, 300)]).toEqual([200, expect.any(String)]);
  const { output } = described!;
  const required = output.required ?? output.anyOf?.[0]?.required ?? [];
  expect(Object.keys(JSON.parse(text) as object)).toEqual(expect.arrayContaining([...required]));
  expect(response.headers.get('server-timing')).toMatch(/total;dur=/);
  const refused = await post(wrong);
  expect([refused.status, await refused.json()]).toMatchObject([422, { code: 'INVALID_VALUE' }]);
});
