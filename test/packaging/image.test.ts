import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../../src/lib/tar.ts';
import { readElf } from '../../src/packaging/base/elf.ts';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { listApplicationFiles } from '../../src/packaging/image/application-files.ts';
import { buildImage, describe as describeBytes, type BuiltImage } from '../../src/packaging/image/build-image.ts';
import { DigestCache } from '../../src/packaging/image/digest-cache.ts';
import type { LayerPlan } from '../../src/packaging/image/layer.ts';
import { layoutPlace, readBase, readContent } from '../../src/packaging/image/read-content.ts';
import { writeDockerArchive, writeOciArchive, writeOciLayout } from '../../src/packaging/image/write-archive.ts';
import { isOciArchive, keepArchive } from '../../src/packaging/keep-content.ts';
import { artifactFiles, makeModelPack } from '../../src/packaging/model-pack.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-image-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const created = '1970-01-01T00:00:00Z';

function plans(): LayerPlan[] {
  return [
    { title: 'application', compression: 'gzip', entries: async () => [{ path: 'models/a/model.yaml', type: 'file', source: join(folder, 'model.yaml') }, { path: 'models/a/link', type: 'symlink', target: 'model.yaml' }] },
    { title: 'weights models/a/model.onnx', compression: 'none', entries: async () => [{ path: 'models/a/model.onnx', type: 'file', source: join(folder, 'model.onnx') }] },
  ];
}

async function build(storeName: string, rehash = false): Promise<BuiltImage> {
  const store = await ContentStore.open(join(folder, storeName));
  const cache = await DigestCache.open(join(folder, `${storeName}.json`), rehash);
  const image = await buildImage({ platforms: [{ platform: { os: 'linux', architecture: 'amd64' }, layers: plans() }, { platform: { os: 'linux', architecture: 'arm64' }, layers: plans() }], config: { User: '65532:65532', Env: ['A=1'] }, annotations: { x: 'y' }, created }, { store, cache });
  await cache.save();
  return image;
}

