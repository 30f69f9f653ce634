import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FolderModelRepositoryOptions } from '../../src/serving/model-repository.ts';
import { ask, folder, toyText, ToyWorld, until, write } from './toy-models.ts';

/** Files count as settled after this. */
const settleMs = 150;

async function polled(files: Record<string, string>, options: Partial<FolderModelRepositoryOptions> = {}) {
  const world = new ToyWorld();
  const root = await folder(files);
  const repository = world.repository({ paths: [root], mode: 'poll', settleMs, pollMs: 60_000, ...options });
  await repository.start();
  const states = () => repository.index().map(({ name, version, state, reason }) => `${name}:${version} ${state}${reason === '' ? '' : ` ${reason}`}`);
  return { world, root, repository, states };
}

describe('mode poll', () => {
  test('adds, replaces and removes models as files do', async () => {
    const { world, root, repository, states } = await polled({ 'a/1/model.onnx': toyText({ answer: 1 }) });
    await write(root, { 'b/model.onnx': toyText({ answer: 5 }), 'c.onnx': toyText({ answer: 6 }) });
    await until(() => repository.ready().length === 3, () => states().join());
    expect(await ask(repository, 'b')).toBe(5);
    await write(root, { 'a/2/model.onnx': toyText({ answer: 2 }), 'c.onnx': toyText({ answer: 7 }) });
    await until(async () => repository.get('a').version === '2' && (await ask(repository, 'c')) === 7, () => states().join());
    await rm(join(root, 'b'), { recursive: true });
    await until(() => !states().some((state) => state.startsWith('b')), () => states().join());
    expect(() => repository.get('b')).toThrow("Request for unknown model: 'b' is not found");
    await rm(join(root, 'a', '2'), { recursive: true });
    await until(() => repository.get('a').version === '1');
    expect(await ask(repository, 'a')).toBe(1);
    await until(() => world.alive === 2);
  });

  test('a config that changes is taken over, a broken one is told while the old one serves', async () => {
    const { root, repository, states } = await polled({ 'a/model.onnx': toyText() });
    await write(root, { 'a/model.yaml': 'batching: {maxSize: 3}' });
    await until(() => (repository.get('a').config.config.batching as { maxSize: number }).maxSize === 3);
    await write(root, { 'a/model.yaml': 'batching: {maxSzie: 4}' });
    await until(() => states()[0] === "a:1 READY the version loaded before still serves: unknown key 'maxSzie' in batching (model.yaml:1): did you mean 'maxSize'?", () => states().join());
    expect(await ask(repository, 'a')).toBe(0);
    await rm(join(root, 'a', 'model.yaml'));
    await until(() => (repository.get('a').config.config.batching as { maxSize: number }).maxSize === 64 && states()[0] === 'a:1 READY', () => states().join());
  });

  test('a file that is being copied is never loaded half', async () => {
    // Each pause is far below the settling time, also on a busy machine; all together are above it.
    const patientMs = 700;
    const { world, root, repository } = await polled({ 'a.onnx': toyText() }, { settleMs: patientMs });
    const text = toyText({ answer: 3, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4], batchAxis: 0 }] });
    const path = join(root, 'slow.onnx');
    await writeFile(path, text.slice(0, 4));
    for (let at = 4; at < text.length; at += 8) {
      await new Promise((resolve) => setTimeout(resolve, patientMs / 8));
      // Nothing was tried while it grew: it is not even in the index as broken.
      expect(repository.index().filter(({ name, state }) => name === 'slow' && state !== 'UNAVAILABLE')).toEqual([]);
      expect(repository.index().find(({ name }) => name === 'slow')?.reason ?? '').toBe('');
      await appendFile(path, text.slice(at, at + 8));
    }
    await until(() => repository.ready().length === 2);
    expect(await ask(repository, 'slow')).toBe(3);
    expect(world.loaded).toEqual(['a:1=0', 'slow:1=3']);
  });

  test('a copy that stalls is refused by its content and loaded once it goes on', async () => {
    const { root, repository, states } = await polled({ 'a.onnx': toyText({ answer: 1 }) });
    const text = toyText({ answer: 2 });
    await writeFile(join(root, 'a.onnx'), text.slice(0, -4));
    await until(() => states()[0]!.includes('truncated'), () => states().join());
    expect(states()[0]).toMatch(/^a:1 READY the version loaded before still serves: /);
    expect(await ask(repository, 'a')).toBe(1);
    await appendFile(join(root, 'a.onnx'), text.slice(-4));
    await until(async () => (await ask(repository, 'a')) === 2, () => states().join());
    expect(states()).toEqual(['a:1 READY']);
  });

  test('a broken version is not tried again before it changes', async () => {
    const { world, root, repository } = await polled({ 'a.onnx': toyText() }, { pollMs: 30, settleMs: 20 });
    let tries = 0;
    world.gate = async () => void tries++;
    await write(root, { 'b.onnx': toyText({ failure: 'no' }) });
    await until(() => repository.index().some(({ name, reason }) => name === 'b' && reason === 'no'));
    for (let look = 0; look < 5; look++) {
      await write(root, { [`note-${look}.txt`]: '' });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(tries).toBe(1);
  });

  test('without file events the slow look finds it', async () => {
    // Files in a folder that is linked from below the watched ones tell nobody.
    const { root, repository } = await polled({ 'a/1/model.onnx': toyText(), 'a/1/deep/deeper/weights.bin': '1' }, { pollMs: 50, settleMs: 20 });
    const before = repository.get('a');
    await write(root, { 'a/1/deep/deeper/weights.bin': '22' });
    await until(() => repository.get('a') !== before);
  });

  test('a model folder that is swapped by renames', async () => {
    const { root, repository, states } = await polled({ 'a/model.onnx': toyText({ answer: 1 }), '.next/model.onnx': toyText({ answer: 2 }) });
    await rename(join(root, 'a'), join(root, '.old'));
    await rename(join(root, '.next'), join(root, 'a'));
    await until(async () => (await ask(repository, 'a')) === 2, () => states().join());
  });

  test('a clash that appears leaves what serves alone and names both', async () => {
    const { root, repository, states } = await polled({ 'a.onnx': toyText({ answer: 1 }) });
    await write(root, { 'a/model.onnx': toyText({ answer: 2 }) });
    await until(() => states()[0]!.includes("two models are named 'a'"), () => states().join());
    expect(await ask(repository, 'a')).toBe(1);
    await rm(join(root, 'a.onnx'));
    await until(async () => (await ask(repository, 'a')) === 2, () => states().join());
    expect(states()).toEqual(['a:1 READY']);
  });

  test('a repository that is away for a while takes nothing down', async () => {
    const said: string[] = [];
    const { root, repository } = await polled({ 'a.onnx': toyText({ answer: 1 }) }, { pollMs: 20, settleMs: 20, log: (_, text) => void said.push(text) });
    await rename(root, `${root}-away`);
    await until(() => said.some((text) => text.startsWith('looking at the model repository failed')));
    expect(await ask(repository, 'a')).toBe(1);
    await rename(`${root}-away`, root);
    await write(root, { 'a.onnx': toyText({ answer: 2 }) });
    await until(async () => (await ask(repository, 'a')) === 2);
  });

  test('it may begin empty', async () => {
    const { root, repository } = await polled({});
    expect(repository.allReady()).toBe(true);
    await write(root, { 'a.onnx': toyText() });
    await until(() => repository.ready().length === 1);
  });

  test('an ensemble follows its steps', async () => {
    const chainable = { outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 4], batchAxis: 0 }] } as const;
    const { root, repository, states } = await polled({ 'e/model.yaml': 'ensemble: {steps: [{model: a, inputs: {x: i}, outputs: {y: o}}]}' });
    expect(states()[0]).toMatch(/^e: UNAVAILABLE ensemble 'e' depends on 'a'/);
    await write(root, { 'a/model.onnx': toyText(chainable) });
    await until(() => states().join() === 'a:1 READY,e:1 READY', () => states().join());
    await write(root, { 'a/model.onnx': toyText({ outputs: [{ name: 'y', datatype: 'INT64', shape: [-1, 2], batchAxis: 0 }] }) });
    await until(() => repository.get('e').model.signature.outputs[0]!.datatype === 'INT64', () => states().join());
  });
});

test('mode explicit lists what appears and loads none of it', async () => {
  const world = new ToyWorld();
  const root = await folder({ 'a.onnx': toyText() });
  const repository = world.repository({ paths: [root], mode: 'explicit', settleMs: 10, pollMs: 60_000 });
  await repository.start();
  await write(root, { 'b.onnx': toyText() });
  await until(() => repository.index().length === 2);
  expect(repository.index().map(({ name, version, state }) => [name, version, state])).toEqual([['a', '', 'UNAVAILABLE'], ['b', '', 'UNAVAILABLE']]);
  expect(world.loaded).toEqual([]);
});
