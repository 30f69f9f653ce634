import { chmod, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findModelFile } from '../../src/serving/find-model-file.ts';
import { recognizeFormat } from '../../src/serving/model-format.ts';
import { findModels } from '../../src/serving/model-layout.ts';
import { folder, toyFormat, toyText, ToyWorld, tritonConfigs, write } from './toy-models.ts';

const options = { formats: [toyFormat], foreignConfigs: [tritonConfigs] };

/** `{name: [versions]}`, or the reason of a model that cannot be loaded. */
async function found(...paths: string[]): Promise<Record<string, string[] | string>> {
  const { models } = await findModels(paths, options);
  return Object.fromEntries([...models.values()].map((model) => [model.name, model.problem === undefined ? model.versions.map(({ version }) => version) : model.problem.message]));
}

describe('layouts without configuration', () => {
  const toy = toyText();

  test.each<[string, Record<string, string>, string, Record<string, string[]>]>([
    ['a file, named after itself', { 'iris.onnx': toy, 'README.md': 'hello' }, 'iris.onnx', { iris: ['1'] }],
    ['model.onnx, named after its folder', { 'iris/model.onnx': toy }, 'iris/model.onnx', { iris: ['1'] }],
    ['model.onnx of a version, named after the model', { 'iris/3/model.onnx': toy, 'iris/4/model.onnx': toy }, 'iris/3/model.onnx', { iris: ['3'] }],
    ['a folder of files', { 'm/iris.onnx': toy, 'm/wine.onnx': toy, 'm/notes.txt': '', 'm/.hidden.onnx': toy }, 'm', { iris: ['1'], wine: ['1'] }],
    ['a folder that is a model', { 'iris/model.onnx': toy, 'iris/labels.txt': 'a' }, 'iris', { iris: ['1'] }],
    ['a folder that is a model with versions', { 'iris/1/model.onnx': toy, 'iris/12/model.onnx': toy, 'iris/3/model.onnx': toy }, 'iris', { iris: ['1', '3', '12'] }],
    ['a folder of folders', { 'm/iris/model.onnx': toy, 'm/wine/2/model.onnx': toy, 'm/docs/readme.md': '', 'm/empty/': '', 'm/.git/config': '' }, 'm', { iris: ['1'], wine: ['2'] }],
    ['files and folders mixed', { 'm/iris.onnx': toy, 'm/wine/1/model.onnx': toy }, 'm', { iris: ['1'], wine: ['1'] }],
    ['a folder with one file of another name', { 'm/iris/weights-v2.onnx': toy }, 'm', { iris: ['1'] }],
    ['model.onnx beside other models', { 'm/model.onnx': toy, 'm/wine.onnx': toy }, 'm', { m: ['1'], wine: ['1'] }],
    ['a folder with a config alone', { 'm/e/model.yaml': 'ensemble: {steps: [{model: a, inputs: {x: x}, outputs: {y: y}}]}' }, 'm', { e: ['1'] }],
    ["an ensemble with Triton's empty version folder", { 'm/e/config.pbtxt': 'ensemble_scheduling { step { model_name: "a" input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } } }', 'm/e/1/': '' }, 'm', { e: ['1'] }],
    ['a name in model.yaml', { 'm/iris/model.onnx': toy, 'm/iris/model.yaml': 'name: flowers' }, 'm', { flowers: ['1'] }],
    ['a config named after a file', { 'm/a.onnx': toy, 'm/a.yaml': 'name: b', 'm/c.onnx': toy }, 'm', { b: ['1'], c: ['1'] }],
    ['a folder as it is downloaded', { 'm/bert/config.json': '{}', 'm/bert/tokenizer.json': '{}', 'm/bert/model.safetensors': '', 'm/bert/onnx/model.onnx': toy, 'm/bert/onnx/model_fp16.onnx': toy, 'm/iris/model.onnx': toy }, 'm', { bert: ['1'], iris: ['1'] }],
    ['such a folder alone', { 'bert/config.json': '{}', 'bert/onnx/decoder_model_merged.onnx': toy }, 'bert', { bert: ['1'] }],
    ['its model file', { 'bert/config.json': '{}', 'bert/onnx/model.onnx': toy }, 'bert/onnx/model.onnx', { bert: ['1'] }],
    ['a folder named onnx that belongs to nobody', { 'm/onnx/model.onnx': toy, 'm/iris/model.onnx': toy }, 'm', { onnx: ['1'], iris: ['1'] }],
    ['versions of downloaded folders', { 'm/bert/1/config.json': '{}', 'm/bert/1/onnx/model.onnx': toy, 'm/bert/2/model.onnx': toy }, 'm', { bert: ['1', '2'] }],
    ['a large model that is a folder', { 'm/big/1/model.onnx/model.onnx': toy, 'm/big/1/model.onnx/weights': '' }, 'm', { big: ['1'] }],
  ])('%s', async (_, files, path, expected) => {
    const root = await folder(files);
    expect(await found(join(root, path))).toEqual(expected);
  });

  test('data of a model beside it, with the ending of another kind of model', async () => {
    const root = await folder({ 'large/model.onnx': toy, 'large/weights.bin': '\0\0\x80?', 'two/model.onnx': toy, 'two/wine.bin': `other ${toy}`, 'alone/broken.bin': '\0\0\x80?' });
    const other = { name: 'other', extensions: ['.bin'], defaultFiles: ['other.bin'], recognize: (start: Uint8Array) => Buffer.from(start).toString('latin1').startsWith('other ') };
    const models = async (path: string) => [...(await findModels([join(root, path)], { ...options, formats: [toyFormat, other] })).models.values()].map(({ name, file, problem }) => [name, file, problem]);
    expect(await models('large')).toEqual([['large', undefined, undefined]]);
    expect(await models('two')).toEqual([['two', 'model.onnx', undefined], ['wine', 'wine.bin', undefined]]);
    expect(await models('alone')).toEqual([['broken', 'broken.bin', undefined]]);
  });

  test('several paths', async () => {
    const root = await folder({ 'a/iris.onnx': toy, 'b/wine/model.onnx': toy });
    expect(await found(join(root, 'a', 'iris.onnx'), join(root, 'b'))).toEqual({ iris: ['1'], wine: ['1'] });
  });

  test('the same path twice is one model', async () => {
    const root = await folder({ 'iris.onnx': toy });
    expect(await found(join(root, 'iris.onnx'), join(root, 'iris.onnx'), `${root}/./`)).toEqual({ iris: ['1'] });
  });
});

