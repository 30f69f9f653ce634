/** Any file → what type it has, from its first and last bytes. */
import { isUtf8 } from 'node:buffer';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import type { Tensor } from '../../tensor.ts';
import { classLabels } from '../classification/class-labels.ts';
import { classCount, findScoresOutput } from '../classification/scores-output.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { dataUrl, fileBytes } from '../request/file-value.ts';
import { readCount, readFields } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { byteFeatures } from './byte-features.ts';
import { readFileTypes, readMagikaConfig, type FileType } from './magika-config.ts';
import { options, type Options } from './options.ts';

export const fileClassification: Task<Options> = { name: 'file-classification', options, detect, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  try {
    const saved = readMagikaConfig(artifact);
    if (saved === undefined) return undefined;
    const input = findInput(signature, undefined, saved.beginSize! + saved.endSize!);
    return { options: {}, reason: `config.min.json says that input '${input.name}' takes the first ${saved.beginSize} and the last ${saved.endSize} bytes of a file` };
  } catch {
    return undefined;
  }
}

function findInput({ inputs }: Signature, name: string | undefined, size: number): TensorSpec {
  const input = name === undefined ? (inputs.length === 1 ? inputs[0] : undefined) : inputs.find((one) => one.name === name);
  const names = inputs.map((one) => one.name);
  if (input === undefined) throw new ModelportError('INVALID_CONFIG', name === undefined ? `which input takes the bytes is not evident${suggestName('', names)}: say task.input` : `task.input is '${name}', but the model has no such input${suggestName(name, names)}`, { at: 'task.input' });
  const width = input.shape.at(-1);
  if ((input.datatype !== 'INT32' && input.datatype !== 'INT64') || input.shape.length !== 2 || (typeof width === 'number' && width > 0 && width !== size)) {
    throw new ModelportError('INVALID_CONFIG', `input '${input.name}' is ${input.datatype} [${input.shape.join(', ')}], but file-classification feeds ${size} integers: task.beginSize and task.endSize of them`, { at: 'task.input' });
  }
  return input;
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'file-classification needs a model that takes tensors', { at: 'task' });
  const saved = readMagikaConfig(facts.artifact);
  const { beginSize = 1024, endSize = 1024, blockSize = 4096, paddingToken = 256, minimumBytes = 8, threshold = 0.5, thresholds = {}, overwrite = {}, ...rest } = { ...saved, ...given };
  const plan = { beginSize, endSize, blockSize, paddingToken };
  const input = findInput(signature, given.input, beginSize + endSize);
  const output = findScoresOutput(signature, given.output, facts.artifact);
  const labels = classLabels(given.labels ?? output.labels ?? rest.labels, output, facts.artifact, classCount(output));
  if (labels === undefined) throw new ModelportError('INVALID_CONFIG', `output '${output.name}' does not say how many types there are: name them with task.labels`, { at: 'task.labels' });
  const topK = Math.min(given.topK ?? 5, labels.length);
  const types = readFileTypes(facts.artifact);

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['file', 'topK'], 'file');
    const count = readCount(fields, 'topK', topK, 1, labels!.length);
    const bytes = fileBytes(fields['file'], 'file', { noun: 'a file', mediaType: 'application/octet-stream' });
    if (bytes.length === 0) return answerOf('empty', 1, []);
    const { features, beginLength } = byteFeatures(bytes, plan);
    if (bytes.length < minimumBytes || beginLength < minimumBytes) return answerOf(plainType(bytes), 1, []);
    const tensor: Tensor = { datatype: input.datatype, shape: [1, features.length], data: input.datatype === 'INT64' ? BigInt64Array.from(features, BigInt) : features };
    const response = await model.infer!({ inputs: new Map([[input.name, tensor]]), outputs: [output.name] }, call);
    const scores = response.outputs.get(output.name)!;
    const probabilities = toProbabilities(numbers(scores, 0, scores.data.length), 'auto');
    if (probabilities.length !== labels!.length) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${probabilities.length} scores, but there are ${labels!.length} labels`);
    const best = largest(probabilities, count).map((place) => ({ label: labels![place]!, score: shortest(probabilities[place]!) }));
    const [{ label, score }] = best as [(typeof best)[0]];
    const sure = score >= (thresholds[label] ?? threshold);
    const named = overwrite[label] ?? label;
    return answerOf(sure ? named : (types.get(named)?.isText ?? isText(bytes)) ? 'txt' : 'unknown', score, best);
  }

  function answerOf(label: string, score: number, best: readonly { readonly label: string; readonly score: number }[]): unknown {
    const { description, mediaType, group }: FileType = types.get(label) ?? {};
    return { label, score, ...(description === undefined ? {} : { description }), ...(mediaType === undefined ? {} : { mediaType }), ...(group === undefined ? {} : { group }), labels: best };
  }

  const examples = readExamples(facts.examples, facts.directory ?? facts.artifact.directory).map(asExample);
  return withPredict(model, { task: fileClassification.name, input: inputSchema(topK, labels.length), output: outputSchema(types.size > 0), examples }, classify);
}

/** Without a model: text is what is UTF-8. */
function plainType(bytes: Uint8Array): 'txt' | 'unknown' {
  return isText(bytes) ? 'txt' : 'unknown';
}

function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, 4096);
  if (isUtf8(start)) return true;
  // The cut may go through a character.
  return bytes.length > start.length && [1, 2, 3].some((cut) => isUtf8(start.subarray(0, start.length - cut)));
}

function asExample(example: unknown): unknown {
  const file = example instanceof Uint8Array ? example : typeof example === 'object' && example !== null ? (example as { readonly file?: unknown }).file : undefined;
  return file instanceof Uint8Array ? { file: dataUrl(file, 'application/octet-stream') } : example;
}

function inputSchema(topK: number, classes: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      file: {
        type: 'string',
        title: 'File',
        format: 'binary',
        contentMediaType: 'application/octet-stream',
        contentEncoding: 'base64',
        description: 'Any file: as data URL, as base64 text, or as a file of a multipart form.',
        'x-modelport': { widget: 'file' },
      },
      topK: { type: 'integer', title: 'Types to list', minimum: 1, maximum: classes, default: topK, 'x-modelport': { advanced: true } },
    },
    required: ['file'],
    additionalProperties: false,
  };
}

function outputSchema(described: boolean): JsonSchema {
  const label = { type: 'string' };
  const score = { type: 'number', minimum: 0, maximum: 1 };
  return {
    type: 'object',
    properties: {
      label: { ...label, description: 'The type; txt or unknown where the model is not sure, empty for an empty file.' },
      score: { ...score, description: 'How sure the model is of its best type; 1 where it was not needed.' },
      ...(described ? { description: { type: 'string' }, mediaType: { type: 'string' }, group: { type: 'string' } } : {}),
      labels: {
        type: 'array',
        description: 'The most probable types as the model says them, the best first.',
        items: { type: 'object', properties: { label, score }, required: ['label', 'score'], additionalProperties: false },
        'x-modelport': { widget: 'labels' },
      },
    },
    required: ['label', 'score', 'labels'],
    additionalProperties: false,
  };
}
