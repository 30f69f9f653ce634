import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ContentStore, defaultCacheDirectory } from '../../src/packaging/content-store.ts';

const writer = join(import.meta.dirname, 'store-writer.mjs');
const execute = promisify(execFile);
const bytes = (text: string) => new TextEncoder().encode(text);
const digestOf = (content: Uint8Array) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'modelport-store-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function newStore(): Promise<ContentStore> {
  return await ContentStore.open(join(await temporary(), 'cache'));
}

const leftovers = (store: ContentStore) => readdir(join(store.directory, 'ingest'));

async function* pieces(...parts: (Uint8Array | Error)[]): AsyncIterable<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    if (part instanceof Error) throw part;
    yield part;
  }
}

describe('content', () => {
  test('is kept under its digest, in OCI layout', async () => {
    const store = await newStore();
    const descriptor = await store.put(bytes('hello'));
    expect(descriptor).toEqual({ mediaType: 'application/octet-stream', digest: digestOf(bytes('hello')), size: 5 });
    expect(await readFile(join(store.directory, 'blobs', 'sha256', descriptor.digest.slice(7)), 'utf8')).toBe('hello');
    expect(JSON.parse(await readFile(join(store.directory, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(Buffer.from(await store.get(descriptor.digest)).toString()).toBe('hello');
    expect(await store.has(descriptor.digest)).toBe(true);
    expect((await stat(store.path(descriptor.digest))).mode & 0o222).toBe(0);
    expect(await leftovers(store)).toEqual([]);
  });

  test('comes in pieces, and goes in pieces', async () => {
    const store = await newStore();
    const large = randomBytes(300_000);
    const { digest, size } = await store.put(pieces(large.subarray(0, 1), large.subarray(1, 200_000), new Uint8Array(0), large.subarray(200_000)));
    expect([digest, size]).toEqual([digestOf(large), 300_000]);
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(digest)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
  });

  test.each([
    ['another digest', { digest: digestOf(bytes('other')) }, /has the digest sha256:2cf24d.*, but sha256:.* was expected: it was damaged on its way/],
    ['more than announced', { sizeBytes: 4 }, /larger than the 4 bytes/],
    ['less than announced', { sizeBytes: 6 }, /ended after 5 of 6 bytes/],
    ['a digest that is none', { digest: '../../x' }, /is no digest/],
  ])('%s is refused and not kept', async (_, expected, message) => {
    const store = await newStore();
    await expect(store.put(bytes('hello'), expected)).rejects.toThrow(message);
    expect(await readdir(join(store.directory, 'blobs', 'sha256'))).toEqual([]);
    expect(await leftovers(store)).toEqual([]);
  });

  test('whose source fails leaves nothing', async () => {
    const store = await newStore();
    await expect(store.put(pieces(bytes('abc'), new Error('connection reset')))).rejects.toThrow('connection reset');
    expect(await leftovers(store)).toEqual([]);
  });

  test('that the disk damaged is noticed, and healed by putting it again', async () => {
    const store = await newStore();
    const { digest } = await store.put(bytes('hello'));
    await chmod(store.path(digest), 0o644);
    await writeFile(store.path(digest), 'hellO');
    await expect(store.get(digest)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/no longer has its digest/) as string });
    await expect((async () => {
      for await (const _ of store.read(digest));
    })()).rejects.toThrow(/no longer has its digest/);
    await store.put(bytes('hello'));
    expect(Buffer.from(await store.get(digest)).toString()).toBe('hello');
  });

  test('that is missing', async () => {
    const store = await newStore();
    const digest = digestOf(bytes('x'));
    await expect(store.get(digest)).rejects.toMatchObject({ code: 'NOT_FOUND', message: `${digest} is not in the store` });
    expect(await store.has(digest)).toBe(false);
    expect(await store.delete(digest)).toBe(false);
    expect(() => store.path('sha256:../../../etc/passwd')).toThrow(/is no digest/);
  });
});

describe('names', () => {
  test('are given, moved and taken away', async () => {
    const store = await newStore();
    const [one, two] = [await store.put(bytes('1')), await store.put(bytes('2'))];
    await store.tag('iris', one);
    await store.tag('digits', two);
    await store.tag('iris', two);
    expect(Object.fromEntries([...(await store.tags())].map(([name, { digest }]) => [name, digest]))).toEqual({ digits: two.digest, iris: two.digest });
    expect((await store.resolve('iris'))?.digest).toBe(two.digest);
    expect(await store.untag('iris')).toBe(true);
    expect(await store.untag('iris')).toBe(false);
    expect(await store.resolve('iris')).toBeUndefined();
    const index = JSON.parse(await readFile(join(store.directory, 'index.json'), 'utf8')) as { schemaVersion: number; manifests: unknown[] };
    expect(index).toMatchObject({ schemaVersion: 2, manifests: [{ digest: two.digest, annotations: { 'org.opencontainers.image.ref.name': 'digits' } }] });
  });

  test('need content, and to be names', async () => {
    const store = await newStore();
    await expect(store.tag('x', { mediaType: 'a/b', digest: digestOf(bytes('none')), size: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(store.tag('a\nb', await store.put(bytes('1')))).rejects.toThrow(/is no name/);
  });

  test('an index that is broken is told, not overwritten', async () => {
    const store = await newStore();
    const one = await store.put(bytes('1'));
    await writeFile(join(store.directory, 'index.json'), '{"manifests": [');
    await expect(store.tag('x', one)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringMatching(/index\.json is not valid JSON/) as string });
    expect(await readFile(join(store.directory, 'index.json'), 'utf8')).toBe('{"manifests": [');
    await writeFile(join(store.directory, 'index.json'), '{"manifests": [{"digest": 1}]}');
    await expect(store.tags()).rejects.toThrow(/is no index of an OCI layout/);
  });
});

describe('files under one name', () => {
  test('are an OCI artifact and a folder', async () => {
    const store = await newStore();
    const descriptor = await store.putFiles('load/m', new Map<string, Uint8Array>([['1/model.onnx', bytes('model')], ['labels.txt', bytes('a\nb')]]), 'application/vnd.modelport.load.v1', { note: 'x' });
    const manifest = JSON.parse(Buffer.from(await store.get(descriptor.digest)).toString()) as Record<string, unknown>;
    expect(manifest).toMatchObject({
      schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', artifactType: 'application/vnd.modelport.load.v1',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 }, annotations: { note: 'x' },
      layers: [{ size: 5, annotations: { 'org.opencontainers.image.title': '1/model.onnx' } }, { annotations: { 'org.opencontainers.image.title': 'labels.txt' } }],
    });
    expect(await store.has((manifest['config'] as { digest: string }).digest)).toBe(true);
    const folder = await store.folder(descriptor.digest);
    expect(await readFile(join(folder, '1', 'model.onnx'), 'utf8')).toBe('model');
    expect(await store.folder(descriptor.digest)).toBe(folder);
    expect((await Promise.all(Array.from({ length: 5 }, () => store.folder(descriptor.digest)))).every((path) => path === folder)).toBe(true);
    expect(await leftovers(store)).toEqual([]);
  });

  test.each(['../x', '/x', 'a//b', 'a/./b', 'a\\b', ''])('the path %j is refused', async (path) => {
    const store = await newStore();
    await expect(store.putFiles('n', new Map([[path, bytes('x')]]), 'a/b')).rejects.toThrow(/leads out of its folder/);
  });

  test('a manifest from elsewhere cannot lead out either', async () => {
    const store = await newStore();
    const layer = { ...(await store.put(bytes('x'))), annotations: { 'org.opencontainers.image.title': '../../escaped' } };
    const { digest } = await store.put(bytes(JSON.stringify({ layers: [layer] })));
    await expect(store.folder(digest)).rejects.toThrow(/leads out of its folder/);
    await expect(store.folder(layer.digest)).rejects.toThrow(/is no manifest/);
    expect(await leftovers(store)).toEqual([]);
  });
});

describe('garbage', () => {
  test('is what no name leads to, after it was left alone', async () => {
    const store = await newStore();
    const kept = await store.putFiles('kept', new Map([['f', bytes('kept')]]), 'a/b');
    const dropped = await store.putFiles('dropped', new Map([['f', bytes('dropped')], ['g', bytes('kept')]]), 'a/b');
    const index = await store.put(bytes(JSON.stringify({ manifests: [kept] })), { mediaType: 'application/vnd.oci.image.index.v1+json' });
    await store.tag('index', index);
    await store.folder(dropped.digest);
    await writeFile(join(store.directory, 'ingest', 'crashed'), 'half');
    await store.untag('dropped');
    await store.untag('kept');
    expect(await store.collectGarbage()).toEqual({ blobs: 0, bytes: 0 });
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const folder of ['blobs/sha256', 'ingest', 'folders']) for (const name of await readdir(join(store.directory, folder))) await utimes(join(store.directory, folder, name), old, old);
    const fresh = await store.put(bytes('just put, not named yet'));
    expect((await store.collectGarbage()).blobs).toBe(2);
    expect(await store.has(fresh.digest)).toBe(true);
    expect(await store.has(dropped.digest)).toBe(false);
    expect(await store.has(kept.digest)).toBe(true);
    expect(Buffer.from(await store.get(digestOf(bytes('kept')))).toString()).toBe('kept');
    expect(await store.has(digestOf(bytes('dropped')))).toBe(false);
    expect(await leftovers(store)).toEqual([]);
    expect(await readdir(join(store.directory, 'folders'))).toEqual([]);
  });

  test('putting content again keeps it from being collected', async () => {
    const store = await newStore();
    const { digest } = await store.put(bytes('again'));
    const old = new Date(Date.now() - 2 * 3_600_000);
    await utimes(store.path(digest), old, old);
    await store.put(bytes('again'));
    await store.collectGarbage();
    expect(await store.has(digest)).toBe(true);
  });
});

describe('processes', () => {
  test('name things at once and lose none', async () => {
    const store = await newStore();
    const names = ['a', 'b', 'c'];
    await Promise.all([...names.map((name) => execute(process.execPath, [writer, store.directory, 'tags', name, '20'])), execute(process.execPath, [writer, store.directory, 'collect', '20'])]);
    const tags = await store.tags();
    expect(tags.size).toBe(60);
    for (const [name, { digest }] of tags) expect(Buffer.from(await store.get(digest)).toString()).toBe(name.replace('-', ' '));
    expect(await readdir(store.directory)).not.toContain('lock');
  });

  test('put the same content at once', async () => {
    const store = await newStore();
    await Promise.all([1, 2].map(() => execute(process.execPath, [writer, store.directory, 'same', '40'])));
    const names = await readdir(join(store.directory, 'blobs', 'sha256'));
    expect(names).toHaveLength(5);
    for (const name of names) expect((await store.get(`sha256:${name}`)).byteLength).toBe(100_000);
    expect(await leftovers(store)).toEqual([]);
  });

  test('that die with the lock do not block others', async () => {
    const store = await newStore();
    const child = spawn(process.execPath, [writer, store.directory, 'hang'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await readdir(store.directory)).toContain('lock');
    await store.tag('x', await store.put(bytes('x')));
    expect((await store.tags()).has('x')).toBe(true);
    expect(await readdir(store.directory)).not.toContain('lock');
  });

  test('that meet a full disk say so and leave no half file', async () => {
    const store = await newStore();
    // A limit on the size of files fails writes as a full disk does.
    const script = `ulimit -f 64; exec "$0" "$@"`;
    const failed = await execute('sh', ['-c', script, process.execPath, writer, store.directory, 'large', '1000000']).then(() => undefined, (error: unknown) => error as { stdout: string });
    expect(JSON.parse(failed!.stdout)).toEqual({ code: 'INVALID_USAGE', message: `no space left in ${store.directory} (1000000 bytes): free some, or choose another folder with --cache-dir` });
    expect(await leftovers(store)).toEqual([]);
    expect(await readdir(join(store.directory, 'blobs', 'sha256'))).toEqual([]);
  });
});

describe('the place', () => {
  test('that is a file', async () => {
    const file = join(await temporary(), 'file');
    await writeFile(file, '');
    await expect(ContentStore.open(file)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: `${file} is not a folder: choose another folder with --cache-dir` });
  });

  test.skipIf(process.getuid?.() === 0)('that cannot be written', async () => {
    const directory = await temporary();
    await chmod(directory, 0o555);
    await expect(ContentStore.open(join(directory, 'cache'))).rejects.toThrow(/cannot be written \(EACCES\)/);
  });

  test('that holds a layout of the future', async () => {
    const store = await newStore();
    await writeFile(join(store.directory, 'oci-layout'), '{"imageLayoutVersion": "2.0.0"}');
    await expect(ContentStore.open(store.directory)).rejects.toThrow(/of a version that is not known/);
  });

  test('is below the cache folder of the user', () => {
    const before = process.env['XDG_CACHE_HOME'];
    onTestFinished(() => {
      if (before === undefined) delete process.env['XDG_CACHE_HOME'];
      else process.env['XDG_CACHE_HOME'] = before;
    });
    process.env['XDG_CACHE_HOME'] = '/somewhere';
    expect(defaultCacheDirectory()).toBe('/somewhere/modelport');
    delete process.env['XDG_CACHE_HOME'];
    expect(defaultCacheDirectory()).toMatch(/\.cache\/modelport$/);
  });
});
