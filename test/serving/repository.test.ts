import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ContentStore } from '../../src/packaging/content-store.ts';
import type { FolderModelRepository } from '../../src/serving/model-repository.ts';
import { ask, askModel, folder, toyText, ToyWorld, until, write } from './toy-models.ts';

const ensembleOf = (...steps: string[]) => `ensemble:\n  steps:\n${steps.map((step, index) => `  - {model: ${step}, inputs: {x: t${index}}, outputs: {y: t${index + 1}}}\n`).join('')}`;
/** Takes and gives the same, so that models can follow each other. */
const chainable = { outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4], batchAxis: 0 }] } as const;

function states(repository: FolderModelRepository): string[] {
  return repository.index().map(({ name, version, state, reason }) => `${name}:${version} ${state}${reason === '' ? '' : ` ${reason}`}`);
}

describe('loading at the start', () => {
  test('mode none loads everything, two at a time', async () => {
    const world = new ToyWorld();
    world.gate = () => new Promise((resolve) => setTimeout(resolve, 5));
    const root = await folder(Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`m${index}.onnx`, toyText({ answer: index })])));
    const repository = world.repository({ paths: [root] });
    // Listeners are open by then: nobody may take an empty repository for a ready one.
    expect(repository.allReady()).toBe(false);
    expect(() => repository.get('m5')).toThrow(expect.objectContaining({ code: 'UNAVAILABLE', retryAfterSeconds: 1 }) as Error);
    expect(await repository.start()).toEqual([]);
    expect(repository.ready().map(({ name }) => name)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6']);
    expect(world.mostLoading).toBe(2);
    expect(await ask(repository, 'm5')).toBe(5);
    expect(repository.allReady()).toBe(true);
  });

  test('what is broken does not keep the others from serving', async () => {
    const root = await folder({ 'good/model.onnx': toyText(), 'cut/model.onnx': toyText().slice(0, -3), 'refused/model.onnx': toyText({ failure: 'operator Foo is not known (node "n1")' }), 'text/model.onnx': 'hello' });
    const repository = new ToyWorld().repository({ paths: [root] });
    const failures = await repository.start();
    expect(failures.map(({ name, error }) => [name, error.code])).toEqual([['cut', 'INVALID_MODEL'], ['refused', 'INVALID_MODEL'], ['text', 'INVALID_MODEL']]);
    expect(failures[1]!.error.message).toBe("load failed for model 'refused': version 1 is at UNAVAILABLE state: operator Foo is not known (node \"n1\");");
    expect(states(repository)).toEqual([
      `cut:1 UNAVAILABLE ${join(root, 'cut', 'model.onnx')} ends in the middle: it is truncated`,
      'good:1 READY',
      'refused:1 UNAVAILABLE operator Foo is not known (node "n1")',
      `text:1 UNAVAILABLE ${join(root, 'text', 'model.onnx')} is no model that can be served: it is text. Known formats: onnx`,
    ]);
    expect(repository.allReady()).toBe(false);
    expect(await ask(repository, 'good')).toBe(0);
  });

  test('mode explicit loads what is named, or everything with *', async () => {
    const root = await folder({ 'a.onnx': toyText(), 'b.onnx': toyText() });
    const some = new ToyWorld().repository({ paths: [root], mode: 'explicit', loadModels: ['b', 'nothing'] });
    expect((await some.start()).map(({ name, error }) => [name, error.message])).toEqual([['nothing', "failed to load 'nothing', failed to poll from model repository"]]);
    expect(states(some)).toEqual(['a: UNAVAILABLE', 'b:1 READY', "nothing: UNAVAILABLE failed to load 'nothing', failed to poll from model repository"]);
    expect(some.allReady()).toBe(false);
    const all = new ToyWorld().repository({ paths: [root], mode: 'explicit', loadModels: ['*'] });
    await all.start();
    expect(all.ready()).toHaveLength(2);
    const none = new ToyWorld().repository({ paths: [root], mode: 'explicit' });
    await none.start();
    expect(none.ready()).toEqual([]);
    expect(none.allReady()).toBe(true);
    await expect(new ToyWorld().repository({ paths: [root], mode: 'explicit', loadModels: ['*', 'a'] }).start()).rejects.toThrow(/must be the ONLY startup model/);
    await expect(new ToyWorld().repository({ paths: [root], loadModels: ['a'] }).start()).rejects.toMatchObject({ code: 'INVALID_USAGE' });
  });
});

