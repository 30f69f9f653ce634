/** What model.yaml may say about the columns of a table; shared by every task that takes rows. */
import { z } from 'zod';

const feature = z.strictObject({
  name: z.string().min(1).max(255).describe('What clients call the column.'),
  input: z.string().min(1).optional().describe('The input that takes this column, where each column has an input of its own. Default: the name.'),
  title: z.string().optional().describe('What forms call it.'),
  description: z.string().optional().describe('What it means and how it is measured.'),
  unit: z.string().optional().describe('E.g. cm.'),
  minimum: z.number().optional().describe('The least value of the training data: where a slider begins. Values below it are accepted.'),
  maximum: z.number().optional().describe('The greatest value of the training data: where a slider ends. Values above it are accepted.'),
  step: z.number().positive().optional().describe('The step of a slider.'),
  default: z.union([z.number(), z.string(), z.boolean()]).optional().describe('The value that a form begins with. A request still says every column.'),
  categories: z.union([z.array(z.string()).min(1), z.record(z.string(), z.number())]).optional()
    .describe('The values that are known. For a column of numbers each stands for its place (0, 1, …), or for the number given: {small: 1, large: 10}.'),
  nullable: z.boolean().optional().describe('null and NaN are missing values that the model knows how to take (it gets NaN, or empty text).'),
});

export const tableOptionsShape = {
  features: z.array(feature).min(1).max(100_000).optional().describe('The columns, in the order in which the model takes them. Default: the names of the inputs, or feature_0, feature_1 …'),
} as const;

export type FeatureOptions = z.infer<typeof feature>;
