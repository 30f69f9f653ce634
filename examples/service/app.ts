/**
 * The equal of a FastAPI service around a dummy model: two features in, a prediction out. `dummy.py` beside it is the original;
 * both take the same requests and give the same answers.
 *
 *     modelport serve examples/service/app.ts
 */
import { defineService, endpoint, z } from 'modelport';

const features = z.object({
  feature1: z.number().describe('The first feature.'),
  feature2: z.number().describe('The second feature.'),
});

export default defineService({
  name: 'dummy',
  description: 'A dummy model with two features.',
  endpoints: {
    predict: endpoint({
      path: '/predict',
      summary: 'Predicts from two features',
      input: features,
      output: z.object({ prediction: z.number() }),
      examples: [{ feature1: 1, feature2: 2 }],
      handler: ({ feature1, feature2 }) => ({ prediction: feature1 * 0.5 + feature2 * 0.25 }),
    }),
  },
});
