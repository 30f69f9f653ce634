import { z } from 'zod';
import { imageOptionsShape } from '../image/image-options.ts';

export const options = z.strictObject({
  ...imageOptionsShape,
  textModel: z.string().min(1).optional().describe('The served model that makes a vector of a caption, where this one makes one of a picture only. Default: none, this model takes both.'),
  logitScale: z.number().positive().optional().describe('With textModel: by what the cosine of both vectors is multiplied. Default: exp of logit_scale_init_value of config.json, else 100.'),
  output: z.string().min(1).optional().describe('The output that holds a score for each caption, or with textModel the vector of the picture. Default: logits_per_image or image_embeds, else the only one.'),
  template: z.string().includes('{}').optional().describe('Into what a label is put, at {}. Default: This is a photo of {}.'),
  activation: z.enum(['softmax', 'sigmoid']).optional().describe('What makes probabilities of scores; sigmoid for SigLIP. Default: softmax.'),
  labels: z.array(z.string().min(1)).min(1).max(100).optional().describe('Captions where the request has none.'),
});

export type Options = z.infer<typeof options>;
