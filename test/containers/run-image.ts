/** An image of ours unpacked by our own hands and run by runc: a root that can't be written, as nobody, without rights, in little memory. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { expect } from 'vitest';
import { readTar } from '../../src/lib/tar.ts';
import { freePort, until } from './tools.ts';

export interface ImageDocument {
  readonly architecture: string;
  readonly created: string;
  readonly config: { readonly User: string; readonly Entrypoint: string[]; readonly Cmd: string[]; readonly Env: string[]; readonly Labels: Record<string, string>; readonly Healthcheck: object; readonly ExposedPorts: object; readonly StopSignal: string };
}

export interface UnpackedImage {
  readonly config: ImageDocument;
  readonly rootfs: string;
}

/** `layout`: an OCI layout below the folder. */
export async function unpackImage(folder: string, layout: string): Promise<UnpackedImage> {
  const blob = (digest: string): string => join(folder, layout, 'blobs/sha256', digest.slice(7));
  const json = <Type>(digest: string): Type => JSON.parse(readFileSync(blob(digest), 'utf8')) as Type;
  const index = JSON.parse(readFileSync(join(folder, layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
  const manifest = json<{ config: { digest: string }; layers: { digest: string; mediaType: string }[] }>(index.manifests[0]!.digest);
  const rootfs = join(folder, `${layout}-root`);
  for (const { digest, mediaType } of manifest.layers) {
    const file = createReadStream(blob(digest));
    for await (const entry of readTar(mediaType.endsWith('gzip') ? (pipeline(file, createGunzip(), () => {}) as AsyncIterable<Uint8Array>) : file)) {
      const path = join(rootfs, entry.path);
      expect(entry).toMatchObject({ uid: 0, gid: 0, mtimeSeconds: 0 });
      mkdirSync(entry.type === 'directory' ? path : dirname(path), { recursive: true });
      if (entry.type === 'symlink' && !existsSync(path)) symlinkSync(entry.target!, path);
      if (entry.type !== 'file') continue;
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry.content) chunks.push(Uint8Array.from(chunk));
      writeFileSync(path, Buffer.concat(chunks), { mode: entry.mode });
    }
  }
  return { config: json<ImageDocument>(manifest.config.digest), rootfs };
}

export interface RunningImage {
  readonly url: string;
  readonly id: string;
  readonly child: ChildProcess;
  output(): string;
  readonly exited: Promise<number | null>;
}

export interface RunOptions {
  readonly port?: number;
  /** Whether /tmp can be written. Default: yes. */
  readonly writableTmp?: boolean;
}

let count = 0;

/** Resolves when it is ready. */
export async function runImage(folder: string, { config, rootfs }: UnpackedImage, options: RunOptions = {}): Promise<RunningImage> {
  const id = `modelport-${process.pid}-${Date.now()}-${count++}`;
  const port = options.port ?? (await freePort());
  const bundle = join(folder, `bundle-${id}`);
  mkdirSync(bundle);
  execFileSync('runc', ['spec'], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as { process: Record<string, unknown>; root: object; linux: { namespaces: { type: string }[]; resources: object }; mounts: object[] };
  const [uid, gid] = config.config.User.split(':').map(Number);
  delete spec.process['rlimits'];
  Object.assign(spec.process, { terminal: false, user: { uid, gid }, args: [...config.config.Entrypoint, ...config.config.Cmd, '--port', String(port), '--grpc-port', 'off', '--metrics-port', 'off'], env: config.config.Env, cwd: '/home/nonroot', capabilities: {}, noNewPrivileges: true });
  spec.root = { path: rootfs, readonly: true };
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
  spec.linux.resources = { memory: { limit: 256 << 20 }, pids: { limit: 100 } };
  if (options.writableTmp !== false) spec.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'] });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const child = spawn('runc', ['run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  await until('the container', async () => {
    if (child.exitCode !== null) throw new Error(`the container ended: ${output}`);
    return fetch(`${url}/v2/health/ready`).then(({ ok }) => ok, () => false);
  });
  return { url, id, child, output: () => output, exited };
}