describe('versions', () => {
  const five = { 'm/1/model.onnx': toyText({ answer: 1 }), 'm/2/model.onnx': toyText({ answer: 2 }), 'm/10/model.onnx': toyText({ answer: 10 }) };

  test.each<[string, string, string[], number]>([
    ['the newest by default', '', ['10'], 10],
    ['latest n', 'versions: {latest: 2}', ['2', '10'], 10],
    ['more than there are', 'versions: {latest: 9}', ['1', '2', '10'], 10],
    ['all', 'versions: all', ['1', '2', '10'], 10],
    ['a list', 'versions: [1, "2", 7]', ['1', '2'], 2],
  ])('%s', async (_, yaml, expected, newest) => {
    const root = await folder({ ...five, 'm/model.yaml': yaml });
    const repository = new ToyWorld().repository({ paths: [root] });
    await repository.start();
    expect(repository.get('m').versions).toEqual(expected);
    expect(await ask(repository, 'm')).toBe(newest);
    for (const version of expected) {
      expect(await ask(repository, 'm', version)).toBe(Number(version));
      expect(repository.get('m', version).version).toBe(version);
    }
    expect(repository.ready().map(({ version }) => version)).toEqual(expected);
  });

  test('a policy that none fits', async () => {
    const root = await folder({ ...five, 'm/model.yaml': 'versions: [7]' });
    const [failure] = await new ToyWorld().repository({ paths: [root] }).start();
    expect(failure!.error.message).toBe("failed to load 'm', no version is available: the config asks for [7], and there are 1, 2, 10");
  });

  test('one broken version of several', async () => {
    const root = await folder({ ...five, 'm/2/model.onnx': toyText({ failure: 'bad weights' }), 'm/model.yaml': 'versions: all' });
    const repository = new ToyWorld().repository({ paths: [root] });
    expect(await repository.start()).toHaveLength(1);
    expect(states(repository)).toEqual(['m:1 READY', 'm:2 UNAVAILABLE bad weights', 'm:10 READY']);
    expect(() => repository.get('m', '2')).toThrow("Request for unknown model: 'm' version 2 is not at ready state");
  });
});

