/** The unmodified clients of Gradio, from PyPI and npm: they connect, call, stream, send and fetch files, cancel. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, handle_file } from '@gradio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, startModelport, type RunningModelport } from '../start-modelport.ts';
import { runCommand } from './setup/command.ts';
import { skipUnless } from './setup/installed.ts';
import { describePython } from './setup/python-tests.ts';
import { python, pythonPath } from './setup/python.ts';

const served = [
  'examples/models/iris',
  'examples/models/digits',
  ...['text-generation', 'text-classification', 'token-classification', 'fill-mask', 'zero-shot-classification'].map((task) => `test/fixtures/text/${task}`),
  ...['detr', 'segformer'].map((model) => `test/fixtures/tasks/models/${model}`),
  'test/clients/gradio/app.ts',
];
const folder = mkdtempSync(join(tmpdir(), 'modelport-gradio-clients-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = (more: readonly string[] = []): Promise<RunningModelport> => startModelport({ arguments: [...served, '--grpc-port', 'off', '--cache-dir', join(folder, 'cache'), ...more] });

let server: RunningModelport | undefined;
describePython('gradio_client', 'gradio_client_only.py', {
  start: async () => {
    server = await start();
    return { MODELPORT_TEST_HTTP: `127.0.0.1:${server.httpPort}`, HF_HUB_OFFLINE: '1', GRADIO_TEMP_DIR: join(folder, 'downloads') };
  },
  stop: async () => server?.stop(),
});

describe('@gradio/client', () => {
  let running: RunningModelport;
  let app: Client;
  beforeAll(async () => {
    running = await start();
    app = await Client.connect(running.url, { events: ['data', 'status'] });
  });
  afterAll(async () => {
    app.close();
    await running.stop();
  });
  const dataOf = async (endpoint: string, data?: unknown[] | Record<string, unknown>): Promise<unknown[]> => (await app.predict<unknown[]>(endpoint, data)).data;

  test('lists every endpoint with its parameters', async () => {
    const { named_endpoints: named } = await app.view_api();
    expect(Object.keys(named)).toEqual(expect.arrayContaining(['/iris', '/digits', '/parts.greet', '/text-generation']));
    expect(named['/parts.greet']!.parameters.map(({ parameter_name: name, type }: { readonly parameter_name?: string; readonly type: string }) => [name, type])).toEqual([['name', 'string'], ['times', ''], ['loud', 'boolean'], ['mood', 'string'], ['note', 'string']]);
    expect(named['/parts.words']!.type).toEqual({ generator: true, cancel: false });
  });

  test('calls with names, positions and defaults, as the page shows it', async () => {
    expect(await dataOf('/iris', { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 })).toEqual([expect.objectContaining({ label: 'setosa' })]);
    const drawing = `data:image/png;base64,${readFileSync(join(root, 'examples/models/digits/sample.png')).toString('base64')}`;
    const label = await dataOf('/digits', { image: await (await fetch(drawing)).blob(), topK: 2 });
    expect(label).toEqual([{ label: expect.stringMatching(/^\d$/) as string, confidences: [expect.anything(), expect.anything()] }]);
    expect(await dataOf('/digits', { image: drawing, topK: 2 })).toEqual(label);
    expect(await dataOf('/parts.greet', { name: 'Ada', loud: true })).toEqual(['HELLO ADA', 9]);
    expect(await dataOf('/parts.greet', ['Ada', 2])).toEqual(['Hello Ada, Hello Ada', 20]);
    await expect(app.predict('/parts.greet', {})).rejects.toThrow('No value provided for required parameter: name');
  });

  test('gets labels, and pictures with what was found in them', async () => {
    const photo = readFileSync(join(root, 'test/fixtures/images/photo.jpg'));
    const { named_endpoints: named } = await app.view_api();
    const componentsOf = (name: string): unknown[] => named[name]!.returns.map(({ component }: { readonly component: string }) => component);
    expect(['/detr', '/segformer', '/fill-mask', '/zero-shot-classification'].map(componentsOf)).toEqual([['Annotatedimage', 'Json'], ['Annotatedimage', 'Json'], ['Label', 'Textbox', 'Json'], ['Label']]);
    for (const name of ['/detr', '/segformer']) {
      const [{ image, annotations }, found] = (await dataOf(name, name === '/detr' ? [photo, 0.1] : [photo])) as [{ image: { url: string }; annotations: { label: string; image: { url: string } }[] }, { label: string }[]];
      expect(Buffer.from(await (await fetch(image.url)).arrayBuffer()).equals(photo)).toBe(true);
      expect(annotations.length).toBeGreaterThan(0);
      expect(annotations.map(({ label }) => label)).toEqual(found.map(({ label }) => label));
      expect((await fetch(annotations[0]!.image.url)).headers.get('content-type')).toBe('image/png');
    }
    expect((await dataOf('/fill-mask', { text: 'I [MASK] it', topK: 3 }))[0]).toMatchObject({ label: expect.any(String) as string, confidences: { length: 3 } });
    expect((await dataOf('/zero-shot-classification', { text: 'A film.', labels: ['sport', 'cinema'] }))[0]).toMatchObject({ confidences: { length: 2 } });
  });

  test('streams text and values, the last one twice: as it came and as the result', async () => {
    const seen: unknown[] = [];
    for await (const event of app.submit('/parts.words', { text: 'one two three' })) if (event.type === 'data') seen.push(event.data);
    expect(seen).toEqual([['one'], ['one two'], ['one two three'], ['one two three']]);
    const values: string[] = [];
    for await (const event of app.submit('/parts.countdown', [2])) if (event.type === 'data') values.push(JSON.stringify(event.data));
    expect(values).toEqual(['[2,[2]]', '[1,[2,1]]', '[0,[2,1,0]]', '[0,[2,1,0]]']);
  });

  test('sends files and fetches them', async () => {
    const path = join(folder, 'grün.txt');
    writeFileSync(path, 'from disk');
    const [first, second] = (await dataOf('/parts.swap', { first: handle_file(path), second: new File(['from memory'], 'a.csv') })) as { url: string; orig_name: string }[];
    expect([first!.orig_name, second!.orig_name]).toEqual(['first.csv', 'second.txt']);
    expect(await (await fetch(first!.url)).text()).toBe('from memory');
    expect(await (await fetch(second!.url)).text()).toBe('from disk');
    const sound = readFileSync(join(root, 'test/fixtures/tasks/sound.wav'));
    const [heard, size] = (await dataOf('/parts.louder', [sound])) as [{ url: string; mime_type: string }, number];
    expect([heard.mime_type, size]).toEqual(['audio/wav', sound.length]);
    expect(Buffer.from(await (await fetch(heard.url)).arrayBuffer()).equals(sound)).toBe(true);
    // What was answered can be sent again, by its address.
    expect((await dataOf('/parts.louder', [heard]))[1]).toBe(sound.length);
  });

  test('tells errors and progress', async () => {
    await expect(app.predict('/parts.greet', ['Ada', 9])).rejects.toThrow('times: Input should be less than or equal to 5');
    await expect(app.predict('/parts.fails')).rejects.toThrow("endpoint 'parts.fails' failed");
    const told: unknown[] = [];
    for await (const event of app.submit('/parts.work', { steps: 3 })) if (event.type === 'status' && event.progress_data !== undefined) told.push(...event.progress_data.map(({ desc }: { readonly desc?: string | null }) => desc));
    expect(told).toEqual(['step 1', 'step 2', 'step 3']);
  });

  test('cancels, and runs several jobs at once', async () => {
    const [before] = await dataOf('/parts.hung');
    const job = app.submit('/parts.hang', {});
    let message: unknown;
    for await (const event of job) {
      if (event.type !== 'status') continue;
      if (event.original_msg === 'process_starts') void job.cancel();
      if (event.stage === 'error') ({ message } = event);
    }
    expect(message).toBe('the job was cancelled');
    expect(await dataOf('/parts.hung')).toEqual([Number(before) + 1]);
    const numbers = Array.from({ length: 30 }, (_, number) => number);
    expect(await Promise.all(numbers.map(async (number) => (await dataOf('/parts.together', [number]))[0]))).toEqual(numbers.map((number) => number * 2));
    for (const number of numbers) expect(await dataOf('/parts.total', [[number, 1]])).toEqual([number + 1]);
  });
});

describe('with an API key', () => {
  let running: RunningModelport;
  const key = 'a-key-of-many-characters';
  beforeAll(async () => {
    writeFileSync(join(folder, 'keys.txt'), `${key}\n`);
    running = await start(['--api-key-file', join(folder, 'keys.txt')]);
  });
  afterAll(async () => running.stop());

  test('@gradio/client sends it as a header of its own, or as its token', async () => {
    await expect(Client.connect(running.url)).rejects.toThrow('an API key is needed');
    for (const options of [{ headers: { 'x-api-key': key } }, { headers: { Authorization: `Bearer ${key}` } }, { token: key as `hf_${string}` }]) {
      const app = await Client.connect(running.url, options);
      expect((await app.predict<unknown[]>('/parts.words', ['a b'])).data).toEqual(['a b']);
    }
  });

  test.skipIf(skipUnless('gradio_client with a key', python))('gradio_client sends it as a header', { timeout: 60_000 }, async () => {
    const script = `
import sys
from gradio_client import Client, handle_file
from gradio_client.exceptions import AuthenticationError
try:
    Client(sys.argv[1], verbose=False)
except AuthenticationError as error:
    print("refused")
client = Client(sys.argv[1], headers={"X-API-Key": sys.argv[2]}, verbose=False, analytics_enabled=False)
print(client.predict("a b", api_name="/parts.words"), open(client.predict(handle_file(__file__), handle_file(__file__), api_name="/parts.swap")[0]).read()[1:11])
`;
    const path = join(folder, 'keyed.py');
    writeFileSync(path, script);
    const { stdout, stderr } = await runCommand(pythonPath(), [path, running.url, key], { environment: { HF_HUB_OFFLINE: '1', GRADIO_TEMP_DIR: join(folder, 'downloads') } });
    expect(stdout, stderr).toBe('refused\na b import sys\n');
  });
});

describe('the snippets of docs/gradio.md', () => {
  const document = readFileSync(join(root, 'docs/gradio.md'), 'utf8');
  const snippets = [...document.matchAll(/^```(python|js|sh run)\n(.*?)^```$/gms)].map((match) => ({ language: match[1]!, text: match[2]! }));
  let running: RunningModelport;
  beforeAll(async () => {
    running = await start();
  });
  afterAll(async () => running.stop());

  test('are found', () => {
    expect(snippets.map(({ language }) => language)).toEqual(expect.arrayContaining(['python', 'js', 'sh run']));
  });

  test.each(snippets)('$language: $text', { timeout: 60_000 }, async ({ language, text }) => {
    if (language === 'python' && skipUnless('a snippet in Python', python)) return;
    const picture = join(root, 'examples/models/digits/sample.png');
    const source = text.replaceAll('http://localhost:8000', running.url).replaceAll('digit.png', picture);
    const [command, extension] = language === 'python' ? [pythonPath(), 'py'] : language === 'js' ? [process.execPath, 'mjs'] : ['sh', 'sh'];
    // Where `@gradio/client` is found.
    const path = join(root, '.cache/clients', `snippet-${process.pid}.${extension}`);
    writeFileSync(path, source);
    try {
      const { code, stdout, stderr } = await runCommand(command, [path], { environment: { HF_HUB_OFFLINE: '1', GRADIO_TEMP_DIR: join(folder, 'downloads') } });
      expect(code, stdout + stderr).toBe(0);
      for (const [, wanted] of text.matchAll(/(?:#|\/\/) → (.*)$/gm)) expect(stdout).toContain(wanted!);
    } finally {
      rmSync(path);
    }
  });
});
