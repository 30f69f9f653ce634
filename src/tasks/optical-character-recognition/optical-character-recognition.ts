/**
 * A picture → the text in it, line by line, by three models: this one, which marks where text is, one that tells whether a line
 * stands on its head, and one that reads a line. The other two are looked up among the served models for every request.
 */
import type { Artifact } from '../../artifact.ts';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import type { Tensor } from '../../tensor.ts';
import { numbers, shortest } from '../classification/scores.ts';
import { imageExamples } from '../image/image-examples.ts';
import { imageShape } from '../image/image-input.ts';
import type { Raster } from '../image/raster.ts';
import { imageBytes, imageSchema } from '../image/image-value.ts';
import { readFields, readNumber } from '../request/read-fields.ts';
import { TaskThreads } from '../request/task-threads.ts';
import { withPredict } from '../request/with-predict.ts';
import { batchWidth } from './line-tensors.ts';
import { options, type Options } from './options.ts';
import type { Quadrangle } from './polygon.ts';
import { readCharacters, type ReadText } from './read-characters.ts';
import type { TextReply } from './text-thread.ts';
import type { TextWork, WorkedLines, WorkedPicture, WorkedRegions } from './text-work.ts';

export const opticalCharacterRecognition: Task<Options> = { name: 'optical-character-recognition', options, detect: () => undefined, lift };

/** Shared by all models of the process; each picture holds one of them while it is decoded or cut. */
const threads = new TaskThreads<TextWork, Exclude<TextReply, { error: unknown }>>(new URL('./text-thread.js', import.meta.url), 'pictures');

async function inThread<Done extends WorkedPicture | WorkedRegions | WorkedLines>(work: TextWork, call: Call, transferred: ArrayBuffer[] = []): Promise<Done> {
  return (await threads.run(work, { call, sizeBytes: sizeOf(work), transferred })).done as Done;
}

