/** Pictures and recordings through the door of a started server, as JSON and as forms with files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startModelport, type RunningModelport } from '../start-modelport.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const png = readFileSync(join(fixtures, 'images/upright.png'));
let server: RunningModelport;
beforeAll(async () => {
  server = await startModelport({ arguments: [join(fixtures, 'tasks/models'), '--grpc-port', 'off'] });
});
afterAll(async () => {
  await server.stop();
});

async function post(name: string, body: RequestInit): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}/models/${name}/predict`, { method: 'POST', ...body });
  return { status: response.status, text: await response.text() };
}

const json = (value: unknown): RequestInit => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });

function form(fields: Record<string, string | readonly [Uint8Array<ArrayBuffer>, string, string]>): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') body.append(name, value);
    else body.append(name, new Blob([value[0]], { type: value[1] }), value[2]);
  }
  return { body };
}

const labels = ['a cat', 'a dog'];
const sound = readFileSync(join(fixtures, 'tasks/sound.wav'));
const models: [string, string, Buffer, object, Record<string, string>][] = [
  ['vit', 'image', png, { topK: 2 }, { topK: '2' }],
  ['vit-crop', 'image', png, {}, {}],
  ['detr', 'image', png, { threshold: 0.1 }, { threshold: '0.1' }],
  ['segformer', 'image', png, {}, {}],
  ['clip', 'image', png, { labels }, { labels: JSON.stringify(labels) }],
  ['ast', 'audio', sound, {}, {}],
  ['wav2vec2', 'audio', sound, {}, {}],
];

it.each(models)('%s answers the same to JSON and to forms, whatever the file is called, and says what is wrong with one', async (name, field, file, value, fields) => {
  const bytes = new Uint8Array(file);
  const viaJson = await post(name, json({ [field]: file.toString('base64'), ...value }));
  expect([viaJson.status, viaJson.text.slice(0, 300)]).toEqual([200, expect.any(String)]);
  for (const [type, filename] of [['image/png', 'a.png'], ['image/jpeg', 'wrong.jpg'], ['application/octet-stream', 'none']] as const) {
    expect(await post(name, form({ [field]: [bytes, type, filename], ...fields }))).toEqual(viaJson);
  }
  for (const wrong of [bytes.subarray(0, 20), new TextEncoder().encode('no such file')]) {
    const refused = await post(name, form({ [field]: [wrong, 'image/png', 'a.png'], ...fields }));
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([422, { code: 'INVALID_VALUE', at: field }]);
  }
});
