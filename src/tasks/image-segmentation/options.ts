import { z } from 'zod';
import { imageOptionsShape } from '../image/image-options.ts';

export const options = z.strictObject({
  ...imageOptionsShape,
  output: z.string().min(1).optional().describe('The output that holds scores of each pixel, [batch, classes, height, width], or the classes themselves, [batch, height, width]. Default: the evident one.'),
  outputLayout: z.enum(['NCHW', 'NHWC']).optional().describe('Whether classes come before or after height and width. Default: found from the shape.'),
  threshold: z.number().min(0).max(1).optional().describe('For one class only: pixels that are more probable belong to it. Default: 0.5.'),
  activation: z.enum(['softmax', 'sigmoid', 'none']).optional().describe('What makes probabilities of scores. Default: softmax for several classes; for one, sigmoid unless all scores lie between 0 and 1.'),
  labels: z.array(z.string()).min(1).optional().describe('Names of the classes. Default: labels of the output, or of config.json, or numbers.'),
  ignore: z.array(z.string()).optional().describe('Classes that get no mask, e.g. background.'),
});

export type Options = z.infer<typeof options>;
