/** A picture → what every pixel shows: a mask for each class that is there. */
import type { Artifact } from '../../artifact.ts';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../lib/half-float.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { datatypes, type Tensor } from '../../tensor.ts';
import { huggingFaceLabels } from '../classification/class-labels.ts';
import { shortest } from '../classification/scores.ts';
import { imageExamples } from '../image/image-examples.ts';
import { imageShape, planImageInput } from '../image/image-input.ts';
import { imageTensor } from '../image/image-tensor.ts';
import { warmImageThreads } from '../image/image-threads.ts';
import { imageBytes, imageSchema } from '../image/image-value.ts';
import { readFields } from '../request/read-fields.ts';
import { TaskThreads } from '../request/task-threads.ts';
import { withPredict } from '../request/with-predict.ts';
import { options, type Options } from './options.ts';
import type { ScoreMap } from './segment-pixels.ts';
import type { SegmentJob, SegmentReply } from './segment-thread.ts';

export const imageSegmentation: Task<Options> = { name: 'image-segmentation', options, detect, lift };

/** Shared by all models of the process. */
const threads = new TaskThreads<SegmentJob, Exclude<SegmentReply, { error: unknown }>>(new URL('./segment-thread.js', import.meta.url), 'pictures');

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const inputs = signature.inputs.filter((input) => input.optional !== true);
  const output = signature.outputs[0];
  const shape = inputs.length === 1 ? imageShape(inputs[0]!) : undefined;
  if (shape === undefined || signature.outputs.length !== 1 || output!.shape.length !== 4 || datatypes[output!.datatype].kind !== 'float') return undefined;
  const count = huggingFaceLabels(artifact)?.length;
  // Without names of classes a picture that comes out is as likely a picture.
  if (count === undefined || count < 2 || output!.shape[1] !== count) return undefined;
  try {
    planImageInput(signature, {}, artifact, { usual: { resize: { mode: 'stretch' } } });
  } catch {
    return undefined;
  }
  return { options: {}, reason: `input '${inputs[0]!.name}' is a picture, and output '${output!.name}' has a score for each of the ${count} classes of config.json at every place` };
}

interface SegmentOutput {
  readonly spec: TensorSpec;
  readonly layout: 'NCHW' | 'NHWC' | 'classes';
}

function findOutput(signature: Signature, { output, outputLayout }: Options, labelCount: number | undefined): SegmentOutput {
  const names = signature.outputs.map((spec) => spec.name);
  const candidates = signature.outputs.filter((spec) => spec.shape.length === 4 || spec.shape.length === 3);
  const spec = output === undefined ? (candidates.length === 1 ? candidates[0] : candidates.find((one) => /logit|mask|seg|out$/i.test(one.name))) : signature.outputs.find((one) => one.name === output);
  if (spec === undefined) throw new ModelportError('INVALID_CONFIG', output === undefined ? `which output divides the picture is not evident: say task.output, one of ${names.map((name) => `'${name}'`).join(', ')}` : `task.output is '${output}', but the model has no such output${suggestName(output, names)}`, { at: 'task.output' });
  const { kind } = datatypes[spec.datatype];
  if (spec.shape.length === 3 && kind === 'integer') return { spec, layout: 'classes' };
  if (spec.shape.length !== 4 || kind !== 'float') throw new ModelportError('INVALID_CONFIG', `output '${spec.name}' is ${spec.datatype} [${spec.shape.join(', ')}], but scores of pixels are floats in [batch, classes, height, width], or whole numbers in [batch, height, width]`, { at: 'task.output' });
  const [, second, , last] = spec.shape;
  const isCount = (size: unknown): boolean => typeof size === 'number' && (size === labelCount || (labelCount === undefined && size >= 1 && size <= 4));
  return { spec, layout: outputLayout ?? (isCount(last) && !isCount(second) ? 'NHWC' : 'NCHW') };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'image-segmentation needs a model that takes tensors', { at: 'task' });
  const labels = labelsOf(given, signature, facts.artifact);
  const output = findOutput(signature, given, labels?.length);
  const { spec, plan } = planImageInput(signature, given, facts.artifact, { usual: { resize: { mode: 'stretch' } } });
  const ignored = (given.ignore ?? []).map((name) => {
    const place = labels?.indexOf(name) ?? Number(name);
    if (place >= 0) return place;
    throw new ModelportError('INVALID_CONFIG', `task.ignore names '${name}', but there is no such class${suggestName(name, labels ?? [])}`, { at: 'task.ignore' });
  });
  const activation = given.activation ?? 'auto';
  const threshold = given.threshold ?? 0.5;
  warmImageThreads();

  async function divide(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['image'], 'image');
    const { tensor, prepared } = await imageTensor(imageBytes(fields['image'], 'image'), plan, 'image', call);
    const { outputs } = await model.infer!({ inputs: new Map([[spec.name, tensor]]), outputs: [output.spec.name] }, call);
    const map = scoreMap(output, outputs.get(output.spec.name)!, labels?.length);
    const { original, placement, width, height } = prepared;
    const reply = await threads.run({ map, plan: { activation, threshold, ignored }, place: { original, placement, width, height } }, { call, sizeBytes: map.data.byteLength });
    const odd = reply.segments.find(({ score }) => !Number.isFinite(score));
    if (odd !== undefined) throw new ModelportError('RUN_FAILED', `the model answered scores that are ${odd.score}: its input lies outside of what it can compute, or its weights are damaged`);
    const whole = original.width * original.height;
    return {
      segments: reply.segments.map(({ category, score, pixels, png }) => ({ label: labels?.[category] ?? String(category), score: shortest(score), share: shortest(pixels / whole), mask: `data:image/png;base64,${png}` })),
    };
  }

  return withPredict(model, { task: imageSegmentation.name, input: { type: 'object', properties: { image: imageSchema() }, required: ['image'], additionalProperties: false }, output: outputSchema(labels), examples: imageExamples(facts) }, divide);
}

