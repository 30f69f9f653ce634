import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryBlob, makeReferrer, json, describe as describeBytes } from '../../src/packaging/image/build-image.ts';
import { mediaTypes, type Blob, type ImageIndex } from '../../src/packaging/image/oci.ts';
import { readContent, registryPlace } from '../../src/packaging/image/read-content.ts';
import { keepContent } from '../../src/packaging/keep-content.ts';
import { ContentStore } from '../../src/packaging/content-store.ts';
import { findCredentials, removeCredentials, storeCredentials } from '../../src/packaging/registry/credentials.ts';
import { KnownRepositories } from '../../src/packaging/registry/known-repositories.ts';
import { pushContent } from '../../src/packaging/registry/push.ts';
import { parseReferenceName } from '../../src/packaging/registry/reference.ts';
import { RegistryClient } from '../../src/packaging/registry/registry-client.ts';
import { startSimulatedRegistry, type SimulatedRegistry } from './simulated-registry.ts';

const content = randomBytes(300_000);
const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;

function inPieces(bytes: Uint8Array): Blob {
  return {
    descriptor: { mediaType: 'application/octet-stream', digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length },
    open: async function* () {
      for (let at = 0; at < bytes.length; at += 10_000) yield await Promise.resolve(bytes.subarray(at, at + 10_000));
    },
  };
}

