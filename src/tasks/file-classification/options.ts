import { z } from 'zod';

const size = z.int().min(0).max(65536);

export const options = z.strictObject({
  input: z.string().min(1).optional().describe('The input that takes the bytes. Default: the only one.'),
  output: z.string().min(1).optional().describe('The output that holds one score a type. Default: the evident one.'),
  beginSize: size.optional().describe('How many of the first bytes the model takes. Default: beg_size of config.min.json, else 1024.'),
  endSize: size.optional().describe('How many of the last bytes the model takes. Default: end_size of config.min.json, else 1024.'),
  blockSize: z.int().min(1).max(1 << 20).optional().describe('Bytes from each end of which white space is taken away first. Default: block_size of config.min.json, else 4096.'),
  paddingToken: z.int().min(0).max(65535).optional().describe('What fills up short files. Default: padding_token of config.min.json, else 256.'),
  minimumBytes: z.int().min(1).max(4096).optional().describe('Files with fewer bytes are told apart without the model: text or unknown. Default: min_file_size_for_dl of config.min.json, else 8.'),
  threshold: z.number().min(0).max(1).optional().describe('Less sure answers become txt or unknown. Default: medium_confidence_threshold of config.min.json, else 0.5.'),
  thresholds: z.record(z.string(), z.number().min(0).max(1)).optional().describe('Thresholds of single types. Default: those of config.min.json.'),
  overwrite: z.record(z.string(), z.string()).optional().describe('Types that are answered in the place of others. Default: overwrite_map of config.min.json.'),
  labels: z.array(z.string()).min(2).optional().describe('Names of the types. Default: labels of the output, or target_labels_space of config.min.json.'),
  topK: z.int().min(1).max(1000).optional().describe('How many types an answer lists where the request does not say. Default: 5.'),
});

export type Options = z.infer<typeof options>;