function labelsOf(given: Options, signature: Signature, artifact: Artifact): readonly string[] | undefined {
  return given.labels ?? signature.outputs.find((output) => output.labels !== undefined)?.labels ?? huggingFaceLabels(artifact);
}

function scoreMap({ spec, layout }: SegmentOutput, tensor: Tensor, labelCount: number | undefined): ScoreMap {
  const wrong = (wanted: string): ModelportError => new ModelportError('RUN_FAILED', `output '${spec.name}' has the shape [${tensor.shape.join(', ')}], but ${wanted}`);
  if (layout === 'classes') return classMap(tensor, labelCount, wrong);
  const [batch, second, third, fourth] = tensor.shape as readonly [number, number, number, number];
  if (tensor.shape.length !== 4 || batch !== 1) throw wrong('one picture has four axes, the first of 1');
  const [classes, height, width] = layout === 'NCHW' ? [second, third, fourth] : [fourth, second, third];
  if (labelCount !== undefined && classes !== labelCount) throw wrong(`there are ${labelCount} labels`);
  if (classes === 0 || width === 0 || height === 0 || classes > 65_535) throw wrong('there are scores of classes at every place');
  const strides = layout === 'NCHW' ? { column: 1, row: width, category: width * height } : { column: classes, row: width * classes, category: 1 };
  return { classes, width, height, strides, data: singles(tensor) };
}

/** Classes as numbers become scores of 0 and 1, so that they are enlarged alike. */
function classMap({ shape, data }: Tensor, labelCount: number | undefined, wrong: (wanted: string) => ModelportError): ScoreMap {
  const [batch, height, width] = shape as readonly [number, number, number];
  if (shape.length !== 3 || batch !== 1) throw wrong('one picture has three axes, the first of 1');
  const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
  const classes = Math.max(labelCount ?? 0, numbers.reduce((most, one) => Math.max(most, one), 0) + 1, 2);
  if (classes > 1000) throw wrong('at most 1000 classes are told apart');
  const scores = new Float32Array(classes * height * width);
  numbers.forEach((category, place) => {
    if (category >= 0) scores[category * height * width + place] = 1;
  });
  return { classes, width, height, strides: { column: 1, row: width, category: width * height }, data: scores };
}

function singles({ datatype, data }: Tensor): Float32Array {
  if (datatype === 'FP32') return data as Float32Array;
  return Float32Array.from(data as ArrayLike<number>, datatype === 'FP16' ? fromHalf : datatype === 'BF16' ? fromBfloat16 : Number);
}

function outputSchema(labels: readonly string[] | undefined): JsonSchema {
  const share = { type: 'number', minimum: 0, maximum: 1 };
  return {
    type: 'object',
    properties: {
      segments: {
        type: 'array',
        description: 'Each class that is in the picture, with the pixels that show it.',
        items: {
          type: 'object',
          properties: {
            label: { type: 'string', ...(labels !== undefined && labels.length <= 100 ? { enum: [...new Set(labels)] } : {}) },
            score: { ...share, description: 'How probable the class is over its pixels, on average.' },
            share: { ...share, description: 'The share of the picture that it covers.' },
            mask: { type: 'string', format: 'image', contentMediaType: 'image/png', contentEncoding: 'base64', description: 'As large as the picture, white where the class is: a data URL.' },
          },
          required: ['label', 'score', 'share', 'mask'],
          additionalProperties: false,
        },
        'x-modelport': { widget: 'masks', image: 'image' },
      },
    },
    required: ['segments'],
    additionalProperties: false,
  };
}
