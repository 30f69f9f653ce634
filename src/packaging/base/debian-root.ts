/**
 * `--base debian`: a minimal root from pinned Debian packages, taken apart without dpkg, for any of the architectures that are pinned. No shell, no package
 * manager: what Node and native modules need to run, certificates, time zones and a UTF-8 locale.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { downloadToStore } from '../../download.ts';
import { HttpClient } from '../../http-client.ts';
import type { SourceContext } from '../../source.ts';
import type { LayerEntry, LayerPlan } from '../image/layer.ts';
import { readDeb } from './deb-archive.ts';
import { debianPackages, debianRelease, type PinnedPackage } from './debian-packages.ts';
import { rootFiles } from './root-files.ts';

/** Raised when the same packages are taken apart differently. */
const recipe = 1;
const defaultMirror = 'http://deb.debian.org/debian';
/** Keeps every file that Debian ever had, also those that a mirror has no more. */
const snapshotMirror = 'https://snapshot.debian.org/archive/debian/20260801T000000Z';

const dropped = /^(?:usr\/share\/(?:man|lintian|info|locale|doc-base|bug)\/|usr\/lib\/[^/]+\/(?:gconv|audit)\/|usr\/share\/gcc|usr\/share\/gdb\/|usr\/share\/zoneinfo\/(?:right|posix)\/|usr\/share\/doc\/[^/]+\/(?!copyright)|etc\/ld\.so|var\/|usr\/sbin\/)/;
/** Of these packages only what lies there. */
const taken: Readonly<Record<string, RegExp>> = { 'libc-bin': /^usr\/(?:lib\/locale\/C\.utf8\/|share\/doc\/libc-bin\/copyright)/, 'ca-certificates': /^usr\/share\/(?:ca-certificates\/|doc\/)/ };

/** The layer. `mirror`: else what apt is told, else Debian's own. */
export function debianLayer(architecture: string, context: SourceContext, mirror?: string): LayerPlan {
  const packages = packagesFor(architecture);
  return {
    title: `base debian ${debianRelease.version}`,
    compression: 'gzip',
    key: `debian ${recipe} ${createHash('sha256').update(JSON.stringify(packages)).digest('hex')}`,
    entries: async () => {
      const files = await fetchPackages(packages, context, mirror);
      return await assembleRoot(files, architecture);
    },
  };
}

/** Throws `INVALID_USAGE` where the architecture is not pinned. */
export function packagesFor(architecture: string): readonly PinnedPackage[] {
  const packages = debianPackages[architecture];
  if (packages === undefined) throw new ModelportError('INVALID_USAGE', `the base 'debian' is there for ${Object.keys(debianPackages).join(' and ')}, not for ${architecture}`);
  return packages;
}

async function fetchPackages(packages: readonly PinnedPackage[], context: SourceContext, given: string | undefined): Promise<{ readonly name: string; readonly path: string }[]> {
  const mirrors = given === undefined ? [...(await aptMirrors()), defaultMirror, snapshotMirror] : [given];
  const client = new HttpClient();
  try {
    return await Promise.all(packages.map(async (wanted) => ({ name: wanted.name, path: await fetchPackage(client, wanted, [...new Set(mirrors)], context) })));
  } finally {
    await client.close();
  }
}

async function fetchPackage(client: HttpClient, wanted: PinnedPackage, mirrors: readonly string[], context: SourceContext): Promise<string> {
  const failures: string[] = [];
  for (const mirror of mirrors) {
    try {
      const stored = await downloadToStore(client, `${mirror}/${wanted.path}`, context, { what: `${wanted.name} ${wanted.version}`, expected: { algorithm: 'sha256', hex: wanted.sha256 }, maximumBytes: wanted.sizeBytes });
      return context.store.path(stored.digest);
    } catch (error) {
      if (context.signal?.aborted === true) throw error;
      failures.push((error as Error).message);
    }
  }
  throw new ModelportError('UNAVAILABLE', `the base 'debian' needs ${wanted.name} ${wanted.version}, which no mirror gives: ${failures.join('; ')}. Name a mirror with --debian-mirror, or another base with --base`);
}

/** What apt on this machine gets Debian from, if it is a Debian. */
async function aptMirrors(): Promise<string[]> {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...(await readdir(folder).catch(() => [])).sort(byName).map((name) => join(folder, name))];
  const found: string[] = [];
  for (const file of files) {
    const text = (await readFile(file, 'utf8').catch(() => '')).slice(0, 1 << 18);
    for (const [, url] of text.matchAll(/^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?:\/\/\S+)/gm)) if (/\/debian\/?$/.test(url!)) found.push(url!.replace(/\/$/, ''));
  }
  return found;
}

async function assembleRoot(packages: readonly { readonly name: string; readonly path: string }[], architecture: string): Promise<LayerEntry[]> {
  const entries = new Map<string, LayerEntry>();
  const certificates = new Map<string, Uint8Array>();
  const add = (entry: LayerEntry): void => void entries.set(entry.path, entry);
  for (const { name, path } of packages) {
    for await (const entry of readDeb(path)) {
      // Debian's merged /usr: what packages still put into /lib lies in /usr/lib.
      const place = entry.path.replace(/^(?=(?:bin|sbin|lib|lib64)\/)/, 'usr/');
      if (entry.type === 'directory' || dropped.test(place) || (taken[name] !== undefined && !taken[name].test(place))) continue;
      if (entry.type === 'symlink') add({ path: place, type: 'symlink', target: entry.target! });
      else {
        const content = entry.type === 'hardlink' ? entries.get(entry.target!.replace(/^\.\//, '').replace(/^(?=(?:bin|sbin|lib|lib64)\/)/, 'usr/'))?.content : await collect(entry.content);
        if (content === undefined) continue;
        add({ path: place, type: 'file', mode: entry.mode & 0o755, content });
        if (place.startsWith('usr/share/ca-certificates/') && place.endsWith('.crt')) certificates.set(place, content);
      }
    }
  }
  for (const folder of architecture === 'amd64' ? ['bin', 'sbin', 'lib', 'lib64'] : ['bin', 'sbin', 'lib']) add({ path: folder, type: 'symlink', target: `usr/${folder}` });
  add({ path: 'usr/bin', type: 'directory' });
  add({ path: 'usr/sbin', type: 'directory' });
  const bundle = [...certificates].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, content]) => Buffer.from(content).toString('latin1').trimEnd());
  add({ path: 'etc/ssl/certs/ca-certificates.crt', type: 'file', content: Buffer.from(`${bundle.join('\n')}\n`, 'latin1') });
  for (const entry of rootFiles(`Debian ${debianRelease.version}`)) add(entry);
  return [...entries.values()];
}

function byName(left: string, right: string): number {
  return left < right ? -1 : 1;
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