function sizeOf(work: TextWork): number {
  if (work.kind === 'picture') return work.bytes.byteLength;
  return work.kind === 'regions' ? work.picture.data.byteLength + work.map.data.byteLength : work.lines.reduce((sum, { data }) => sum + data.byteLength, 0);
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  const { lookup } = facts;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'optical-character-recognition needs a model that takes tensors', { at: 'task' });
  if (lookup === undefined) throw new ModelportError('INVALID_CONFIG', 'optical-character-recognition needs other models beside this one, and here there are none', { at: 'task' });
  const { input, output } = detectorTensors(signature);

  async function read(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['image', 'threshold'], 'image');
    const least = readNumber(fields, 'threshold', given.textThreshold, 0, 1);
    const bytes = new Uint8Array(imageBytes(fields['image'], 'image'));
    const { color, shortestSide, longestSide, maxPixels } = given;
    const worked = await inThread<WorkedPicture>({ kind: 'picture', bytes, color, shortestSide, longestSide, maxPixels }, call, [bytes.buffer]);
    call.throwIfCancelled();
    const picture: Tensor = { datatype: 'FP32', shape: [1, 3, worked.height, worked.width], data: worked.elements };
    const answer = await model.infer!({ inputs: new Map([[input.name, picture]]), outputs: [output.name] }, call);
    const map = answer.outputs.get(output.name)! as Tensor<'FP32'>;
    const [height, width] = map.shape.slice(-2) as [number, number];
    if (map.datatype !== 'FP32' || map.data.length !== height * width) throw new ModelportError('RUN_FAILED', `output '${output.name}' is ${map.datatype} [${map.shape.join(', ')}], but one number for each pixel is needed`);
    const regions = await inThread<WorkedRegions>({ kind: 'regions', picture: worked.picture, map: { width, height, data: map.data }, plan: { threshold: given.threshold, boxThreshold: given.boxThreshold, unclipRatio: given.unclipRatio, dilate: given.dilate }, mostLines: given.maxLines }, call);
    const texts = await readLines(regions.lines, call);
    const lines = regions.boxes.flatMap((box, index) => {
      const { text, score } = texts[index]!;
      return score < least || text === '' ? [] : [{ text, score: shortest(score), ...placeOf(box, worked) }];
    });
    return { text: lines.map((line) => line.text).join('\n'), lines };
  }

  /** Lines of about the same length are read together. */
  async function readLines(lines: readonly Raster[], call: Call): Promise<ReadText[]> {
    const texts = new Array<ReadText>(lines.length);
    const byLength = lines.map((_, index) => index).sort((a, b) => lines[a]!.width / lines[a]!.height - lines[b]!.width / lines[b]!.height);
    for (let start = 0; start < byLength.length; start += given.batchSize) {
      const places = byLength.slice(start, start + given.batchSize);
      const batch = places.map((place) => lines[place]!);
      const turned = await turnedLines(batch, call);
      const width = batchWidth(batch, given.lineHeight, given.recognizerWidth);
      const { scores, artifact, spec } = await ask(given.recognizer, 'recognizer', batch, turned, width, call);
      const [rows, steps, classes] = scores.shape as [number, number, number];
      const characters = charactersOf(given, spec, artifact);
      if (scores.shape.length !== 3 || rows !== batch.length) throw new ModelportError('RUN_FAILED', `model '${given.recognizer}' answers [${scores.shape.join(', ')}], but [${batch.length}, steps, characters] is needed`);
      if (characters.length !== classes - 1) throw new ModelportError('RUN_FAILED', `model '${given.recognizer}' knows ${classes - 1} characters, but ${characters.length} have names: see task.characters`);
      places.forEach((place, row) => {
        const data = scores.datatype === 'FP32' ? (scores.data as Float32Array).subarray(row * steps * classes, (row + 1) * steps * classes) : numbers(scores, row * steps * classes, (row + 1) * steps * classes);
        texts[place] = readCharacters(data, steps, classes, characters);
      });
    }
    return texts;
  }

  async function turnedLines(batch: readonly Raster[], call: Call): Promise<boolean[]> {
    if (given.classifier === undefined) return batch.map(() => false);
    const { scores } = await ask(given.classifier, 'classifier', batch, [], given.classifierWidth, call);
    const values = numbers(scores, 0, scores.data.length);
    if (values.length !== batch.length * 2) throw new ModelportError('RUN_FAILED', `model '${given.classifier}' answers [${scores.shape.join(', ')}], but two scores a line are needed`);
    return batch.map((_, row) => values[row * 2 + 1]! > values[row * 2]! && values[row * 2 + 1]! > given.turnThreshold);
  }

  async function ask(name: string, role: 'recognizer' | 'classifier', batch: readonly Raster[], turned: readonly boolean[], width: number, call: Call): Promise<{ scores: Tensor; artifact: Artifact; spec: TensorSpec }> {
    let other;
    try {
      other = lookup!(name);
    } catch (cause) {
      throw new ModelportError('UNAVAILABLE', `task.${role} is '${name}', which can not be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, retryAfterSeconds: 1 });
    }
    const to = other.model.signature.inputs[0];
    const from = other.model.signature.outputs[0];
    if (other.model.infer === undefined || to === undefined || from === undefined) throw new ModelportError('RUN_FAILED', `task.${role} is '${name}', which does not take tensors`);
    const { elements } = await inThread<WorkedLines>({ kind: 'lines', lines: batch, turned, color: given.color, height: given.lineHeight, width }, call);
    call.throwIfCancelled();
    const tensor: Tensor = { datatype: 'FP32', shape: [batch.length, 3, given.lineHeight, width], data: elements };
    const { outputs } = await other.model.infer({ inputs: new Map([[to.name, tensor]]), outputs: [from.name] }, call.child({ name }));
    return { scores: outputs.get(from.name)!, artifact: other.artifact, spec: from };
  }

  const predict = { task: opticalCharacterRecognition.name, input: inputSchema(given.textThreshold), output: outputSchema(), examples: imageExamples(facts) };
  return withPredict(model, predict, read);
}

function detectorTensors({ inputs, outputs }: Signature): { readonly input: TensorSpec; readonly output: TensorSpec } {
  const [input] = inputs;
  const [output] = outputs;
  if (inputs.length !== 1 || outputs.length !== 1 || imageShape(input!)?.channels !== 3 || input!.datatype !== 'FP32' || output!.datatype !== 'FP32') {
    throw new ModelportError('INVALID_CONFIG', 'optical-character-recognition needs a detector of text: one input FP32 [batch, 3, height, width] and one output with a number for each pixel', { at: 'task' });
  }
  return { input: input!, output: output! };
}

/** What the classes after the first are. PaddleOCR's files have one character a line, and a blank comes after them. */
function charactersOf(given: Options, spec: TensorSpec, artifact: Artifact): readonly string[] {
  if (given.characters !== undefined) return given.characters;
  if (spec.labels !== undefined) return spec.labels.slice(1);
  let characters = fromMetadata.get(artifact);
  if (characters === undefined) {
    const text = artifact.metadata['character'];
    if (text === undefined) throw new ModelportError('RUN_FAILED', `model '${given.recognizer}' does not say which characters it knows: name them with task.characters`);
    fromMetadata.set(artifact, (characters = [...text.replace(/\r?\n$/, '').split(/\r?\n/), ' ']));
  }
  return characters;
}

const fromMetadata = new WeakMap<Artifact, readonly string[]>();

function placeOf(box: Quadrangle, { top, scaleX, scaleY, original }: WorkedPicture): { readonly box: object; readonly polygon: readonly (readonly [number, number])[] } {
  const polygon = box.map(({ x, y }): [number, number] => [
    Math.min(original.width, Math.max(0, Math.round(x / scaleX))),
    Math.min(original.height, Math.max(0, Math.round((y - top) / scaleY))),
  ]);
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  return { box: { xmin: Math.min(...xs), ymin: Math.min(...ys), xmax: Math.max(...xs), ymax: Math.max(...ys) }, polygon };
}

function inputSchema(threshold: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      image: imageSchema(),
      threshold: { type: 'number', title: 'Least score', minimum: 0, maximum: 1, default: threshold, 'x-modelport': { advanced: true } },
    },
    required: ['image'],
    additionalProperties: false,
  };
}

function outputSchema(): JsonSchema {
  const pixel = { type: 'integer', minimum: 0 };
  return {
    type: 'object',
    properties: {
      text: { type: 'string', description: 'All lines, from above.', 'x-modelport': { widget: 'textarea' } },
      lines: {
        type: 'array',
        description: 'Each line with its place in the picture.',
        items: {
          type: 'object',
          properties: {
            text: { type: 'string' },
            score: { type: 'number', minimum: 0, maximum: 1, description: 'How sure the characters are on average.' },
            box: { type: 'object', description: 'In pixels of the picture.', properties: { xmin: pixel, ymin: pixel, xmax: pixel, ymax: pixel }, required: ['xmin', 'ymin', 'xmax', 'ymax'], additionalProperties: false },
            polygon: { type: 'array', description: 'The four corners of the slanted box, [x, y] each, clockwise from the upper left.', items: { type: 'array', items: pixel, minItems: 2, maxItems: 2 }, minItems: 4, maxItems: 4 },
          },
          required: ['text', 'score', 'box', 'polygon'],
          additionalProperties: false,
        },
        'x-modelport': { widget: 'boxes', image: 'image', label: 'text' },
      },
    },
    required: ['text', 'lines'],
    additionalProperties: false,
  };
}
