import { z } from 'zod';

export const options = z.strictObject({
  recognizer: z.string().min(1).describe('The served model that reads one line of text: [lines, 3, height, width] → [lines, steps, characters + 1].'),
  classifier: z.string().min(1).optional().describe('The served model that tells whether a line stands on its head: [lines, 3, height, width] → [lines, 2]. Default: none, every line is upright.'),
  color: z.enum(['bgr', 'rgb']).default('bgr').describe("The order of the channels, of all three models. PaddleOCR's take blue first."),
  shortestSide: z.int().min(32).max(4096).default(736).describe('Smaller pictures are enlarged until their shorter side is this long.'),
  longestSide: z.int().min(64).max(8192).default(2000).describe('Larger pictures are reduced until their longer side is this long.'),
  threshold: z.number().min(0).max(1).default(0.3).describe('Pixels that are more probably text belong to it.'),
  boxThreshold: z.number().min(0).max(1).default(0.5).describe('Lines of which the pixels are less probably text on average are left out.'),
  unclipRatio: z.number().min(0).max(10).default(1.6).describe('How far the outline lies beyond the core that the detector marks: area × ratio / circumference.'),
  dilate: z.boolean().default(true).describe('Widens the marked core by one pixel first.'),
  textThreshold: z.number().min(0).max(1).default(0.5).describe('Lines that are read with a lower score are left out where the request does not say.'),
  turnThreshold: z.number().min(0).max(1).default(0.9).describe('Lines that stand on their head more probably than this are turned.'),
  lineHeight: z.int().min(8).max(256).default(48).describe('The height of a line for classifier and recognizer, in pixels.'),
  classifierWidth: z.int().min(8).max(2048).default(192).describe('The width of a line for the classifier.'),
  recognizerWidth: z.int().min(8).max(4096).default(320).describe('The least width of a line for the recognizer.'),
  batchSize: z.int().min(1).max(64).default(6).describe('Lines that are read at once.'),
  maxLines: z.int().min(1).max(1000).default(1000).describe('Lines in an answer at most.'),
  characters: z.array(z.string()).min(1).optional().describe("What the recognizer's classes are, without the first, which is nothing. Default: labels of its output, else `character` of the file's metadata and a blank."),
  maxPixels: z.int().min(1).default(50_000_000).describe('Pictures with more pixels are refused.'),
});

export type Options = z.infer<typeof options>;