describe('what is not served', () => {
  test('is told in the words that clients know', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'a.onnx': toyText(), 'b.onnx': toyText({ failure: 'no' }) });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['a', 'b'] });
    await repository.start();
    const missing = (name: string, version?: string) => {
      try {
        repository.get(name, version);
      } catch (error) {
        return [(error as { code: string }).code, (error as Error).message];
      }
      return [];
    };
    expect(missing('x')).toEqual(['NOT_FOUND', "Request for unknown model: 'x' is not found"]);
    expect(missing('a', '3')).toEqual(['NOT_FOUND', "Request for unknown model: 'a' version 3 is not found"]);
    expect(missing('b')).toEqual(['NOT_FOUND', "Request for unknown model: 'b' has no available versions"]);
    expect(missing('b', '1')).toEqual(['UNAVAILABLE', "Request for unknown model: 'b' version 1 is not at ready state"]);
    expect(missing('__proto__')).toEqual(['NOT_FOUND', "Request for unknown model: '__proto__' is not found"]);
    await repository.unload('a');
    expect(missing('a')).toEqual(['NOT_FOUND', "Request for unknown model: 'a' has no available versions"]);
  });

  test('while it loads, it is unavailable and a retry makes sense', async () => {
    const world = new ToyWorld();
    let open = () => {};
    world.gate = () => new Promise((resolve) => void (open = resolve));
    const repository = world.repository({ paths: [await folder({ 'a.onnx': toyText() })] });
    const started = repository.start();
    await until(() => world.loadingNow === 1);
    expect(() => repository.get('a')).toThrow(expect.objectContaining({ code: 'UNAVAILABLE', retryAfterSeconds: 1 }) as Error);
    expect(states(repository)).toEqual(['a:1 LOADING']);
    expect(repository.allReady()).toBe(false);
    open();
    await started;
    expect(states(repository)).toEqual(['a:1 READY']);
  });

  test('load and unload belong to mode explicit', async () => {
    const repository = new ToyWorld().repository({ paths: [await folder({ 'a.onnx': toyText() })] });
    await repository.start();
    for (const refused of [repository.load('a'), repository.unload('a')]) {
      await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringMatching(/^explicit model load \/ unload is not allowed if polling is enabled/) as string });
    }
  });

  test.each([
    ['', 'Model name cannot be empty. Please enter a valid name to deploy.'],
    ['../a', "invalid model name '../a', model name must not contain path traversal characters"],
    ['nothing', "failed to load 'nothing', failed to poll from model repository"],
  ])('loading %j', async (name, message) => {
    const repository = new ToyWorld().repository({ paths: [await folder({ 'a.onnx': toyText() })], mode: 'explicit' });
    await repository.start();
    await expect(repository.load(name)).rejects.toThrow(message);
    expect(repository.allReady()).toBe(true);
    await expect(repository.unload(name)).resolves.toBeUndefined();
  });
});

