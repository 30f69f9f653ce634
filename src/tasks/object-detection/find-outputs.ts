/** Which output of a detector says what, and in which of the usual forms. */
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import type { BoxFormat, DetectionFormat, Options } from './options.ts';

export interface DetectionOutputs {
  readonly format: DetectionFormat;
  readonly boxes: TensorSpec;
  readonly scores?: TensorSpec;
  readonly classes?: TensorSpec;
  readonly count?: TensorSpec;
  readonly boxFormat: BoxFormat;
}

/** `labelCount`: how many classes have names, where that is known. Throws `INVALID_CONFIG`. */
export function findDetectionOutputs(signature: Signature, given: Options, labelCount: number | undefined): DetectionOutputs {
  const found = recognizeOutputs(signature, given, labelCount);
  if (found !== undefined) return found;
  const shapes = signature.outputs.map((output) => `'${output.name}' ${output.datatype} [${output.shape.join(', ')}]`).join(', ');
  throw new ModelportError('INVALID_CONFIG', `the outputs are in no form that detectors are known to have: ${shapes}. Say task.format and task.outputs`, { at: 'task.format' });
}

export function recognizeOutputs(signature: Signature, given: Options, labelCount: number | undefined): DetectionOutputs | undefined {
  const named = namedOutputs(signature, given);
  const find = (pattern: RegExp, fits: (spec: TensorSpec) => boolean): TensorSpec | undefined => signature.outputs.find((output) => pattern.test(output.name) && fits(output));
  const boxes = named.boxes ?? find(/box|bbox|location/i, (spec) => spec.shape.at(-1) === 4 || spec.shape.length >= 2);
  const scoresOfAll = named.scores ?? find(/logit|score|conf|class|prob/i, (spec) => spec.shape.length === 3 && spec.datatype.startsWith('FP'));
  const oneScore = named.scores ?? find(/score|conf/i, (spec) => spec.shape.length <= 2);
  const classes = named.classes ?? find(/class|label|categor/i, (spec) => spec.shape.length <= 2 && spec.name !== oneScore?.name);
  const count = named.count ?? find(/num_?det|count/i, (spec) => spec.shape.length <= 2);
  const format = given.format;
  const boxFormat = (usual: BoxFormat): BoxFormat => given.boxes ?? usual;
  if (boxes !== undefined && oneScore !== undefined && classes !== undefined && (format ?? 'detections') === 'detections') {
    const tensorFlow = /detection_boxes/.test(boxes.name);
    return { format: 'detections', boxes, scores: oneScore, classes, ...(count === undefined ? {} : { count }), boxFormat: boxFormat(tensorFlow ? 'yx-corners' : 'corners') };
  }
  if (boxes !== undefined && scoresOfAll !== undefined && boxes.name !== scoresOfAll.name) {
    const likeDetr = scoresOfAll.name === 'logits' || boxes.name === 'pred_boxes';
    if (format === 'detr' || (format === undefined && likeDetr)) return { format: 'detr', boxes, scores: scoresOfAll, boxFormat: boxFormat('center') };
    if ((format ?? 'boxes-and-scores') === 'boxes-and-scores') return { format: 'boxes-and-scores', boxes, scores: scoresOfAll, boxFormat: boxFormat('corners') };
  }
  const only = named.boxes ?? (signature.outputs.length === 1 || format !== undefined || /^output0?$/.test(signature.outputs[0]?.name ?? '') ? signature.outputs[0] : undefined);
  if (only === undefined || only.shape.length !== 3 || !only.datatype.startsWith('FP')) return undefined;
  const one = format ?? formOf(only, labelCount);
  if (one !== 'yolov5' && one !== 'yolov8' && one !== 'end-to-end') return undefined;
  return { format: one, boxes: only, boxFormat: boxFormat(one === 'end-to-end' ? 'corners' : 'center') };
}

/** One output [batch, boxes, 5 + classes], [batch, 4 + classes, boxes] or [batch, boxes, 6]: there are many more boxes than numbers of each. */
function formOf({ shape }: TensorSpec, labelCount: number | undefined): DetectionFormat | undefined {
  const [, second, third] = shape;
  const rows = typeof second === 'number' ? second : undefined;
  const columns = typeof third === 'number' ? third : undefined;
  if (labelCount !== undefined && columns === labelCount + 5) return 'yolov5';
  if (labelCount !== undefined && rows === labelCount + 4) return 'yolov8';
  if (columns === 6 && (rows === undefined || rows <= 1000)) return 'end-to-end';
  if (rows !== undefined && columns !== undefined) return rows >= 5 && columns > 4 * rows ? 'yolov8' : columns >= 6 && rows > 4 * columns ? 'yolov5' : undefined;
  if (rows !== undefined && rows >= 5 && rows <= 1004) return 'yolov8';
  return columns !== undefined && columns >= 6 ? 'yolov5' : undefined;
}

function namedOutputs(signature: Signature, { outputs = {} }: Options): { readonly [K in 'boxes' | 'scores' | 'classes' | 'count']?: TensorSpec } {
  const names = signature.outputs.map((output) => output.name);
  const entries = Object.entries(outputs).map(([role, name]) => {
    const found = signature.outputs.find((output) => output.name === name);
    if (found === undefined) throw new ModelportError('INVALID_CONFIG', `task.outputs.${role} is '${name}', but the model has no such output${suggestName(name ?? '', names)}`, { at: `task.outputs.${role}` });
    return [role, found] as const;
  });
  return Object.fromEntries(entries);
}
