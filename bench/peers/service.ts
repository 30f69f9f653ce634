import { defineService, endpoint, z } from 'modelport';

export default defineService({
  name: 'bench',
  endpoints: {
    constant: endpoint({ path: '/constant', input: z.object({ feature1: z.number(), feature2: z.number() }), output: z.object({ prediction: z.number() }), handler: () => ({ prediction: 42 }) }),
    tokens: endpoint({ path: '/tokens', input: z.object({ count: z.int() }), output: z.string(), async *handler({ count }) { for (let index = 0; index < count; index++) yield 'token '; } }),
  },
});
