/**
 * What is in this photo? Two ways in which people ask such a service: the numbers of the pixels to /model (post_pixels.py), or the file itself to
 * /classify (upload.py).
 *
 *     modelport serve app.ts
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTensor, defineService, image, tensor, z } from 'modelport';

const labels = readFileSync(fileURLToPath(new URL('./photo/labels.txt', import.meta.url)), 'utf8').trim().split('\n');
const answer = z.object({ label: z.string(), score: z.number(), labels: z.array(z.object({ label: z.string(), score: z.number() })).meta({ 'x-modelport': { widget: 'labels' } }) });

export default defineService({
  name: 'photos',
  description: 'Names what is in a photo: EfficientNet-Lite0, a thousand classes.',
  models: { photo: './photo' },
  endpoints: (endpoint) => ({
    pixels: endpoint({
      path: '/model',
      summary: 'What do these pixels show?',
      input: z.object({ img: tensor('UINT8', [224, 224, 3], { description: 'Rows of pixels of red, green and blue, 0 to 255.' }) }),
      output: answer,
      handler: async ({ img }, { models }) => {
        const scaled = new Float32Array(3 * 224 * 224);
        // Pixel by pixel becomes colour by colour; 0 … 255 becomes -1 … 1.
        for (let place = 0; place < 224 * 224; place++) for (let color = 0; color < 3; color++) scaled[color * 224 * 224 + place] = (img.data[place * 3 + color]! - 127) / 128;
        const { logits } = await models.photo.infer({ image: createTensor('FP32', [1, 3, 224, 224], scaled) });
        return best([...(logits!.data as Float32Array)]);
      },
    }),
    classify: endpoint({
      path: '/classify',
      summary: 'What is in this photo?',
      input: z.object({ photo: image() }),
      output: answer,
      handler: async ({ photo }, { models }) => answer.parse(await models.photo({ image: photo })),
    }),
  }),
});

/** The five most probable classes of logits. */
function best(logits: readonly number[]): z.infer<typeof answer> {
  const highest = Math.max(...logits);
  const exponents = logits.map((logit) => Math.exp(logit - highest));
  const sum = exponents.reduce((total, each) => total + each, 0);
  const sorted = exponents.map((each, place) => ({ label: labels[place]!, score: each / sum })).sort((left, right) => right.score - left.score);
  return { ...sorted[0]!, labels: sorted.slice(0, 5) };
}
