/** The Modelport side of the comparison: what equal.py says, in TypeScript. */
import { cookie, defineService, endpoint, header, z } from 'modelport';

const inner = z.strictObject({ x: z.int(), y: z.number().default(0) });
const ok = { output: z.object({ ok: z.boolean() }), handler: () => ({ ok: true }) };

export default defineService({
  name: 'equal',
  endpoints: {
    everything: endpoint({
      path: '/everything',
      input: z.object({
        count: z.int().min(1).max(10),
        ratio: z.number().gt(0).lt(1.5),
        even: z.int().multipleOf(2).default(2),
        name: z.string().min(2).max(5),
        code: z.string().regex(/^[a-z]+$/).default('abc'),
        flag: z.boolean().default(false),
        color: z.enum(['red', 'green', 'blue']).default('red'),
        tags: z.array(z.string()).min(1).max(3).default(['a']),
        numbers: z.array(z.int()).default([]),
        pair: z.tuple([z.int(), z.string()]).default([1, 'a']),
        scores: z.record(z.string(), z.number()).default({}),
        inner: inner.default({ x: 1, y: 0 }),
        inners: z.array(inner).default([]),
        maybe: z.int().nullable().default(null),
        either: z.union([z.int(), z.boolean(), z.array(z.string())]).default(0),
        pet: z.discriminatedUnion('kind', [z.object({ kind: z.literal('cat'), lives: z.int() }), z.object({ kind: z.literal('dog'), name: z.string() })]).default({ kind: 'cat', lives: 9 }),
        when: z.iso.datetime({ offset: true }).default('2020-01-01T00:00:00Z'),
        day: z.iso.date().default('2020-01-01'),
        at: z.iso.time().default('12:00:00'),
        id: z.guid().default('6ba7b810-9dad-41d1-80b4-00c04fd430c8'),
        email: z.email().default('a@example.com'),
        checked: z.string().refine((value) => value !== 'bad', 'must not be bad').default('good'),
      }),
      ...ok,
    }),
    closed: endpoint({ path: '/closed', input: z.strictObject({ a: z.int(), b: z.string().default('b') }), ...ok }),
    list: endpoint({ path: '/list', input: z.array(z.int()), ...ok }),
    items: endpoint({
      method: 'GET',
      path: '/items/{item_id}',
      input: z.object({
        item_id: z.int(),
        q: z.string().min(2),
        limit: z.int().min(1).max(100).default(10),
        ratio: z.number().nullable().default(null),
        flag: z.boolean().default(false),
        tags: z.array(z.int()).default([]),
        x_token: header(z.string().min(3)).default('abc'),
        session: cookie(z.int()).default(0),
      }),
      ...ok,
    }),
    mixed: endpoint({
      method: 'PUT',
      path: '/mixed/{part}',
      input: z.object({ part: z.enum(['one', 'two']), verbose: z.boolean().default(false).meta({ 'x-modelport': { in: 'query' } }), a: z.int(), b: z.string() }),
      ...ok,
    }),
    form: endpoint({ path: '/form', input: z.object({ user: z.string().min(2), age: z.int().min(0), agree: z.boolean().default(false) }), ...ok }),
  },
});
