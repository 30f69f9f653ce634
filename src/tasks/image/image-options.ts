/** What model.yaml may say about preparing pictures; shared by every task that takes one. */
import { z } from 'zod';
import { resizeModes } from './image-plan.ts';
import { resizeFilters } from './resize.ts';

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(3)]);

export const imageOptionsShape = {
  input: z.string().min(1).optional().describe('The input that takes the picture. Default: the only one.'),
  layout: z.enum(['NCHW', 'NHWC']).optional().describe('The order of the axes: channels before or after height and width. Default: found from the shape.'),
  color: z.enum(['rgb', 'bgr', 'grayscale']).optional().describe('The order of the channels. Default: grayscale for one channel, rgb for three.'),
  size: z.union([z.int().min(1).max(8192), z.strictObject({ width: z.int().min(1).max(8192), height: z.int().min(1).max(8192) })]).optional()
    .describe('Width and height in pixels that the model takes. Default: from the shape.'),
  resize: z.strictObject({
    mode: z.enum(resizeModes).optional()
      .describe('shortest-side: keep the shape and cut out the middle. stretch: to the size whatever the shape. pad: keep the shape, fit in and fill the rest. within: keep the shape, the shorter side as said unless the longer one gets too long, for models that take any size. Default: shortest-side.'),
    filter: z.enum(resizeFilters).optional().describe("Pillow's filters, and area: each pixel counts by the part that is covered. Default: bilinear."),
    shortestSide: z.int().min(1).max(8192).optional().describe('The shorter side before the middle is cut out, e.g. 256 where 224 are taken; with within, the shorter side. Default: the size.'),
    longestSide: z.int().min(1).max(8192).optional().describe('The longer side at most, with within. Default: no limit but 8192.'),
    multipleOf: z.int().min(1).max(256).optional().describe('Sides are filled up with zeros to a multiple of this, with within. Default: 1.'),
    align: z.enum(['center', 'start']).optional().describe('Where the picture lies with pad: in the middle, or in the upper left corner. Default: center.'),
    padValue: z.int().min(0).max(255).optional().describe('The grey level that fills the rest with pad. Default: 0.'),
  }).optional().describe('How pictures are brought to the size.'),
  rescale: z.union([z.literal(false), z.number()]).optional().describe('Levels 0 … 255 are multiplied by this first. Default: 1/255, and false for inputs of bytes.'),
  mean: perChannel.optional().describe('Subtracted after rescaling, one number or one a channel. Default: 0; for three channels in NCHW the mean of ImageNet.'),
  std: perChannel.optional().describe('Divided by after subtracting the mean. Default: 1; for three channels in NCHW the standard deviation of ImageNet.'),
  invert: z.boolean().optional().describe('Turn light into dark first.'),
  drawing: z.union([z.boolean(), z.strictObject({
    crop: z.boolean().default(true).describe('Cut away the empty border.'),
    size: z.int().min(1).max(1024).optional().describe('The longer side of the ink, in pixels. Default: 5/7 of the size, as in MNIST.'),
    center: z.enum(['mass', 'box']).default('mass').describe('What lies in the middle of the result: the centre of mass, or of the ink\'s box.'),
    strokeWidth: z.strictObject({ minimum: z.number().positive(), maximum: z.number().positive() }).optional()
      .describe('Strokes thinner or thicker than these widths, in pixels of the result, are brought to them.'),
  })]).optional().describe("Pictures are drawings, as MNIST's digits are: whatever the colours, the ink becomes light on black, cropped, scaled by averaging and centred."),
  background: z.enum(['white', 'black']).optional().describe('On what transparent pictures are laid. Default: white.'),
  maxPixels: z.int().min(1).optional().describe('Pictures with more pixels are refused. Default: 50 million.'),
} as const;

export const imageOptions = z.strictObject(imageOptionsShape);
export type ImageOptions = z.infer<typeof imageOptions>;