describe('what is wrong with a layout', () => {
  const toy = toyText();

  test('a path that is not there', async () => {
    await expect(findModels(['/no/such/place'], options)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: "can't serve /no/such/place: there is no such file or folder" });
  });

  test.skipIf(process.getuid?.() === 0)('a folder that cannot be read', async () => {
    const root = await folder({ 'm/iris/model.onnx': toy });
    await chmod(join(root, 'm', 'iris'), 0);
    expect(await found(join(root, 'm'))).toEqual({ iris: expect.stringMatching(/can't read the folder .*iris: EACCES/) as string });
    await chmod(join(root, 'm', 'iris'), 0o755);
  });

  test('two models of one name: the error names both', async () => {
    const root = await folder({ 'a/iris.onnx': toy, 'b/iris/model.onnx': toy });
    const { iris } = await found(join(root, 'a'), join(root, 'b'));
    expect(iris).toBe(`two models are named 'iris': ${join(root, 'a', 'iris.onnx')} and ${join(root, 'b', 'iris')}. Rename one, or give it another \`name\` in its model.yaml`);
    const world = new ToyWorld();
    await expect(world.repository({ paths: [join(root, 'a'), join(root, 'b')] }).start()).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(world.loaded).toEqual([]);
  });

  test('a file beside version folders', async () => {
    const root = await folder({ 'm/iris/model.onnx': toy, 'm/iris/2/model.onnx': toy });
    expect((await found(join(root, 'm')))['iris']).toMatch(/holds both model\.onnx and version folders \(2\)/);
  });

  test('version folders that are no numbers from 1', async () => {
    const root = await folder({ 'm/iris/0/model.onnx': toy, 'm/iris/v2/model.onnx': toy });
    expect((await found(join(root, 'm')))['iris']).toMatch(/holds models in 0, v2, but version folders are whole numbers from 1/);
  });

  test('a config of each kind', async () => {
    const root = await folder({ 'm/iris/model.onnx': toy, 'm/iris/model.yaml': '', 'm/iris/config.pbtxt': '' });
    expect((await found(join(root, 'm')))['iris']).toMatch(/holds both model\.yaml and config\.pbtxt: remove one/);
  });

  test("a name in config.pbtxt that is not the folder's", async () => {
    const root = await folder({ 'm/iris/1/model.onnx': toy, 'm/iris/config.pbtxt': '\nname: "wine"' });
    expect((await found(join(root, 'm')))['iris']).toBe("unexpected directory name 'iris' for model 'wine', directory name must equal model name (config.pbtxt:2)");
  });

  test('several candidates, none, or a wanted one that is missing', async () => {
    const root = await folder({ 'two/a.onnx': toy, 'two/b.onnx': toy, 'none/readme.md': '' });
    await expect(findModelFile(join(root, 'two'), undefined, [toyFormat])).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/several model files: a\.onnx, b\.onnx\. Name one with `file`/) as string });
    expect(await findModelFile(join(root, 'two'), 'b.onnx', [toyFormat])).toBe('b.onnx');
    await expect(findModelFile(join(root, 'none'), undefined, [toyFormat])).rejects.toThrow(/expected model\.onnx; it holds readme\.md/);
    await expect(findModelFile(join(root, 'two'), 'c.onnx', [toyFormat])).rejects.toThrow(/the model file c\.onnx is not in/);
    await expect(findModelFile(join(root, 'two'), '../none/readme.md', [toyFormat])).rejects.toThrow(/leads out of the model's folder/);
  });

  test('nothing at all', async () => {
    const root = await folder({ 'notes.md': 'x' });
    await expect(new ToyWorld().repository({ paths: [root] }).start()).rejects.toMatchObject({
      code: 'INVALID_USAGE', message: `no model in ${root}: expected model.onnx, *.onnx, <name>/model.onnx or <name>/<version>/model.onnx`,
    });
  });
});