describe('taking over', () => {
  test('a listener that throws stops nothing', async () => {
    const repository = new ToyWorld().repository({ paths: [await folder({ 'm.onnx': toyText() })], mode: 'explicit' });
    await repository.start();
    repository.onChange(() => {
      throw new Error('broken listener');
    });
    let heard = 0;
    const forget = repository.onChange(() => heard++);
    await repository.load('m');
    expect(await ask(repository, 'm')).toBe(0);
    const before = heard;
    expect(before).toBeGreaterThan(0);
    forget();
    await repository.unload('m');
    expect(heard).toBe(before);
  });

  test('100 swaps under simultaneous calls: none fails, none meets a released model', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText({ answer: 1, runMs: 1 }), 'm/model.yaml': 'versions: {latest: 1}' });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'], retireDelayMs: 20 });
    await repository.start();
    const clients = { stopped: false };
    let calls = 0;
    const seen = new Set<number>();
    const client = async (pauseMs: number) => {
      while (!clients.stopped) {
        // Like a protocol: the model is looked up, then the body is parsed, then the model is called.
        const { model } = repository.get('m');
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
        seen.add(await askModel(model));
        calls++;
      }
    };
    const running = [0, 0, 0, 1, 3, 60].map(client);
    let version = 1;
    for (let swap = 0; swap < 100; swap++) {
      const text = toyText({ answer: swap, runMs: 1 });
      // By turns the same version with other content, and a newer one in place of the older.
      if (swap % 2 === 0) await write(root, { [`m/${version}/model.onnx`]: text });
      else {
        await write(root, { [`m/${version + 1}/model.onnx`]: text });
        await rm(join(root, 'm', String(version++)), { recursive: true });
      }
      await repository.load('m');
    }
    clients.stopped = true;
    await Promise.all(running);
    expect(calls).toBeGreaterThan(200);
    expect(seen.size).toBeGreaterThan(20);
    expect(world.loaded.length).toBeGreaterThanOrEqual(100);
    await until(() => world.alive === 1);
    // One that serves, one that retires, one that loads.
    expect(world.mostAlive).toBeLessThanOrEqual(3);
  }, 60_000);

  test('the flip is one moment: all versions of a load begin to serve together', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText({ answer: 1 }), 'm/model.yaml': 'versions: all' });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'] });
    await repository.start();
    const lists: string[] = [];
    const forget = repository.onChange(() => lists.push(repository.get('m').versions.join()));
    await write(root, { 'm/2/model.onnx': toyText({ answer: 2 }), 'm/3/model.onnx': toyText({ answer: 3 }) });
    world.gate = ({ version }) => new Promise((resolve) => setTimeout(resolve, version === '2' ? 30 : 0));
    await repository.load('m');
    forget();
    expect([...new Set(lists)]).toEqual(['1', '1,2,3']);
    expect(world.loaded).toEqual(['m:1=1', 'm:3=3', 'm:2=2']);
  });

  test('a version that fails leaves the old one serving, and the index says why', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText({ answer: 1 }) });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'] });
    await repository.start();
    await write(root, { 'm/2/model.onnx': toyText({ failure: 'bad weights' }) });
    await expect(repository.load('m')).rejects.toMatchObject({ code: 'INVALID_MODEL', message: "load failed for model 'm': version 2 is at UNAVAILABLE state: bad weights;" });
    expect(states(repository)).toEqual(['m:1 READY', 'm:2 UNAVAILABLE bad weights']);
    expect(await ask(repository, 'm')).toBe(1);
    expect(repository.allReady()).toBe(true);

    await write(root, { 'm/2/model.onnx': toyText({ answer: 2 }) });
    await repository.load('m');
    expect(await ask(repository, 'm')).toBe(2);
    // The same version again, broken in place, and then a config that cannot be read.
    await write(root, { 'm/2/model.onnx': toyText({ failure: 'worse' }) });
    await expect(repository.load('m')).rejects.toThrow(/worse/);
    expect(states(repository).at(-1)).toBe('m:2 READY the version loaded before still serves: worse');
    await write(root, { 'm/model.yaml': 'nmae: x' });
    await expect(repository.load('m')).rejects.toThrow(/unknown key 'nmae'/);
    expect(await ask(repository, 'm')).toBe(2);
    await write(root, { 'm/model.yaml': '', 'm/2/model.onnx': toyText({ answer: 22 }) });
    await repository.load('m');
    expect(await ask(repository, 'm')).toBe(22);
    expect(states(repository).at(-1)).toBe('m:2 READY');
  });

  test('an unchanged model is not loaded again', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText(), 'm/2/model.onnx': toyText(), 'm/model.yaml': 'versions: all' });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'] });
    await repository.start();
    await repository.load('m');
    expect(world.loaded).toHaveLength(2);
    await write(root, { 'm/2/model.onnx': toyText({ answer: 5 }) });
    await repository.load('m');
    expect(world.loaded.slice(2)).toEqual(['m:2=5']);
    await write(root, { 'm/model.yaml': 'versions: all\nbatching: false' });
    await repository.load('m');
    expect(world.loaded.slice(3).sort()).toEqual(['m:1=0', 'm:2=5']);
  });

  test('the old version answers what it was given before it is released', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText({ answer: 1, runMs: 80 }) });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'] });
    await repository.start();
    const slow = ask(repository, 'm');
    await write(root, { 'm/2/model.onnx': toyText({ answer: 2 }) });
    await repository.load('m');
    expect(await ask(repository, 'm')).toBe(2);
    expect(world.released).toEqual([]);
    expect(await slow).toBe(1);
    await until(() => states(repository)[0] === 'm:1 UNAVAILABLE unloaded');
    expect(world.released).toEqual(['m:1=1']);
    expect(states(repository)).toEqual(['m:1 UNAVAILABLE unloaded', 'm:2 READY']);
  });

  test('unload answers what was accepted, then gives the model back; it can be loaded again', async () => {
    const world = new ToyWorld();
    const repository = world.repository({ paths: [await folder({ 'm.onnx': toyText({ answer: 1, runMs: 40 }) })], mode: 'explicit', loadModels: ['m'] });
    await repository.start();
    const slow = ask(repository, 'm');
    const unloaded = repository.unload('m');
    await until(() => states(repository)[0] === 'm:1 UNLOADING');
    expect(() => repository.get('m')).toThrow(/no available versions/);
    await unloaded;
    expect(world.alive).toBe(0);
    expect(await slow).toBe(1);
    expect(states(repository)).toEqual(['m:1 UNAVAILABLE unloaded']);
    expect(repository.allReady()).toBe(true);
    await repository.load('m');
    expect(await ask(repository, 'm')).toBe(1);
  });

  test('loads and unloads of one model run one after the other', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm.onnx': toyText({ answer: 1 }) });
    const repository = world.repository({ paths: [root], mode: 'explicit' });
    await repository.start();
    world.gate = () => new Promise((resolve) => setTimeout(resolve, 10));
    await Promise.all([repository.load('m'), repository.load('m'), repository.unload('m'), repository.load('m')]);
    expect(world.mostLoading).toBe(1);
    expect(world.mostAlive).toBe(1);
    expect(await ask(repository, 'm')).toBe(1);
  });

  test('unloading does not wait for the late calls of a version that was replaced before', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'm/1/model.onnx': toyText({ answer: 1 }) });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['m'], retireDelayMs: 1_000_000 });
    await repository.start();
    await write(root, { 'm/2/model.onnx': toyText({ answer: 2 }) });
    await repository.load('m');
    expect(world.alive).toBe(2);
    await repository.unload('m');
    expect(world.alive).toBe(0);
  });

  test('closing releases everything, and readiness says so', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'a/model.onnx': toyText(chainable), 'b/model.onnx': toyText(chainable), 'e/model.yaml': ensembleOf('a', 'b') });
    const repository = world.repository({ paths: [root], mode: 'poll' });
    await repository.start();
    expect(world.alive).toBe(3);
    await repository[Symbol.asyncDispose]();
    expect(world.alive).toBe(0);
    expect(world.released[0]).toBe('e:1=0');
    expect(repository.allReady()).toBe(false);
  });
});

