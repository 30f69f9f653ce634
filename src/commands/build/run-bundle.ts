/** `build --bundle`: models as one file that `serve`, `inspect` and `build` take, and that registries keep. */
import { existsSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { createStyle, padEnd, usesColor } from '../../lib/terminal.ts';
import { ContentStore, defaultCacheDirectory } from '../../packaging/content-store.ts';
import { writeOciArchive, writeOciLayout } from '../../packaging/image/write-archive.ts';
import { keepContent } from '../../packaging/keep-content.ts';
import { parseReferenceName } from '../../packaging/registry/reference.ts';
import type { BuildFlags } from '../build.ts';
import { parseOutput } from './destination.ts';
import { packModels } from './pack-models.ts';

export async function runBundle(paths: readonly string[], flags: BuildFlags): Promise<void> {
  const [tag, ...more] = flags.tag ?? [];
  if (more.length > 0 || flags.push === true || flags.load === true) throw new ModelportError('INVALID_USAGE', 'a bundle has one name and is no image: send it with modelport push');
  const parsed = tag === undefined ? undefined : parseReferenceName(tag);
  const name = parsed?.repository.split('/').pop() ?? (basename(resolve(paths[0]!)).slice(0, -extname(paths[0]!).length || undefined).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-') || 'models');
  const { name: packed, content, files } = await packModels(paths, { name, tag: parsed?.tag, included: flags.include, excluded: flags.exclude, cacheDirectory: flags.cacheDir, rehash: !flags.cache });
  const style = createStyle(usesColor(process.stdout));
  for (const { path, sizeBytes } of files) process.stdout.write(`  ${padEnd(path, 52)} ${humanBytes(sizeBytes).padStart(8)}\n`);
  if (flags.dryRun === true) return;
  const output = flags.output === undefined ? { kind: 'oci-archive' as const, path: `${name}.bundle.tar` } : parseOutput(flags.output);
  if (output.kind === 'docker-archive') throw new ModelportError('INVALID_USAGE', 'a bundle is no image: write it as oci-archive:FILE or oci:FOLDER');
  if (output.kind === 'oci-archive' && existsSync(output.path) && flags.output === undefined && flags.force !== true) process.stdout.write(style.dim(`  ${output.path} is written over\n`));
  const named = [{ content, ...(tag === undefined ? {} : { name: tag }) }];
  await (output.kind === 'oci' ? writeOciLayout(output.path, named) : writeOciArchive(output.path, named));
  const store = await ContentStore.open(flags.cacheDir ?? defaultCacheDirectory());
  await store.tag(`bundle/${tag ?? packed}`, await keepContent(content, store));
  process.stdout.write(`${style.bold('Written')}  ${output.kind}:${output.path}\n${style.bold('Digest')}   ${content.descriptor.digest}\n`);
}
