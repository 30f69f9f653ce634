import { z } from 'zod';

export const options = z.strictObject({
  input: z.string().min(1).optional().describe('The input that takes the samples. Default: the only one of floats that is no state.'),
  sampleRateInput: z.string().min(1).optional().describe('The input that takes the number of samples a second. Default: one of integers, if there is one.'),
  output: z.string().min(1).optional().describe('The output that holds the probability of speech. Default: the first that is no state.'),
  states: z.array(z.strictObject({ input: z.string().min(1), output: z.string().min(1) })).optional()
    .describe('What the model carries from chunk to chunk. Default: inputs of floats beside the samples, with the outputs of the same names (stateN for state). Where `sequences` carries the state, there is nothing to say.'),
  sampleRate: z.int().min(1000).max(192_000).optional().describe('Samples a second that the model takes. Default: 16000.'),
  chunkSize: z.int().min(16).max(1_000_000).optional().describe('New samples of each run. Default: 512.'),
  contextSize: z.int().min(0).max(1_000_000).optional().describe('Samples of the chunk before that each run sees again. Default: 64.'),
  threshold: z.number().min(0).max(1).optional().describe('Chunks more probable than this are speech, where the request does not say. Default: 0.5.'),
  minSpeechMs: z.number().min(0).max(60_000).optional().describe('Shorter stretches of speech are left out. Default: 250.'),
  minSilenceMs: z.number().min(0).max(60_000).optional().describe('Shorter pauses do not end a stretch of speech. Default: 100.'),
  maxSeconds: z.number().positive().max(3600).optional().describe('Longer recordings are refused. Default: 600.'),
});

export type Options = z.infer<typeof options>;