describe('load requests with a config or files', () => {
  async function repositoryWith(files: Record<string, string>) {
    const world = new ToyWorld();
    const root = await folder(files);
    const store = await ContentStore.open(await folder());
    const repository = world.repository({
      paths: [root], mode: 'explicit',
      storeFiles: async (model, given) => await store.folder((await store.putFiles(`load/${model}`, given, 'application/vnd.modelport.load.v1')).digest),
    });
    await repository.start();
    return { world, root, store, repository };
  }
  const bytes = (text: string) => new TextEncoder().encode(text);

  test('a config replaces that of the folder until the next load', async () => {
    const { repository } = await repositoryWith({ 'm/model.onnx': toyText(), 'm/model.yaml': 'batching: {maxSize: 2}' });
    await repository.load('m', { config: '{"max_batch_size": 16, "parameters": {"a": {"string_value": "b"}}}' });
    expect(repository.get('m').config.config).toMatchObject({ batching: { maxSize: 16 }, parameters: { a: 'b' } });
    await repository.load('m', { config: '{"batching": false}' });
    expect(repository.get('m').config.config.batching).toBe(false);
    await repository.load('m');
    expect(repository.get('m').config.config.batching).toMatchObject({ maxSize: 2 });
  });

  test('a config of ones own also where that of the folder is broken', async () => {
    const { repository } = await repositoryWith({ 'm/model.onnx': toyText(), 'm/model.yaml': 'nmae: x' });
    await expect(repository.load('m')).rejects.toThrow(/nmae/);
    await repository.load('m', { config: '{}' });
    expect(await ask(repository, 'm')).toBe(0);
  });

  test('files replace the folder and are kept elsewhere', async () => {
    const { repository, root, store } = await repositoryWith({ 'm/1/model.onnx': toyText({ answer: 1 }) });
    await repository.load('m', { config: '{"backend": "onnxruntime"}', files: new Map([['7/model.onnx', bytes(toyText({ answer: 7 }))], ['labels.txt', bytes('a\nb\nc\n')]]) });
    const served = repository.get('m');
    expect([served.version, await ask(repository, 'm')]).toEqual(['7', 7]);
    expect(served.model.signature.outputs[0]!.labels).toEqual(['a', 'b', 'c']);
    expect(served.artifact.directory.startsWith(store.directory)).toBe(true);
    expect((await store.tags()).has('load/m')).toBe(true);
    expect(served.artifact.directory.startsWith(root)).toBe(false);
    await repository.load('m');
    expect([repository.get('m').version, await ask(repository, 'm')]).toEqual(['1', 1]);
  });

  test('a model that only the request brings', async () => {
    const { repository } = await repositoryWith({ 'other.onnx': toyText() });
    await repository.load('new', { config: '{}', files: new Map([['1/model.onnx', bytes(toyText({ answer: 9 }))]]) });
    expect(await ask(repository, 'new')).toBe(9);
    expect(states(repository)).toContain('new:1 READY');
  });

  test.each<[string, string | undefined, Record<string, string>, RegExp]>([
    ['files without a config', undefined, { '1/model.onnx': toyText() }, /Load parameter 'config' must be specified for model file override/],
    ['a path that leads out', '{}', { '../../x': 'x' }, /Invalid file parameter 'file:\.\.\/\.\.\/x': it must stay within model directory/],
    ['an absolute path', '{}', { '/etc/x': 'x' }, /must stay within model directory/],
    ['no model among the files', '{}', { '1/notes.md': 'x' }, /no model file in .*expected model\.onnx; it holds notes\.md/],
    ['a truncated model', '{}', { '1/model.onnx': toyText().slice(0, -2) }, /truncated/],
    ['another name', '{"name": "n"}', {}, /unexpected directory name 'm' for model 'n', directory name must equal model name/],
    ['a config with a typo', '{"max_bach_size": 1, "backend": ""}', {}, /unknown field 'max_bach_size'.*did you mean 'max_batch_size'/],
    ['a config that is no JSON', '{', {}, /not valid JSON/],
  ])('%s', async (_, config, files, expected) => {
    const { repository } = await repositoryWith({ 'm/1/model.onnx': toyText({ answer: 1 }) });
    await repository.load('m');
    const given = new Map(Object.entries(files).map(([path, text]) => [path, bytes(text)]));
    await expect(repository.load('m', { ...(config === undefined ? {} : { config }), files: given })).rejects.toThrow(expected);
    expect(await ask(repository, 'm')).toBe(1);
  });
});

