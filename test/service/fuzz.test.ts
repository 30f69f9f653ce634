/** Damaged and foreign requests to an endpoint: each is answered, with 200 or a refusal that says why, and never fails on our side. */
import { expect, test } from 'vitest';
import { defineService, endpoint, header, image, table, tensor, testService, z } from '../../src/index.ts';
import { conform } from '../../src/service/conform.ts';
import { pythonJsonError } from '../../src/protocols/predict/python-json-error.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

const service = defineService({
  name: 'fuzzed',
  endpoints: {
    all: endpoint({
      path: '/all/{id}',
      method: 'PUT',
      input: z.object({
        id: z.int(),
        token: header(z.string()).optional(),
        text: z.string().max(50).optional(),
        numbers: z.array(z.number()).max(5).optional(),
        nested: z.strictObject({ a: z.int(), b: z.record(z.string(), z.boolean()).optional() }).optional(),
        either: z.union([z.int(), z.array(z.string()), z.object({ k: z.literal('x') })]).optional(),
        when: z.iso.datetime({ offset: true }).optional(),
        day: z.iso.date().optional(),
        at: z.iso.time().optional(),
        key: z.guid().optional(),
        picture: image({ maxBytes: 100 }).optional(),
        rows: table({ x: z.number() }).optional(),
        matrix: tensor('INT64', [-1, 2]).optional(),
      }),
      output: z.literal('ok'),
      handler: () => 'ok' as const,
    }),
  },
});

const json = { 'content-type': 'application/json' };
const seeds: readonly { readonly body: string; readonly headers: Readonly<Record<string, string>> }[] = [
  { headers: json, body: '{"text": "grüße", "numbers": [1, 2.5, "3"], "nested": {"a": 1, "b": {"x": true}}, "either": ["a"]}' },
  { headers: json, body: '{"when": "2020-01-01T10:00:00+02:00", "day": "2020-02-29", "at": "10:30:00.5", "key": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "matrix": [[1, 2], [3, 4]]}' },
  { headers: json, body: '{"picture": "data:image/png;base64,iVBORw0KGgo=", "rows": [{"x": 1}, {"x": "2"}], "either": {"k": "x"}}' },
  { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'text=a+b&numbers=1&numbers=2&nested={"a":1}&day=2020-01-01' },
  {
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
    body: '--x\r\ncontent-disposition: form-data; name="text"\r\n\r\nabc\r\n--x\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n',
  },
];

test('fuzz: requests', { timeout: 600_000 }, async () => {
  const source = random(11);
  await using tested = await testService(service);
  const seen = new Map<number, number>();
  for (let run = 0; run < fuzzRuns; run++) {
    const { body, headers } = source.pick(seeds);
    const damaged = run % 10 === 0 ? new TextEncoder().encode(body) : mutate(new TextEncoder().encode(body), source);
    const response = await tested.fetch(`/all/${source.pick(['1', 'x', '-0', '1e9', '%20'])}?text=q`, { method: 'PUT', body: new Uint8Array(damaged), headers: { ...headers, ...(source.next() < 0.3 ? { token: 'abc' } : {}) } });
    const text = await response.text();
    expect([200, 400, 415, 422], `${JSON.stringify(headers)} ${Buffer.from(damaged).toString()} → ${text}`).toContain(response.status);
    if (response.status === 422) expect((JSON.parse(text) as { detail: unknown[] }).detail.length).toBeGreaterThan(0);
    seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
  }
  expect(seen.get(200)).toBeGreaterThan(0);
  expect(seen.get(422)).toBeGreaterThan(0);
});

test('a part of a form may be without a name', async () => {
  await using tested = await testService(service);
  const body = '--x\r\ncontent-disposition: form-data; name=""\r\n\r\nabc\r\n--x\r\ncontent-disposition: form-data; name="text"\r\n\r\nabc\r\n--x--\r\n';
  for (const [method, path] of [['PUT', '/all/1'], ['POST', '/models/fuzzed.all/predict']] as const) {
    const response = await tested.fetch(path, { method, body, headers: { 'content-type': 'multipart/form-data; boundary=x' } });
    expect([200, 422]).toContain(response.status);
  }
});

test('fuzz: what is no JSON has a place and a reason', () => {
  const source = random(12);
  for (let run = 0; run < fuzzRuns; run++) {
    const text = Buffer.from(mutate(new TextEncoder().encode(seeds[run % 3]!.body), source)).toString();
    const { message, position } = pythonJsonError(text);
    expect(message.length).toBeGreaterThan(5);
    expect(position).toBeGreaterThanOrEqual(0);
    expect(position).toBeLessThanOrEqual(text.length);
  }
  expect(pythonJsonError('['.repeat(100_000))).toEqual({ message: 'Expecting value', position: 0 });
});

test('a schema that refers to itself, and a value that goes deep', () => {
  const schema = { $ref: '#/$defs/node', $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' }, value: { type: 'integer' } }, required: ['value'] } } };
  expect(conform({ value: '1', next: { value: 2.5 } }, schema)).toEqual({ value: { value: 1, next: { value: undefined } }, problems: [{ type: 'int_from_float', loc: ['next', 'value'], msg: 'Input should be a valid integer, got a number with a fractional part', input: 2.5 }] });
});

test('a client that sends thousands of wrong rows is told of the first thousand', () => {
  const { problems } = conform(Array.from({ length: 5000 }, () => 'x'), { type: 'array', items: { type: 'integer' } });
  expect(problems).toHaveLength(1000);
});
