import { z } from 'zod';
import { imageOptionsShape } from '../image/image-options.ts';

export const options = z.strictObject({
  ...imageOptionsShape,
  output: z.string().min(1).optional().describe('The output that holds one score a class. Default: the evident one.'),
  topK: z.int().min(1).max(1000).optional().describe('How many classes an answer lists where the request does not say. Default: 5.'),
  labels: z.array(z.string()).min(2).optional().describe('Names of the classes. Default: labels of the output, or of config.json, or numbers.'),
  softmax: z.union([z.boolean(), z.literal('auto')]).optional().describe('Whether the scores are logits, of which a softmax makes probabilities. Default: auto, by looking at the scores.'),
});

export type Options = z.infer<typeof options>;
