/** A picture → the objects in it: label, score and box in pixels of the picture. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { allocate, elementCount, type Tensor } from '../../tensor.ts';
import { huggingFaceLabels } from '../classification/class-labels.ts';
import { shortest } from '../classification/scores.ts';
import { imageExamples } from '../image/image-examples.ts';
import { imageShape, planImageInput } from '../image/image-input.ts';
import type { ImageOptions } from '../image/image-options.ts';
import { imageTensor } from '../image/image-tensor.ts';
import { warmImageThreads } from '../image/image-threads.ts';
import { imageBytes, imageSchema } from '../image/image-value.ts';
import { readFields, readNumber } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { suppress, toOriginal } from './boxes.ts';
import { findDetectionOutputs, recognizeOutputs, type DetectionOutputs } from './find-outputs.ts';
import { options, type Options } from './options.ts';
import { readDetections, type ReadingPlan } from './read-detections.ts';

export const objectDetection: Task<Options> = { name: 'object-detection', options, detect, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const pictures = signature.inputs.filter((input) => imageShape(input) !== undefined);
  if (pictures.length !== 1) return undefined;
  const found = recognizeOutputs(signature, {}, huggingFaceLabels(artifact)?.length ?? signature.outputs[0]?.labels?.length);
  if (found === undefined || (found.scores === undefined && !evidentlyBoxes(found))) return undefined;
  try {
    planImageInput(signature, {}, artifact, { beside: true, usual: usualPreparation(found) });
    maskInput(signature, pictures[0]!);
  } catch {
    return undefined;
  }
  const outputs = [found.boxes, found.scores, found.classes].flatMap((output) => (output === undefined ? [] : [`'${output.name}'`])).join(', ');
  return { options: {}, reason: `input '${pictures[0]!.name}' is a picture and ${outputs} are boxes as ${found.format} models have them` };
}

/** One tensor without a name that tells: only its shape speaks, and that has to be clear. */
function evidentlyBoxes({ boxes, format }: DetectionOutputs): boolean {
  const [, second, third] = boxes.shape;
  if (format === 'end-to-end') return /det|box|output/i.test(boxes.name);
  return typeof second === 'number' && typeof third === 'number' && Math.max(second, third) >= 100 && Math.min(second, third) <= 500;
}

/** YOLO models are trained on pictures laid on grey, and on levels from 0 to 1. */
function usualPreparation({ format }: DetectionOutputs): ImageOptions {
  if (format !== 'yolov5' && format !== 'yolov8' && format !== 'end-to-end') return { resize: { mode: 'stretch' } };
  return { mean: 0, std: 1, resize: { mode: 'pad', padValue: 114 } };
}

