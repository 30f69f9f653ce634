/** What a detector answered → boxes in pixels of its input, the best first. */
import { ModelportError } from '../../errors.ts';
import type { Tensor, Tensors } from '../../tensor.ts';
import { numbers } from '../classification/scores.ts';
import { BestCandidates } from './best-candidates.ts';
import type { Detection } from './boxes.ts';
import type { DetectionOutputs } from './find-outputs.ts';
import type { BoxFormat } from './options.ts';

export interface ReadingPlan {
  readonly outputs: DetectionOutputs;
  readonly activation: 'softmax' | 'sigmoid' | 'none';
  readonly background: 'first' | 'last' | 'none';
  readonly firstClass: number;
  readonly normalized: boolean | 'auto';
  /** Only so many of the best are looked at any further. */
  readonly mostCandidates: number;
}

/** Those with a score of at least `threshold`. Throws `RUN_FAILED` where the tensors are not as their signature says. */
export function readDetections(answer: Tensors, plan: ReadingPlan, threshold: number, width: number, height: number): Detection[] {
  const { outputs } = plan;
  const boxes = valuesOf(answer, outputs.boxes.name);
  const candidates = new BestCandidates(plan.mostCandidates);
  const boxOf = readers[outputs.format](answer, boxes, plan, threshold, candidates);
  const best = candidates.sorted();
  const corners = best.map(({ row }) => toCorners(boxOf(row), outputs.boxFormat));
  const shares = plan.normalized === 'auto' ? corners.every((box) => box.every((value) => Math.abs(value) <= 2)) : plan.normalized;
  const [scaleX, scaleY] = shares ? [width, height] : [1, 1];
  return best.flatMap(({ category, score }, index) => {
    const [x0, y0, x1, y1] = corners[index]!;
    const detection = { category, score, xmin: x0 * scaleX, ymin: y0 * scaleY, xmax: x1 * scaleX, ymax: y1 * scaleY };
    return [x0, y0, x1, y1].every(Number.isFinite) ? [detection] : [];
  });
}