describe('the registry client', () => {
  let registry: SimulatedRegistry;
  let folder: string;
  beforeEach(async () => {
    registry = await startSimulatedRegistry();
    folder = mkdtempSync(join(tmpdir(), 'modelport-registry-'));
  });
  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('sends small content at once and large content in pieces, and nothing twice', async () => {
    await using client = new RegistryClient(registry.host, { chunkBytes: 70_000 });
    expect(await client.pushBlob('a/b', inPieces(content))).toBe('sent');
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(registry.requests.filter((line) => line.startsWith('PATCH'))).toHaveLength(5);
    expect(await client.pushBlob('a/b', inPieces(content))).toBe('there');
    expect(await client.pushBlob('a/b', inPieces(Buffer.from('small')))).toBe('sent');
    expect(registry.requests.filter((line) => line.startsWith('PATCH'))).toHaveLength(5);
  });

  it('goes on where a push broke off', async () => {
    let cuts = 0;
    registry.behaviour = {
      intercept: (request) => {
        if (request.method === 'PATCH' && cuts < 2) {
          cuts++;
          let seen = 0;
          request.on('data', (chunk: Buffer) => {
            seen += chunk.length;
            if (seen >= 20_000) request.socket.destroy();
          });
        }
        return false;
      },
    };
    await using client = new RegistryClient(registry.host, { chunkBytes: 100_000 });
    expect(await client.pushBlob('a/b', inPieces(content))).toBe('sent');
    expect(cuts).toBe(2);
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    // It asked how much had come, and did not begin again.
    expect(registry.requests.filter((line) => line.startsWith('POST'))).toHaveLength(1);
    expect(registry.requests.filter((line) => line.startsWith('GET'))).toHaveLength(2);
  });

  it('begins again where the registry forgot the upload', async () => {
    let forgotten = false;
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method === 'PATCH' && !forgotten) {
          forgotten = true;
          request.socket.destroy();
          return true;
        }
        if (request.method === 'GET' && request.url!.includes('/uploads/')) {
          response.writeHead(404).end();
          return true;
        }
        return false;
      },
    };
    await using client = new RegistryClient(registry.host, { chunkBytes: 100_000 });
    expect(await client.pushBlob('a/b', inPieces(content))).toBe('sent');
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(registry.requests.filter((line) => line.startsWith('POST'))).toHaveLength(2);
  });

  it('sends what is made just now in one stream, and tells its digest at the end', async () => {
    let made = 0;
    const make = (): AsyncIterable<Uint8Array> => {
      made++;
      return inPieces(content).open();
    };
    await using client = new RegistryClient(registry.host);
    expect(await client.pushStream('a/b', make, 'x/y')).toEqual({ mediaType: 'x/y', digest, size: content.length });
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(registry.requests.map((line) => line.split(' ')[0])).toEqual(['POST', 'PATCH', 'PUT']);
    expect(made).toBe(1);
  });

  it.each([false, true])('goes on with a stream that broke, once its digest is known (the registry forgot it: %s)', async (forgotten) => {
    let cuts = 0;
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method === 'GET' && forgotten) {
          response.writeHead(404).end();
          return true;
        }
        if (request.method === 'PATCH' && cuts++ === 0) {
          let seen = 0;
          request.on('data', (chunk: Buffer) => {
            seen += chunk.length;
            if (seen >= 50_000) request.socket.destroy();
          });
        }
        return false;
      },
    };
    await using client = new RegistryClient(registry.host);
    expect(await client.pushStream('a/b', () => inPieces(content).open(), 'x/y')).toMatchObject({ digest, size: content.length });
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    expect(cuts).toBe(2);
    expect(registry.requests.filter((line) => line.startsWith('POST'))).toHaveLength(forgotten ? 2 : 1);
  });

  it('ends a stream whose source fails, or that the registry refuses, and finishes no upload', async () => {
    const failing = async function* (): AsyncIterable<Uint8Array> {
      yield await Promise.resolve(content.subarray(0, 50_000));
      throw new Error('the disk is gone');
    };
    await using client = new RegistryClient(registry.host);
    await expect(client.pushStream('a/b', failing, 'x/y')).rejects.toThrow('the disk is gone');
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'PATCH') return false;
        request.resume().on('end', () => response.writeHead(403).end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'quota' }] })));
        return true;
      },
    };
    let closed = false;
    const endless = async function* (): AsyncIterable<Uint8Array> {
      try {
        yield* inPieces(content).open();
      } finally {
        closed = true;
      }
    };
    await expect(client.pushStream('a/b', endless, 'x/y')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(closed).toBe(true);
    expect(registry.blobs.size).toBe(0);
    expect(registry.requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
  });

  it('remembers which repository has what, takes it over from there, and sends it where that is refused', async () => {
    const manifest = { ...describeBytes(Buffer.from('{}'), mediaTypes.manifest) };
    const image = { descriptor: manifest, bytes: Buffer.from('{}'), blobs: [inPieces(content)], manifests: [] };
    const path = join(folder, 'repositories.json');
    const push = async (repository: string): Promise<number> => {
      await using client = new RegistryClient(registry.host);
      const known = await KnownRepositories.open(path);
      const { sentBytes } = await pushContent(client, parseReferenceName(`${registry.host}/${repository}:1`), image, { known });
      await known.save();
      return sentBytes;
    };
    expect(await push('first/app')).toBe(content.length);
    const mounts: string[] = [];
    let refuse = false;
    registry.behaviour = {
      intercept: (request, response) => {
        const { searchParams } = new URL(request.url!, 'http://x');
        if (searchParams.has('mount')) mounts.push(`${searchParams.get('from')} ${searchParams.get('mount')}`);
        if (!(request.method === 'HEAD' && request.url!.includes('/blobs/')) && !(refuse && searchParams.has('mount'))) return false;
        response.writeHead(refuse && request.method !== 'HEAD' ? 403 : 404).end();
        return true;
      },
    };
    expect(await push('second/app')).toBe(0);
    expect(mounts).toEqual([`first/app ${digest}`]);
    refuse = true;
    expect(await push('third/app')).toBe(content.length);
    writeFileSync(path, '{"not": 1, "x sha256:0": "y"');
    expect(await push('fourth/app')).toBe(content.length);
    expect(mounts).toHaveLength(2);
  });

  it('takes content over from another repository of the same registry', async () => {
    registry.blobs.set(digest, content);
    let first = true;
    registry.behaviour = {
      intercept: (request, response) => {
        // The blob is in the registry, not in this repository.
        if (request.method === 'HEAD' && first) {
          first = false;
          response.writeHead(404).end();
          return true;
        }
        return false;
      },
    };
    await using client = new RegistryClient(registry.host);
    expect(await client.pushBlob('new/one', { ...inPieces(content), mountFrom: { registry: registry.host, repository: 'old/one' } })).toBe('mounted');
  });

  it('waits and tries again where it is told to come later', async () => {
    let refusals = 0;
    registry.behaviour = {
      intercept: (_request, response) => {
        if (refusals >= 2) return false;
        refusals++;
        response.writeHead(refusals === 1 ? 429 : 503, { 'retry-after': '0' }).end();
        return true;
      },
    };
    await using client = new RegistryClient(registry.host);
    await client.ping();
    expect(refusals).toBe(2);
  });

  it('gets content although the connection breaks, and checks it', async () => {
    registry.blobs.set(digest, content);
    let cuts = 0;
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'GET' || cuts >= 2) return false;
        cuts++;
        const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
        response.writeHead(from > 0 ? 206 : 200, { 'content-length': String(content.length - from), etag: '"x"' });
        response.write(content.subarray(from, from + 50_000), () => request.socket.destroy());
        return true;
      },
    };
    await using client = new RegistryClient(registry.host);
    const store = await ContentStore.open(join(folder, 'store'));
    const reference = parseReferenceName(`${registry.host}/a/b:1`);
    const blob = registryPlace(client, reference).blob({ mediaType: 'x', digest, size: content.length });
    expect((await store.put(blob.open())).digest).toBe(digest);
    expect(cuts).toBe(2);
  });

  it('notices a registry that lies', async () => {
    const other = Buffer.from(content);
    other[1000] = other[1000]! ^ 1;
    registry.blobs.set(digest, other);
    await using client = new RegistryClient(registry.host);
    const place = registryPlace(client, parseReferenceName(`${registry.host}/a/b:1`));
    const store = await ContentStore.open(join(folder, 'store'));
    await expect(store.put(place.blob({ mediaType: 'x', digest, size: content.length }).open())).rejects.toThrow('damaged or changed');
    expect(await store.has(digest)).toBe(false);
    const manifest = json({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: describeBytes(Buffer.from('{}'), mediaTypes.empty), layers: [] });
    registry.manifests.set(`a/b:${digest}`, { type: mediaTypes.manifest, bytes: Buffer.from(manifest) });
    await expect(client.manifest(parseReferenceName(`${registry.host}/a/b@${digest}`))).rejects.toThrow(`where ${digest} was due`);
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'PUT') return false;
        request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': digest }).end());
        return true;
      },
    };
    await expect(client.pushManifest('a/b', '1', describeBytes(manifest, mediaTypes.manifest), manifest)).rejects.toThrow('keeps something else');
  });

  it('says what a refusal means', async () => {
    await using client = new RegistryClient(registry.host);
    await expect(client.manifest(parseReferenceName(`${registry.host}/a/b:9`))).rejects.toThrow(`there is no ${registry.host}/a/b:9 (MANIFEST_UNKNOWN: manifest unknown)`);
    const refusing = (status: number, code: string): void => {
      registry.behaviour = {
        intercept: (request, response) => {
          if (request.method !== 'POST') return false;
          response.writeHead(status).end(JSON.stringify({ errors: [{ code, message: 'no' }] }));
          return true;
        },
      };
    };
    refusing(403, 'DENIED');
    await expect(client.pushBlob('a/b', inPieces(content))).rejects.toThrow('quota');
    refusing(413, 'SIZE_INVALID');
    await expect(client.pushBlob('a/b', inPieces(content))).rejects.toThrow('larger than the registry takes');
    const wrong = { ...inPieces(content), descriptor: { mediaType: 'x', digest: `sha256:${'1'.repeat(64)}`, size: content.length } };
    registry.behaviour = {};
    await expect(client.pushBlob('a/b', wrong)).rejects.toThrow('The content changed while it was sent');
    await using nowhere = new RegistryClient('127.0.0.1:1');
    await expect(nowhere.ping()).rejects.toThrow("can't reach http://127.0.0.1:1/v2/");
  });

  it('gets a token for what it wants to do, and shows it to nobody else', async () => {
    const asked: string[] = [];
    let expired = false;
    registry.behaviour = {
      intercept: (request, response) => {
        const url = new URL(request.url!, 'http://x');
        if (url.pathname === '/token') {
          asked.push(`${request.headers.authorization} ${url.searchParams.getAll('scope').join(' ')}`);
          response.end(JSON.stringify({ token: `t-${url.searchParams.get('scope')}` }));
          return true;
        }
        if (request.headers.authorization?.startsWith('Bearer t-') === true && !expired) return false;
        expired = false;
        request.resume();
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="s"` }).end();
        return true;
      },
    };
    await using client = new RegistryClient(registry.host, { chunkBytes: 100_000, credentials: { kind: 'password', user: 'alice', password: 'secret' } });
    await client.pushBlob('a/b', inPieces(Buffer.from('x')));
    expect(asked).toEqual([`Basic ${Buffer.from('alice:secret').toString('base64')} repository:a/b:pull,push`]);
    // A token that ends in the middle of an upload is renewed, and the upload goes on.
    registry.requests.length = 0;
    let patches = 0;
    const { intercept } = registry.behaviour;
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method === 'PATCH' && ++patches === 2) expired = true;
        return intercept!(request, response);
      },
    };
    await client.pushBlob('a/b', inPieces(content));
    expect(registry.blobs.get(digest)?.equals(content)).toBe(true);
    await using stranger = new RegistryClient(registry.host, { environment: { HOME: folder } });
    registry.behaviour = { intercept: (_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      return true;
    } };
    await expect(stranger.ping()).rejects.toThrow(`modelport login ${registry.host}`);
  });

  it.each([true, false])('pushes documents about an image, registry knows referrers: %s', async (knowsReferrers) => {
    registry.behaviour = { knowsReferrers };
    const config = memoryBlob(Buffer.from('{}'), mediaTypes.config);
    const layer = inPieces(content);
    const bytes = json({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: config.descriptor, layers: [layer.descriptor] });
    const image = { descriptor: describeBytes(bytes, mediaTypes.manifest), bytes, blobs: [config, layer], manifests: [] };
    const referrer = makeReferrer(image.descriptor, 'application/spdx+json', json({ spdxVersion: 'SPDX-2.3' }), {});
    await using client = new RegistryClient(registry.host);
    const reference = parseReferenceName(`${registry.host}/a/b:1`);
    for (let round = 0; round < 2; round++) await pushContent(client, reference, image, { referrers: [referrer] });
    const fallback = registry.manifests.get(`a/b:${image.descriptor.digest.replace(':', '-')}`);
    if (knowsReferrers) expect(fallback).toBeUndefined();
    else expect((JSON.parse(fallback!.bytes.toString()) as ImageIndex).manifests).toMatchObject([{ digest: referrer.descriptor.digest, artifactType: 'application/spdx+json' }]);
    const store = await ContentStore.open(join(folder, 'store'));
    const root = await keepContent(await readContent(registryPlace(client, reference)), store);
    expect(root.digest).toBe(image.descriptor.digest);
    expect(Buffer.from(await store.get(digest)).equals(content)).toBe(true);
  });
});

describe('credentials', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'modelport-credentials-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it("are kept in Docker's file, for nobody else to read, beside what is there", async () => {
    mkdirSync(join(home, '.docker'));
    writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify({ detachKeys: 'ctrl-x', auths: { 'other.io': { auth: Buffer.from('bob:pw').toString('base64') } } }));
    const environment = { HOME: home };
    await storeCredentials('ghcr.io', 'alice', 's3:cret', environment);
    expect(await findCredentials('ghcr.io', environment)).toEqual({ kind: 'password', user: 'alice', password: 's3:cret' });
    expect(await findCredentials('other.io', environment)).toEqual({ kind: 'password', user: 'bob', password: 'pw' });
    expect(await findCredentials('nobody.io', environment)).toBeUndefined();
    expect(statSync(join(home, '.docker', 'config.json')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(home, '.docker', 'config.json'), 'utf8'))).toMatchObject({ detachKeys: 'ctrl-x' });
    expect(await removeCredentials('ghcr.io', environment)).toBe(true);
    expect(await findCredentials('ghcr.io', environment)).toBeUndefined();
  });

  it('come from the helper that the file names', async () => {
    const bin = join(home, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'docker-credential-test'), `#!/bin/sh\nread host\ncase "$1:$host" in\nget:ghcr.io) echo '{"ServerURL":"ghcr.io","Username":"alice","Secret":"x"}';;\nget:token.io) echo '{"Username":"<token>","Secret":"t"}';;\n*) echo "credentials not found in native keychain"; exit 1;;\nesac\n`);
    chmodSync(join(bin, 'docker-credential-test'), 0o755);
    mkdirSync(join(home, '.docker'));
    writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify({ credsStore: 'test' }));
    const environment = { HOME: home, PATH: `${bin}:${process.env['PATH']}` };
    expect(await findCredentials('ghcr.io', environment)).toEqual({ kind: 'password', user: 'alice', password: 'x' });
    expect(await findCredentials('token.io', environment)).toEqual({ kind: 'token', token: 't' });
    expect(await findCredentials('unknown.io', environment)).toBeUndefined();
    writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify({ credHelpers: { 'ghcr.io': 'missing' } }));
    await expect(findCredentials('ghcr.io', environment)).rejects.toThrow('there is no program docker-credential-missing');
    writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify({ credHelpers: { 'ghcr.io': '../../bin/sh' } }));
    await expect(findCredentials('ghcr.io', environment)).rejects.toThrow('is no name of a credential helper');
    writeFileSync(join(home, '.docker', 'config.json'), '{');
    await expect(findCredentials('ghcr.io', environment)).rejects.toThrow('is not valid JSON');
  });
});
