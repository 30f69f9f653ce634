/**
 * Reads a number that somebody wrote: one model finds the digits, another says which they are.
 *
 *     modelport serve app.ts
 */
import sharp from 'sharp';
import { defineService, image, model, ModelportError, z } from 'modelport';

interface Found {
  readonly objects: readonly { readonly score: number; readonly box: { readonly xmin: number; readonly ymin: number; readonly xmax: number; readonly ymax: number } }[];
}

export default defineService({
  name: 'postcode',
  description: 'Reads a handwritten number: find each digit, then classify it.',
  models: {
    detect: model<{ image: Uint8Array }, Found>('./detect'),
    digits: model<{ image: Uint8Array }, { readonly label: string; readonly score: number }>('./digits'),
  },
  endpoints: (endpoint) => ({
    read: endpoint({
      summary: 'Which number is written here?',
      input: z.object({ picture: image({ description: 'Digits in one or more lines, on a plain ground.' }) }),
      output: z.object({
        text: z.string(),
        digits: z.array(z.object({ label: z.string(), score: z.number(), box: z.object({ xmin: z.number(), ymin: z.number(), xmax: z.number(), ymax: z.number() }) })).meta({ 'x-modelport': { widget: 'boxes', image: 'picture' } }),
      }),
      handler: async ({ picture }, { models }) => {
        const { objects } = await models.detect({ image: picture });
        const upright = await sharp(picture).rotate().flatten({ background: 'white' }).png().toBuffer({ resolveWithObject: true }).catch(() => {
          throw new ModelportError('INVALID_VALUE', 'the file is no picture that can be read', { at: 'picture' });
        });
        // All at once: they join one run of the model.
        const digits = await Promise.all(
          objects.map(async ({ box }) => {
            const [left, top] = [Math.max(0, Math.floor(box.xmin)), Math.max(0, Math.floor(box.ymin))];
            const [width, height] = [Math.min(upright.info.width, Math.ceil(box.xmax)) - left, Math.min(upright.info.height, Math.ceil(box.ymax)) - top];
            const part = await sharp(upright.data).extract({ left, top, width, height }).png().toBuffer();
            const { label, score } = await models.digits({ image: part });
            return { label, score, box };
          }),
        );
        const lines = toLines(digits);
        return { text: lines.map((line) => line.map(({ label }) => label).join('')).join('\n'), digits: lines.flat() };
      },
    }),
  }),
});

interface Boxed {
  readonly label: string;
  readonly score: number;
  readonly box: Found['objects'][number]['box'];
}

/** From top to bottom, each from left to right. A digit belongs to a line when its middle lies within the line's first digit. */
function toLines(digits: readonly Boxed[]): Boxed[][] {
  const lines: Boxed[][] = [];
  for (const digit of digits.toSorted((one, other) => one.box.ymin - other.box.ymin)) {
    const middle = (digit.box.ymin + digit.box.ymax) / 2;
    const line = lines.find(([first]) => middle > first!.box.ymin && middle < first!.box.ymax);
    if (line === undefined) lines.push([digit]);
    else line.push(digit);
  }
  return lines.map((line) => line.toSorted((one, other) => one.box.xmin - other.box.xmin));
}