interface Values {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

type BoxOf = (row: number) => readonly [number, number, number, number];

/** Offers what is sure enough to `candidates`, and gives the boxes of rows. */
type Reader = (answer: Tensors, boxes: Values, plan: ReadingPlan, threshold: number, candidates: BestCandidates) => BoxOf;

function valuesOf(answer: Tensors, name: string): Values {
  const tensor: Tensor = answer.get(name)!;
  return { name, shape: tensor.shape, data: tensor.datatype === 'FP32' ? (tensor.data as Float32Array) : numbers(tensor, 0, tensor.data.length) };
}

function wrong({ name, shape }: Values, wanted: string): ModelportError {
  return new ModelportError('RUN_FAILED', `output '${name}' has the shape [${shape.join(', ')}], but ${wanted}`);
}

/** Boxes of four numbers in rows, whatever axes of 1 come before. */
function rowsOfFour(boxes: Values): BoxOf {
  if (boxes.shape.at(-1) !== 4) throw wrong(boxes, 'a box has four numbers');
  const { data } = boxes;
  return (row) => [data[row * 4]!, data[row * 4 + 1]!, data[row * 4 + 2]!, data[row * 4 + 3]!];
}

/** Each row's scores of all classes beside its box. */
const scoresOfEveryClass: Reader = (answer, boxes, { outputs, activation, background }, threshold, candidates) => {
  const boxOf = rowsOfFour(boxes);
  const rows = boxes.data.length / 4;
  const scores = valuesOf(answer, outputs.scores!.name);
  const classes = rows === 0 ? 0 : scores.data.length / rows;
  if (!Number.isInteger(classes)) throw wrong(scores, `there are ${rows} boxes`);
  const first = background === 'first' ? 1 : 0;
  const end = background === 'last' ? classes - 1 : classes;
  const own = new Float64Array(classes);
  // transformers takes one class of a query that has a softmax, and every class that is sure enough else.
  const oneEach = outputs.format === 'detr' && activation === 'softmax';
  for (let row = 0; row < rows; row++) {
    own.set(scores.data.subarray(row * classes, (row + 1) * classes));
    activate(own, activation);
    let best = -1;
    for (let index = first; index < end; index++) {
      const score = own[index]!;
      if (oneEach) {
        if (best === -1 || score > own[best]!) best = index;
      } else if (score >= threshold) {
        candidates.offer(row, index - first, score);
      }
    }
    if (best !== -1 && own[best]! >= threshold) candidates.offer(row, best - first, own[best]!);
  }
  return boxOf;
};

/** In place: there may be a million. */
function activate(scores: Float64Array, activation: ReadingPlan['activation']): void {
  if (activation === 'none') return;
  if (activation === 'sigmoid') {
    for (let index = 0; index < scores.length; index++) scores[index] = 1 / (1 + Math.exp(-scores[index]!));
    return;
  }
  let most = -Infinity;
  for (let index = 0; index < scores.length; index++) most = Math.max(most, scores[index]!);
  let sum = 0;
  for (let index = 0; index < scores.length; index++) sum += scores[index] = Math.exp(scores[index]! - most);
  for (let index = 0; index < scores.length; index++) scores[index] = scores[index]! / sum;
}

/** How far it is from one box to the next, and from one number of a box to the next. */
interface Strides {
  readonly row: number;
  readonly column: number;
}

/** YOLO's one tensor. Columns: four of the box, then objectness where there is one, then classes. */
function yolo({ data }: Values, rows: number, columns: number, objectness: boolean, strides: Strides, threshold: number, candidates: BestCandidates): BoxOf {
  const first = objectness ? 5 : 4;
  const best = new Float32Array(rows).fill(columns === first ? 1 : -Infinity);
  const categories = new Uint16Array(rows);
  const compare = (row: number, column: number): void => {
    const score = data[row * strides.row + column * strides.column]!;
    if (score > best[row]!) {
      best[row] = score;
      categories[row] = column - first;
    }
  };
  // As the numbers lie in memory: there are millions.
  if (strides.column > strides.row) for (let column = first; column < columns; column++) for (let row = 0; row < rows; row++) compare(row, column);
  else for (let row = 0; row < rows; row++) for (let column = first; column < columns; column++) compare(row, column);
  for (let row = 0; row < rows; row++) {
    const score = objectness ? best[row]! * data[row * strides.row + 4 * strides.column]! : best[row]!;
    if (score >= threshold) candidates.offer(row, categories[row]!, score);
  }
  return (row) => [0, 1, 2, 3].map((column) => data[row * strides.row + column * strides.column]!) as [number, number, number, number];
}

const readers: Readonly<Record<DetectionOutputs['format'], Reader>> = {
  detr: scoresOfEveryClass,
  'boxes-and-scores': scoresOfEveryClass,
  yolov5(_answer, boxes, _plan, threshold, candidates) {
    const [, rows, columns] = shapeOfThree(boxes, 5);
    return yolo(boxes, rows, columns, true, { row: columns, column: 1 }, threshold, candidates);
  },
  yolov8(_answer, boxes, _plan, threshold, candidates) {
    const [, columns, rows] = shapeOfThree(boxes, 0);
    if (columns < 5) throw wrong(boxes, 'there are four numbers of a box and one a class along the second axis');
    return yolo(boxes, rows, columns, false, { row: 1, column: rows }, threshold, candidates);
  },
  'end-to-end'(_answer, boxes, plan, threshold, candidates) {
    const [, rows, columns] = shapeOfThree(boxes, 6);
    for (let row = 0; row < rows; row++) {
      const score = boxes.data[row * columns + 4]!;
      if (score >= threshold) candidates.offer(row, Math.round(boxes.data[row * columns + 5]!) - plan.firstClass, score);
    }
    return (row) => [0, 1, 2, 3].map((column) => boxes.data[row * columns + column]!) as [number, number, number, number];
  },
  detections(answer, boxes, { outputs, firstClass }, threshold, candidates) {
    const boxOf = rowsOfFour(boxes);
    const scores = valuesOf(answer, outputs.scores!.name);
    const classes = valuesOf(answer, outputs.classes!.name);
    const count = outputs.count === undefined ? Infinity : valuesOf(answer, outputs.count.name).data[0]!;
    const rows = Math.min(boxes.data.length / 4, count);
    if (scores.data.length < rows || classes.data.length < rows) throw wrong(scores, `there are ${rows} boxes`);
    for (let row = 0; row < rows; row++) {
      if (scores.data[row]! >= threshold) candidates.offer(row, Math.round(classes.data[row]!) - firstClass, scores.data[row]!);
    }
    return boxOf;
  },
};

function shapeOfThree(values: Values, leastColumns: number): readonly [number, number, number] {
  const [batch, second, third] = values.shape;
  if (values.shape.length !== 3 || batch !== 1 || third! < leastColumns) throw wrong(values, `one picture's boxes have three axes${leastColumns === 0 ? '' : `, the last of ${leastColumns} or more`}`);
  return [batch, second!, third!];
}

function toCorners([a, b, c, d]: readonly [number, number, number, number], format: BoxFormat): [number, number, number, number] {
  if (format === 'corners') return [a, b, c, d];
  if (format === 'yx-corners') return [b, a, d, c];
  return [a - c / 2, b - d / 2, a + c / 2, b + d / 2];
}
