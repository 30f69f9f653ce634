/** `--base host`: the libraries of this machine that Node and the native modules need, and nothing else of it. For its own architecture only. */
import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { LayerEntry, LayerPlan } from '../image/layer.ts';
import { readElf } from './elf.ts';
import { rootFiles } from './root-files.ts';

const certificateBundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
/** Loaded by name at run time, so that nothing says that they are needed. */
const nameService = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

/** `programs`: the files whose libraries it must hold, in the folders where they lie on this machine. */
export function hostLayer(architecture: string, programs: readonly string[]): LayerPlan {
  const own = process.arch === 'x64' ? 'amd64' : process.arch;
  if (process.platform !== 'linux') throw new ModelportError('INVALID_USAGE', `the base 'host' takes this machine's libraries, and this is no Linux: use --base debian`);
  if (architecture !== own) throw new ModelportError('INVALID_USAGE', `the base 'host' is for ${own}, this machine's own architecture, not for ${architecture}: use --base debian`);
  return { title: 'base host', compression: 'gzip', entries: () => assembleRoot(programs) };
}

async function assembleRoot(programs: readonly string[]): Promise<LayerEntry[]> {
  const entries = new Map<string, LayerEntry>();
  const folders = await libraryFolders();
  const real = new Map<string, string | undefined>();
  const waiting = [...programs];
  const seen = new Set<string>();
  const own = new Set(programs);
  for (const name of nameService) {
    const found = await findLibrary(name, folders);
    if (found !== undefined) waiting.push(found);
  }
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const facts = await readElf(path);
    if (facts === undefined) continue;
    if (!own.has(path)) addFile(path, entries, real);
    if (facts.interpreter !== undefined) waiting.push(facts.interpreter);
    const origin = dirname(path);
    for (const name of facts.needed) {
      const found = await findLibrary(name, [...facts.searched.map((folder) => folder.replaceAll(/\$(?:ORIGIN|\{ORIGIN\})/g, origin)), ...folders]);
      // What lies beside the program comes with it.
      if (found !== undefined && !own.has(found) && !(facts.searched.length > 0 && programs.some((program) => dirname(program) === dirname(found)))) waiting.push(found);
    }
  }
  for (const folder of ['/bin', '/sbin', '/lib', '/lib64']) {
    const link = await readlink(folder).catch(() => undefined);
    if (link !== undefined) entries.set(folder.slice(1), { path: folder.slice(1), type: 'symlink', target: link });
  }
  for (const bundle of certificateBundles) {
    const content = await readFile(bundle).catch(() => undefined);
    if (content === undefined) continue;
    entries.set('etc/ssl/certs/ca-certificates.crt', { path: 'etc/ssl/certs/ca-certificates.crt', type: 'file', content });
    break;
  }
  for (const folder of ['/usr/share/zoneinfo', '/usr/lib/locale/C.utf8', '/usr/lib/locale/C.UTF-8']) await addFolder(folder, entries, real);
  for (const entry of rootFiles('this machine')) entries.set(entry.path, entry);
  return [...entries.values()];
}

/** The file at the place where it is looked for: with links resolved in its folder, so that it lies where the merged `/usr` wants it. */
function addFile(path: string, entries: Map<string, LayerEntry>, folders: Map<string, string | undefined>): void {
  const folder = realFolder(dirname(path), folders);
  if (folder === undefined) return;
  const place = join(folder, basename(path));
  const status = lstatSync(place, { throwIfNoEntry: false });
  if (status === undefined) return;
  const at = place.slice(1);
  if (status.isSymbolicLink()) {
    const target = readlinkSync(place);
    entries.set(at, { path: at, type: 'symlink', target });
    addFile(resolve(folder, target), entries, folders);
  } else if (status.isFile()) entries.set(at, { path: at, type: 'file', mode: (status.mode & 0o111) === 0 ? 0o644 : 0o755, source: place });
}

function realFolder(folder: string, known: Map<string, string | undefined>): string | undefined {
  if (!known.has(folder)) {
    let real: string | undefined;
    try {
      real = realpathSync.native(folder);
    } catch {
      // It is not there.
    }
    known.set(folder, real);
  }
  return known.get(folder);
}

async function addFolder(folder: string, entries: Map<string, LayerEntry>, folders: Map<string, string | undefined>): Promise<void> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = items.filter((item) => !item.isDirectory()).map((item) => join(item.parentPath, item.name)).sort(byName);
  for (const path of paths) if (!/^(?:right|posix)\//.test(path.slice(folder.length + 1))) addFile(path, entries, folders);
}

function byName(left: string, right: string): number {
  return left < right ? -1 : 1;
}

async function findLibrary(name: string, folders: readonly string[]): Promise<string | undefined> {
  if (name.includes('/')) return undefined;
  for (const folder of folders) {
    const path = join(folder, name);
    if ((await stat(path).catch(() => undefined))?.isFile() === true && (await readElf(path)) !== undefined) return path;
  }
  return undefined;
}

/** Where the loader looks: what ld.so.conf says, and its built-in folders. */
async function libraryFolders(): Promise<string[]> {
  const triplet = process.arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  const configured: string[] = [];
  const conf = '/etc/ld.so.conf.d';
  for (const name of (await readdir(conf).catch(() => [])).sort(byName)) {
    const text = await readFile(join(conf, name), 'utf8').catch(() => '');
    configured.push(...text.split('\n').map((line) => line.trim()).filter((line) => line.startsWith('/')));
  }
  return [...new Set([`/lib/${triplet}`, `/usr/lib/${triplet}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib', ...configured])];
}
