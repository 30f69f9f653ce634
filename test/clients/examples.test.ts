/** Examples as a person meets them: written by `modelport example`, weights fetched from the package index by `serve`, asked by the clients that lie beside them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { pypi } from '../../src/sources/pypi/pypi.ts';
import { root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';
import { skipUnless } from './setup/installed.ts';
import { python, pythonPath } from './setup/python.ts';
import { describePython } from './setup/python-tests.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-example-clients-'));
const cache = join(root, '.cache/clients/example-store');
afterAll(() => rmSync(folder, { recursive: true }));

async function serve(names: readonly string[]): Promise<RunningModelport> {
  for (const name of names) expect((await runModelport(['example', name], { cwd: folder })).code).toBe(0);
  return await startModelport({ arguments: [...names, '--cache-dir', cache], cwd: folder });
}

/** A cat and a cup of coffee, which scikit-image carries. */
async function fetchPictures(): Promise<void> {
  const store = await ContentStore.open(cache);
  for (const [name, sha256] of Object.entries({ 'chelsea.png': '596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb', 'coffee.png': 'cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7' })) {
    const { files } = await pypi.fetch(`pypi:scikit-image==0.26.0/skimage/data/${name}#sha256=${sha256}`, { store, environment: process.env });
    for (const [file, { digest }] of files) copyFileSync(store.path(digest), join(folder, file));
  }
}

let photo: RunningModelport;
describePython('the clients of examples/photo', 'examples_photo.py', {
  start: async () => {
    photo = await serve(['photo']);
    await fetchPictures();
    return { MODELPORT_TEST_EXAMPLE: join(folder, 'photo'), MODELPORT_TEST_URL: photo.url, MODELPORT_TEST_PICTURES: folder };
  },
  stop: () => photo.stop(),
});

describe('examples whose weights come from packages', () => {
  let server: RunningModelport;
  beforeAll(async () => {
    server = await serve(['file-type', 'speech', 'read-text', 'sentences']);
  }, 240_000);
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  async function upload(model: string, field: string, content: string | Uint8Array<ArrayBuffer>): Promise<unknown> {
    const form = new FormData();
    form.set(field, new Blob([typeof content === 'string' ? readFileSync(content) : content]), typeof content === 'string' ? content.split('/').pop() : 'file.wav');
    const response = await fetch(`${server.url}/models/${model}/predict`, { method: 'POST', body: form });
    expect(response.status).toBe(200);
    return await response.json();
  }

  test('what file is this', async () => {
    expect(await upload('file-type', 'file', join(root, 'src/tensor.ts'))).toMatchObject({ label: 'typescript' });
    expect(await upload('file-type', 'file', join(root, 'examples/models/digits/sample.png'))).toMatchObject({ label: 'png' });
  });

  test('what does this picture say', async () => {
    expect(await upload('text-detection', 'image', join(root, 'test/fixtures/real-models/hello.png'))).toMatchObject({ text: 'Hello Modelport 2026' });
  });

  test('is somebody speaking: not in a second of silence', async () => {
    const wave = Buffer.alloc(44 + 32_000);
    wave.write('RIFF', 0, 'latin1');
    wave.writeUInt32LE(wave.length - 8, 4);
    wave.write('WAVEfmt ', 8, 'latin1');
    for (const [offset, size, value] of [[16, 4, 16], [20, 2, 1], [22, 2, 1], [24, 4, 16_000], [28, 4, 32_000], [32, 2, 2], [34, 2, 16], [40, 4, 32_000]] as const) wave.writeUIntLE(value, offset, size);
    wave.write('data', 36, 'latin1');
    const answer = (await upload('speech', 'audio', new Uint8Array(wave))) as { timeline: { values: number[] } };
    expect(answer).toMatchObject({ speech: false, share: 0, segments: [] });
    // Whole chunks of 512 in 16,000 samples.
    expect(answer.timeline.values).toHaveLength(31);
  });

  test('how much alike are two sentences', async () => {
    const { sentences, cosine } = JSON.parse(readFileSync(join(root, 'test/fixtures/real-models/minilm.json'), 'utf8')) as { sentences: string[]; cosine: number[][] };
    const response = await fetch(`${server.url}/models/sentences/predict`, { method: 'POST', body: JSON.stringify({ source: sentences[2], sentences }), headers: { 'content-type': 'application/json' } });
    const { similarities } = (await response.json()) as { similarities: { score: number }[] };
    for (const [index, { score }] of similarities.entries()) expect(score).toBeCloseTo(cosine[2]![index]!, 3);
  });

  test('the second start fetches nothing', async () => {
    const nowhere = { PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_NO_INDEX: '0', PIP_EXTRA_INDEX_URL: '' };
    const again = await startModelport({ arguments: ['file-type', '--cache-dir', cache], cwd: folder, environment: nowhere });
    expect((await fetch(`${again.url}/v2/models/file-type/ready`)).status).toBe(200);
    expect(await again.stop()).toBe(0);
  });
});

describe.skipIf(skipUnless('examples/service beside FastAPI', python))('the dummy service and its original', () => {
  let served: RunningModelport;
  let original: ChildProcess;
  let originalUrl: string;
  beforeAll(async () => {
    served = await serve(['dummy']);
    original = spawn(pythonPath(), ['-m', 'uvicorn', 'dummy:app', '--port', '0'], { cwd: join(folder, 'dummy'), stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } });
    originalUrl = await new Promise<string>((resolve, reject) => {
      let said = '';
      original.stderr!.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        const url = /running on (http:\/\/\S+)/.exec(said)?.[1];
        if (url !== undefined) resolve(url);
      });
      original.on('exit', () => reject(new Error(said)));
    });
  });
  afterAll(async () => {
    original.removeAllListeners('exit');
    original.kill();
    expect(await served.stop()).toBe(0);
  });

  test.each([
    ['{"feature1": 1, "feature2": 2}', 200],
    ['{"feature1": "1.5", "feature2": -2e3}', 200],
    ['{"feature1": 1, "feature2": 2, "more": true}', 200],
    ['{"feature1": 1}', 422],
    ['{"feature1": "one", "feature2": null}', 422],
    ['[1, 2]', 422],
    ['{"feature1": 1,', 422],
  ])('%s', async (body, status) => {
    const answers = await Promise.all(
      [served.url, originalUrl].map(async (url) => {
        const response = await fetch(`${url}/predict`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
        return [response.status, await response.json()];
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]![0]).toBe(status);
  });
});