describe('images', () => {
  beforeEach(() => {
    writeFileSync(join(folder, 'model.yaml'), 'description: a model\n');
    writeFileSync(join(folder, 'model.onnx'), Buffer.alloc(100_000, 3));
  });

  it('are the same for the same files, whoever builds them and whenever', async () => {
    const first = await build('one');
    utimesSync(join(folder, 'model.onnx'), new Date(), new Date(1e12));
    const second = await build('two');
    expect(second.content.descriptor.digest).toBe(first.content.descriptor.digest);
    writeFileSync(join(folder, 'model.yaml'), 'description: another\n');
    const third = await build('two');
    expect(third.content.descriptor.digest).not.toBe(first.content.descriptor.digest);
    expect(third.platforms[0]!.layers.map(({ cached }) => cached)).toEqual([false, true]);
  });

  it('read nothing again that did not change, unless they are told to', async () => {
    await build('one');
    expect((await build('one')).platforms.flatMap(({ layers }) => layers.map(({ cached }) => cached))).toEqual([true, true, true, true]);
    expect((await build('one', true)).platforms[0]!.layers.map(({ cached }) => cached)).toEqual([false, false]);
  });

  it('hold digests that their layers have', async () => {
    const image = await build('one');
    for (const layer of image.platforms[0]!.layers) {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of layer.open()) {
        hash.update(chunk);
        size += chunk.length;
      }
      expect({ digest: `sha256:${hash.digest('hex')}`, size }).toEqual({ digest: layer.descriptor.digest, size: layer.descriptor.size });
    }
    expect(image.platforms[0]!.config.rootfs.diff_ids[1]).toBe(image.platforms[0]!.layers[1]!.descriptor.digest);
  });

  it('send large layers of their own while they are made, and keep nothing of them', async () => {
    const weights = Buffer.alloc(17 << 20, 'weights that repeat');
    writeFileSync(join(folder, 'weights.bin'), weights);
    const plan: LayerPlan = { title: 'weights', compression: 'gzip', ownToImage: true, entries: async () => [{ path: 'weights.bin', type: 'file', source: join(folder, 'weights.bin') }] };
    const store = await ContentStore.open(join(folder, 'sending'));
    const cache = await DigestCache.open(join(folder, 'sending.json'));
    const received: Buffer[] = [];
    const send = async (make: () => AsyncIterable<Uint8Array>, mediaType: string) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of make()) chunks.push(chunk);
      received.push(Buffer.concat(chunks));
      return describeBytes(received[0]!, mediaType);
    };
    const make = async (sending: boolean) => (await buildImage({ platforms: [{ platform: { os: 'linux', architecture: 'amd64' }, layers: [plan] }], config: {}, annotations: {}, created }, { store, cache, ...(sending ? { send } : {}) })).platforms[0]!.layers[0]!;
    const first = await make(true);
    expect(gunzipSync(received[0]!).includes(weights.subarray(0, 1000))).toBe(true);
    expect(first.diffId).toBe(describeBytes(gunzipSync(received[0]!), 'x').digest);
    expect(first.cached).toBe(false);
    expect(await store.has(first.descriptor.digest)).toBe(false);
    // Known, neither sent nor kept: whoever wants it gets it made again, the same.
    const second = await make(true);
    expect(second).toMatchObject({ cached: true, descriptor: first.descriptor, diffId: first.diffId });
    expect(received).toHaveLength(1);
    const again: Uint8Array[] = [];
    for await (const chunk of second.open()) again.push(chunk);
    expect(Buffer.concat(again).equals(received[0]!)).toBe(true);
    // Where it goes into a file, it is kept.
    expect((await make(false)).descriptor).toEqual(first.descriptor);
    expect(await store.has(first.descriptor.digest)).toBe(true);
  });

  it('are read back from a layout, and are bases for others', async () => {
    const image = await build('one');
    await writeOciLayout(join(folder, 'layout'), [{ content: image.content, name: 'me/app:1' }]);
    const place = await layoutPlace(join(folder, 'layout'), '1');
    expect((await readContent(place)).manifests).toHaveLength(2);
    const base = await readBase(place, { os: 'linux', architecture: 'arm64' }, 'oci:layout');
    expect(base.diffIds).toEqual(image.platforms[1]!.config.rootfs.diff_ids);
    await expect(readBase(place, { os: 'linux', architecture: 's390x' }, 'oci:layout')).rejects.toThrow('the base oci:layout is not there for linux/s390x; it is for linux/amd64, linux/arm64');
    await expect(layoutPlace(join(folder, 'layout'), '2')).rejects.toThrow("holds no image '2'; it has 1");
    const store = await ContentStore.open(join(folder, 'one'));
    const cache = await DigestCache.open(join(folder, 'x.json'));
    const onTop = await buildImage({ platforms: [{ platform: { os: 'linux', architecture: 'arm64' }, base, layers: plans().slice(0, 1) }], config: { Env: ['B=2'] }, annotations: {}, created }, { store, cache });
    expect(onTop.platforms[0]!.config).toMatchObject({ config: { Env: ['A=1', 'B=2'] }, rootfs: { diff_ids: [...base.diffIds, image.platforms[1]!.layers[0]!.diffId] } });
    // A layer that was changed on the disk is not passed on.
    writeFileSync(join(folder, 'layout', 'blobs', 'sha256', base.layers[1]!.descriptor.digest.slice(7)), Buffer.alloc(base.layers[1]!.descriptor.size));
    await expect(writeOciArchive(join(folder, 'bad.tar'), [{ content: onTop.content }])).rejects.toThrow('damaged or changed');
    await expect(isOciArchive(join(folder, 'bad.tar'))).resolves.toBe(false);
  });

  it("are written as Docker's archive", async () => {
    const image = await build('one');
    await writeDockerArchive(join(folder, 'd.tar'), image.platforms[0]!.content, ['me/app:1']);
    const found = new Map<string, Buffer>();
    for await (const entry of readTar((async function* () {
      yield await Promise.resolve(readFileSync(join(folder, 'd.tar')));
    })())) {
      const parts: Uint8Array[] = [];
      for await (const chunk of entry.content) parts.push(chunk);
      found.set(entry.path, Buffer.concat(parts));
    }
    const [manifest] = JSON.parse(found.get('manifest.json')!.toString()) as { Config: string; RepoTags: string[]; Layers: string[] }[];
    expect(manifest).toMatchObject({ RepoTags: ['me/app:1'] });
    expect(manifest!.Layers.every((layer) => found.has(layer))).toBe(true);
    expect(JSON.parse(found.get(manifest!.Config)!.toString())).toMatchObject({ architecture: 'amd64' });
  });

  it('leave nothing behind where they cannot be written', async () => {
    const image = await build('one');
    await expect(writeOciArchive(join(folder, 'none', 'x.tar'), [{ content: image.content }])).rejects.toThrow("can't write");
    rmSync(join(folder, 'model.onnx'));
    await expect(writeOciArchive(join(folder, 'half.tar'), [{ content: image.content }])).rejects.toThrow("can't read");
    expect((await import('node:fs')).readdirSync(folder).filter((name) => name.includes('half') || name.endsWith('.part'))).toEqual([]);
  });
});

