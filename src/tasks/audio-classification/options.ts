import { z } from 'zod';
import { audioOptionsShape } from '../audio/audio-input.ts';

export const options = z.strictObject({
  ...audioOptionsShape,
  output: z.string().min(1).optional().describe('The output that holds one score a class. Default: the evident one.'),
  activation: z.enum(['softmax', 'sigmoid', 'none', 'auto']).optional().describe('What makes probabilities of scores. sigmoid: several classes may be there at once. Default: sigmoid where problem_type of config.json is multi_label_classification, else auto: softmax unless they are probabilities already.'),
  topK: z.int().min(1).max(1000).optional().describe('How many classes an answer lists where the request does not say. Default: 5.'),
  labels: z.array(z.string()).min(2).optional().describe('Names of the classes. Default: labels of the output, or of config.json, or numbers.'),
});

export type Options = z.infer<typeof options>;