/** DETR's input that says which pixels are picture, beside the picture. */
function maskInput(signature: Signature, picture: TensorSpec): TensorSpec | undefined {
  const others = signature.inputs.filter((input) => input.name !== picture.name && input.optional !== true);
  if (others.length === 0) return undefined;
  const [mask] = others;
  if (others.length === 1 && mask!.name === 'pixel_mask' && mask!.shape.length === 3) return mask;
  throw new ModelportError('INVALID_CONFIG', `object-detection feeds a picture and, where there is one, its pixel_mask: there is no telling what goes into ${others.map((input) => `'${input.name}'`).join(', ')}`, { at: 'task' });
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'object-detection needs a model that takes tensors', { at: 'task' });
  const { threshold, nonMaximumSuppression, maxDetections = 300 } = given;
  const labels = given.labels ?? signature.outputs.find((output) => output.labels !== undefined)?.labels ?? huggingFaceLabels(facts.artifact);
  const outputs = findDetectionOutputs(signature, given, labels?.length);
  const { spec, plan } = planImageInput(signature, given, facts.artifact, { beside: true, usual: usualPreparation(outputs) });
  const mask = maskInput(signature, spec);
  const reading = readingPlan(outputs, given, labels?.length);
  const leastScore = threshold ?? (outputs.format === 'detr' ? 0.5 : 0.25);
  const suppressed = outputs.format === 'detr' || outputs.format === 'end-to-end' || outputs.format === 'detections' ? false : { threshold: 0.45, acrossClasses: false };
  const suppression = nonMaximumSuppression ?? suppressed;
  const wanted = [outputs.boxes, outputs.scores, outputs.classes, outputs.count].flatMap((output) => (output === undefined ? [] : [output.name]));
  warmImageThreads();

  async function find(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['image', 'threshold'], 'image');
    const least = readNumber(fields, 'threshold', leastScore, 0, 1);
    const { tensor, prepared } = await imageTensor(imageBytes(fields['image'], 'image'), plan, 'image', call);
    const inputs = new Map<string, Tensor>([[spec.name, tensor]]);
    if (mask !== undefined) inputs.set(mask.name, ones(mask.datatype, [1, prepared.height, prepared.width]));
    const answer = await model.infer!({ inputs, outputs: wanted }, call);
    const detections = readDetections(answer.outputs, reading, least, prepared.width, prepared.height);
    const kept = suppression === false ? detections.slice(0, maxDetections) : suppress(detections, suppression.threshold, suppression.acrossClasses, maxDetections);
    // Shares of DETR mean the picture, not what it was filled up with.
    const filled = outputs.format === 'detr' && reading.normalized === true ? { original: prepared.original, placement: { left: 0, top: 0, width: prepared.width, height: prepared.height } } : prepared;
    return {
      objects: kept.map((one) => ({ label: labels?.[one.category] ?? String(one.category + reading.firstClass), score: shortest(one.score), box: toOriginal(one, filled) })),
    };
  }

  const predict = { task: objectDetection.name, input: inputSchema(leastScore), output: outputSchema(labels), examples: imageExamples(facts) };
  return withPredict(model, predict, find);
}

function readingPlan(outputs: DetectionOutputs, given: Options, labelCount: number | undefined): ReadingPlan {
  const { format } = outputs;
  const classes = outputs.scores?.shape.at(-1);
  const oneMore = typeof classes === 'number' && labelCount !== undefined ? classes === labelCount + 1 : undefined;
  const activation = given.activation ?? (format !== 'detr' ? 'none' : oneMore === false ? 'sigmoid' : 'softmax');
  const background = given.backgroundClass ?? (format === 'detr' && activation === 'softmax' ? 'last' : format === 'boxes-and-scores' && oneMore === true ? 'first' : 'none');
  return { outputs, activation, background, firstClass: given.firstClass ?? 0, normalized: given.normalized ?? (format === 'detr' ? true : 'auto'), mostCandidates: given.maxCandidates ?? 2000 };
}

function ones(datatype: Tensor['datatype'], shape: readonly number[]): Tensor {
  const data = allocate(datatype, elementCount(shape));
  if (datatype === 'INT64') (data as BigInt64Array).fill(1n);
  else (data as Uint8Array).fill(1);
  return { datatype, shape, data };
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

function outputSchema(labels: readonly string[] | undefined): JsonSchema {
  const pixel = { type: 'integer', minimum: 0 };
  return {
    type: 'object',
    properties: {
      objects: {
        type: 'array',
        description: 'What was found, the surest first.',
        items: {
          type: 'object',
          properties: {
            label: { type: 'string', ...(labels !== undefined && labels.length <= 100 ? { enum: [...new Set(labels)] } : {}) },
            score: { type: 'number', minimum: 0, maximum: 1 },
            box: {
              type: 'object',
              description: 'Corners in pixels of the picture, from its upper left.',
              properties: { xmin: pixel, ymin: pixel, xmax: pixel, ymax: pixel },
              required: ['xmin', 'ymin', 'xmax', 'ymax'],
              additionalProperties: false,
            },
          },
          required: ['label', 'score', 'box'],
          additionalProperties: false,
        },
        'x-modelport': { widget: 'boxes', image: 'image' },
      },
    },
    required: ['objects'],
    additionalProperties: false,
  };
}