describe('bundles', () => {
  it('hold models as ModelPack and give them back', async () => {
    writeFileSync(join(folder, 'model.onnx'), 'weights');
    const cache = await DigestCache.open(join(folder, 'c.json'));
    const content = await makeModelPack([{ path: 'model.onnx', source: join(folder, 'model.onnx') }, { path: 'model.yaml', content: Buffer.from('a: 1') }, { path: 'README.md', content: Buffer.from('x') }], { name: 'digits', formats: ['onnx'] }, cache);
    const manifest = JSON.parse(Buffer.from(content.bytes).toString()) as { artifactType: string; layers: { mediaType: string; annotations: Record<string, string> }[] };
    expect(manifest.artifactType).toBe('application/vnd.cncf.model.manifest.v1+json');
    expect(manifest.layers.map(({ mediaType, annotations }) => [mediaType, annotations['org.cncf.model.filepath']])).toEqual([
      ['application/vnd.cncf.model.weight.v1.raw', 'model.onnx'],
      ['application/vnd.cncf.model.weight.config.v1.raw', 'model.yaml'],
      ['application/vnd.cncf.model.doc.v1.raw', 'README.md'],
    ]);
    await writeOciArchive(join(folder, 'b.tar'), [{ content }]);
    expect(await isOciArchive(join(folder, 'b.tar'))).toBe(true);
    const store = await ContentStore.open(join(folder, 'store'));
    const root = await keepArchive(join(folder, 'b.tar'), store);
    const files = await artifactFiles(JSON.parse(Buffer.from(await store.get(root.digest)).toString()) as never, store, 'b.tar');
    expect([...files.keys()]).toEqual(['model.onnx', 'model.yaml', 'README.md']);
    expect(Buffer.from(await store.get(files.get('model.onnx')!.digest)).toString()).toBe('weights');
  });

  it.each(['../x', '/etc/passwd', 'a/../../x', 'a\\b', ''])('refuse the path %j', async (path) => {
    const store = await ContentStore.open(join(folder, 'store'));
    const layer = { mediaType: 'application/vnd.cncf.model.weight.v1.raw', digest: `sha256:${'0'.repeat(64)}`, size: 1, annotations: { 'org.cncf.model.filepath': path } };
    await expect(artifactFiles({ schemaVersion: 2, mediaType: 'x', config: { mediaType: 'y', digest: layer.digest, size: 2 }, layers: [layer] }, store, 'evil')).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });

  it('are refused where a blob is not what its name says', async () => {
    const cache = await DigestCache.open(join(folder, 'c.json'));
    const content = await makeModelPack([{ path: 'model.onnx', content: Buffer.from('weights-weights') }], { name: 'm', formats: [] }, cache);
    await writeOciArchive(join(folder, 'b.tar'), [{ content }]);
    const bytes = readFileSync(join(folder, 'b.tar'));
    bytes.write('WEIGHTS', bytes.indexOf('weights-weights'));
    writeFileSync(join(folder, 'b.tar'), bytes);
    await expect(keepArchive(join(folder, 'b.tar'), await ContentStore.open(join(folder, 'store')))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });
});

describe('the files of a folder', () => {
  beforeEach(() => {
    mkdirSync(join(folder, 'app', 'models'), { recursive: true });
    writeFileSync(join(folder, 'app', 'models', 'model.onnx'), 'x');
    writeFileSync(join(folder, 'app', '.hidden'), 'x');
  });
  const list = async (options = {}): Promise<string[]> => (await listApplicationFiles(join(folder, 'app'), options)).map(({ path }) => path);

  it('are taken without what is hidden', async () => {
    expect(await list()).toEqual(['models/model.onnx']);
  });

  it.each(['.env', '.env.production', 'server.key', 'tls.pem', 'id_rsa', '.npmrc', 'credentials.json', 'secrets.yaml'])('stop at %s', async (name) => {
    writeFileSync(join(folder, 'app', 'models', name), 'x');
    await expect(list()).rejects.toThrow(`looks like secrets: models/${name}`);
    expect(await list({ included: [`models/${name}`] })).toContain(`models/${name}`);
    expect(await list({ excluded: [`models/${name}`] })).toEqual(['models/model.onnx']);
  });

  it('stop at a private key under a harmless name, and take examples of settings', async () => {
    writeFileSync(join(folder, 'app', 'notes.txt'), '-----BEGIN RSA PRIVATE KEY-----\nx');
    await expect(list()).rejects.toThrow('looks like secrets: notes.txt');
    rmSync(join(folder, 'app', 'notes.txt'));
    writeFileSync(join(folder, 'app', 'settings.env.example'), 'KEY=');
    expect(await list()).toContain('settings.env.example');
  });

  it('stop at links that lead out, and follow those that stay', async () => {
    symlinkSync('models/model.onnx', join(folder, 'app', 'same.onnx'));
    expect(await list()).toEqual(['models/model.onnx', 'same.onnx']);
    writeFileSync(join(folder, 'outside'), 'x');
    symlinkSync('../outside', join(folder, 'app', 'out'));
    await expect(list()).rejects.toThrow('links that lead out of it: out →');
    expect(await list({ included: ['out'] })).toContain('out');
    rmSync(join(folder, 'app', 'out'));
    symlinkSync('.', join(folder, 'app', 'loop'));
    expect(await list()).toEqual(['models/model.onnx', 'same.onnx']);
    symlinkSync('nowhere', join(folder, 'app', 'dangling'));
    await expect(list()).rejects.toThrow('it leads nowhere');
  });
});

describe('ELF files', () => {
  it('tell what they are for and what they need', async () => {
    const facts = await readElf(process.execPath);
    expect(facts).toMatchObject({ architecture: process.arch === 'x64' ? 'amd64' : 'arm64', needed: expect.arrayContaining(['libc.so.6']) as unknown });
    expect(facts?.interpreter).toMatch(/ld-linux/);
  });

  it('are undefined where they are none or damaged', async () => {
    expect(await readElf(import.meta.filename)).toBeUndefined();
    copyFileSync('/bin/true', join(folder, 'e'));
    const bytes = readFileSync(join(folder, 'e'));
    for (let at = 0; at < 200; at++) {
      const damaged = Buffer.from(bytes.subarray(0, 64 + at * 7));
      damaged.writeUInt32LE(0xffffffff, 32);
      writeFileSync(join(folder, 'd'), damaged);
      expect(await readElf(join(folder, 'd'))).toBeUndefined();
    }
  });
});
