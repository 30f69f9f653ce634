import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isModelportError } from '../../../src/errors.ts';
import { FlagStore, mostFileBytes, mostFlagBytes } from '../../../src/protocols/page/flags.ts';
import { page } from '../../../src/protocols/page/routes.ts';
import { emptyStatistics, FakeRepository } from '../../fixtures/fake-repository.ts';
import { protocolClient } from '../../fixtures/protocol-client.ts';
import { fuzzRuns, random } from '../../fixtures/random.ts';

const vector = { name: 'x', datatype: 'FP32', shape: [1] } as const;
const signature = { inputs: [vector], outputs: [vector] };
const schemas = { task: 'service', input: { type: 'object' }, output: { type: 'array' }, part: { type: 'string' }, examples: [], http: { method: 'POST', path: '/talk' } } as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelport-flags-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const flagged = (note: string, input = '{"x":1}', output = '[2]'): Uint8Array => Buffer.from(JSON.stringify({ note, input, output }));

describe('what the page is told', () => {
  const repository = new FakeRepository([
    { name: 'talk', signature: { ...signature, predict: schemas }, predict: () => Promise.resolve([]), async *predictStream() { yield 'a'; } },
    { name: 'write', version: '1', signature, async *generate() { yield { type: 'text-delta', text: 'a' }; } },
    { name: 'busy', signature, statistics: { ...emptyStatistics, success: { count: 5, ns: 1 }, fail: { count: 2, ns: 1 }, inProgress: 3 } },
  ]);
  const client = protocolClient(page, repository);

  test('how an answer streams, and where an endpoint of a service answers', async () => {
    const { models } = (await client.get('/ui/models')).json() as { models: { name: string; versions: { served: { predict?: object } }[] }[] };
    expect(models.find(({ name }) => name === 'talk')!.versions[0]!.served.predict).toMatchObject({ stream: 'parts', part: { type: 'string' }, http: { path: '/talk' } });
  });

  test('how many wait', async () => {
    expect((await client.get('/ui/queue/busy/1')).json()).toEqual({ inProgress: 3, answered: 7 });
    await expect(client.get('/ui/queue/none/1')).rejects.toThrow();
  });

  test('flags only where the server has a folder for them, behind the management door', () => {
    expect(page.routes(client.context).some(({ path }) => path.includes('flags'))).toBe(false);
    const { context } = protocolClient(page, repository, { cacheDirectory: folder });
    const routes = page.routes(context).filter(({ path }) => path.includes('flags'));
    expect(routes.map(({ method, door }) => `${method} ${door}`).sort()).toEqual(['DELETE management', 'GET management', 'GET management', 'POST management']);
  });

  test('a flag is kept, counted, downloaded and cleared', async () => {
    const flags = protocolClient(page, repository, { cacheDirectory: folder });
    expect((await flags.get('/ui/flags/talk')).json()).toMatchObject({ count: 0 });
    expect(await flags.post('/ui/flags/talk/1', flagged('first'))).toMatchObject({ status: 201, text: '{"count":1}' });
    await flags.post('/ui/flags/talk/1', flagged('second'));
    const lines = (await flags.get('/ui/flags/talk/lines')).text.trim().split('\n').map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([{ model: 'talk', version: '1', note: 'first', input: { x: 1 }, output: [2] }, { note: 'second' }]);
    expect((await flags.send('DELETE', '/ui/flags/talk')).status).toBe(204);
    expect((await flags.get('/ui/flags/talk')).json()).toMatchObject({ count: 0 });
  });
});

describe('flags', () => {
  const at = new Date('2026-01-02T03:04:05Z');

  test('many at once each keep their line; only the owner reads them', async () => {
    const store = new FlagStore(folder);
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.add({ model: 'm', version: '1' }, flagged(`note ${index}`), at)));
    expect((await store.count('m')).count).toBe(50);
    expect(new Set((await store.read('m'))!.toString().trim().split('\n').map((line) => (JSON.parse(line) as { note: string }).note)).size).toBe(50);
    const [file] = await readdir(join(folder, 'page/flags'));
    expect((await stat(join(folder, 'page/flags', file!))).mode & 0o077).toBe(0);
  });

  test('numbers are kept as they were sent; what is no JSON is kept as text', async () => {
    const store = new FlagStore(folder);
    await store.add({ model: 'm', version: '1' }, flagged('', '{"id":\n9007199254740993}', '[NaN]'), at);
    expect((await store.read('m'))!.toString()).toBe('{"at":"2026-01-02T03:04:05.000Z","model":"m","version":"1","note":"","input":{"id": 9007199254740993},"output":"[NaN]"}\n');
  });

  test('names of models stay inside of the folder', async () => {
    const store = new FlagStore(folder);
    for (const model of ['../../etc/passwd', '.', '..', 'a/b', 'x'.repeat(400), 'ü*\u0000']) {
      await store.add({ model, version: '1' }, flagged(''), at);
      expect((await store.count(model)).count).toBe(1);
    }
    expect(await readdir(join(folder, 'page/flags'))).toHaveLength(6);
    expect(await readdir(folder)).toEqual(['page']);
  });

  test('what is too large is refused, and a full file says what to do', async () => {
    const store = new FlagStore(folder);
    await expect(store.add({ model: 'm', version: '1' }, new Uint8Array(mostFlagBytes + 1), at)).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
    const large = flagged('', JSON.stringify('a'.repeat(7_900_000)));
    const fitting = Math.floor(mostFileBytes / 7_900_200);
    for (let count = 0; count < fitting; count++) await store.add({ model: 'm', version: '1' }, large, at);
    await expect(store.add({ model: 'm', version: '1' }, large, at)).rejects.toThrow(/DELETE ui\/flags\/m/);
    expect((await store.count('m')).count).toBe(fitting);
    await store.clear('m');
    await store.add({ model: 'm', version: '1' }, large, at);
  });

  test('fuzz: whatever is sent, each line is one flag', async () => {
    const { integer, pick } = random(5);
    const store = new FlagStore(folder);
    const pieces = ['{', '}', '[', ']', '"', ':', ',', 'null', '1e999', '\\u0000', '\n', '"note"', '"input"', '"output"', '"[1]"', '"{\\"a\\":\\n1}"', '"a\\nb"', '\u2028', '\ufffd'];
    let kept = 0;
    for (let run = 0; run < fuzzRuns; run++) {
      const whole = JSON.stringify({ note: pick(pieces), input: pick(pieces), output: pick(['1', '[1,\n2]', ...pieces]) });
      const body = run % 2 === 0 ? whole : Array.from({ length: integer(0, 12) }, () => pick(pieces)).join('');
      try {
        await store.add({ model: 'm', version: '1' }, Buffer.from(body), at);
        kept++;
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_VALUE') throw error;
      }
      // The file is read whole with every flag; a long fuzz begins a new one.
      if (kept === 333) {
        kept = 0;
        await store.clear('m');
      }
    }
    const lines = ((await store.read('m')) ?? '').toString().split('\n').slice(0, -1);
    expect(lines).toHaveLength(kept);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ model: 'm' });
  });
});