test('folders that come and go while they are looked at', async () => {
  const toy = toyText();
  const root = await folder({ 'm/stays/1/model.onnx': toy });
  let stopped = false;
  const moving = (async () => {
    for (let turn = 0; turn < 200; turn++) {
      await write(root, { [`m/moves/${turn + 1}/model.onnx`]: toy, 'm/other.onnx': toy });
      await rm(join(root, 'm', 'moves', String(turn)), { recursive: true, force: true });
      await rm(join(root, 'm', 'other.onnx'));
    }
    stopped = true;
  })();
  let looks = 0;
  while (!(stopped as boolean)) {
    expect((await found(join(root, 'm')))['stays']).toEqual(['1']);
    looks++;
  }
  await moving;
  expect(looks).toBeGreaterThan(5);
});

describe('links', () => {
  const toy = toyText();

  test('entries of the repository and model files may be links to elsewhere', async () => {
    const root = await folder({ 'blobs/abc': toy, 'elsewhere/wine/1/model.onnx': toy, 'm/iris/config.json': '{}' });
    await symlink(join(root, 'blobs', 'abc'), join(root, 'm', 'iris', 'model.onnx'));
    await symlink(join(root, 'elsewhere', 'wine'), join(root, 'm', 'wine'));
    const world = new ToyWorld();
    await world.repository({ paths: [join(root, 'm')] }).start();
    expect(world.loaded.sort()).toEqual(['iris:1=0', 'wine:1=0']);
  });

  test('a version folder may not lead out of the repository', async () => {
    const root = await folder({ 'elsewhere/model.onnx': toy, 'm/iris/..data/1/model.onnx': toy });
    await symlink(join(root, 'm', 'iris', '..data', '1'), join(root, 'm', 'iris', '1'));
    expect(await found(join(root, 'm'))).toEqual({ iris: ['1'] });
    await symlink(join(root, 'elsewhere'), join(root, 'm', 'iris', '2'));
    expect((await found(join(root, 'm')))['iris']).toMatch(/iris\/2 is a link to .*elsewhere, outside the repository/);
  });

  test('labels may not', async () => {
    const root = await folder({ 'secret.txt': 'a\nb\nc', 'm/iris/model.onnx': toy });
    await symlink(join(root, 'secret.txt'), join(root, 'm', 'iris', 'labels.txt'));
    const failures = await new ToyWorld().repository({ paths: [join(root, 'm')] }).start();
    expect(failures[0]!.error.message).toMatch(/'labels\.txt' is a link to .*secret\.txt, outside the model's folder/);
  });

  test('a link to itself is ignored', async () => {
    const root = await folder({ 'm/iris/model.onnx': toy });
    await symlink(join(root, 'm', 'loop'), join(root, 'm', 'loop'));
    await mkdir(join(root, 'm', 'gone'));
    await symlink(join(root, 'nowhere'), join(root, 'm', 'gone', 'model.onnx'));
    expect(await found(join(root, 'm'))).toEqual({ iris: ['1'] });
  });
});

describe('the format, by content', () => {
  test.each([
    ['', 'it is empty'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:1', 'it is a Git LFS pointer: the model itself was not downloaded, run git lfs pull'],
    ['PK\u0003\u0004....', 'it is a zip file'],
    ['<!DOCTYPE html><html>', 'it is an HTML page, not a downloaded model'],
    ['{"error": "not found"}', 'it is text that looks like JSON'],
    ['hello there', 'it is text'],
    ['\0'.repeat(600), 'it is all zeros: it was allocated but not written'],
    ['\u0001\u0002\u0003', 'its first bytes are those of no format that is known here'],
  ])('%j', async (content, looks) => {
    const root = await folder({ 'model.onnx': content });
    const path = join(root, 'model.onnx');
    await expect(recognizeFormat(path, [toyFormat])).rejects.toMatchObject({ code: 'INVALID_MODEL', message: `${path} is no model that can be served: ${looks}. Known formats: onnx` });
  });
});
