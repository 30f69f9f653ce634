import { z } from 'zod';

const names = z.union([z.array(z.union([z.string(), z.int()])).min(1).max(100_000), z.strictObject({ count: z.int().min(1).max(10_000_000) })]);

export const options = z.strictObject({
  user: z.string().min(1).optional().describe('The input that takes the user. Default: the one that is called so, else the first.'),
  item: z.string().min(1).optional().describe('The input that takes the item. Default: the one that is called so; none where the model answers a score for every item at once.'),
  output: z.string().min(1).optional().describe('The output that holds the scores. Default: the only one of floats.'),
  users: names.optional().describe('Who there is: names in the order of their numbers, or only how many. Default: any number or text that the input takes.'),
  items: names.optional().describe('What is recommended: names in the order of their numbers, or only how many. Default: labels of the output.'),
  firstUser: z.int().min(0).optional().describe('The number of the first user. Default: 0.'),
  firstItem: z.int().min(0).optional().describe('The number of the first item. Default: 0.'),
  topK: z.int().min(1).max(1000).optional().describe('How many items an answer lists where the request does not say. Default: 10.'),
});

export type Options = z.infer<typeof options>;
