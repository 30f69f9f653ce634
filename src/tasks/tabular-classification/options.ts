import { z } from 'zod';
import { tableOptionsShape } from '../table/table-options.ts';

export const options = z.strictObject({
  ...tableOptionsShape,
  labels: z.array(z.string()).min(2).optional().describe('Names of the classes. Default: labels of the output, or numbers.'),
  output: z.string().min(1).optional().describe('The output that holds one score a class. Default: the evident one.'),
  labelOutput: z.string().min(1).optional().describe('The output that holds the class itself. Default: the evident one, if there is one.'),
  softmax: z.union([z.boolean(), z.literal('auto')]).optional().describe('Whether the scores are logits, of which a softmax makes probabilities. Default: auto, by looking at the scores.'),
});

export type Options = z.infer<typeof options>;
