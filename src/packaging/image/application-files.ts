/** The files of a person's folder that go into an image or bundle: no secrets, no links that leave it, nothing hidden. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { ModelportError } from '../../errors.ts';

export interface ApplicationFile {
  /** Below the folder, with forward slashes. */
  readonly path: string;
  /** Absolute. */
  readonly source: string;
  readonly sizeBytes: number;
}

export interface ApplicationOptions {
  /** Paths below the folder that are taken though they look like secrets or lead out of it. */
  readonly included?: readonly string[];
  /** Paths, or patterns with `*`, that are left out. */
  readonly excluded?: readonly string[];
}

const ignored = new Set(['node_modules', '__pycache__', 'lost+found']);
const secretNames = /^(?:\.env(?:\..+)?|\.npmrc|\.pypirc|\.netrc|\.git-credentials|\.htpasswd|id_(?:rsa|dsa|ecdsa|ed25519)|.*\.(?:pem|key|p12|pfx|jks|keystore|kdbx)|credentials(?:\.json)?|service-account.*\.json|secrets?\.(?:json|ya?ml|toml|env))$/i;
const harmless = /\.(?:example|sample|template)$/i;
const privateKey = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const lookedAtBytes = 65_536;
const maximumFiles = 100_000;
const maximumDepth = 32;

/** Throws `INVALID_USAGE` naming every file that must not go out as it is. */
export async function listApplicationFiles(folder: string, options: ApplicationOptions = {}): Promise<ApplicationFile[]> {
  const root = await realpath(folder);
  const included = new Set((options.included ?? []).map((path) => path.replace(/^\.\//, '')));
  const excluded = (options.excluded ?? []).map((pattern) => new RegExp(`^${pattern.replace(/^\.\//, '').replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('**', '\0').replaceAll('*', '[^/]*').replaceAll('\0', '.*')}(?:/|$)`));
  const files: ApplicationFile[] = [];
  const secrets: string[] = [];
  const leaving: string[] = [];
  const walk = async (directory: string, prefix: string, depth: number): Promise<void> => {
    if (depth > maximumDepth) throw new ModelportError('INVALID_USAGE', `${directory} lies more than ${maximumDepth} folders deep`, { at: directory });
    const items = (await readdir(directory, { withFileTypes: true })).sort((left, right) => (left.name < right.name ? -1 : 1));
    for (const item of items) {
      const path = prefix === '' ? item.name : `${prefix}/${item.name}`;
      const source = join(directory, item.name);
      const named = included.has(path);
      if (excluded.some((pattern) => pattern.test(path)) || ignored.has(item.name)) continue;
      if (/[\\\0\n]/.test(item.name)) throw new ModelportError('INVALID_USAGE', `${JSON.stringify(source)} has a name that no other system could read`, { at: source });
      const secretName = secretNames.test(item.name) && !harmless.test(item.name);
      if (item.name.startsWith('.') && !named && !secretName) continue;
      if (item.isSymbolicLink()) {
        const target = await realpath(source).catch(() => undefined);
        if (target === undefined) {
          leaving.push(`${path} (it leads nowhere)`);
          continue;
        }
        if (target !== root && !target.startsWith(root + sep) && !named) {
          leaving.push(`${path} → ${target}`);
          continue;
        }
      }
      const status = await stat(source);
      if (status.isDirectory()) {
        if (item.name.startsWith('.') && !named) continue;
        // A link to a folder above would never end.
        if (item.isSymbolicLink() && root.startsWith(await realpath(source))) continue;
        await walk(source, path, depth + 1);
        continue;
      }
      if (!status.isFile()) continue;
      if (!named && (secretName || (status.size < lookedAtBytes && (await holdsPrivateKey(source, item.name))))) {
        secrets.push(path);
        continue;
      }
      if (files.length >= maximumFiles) throw new ModelportError('INVALID_USAGE', `${folder} holds more than ${maximumFiles} files`, { at: folder });
      files.push({ path, source, sizeBytes: status.size });
    }
  };
  await walk(root, '', 0);
  if (secrets.length > 0) {
    throw new ModelportError('INVALID_USAGE', `${folder} holds what looks like secrets: ${shown(secrets)}. Whoever gets the image gets them. Move them away, leave them out with --exclude, or say that they belong there with --include ${secrets[0]}`, { at: secrets[0]! });
  }
  if (leaving.length > 0) {
    throw new ModelportError('INVALID_USAGE', `${folder} holds links that lead out of it: ${shown(leaving)}. Copy the files, leave them out with --exclude, or say that they belong there with --include ${leaving[0]!.split(' ')[0]}`, { at: leaving[0]! });
  }
  return files;
}

function shown(paths: readonly string[]): string {
  return paths.length <= 5 ? paths.join(', ') : `${paths.slice(0, 5).join(', ')} and ${paths.length - 5} more`;
}

async function holdsPrivateKey(path: string, name: string): Promise<boolean> {
  if (/\.(?:onnx|bin|safetensors|npy|npz|png|jpe?g|joblib|pkl|pt|h5)$/i.test(basename(name))) return false;
  return privateKey.test((await readFile(path)).toString('latin1'));
}
