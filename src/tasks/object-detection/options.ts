import { z } from 'zod';
import { imageOptionsShape } from '../image/image-options.ts';

export const detectionFormats = ['detr', 'yolov5', 'yolov8', 'end-to-end', 'boxes-and-scores', 'detections'] as const;
export type DetectionFormat = (typeof detectionFormats)[number];
export const boxFormats = ['corners', 'yx-corners', 'center'] as const;
export type BoxFormat = (typeof boxFormats)[number];

export const options = z.strictObject({
  ...imageOptionsShape,
  format: z.enum(detectionFormats).optional()
    .describe('How the model says what it found. detr: logits and boxes of queries. yolov5: rows of centre, size, objectness, classes. yolov8: the same without objectness, one column a box. end-to-end: rows of corners, score, class. boxes-and-scores: boxes, and scores of every class. detections: boxes, one score and one class each. Default: found from the outputs.'),
  outputs: z.strictObject({
    boxes: z.string().min(1).optional(),
    scores: z.string().min(1).optional(),
    classes: z.string().min(1).optional(),
    count: z.string().min(1).optional(),
  }).optional().describe('Names of the outputs. Default: found by name and shape.'),
  boxes: z.enum(boxFormats).optional().describe('What the four numbers of a box are. corners: x, y, x, y. yx-corners: y, x, y, x. center: x and y of the centre, width, height. Default: by the format.'),
  normalized: z.union([z.boolean(), z.literal('auto')]).optional().describe('Whether boxes are shares of the picture (0 … 1) instead of pixels of the input. Default: true for detr, auto for others: by looking at them.'),
  activation: z.enum(['softmax', 'sigmoid', 'none']).optional().describe('What makes scores of logits. Default: for detr softmax where there is one class more than labels (the last is nothing) and sigmoid else; none for others.'),
  backgroundClass: z.enum(['first', 'last', 'none']).optional().describe('Which class means nothing. Default: last for detr with softmax, first for boxes-and-scores with one class more than labels, else none.'),
  firstClass: z.int().min(0).max(1).optional().describe('The number of the first class, for models that answer numbers: TensorFlow counts from 1. Default: 0.'),
  threshold: z.number().min(0).max(1).optional().describe('Objects with a lower score are left out where the request does not say. Default: 0.5 for detr, 0.25 for others.'),
  nonMaximumSuppression: z.union([z.literal(false), z.strictObject({
    threshold: z.number().min(0).max(1).default(0.45).describe('Of two boxes of one class that overlap by more (intersection over union), the better one stays.'),
    acrossClasses: z.boolean().default(false).describe('Boxes of different classes too.'),
  })]).optional().describe('Default: as it is described for yolov5, yolov8 and boxes-and-scores; false for others.'),
  maxCandidates: z.int().min(1).max(100_000).optional().describe('Only so many of the surest boxes are compared with each other. Default: 2000.'),
  maxDetections: z.int().min(1).max(10_000).optional().describe('Objects in an answer at most. Default: 300.'),
  labels: z.array(z.string()).min(1).optional().describe('Names of the classes. Default: labels of the output, or of config.json, or numbers.'),
});

export type Options = z.infer<typeof options>;