describe('ensembles', () => {
  test('steps are loaded first, however deep', async () => {
    const world = new ToyWorld();
    const top = 'ensemble: {steps: [{model: b-middle, inputs: {t0: in}, outputs: {t2: middle}}, {model: z, inputs: {x: middle}, outputs: {y: out}}]}';
    const root = await folder({ 'a-top/model.yaml': top, 'b-middle/model.yaml': ensembleOf('y', 'z'), 'y/model.onnx': toyText(chainable), 'z/model.onnx': toyText(chainable) });
    const repository = world.repository({ paths: [root] });
    expect(await repository.start()).toEqual([]);
    expect(world.loaded.slice(0, 2).sort()).toEqual(['y:1=0', 'z:1=0']);
    expect(world.loaded.slice(2)).toEqual(['b-middle:1=0', 'a-top:1=0']);
    expect(repository.get('a-top').platform).toBe('ensemble');
    expect(repository.get('a-top').model.signature.inputs.map(({ name }) => name)).toEqual(['in']);
  });

  test('a load request brings the steps along; unloadDependents takes away those that nobody asked for', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'e/model.yaml': ensembleOf('a', 'b'), 'f/model.yaml': ensembleOf('b', 'c'), ...Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [`${name}/model.onnx`, toyText(chainable)])) });
    const repository = world.repository({ paths: [root], mode: 'explicit' });
    await repository.start();
    await repository.load('c');
    await repository.load('e');
    await repository.load('f');
    expect(repository.ready().map(({ name }) => name)).toEqual(['a', 'b', 'c', 'e', 'f']);
    await repository.unload('e', { unloadDependents: true });
    expect(repository.ready().map(({ name }) => name)).toEqual(['b', 'c', 'f']);
    await repository.unload('f', { unloadDependents: true });
    expect(repository.ready().map(({ name }) => name)).toEqual(['c']);
    await repository.load('e');
    await repository.unload('e');
    expect(repository.ready().map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('an ensemble whose step cannot be loaded says which and why', async () => {
    const root = await folder({ 'e/model.yaml': ensembleOf('a', 'b'), 'a/model.onnx': toyText(chainable), 'b/model.onnx': toyText({ failure: 'bad weights' }) });
    const repository = new ToyWorld().repository({ paths: [root] });
    await repository.start();
    expect(states(repository)).toEqual([
      'a:1 READY', 'b:1 UNAVAILABLE bad weights',
      "e: UNAVAILABLE ensemble 'e' depends on 'b' which has no loaded version. Model 'b' loading failed with error: load failed for model 'b': version 1 is at UNAVAILABLE state: bad weights;",
    ]);
    const other = await folder({ 'e/model.yaml': ensembleOf('nowhere') });
    const [failure] = await new ToyWorld().repository({ paths: [other] }).start();
    expect(failure!.error.message).toMatch(/ensemble 'e' depends on 'nowhere' which has no loaded version\. Model 'nowhere' loading failed with error: failed to load 'nowhere', failed to poll/);
  });

  test('a version that is not served', async () => {
    const root = await folder({ 'e/model.yaml': 'ensemble: {steps: [{model: a, version: "4", inputs: {x: i}, outputs: {y: o}}]}', 'a/3/model.onnx': toyText(chainable) });
    const failures = await new ToyWorld().repository({ paths: [root] }).start();
    expect(failures[0]!.error.message).toBe("ensemble 'e' depends on 'a' whose required version 4 is not loaded");
  });

  test('that use themselves', async () => {
    const root = await folder({ 'a/model.yaml': ensembleOf('b'), 'b/model.yaml': ensembleOf('c'), 'c/model.yaml': ensembleOf('a'), 'd/model.yaml': ensembleOf('d') });
    const repository = new ToyWorld().repository({ paths: [root] });
    const failures = await repository.start();
    expect(failures.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    expect(failures[0]!.error.message).toMatch(/ensemble '[abc]' uses itself: a → b → c → a|b → c → a → b|c → a → b → c/);
    expect(failures[3]!.error.message).toBe("ensemble 'd' uses itself: d → d");
  });

  test('are not ready while a step is away, and are explained anew when a step changes', async () => {
    const world = new ToyWorld();
    const root = await folder({ 'e/model.yaml': ensembleOf('a'), 'a/model.onnx': toyText(chainable) });
    const repository = world.repository({ paths: [root], mode: 'explicit', loadModels: ['e'] });
    await repository.start();
    expect(repository.get('e').ready()).toBe(true);
    await repository.unload('a');
    expect(repository.get('e').ready()).toBe(false);
    expect(repository.allReady()).toBe(false);
    await write(root, { 'a/model.onnx': toyText({ inputs: [{ name: 'x', datatype: 'INT64', shape: [-1, 9], batchAxis: 0 }] }) });
    await repository.load('a');
    expect(repository.get('e').ready()).toBe(true);
    expect(repository.get('e').model.signature.inputs[0]).toMatchObject({ datatype: 'INT64', shape: [-1, 9] });
  });

  test('one that failed for want of a step is loaded when the step arrives', async () => {
    const root = await folder({ 'e/model.yaml': ensembleOf('a'), 'a/model.onnx': toyText({ failure: 'not yet' }) });
    const repository = new ToyWorld().repository({ paths: [root], mode: 'explicit', loadModels: ['e'] });
    await repository.start();
    await write(root, { 'a/model.onnx': toyText(chainable) });
    await repository.load('a');
    expect(states(repository)).toEqual(['a:1 READY', 'e:1 READY']);
    expect(repository.allReady()).toBe(true);
  });
});
