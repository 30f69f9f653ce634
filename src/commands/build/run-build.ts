/** What `build` does: plan, make the layers, put them together, write, send or load them, and tell what came of it. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelportError } from '../../errors.ts';
import { humanBytes } from '../../lib/human-number.ts';
import { bar, humanSeconds, LiveLine } from '../../lib/live-line.ts';
import { createStyle, padEnd, usesColor, type Style } from '../../lib/terminal.ts';
import { ContentStore, defaultCacheDirectory } from '../../packaging/content-store.ts';
import { buildImage, json, makeReferrer, type BaseImage, type BuiltImage } from '../../packaging/image/build-image.ts';
import { DigestCache } from '../../packaging/image/digest-cache.ts';
import { canWriteZstd, type LayerContext } from '../../packaging/image/layer.ts';
import type { ManifestContent, Platform } from '../../packaging/image/oci.ts';
import { layoutPlace, readBase, registryPlace } from '../../packaging/image/read-content.ts';
import { writeDockerArchive, writeOciArchive, writeOciLayout, type NamedContent } from '../../packaging/image/write-archive.ts';
import { KnownRepositories } from '../../packaging/registry/known-repositories.ts';
import { pushContent } from '../../packaging/registry/push.ts';
import { parseReferenceName, showReference, type Reference } from '../../packaging/registry/reference.ts';
import { RegistryClient } from '../../packaging/registry/registry-client.ts';
import { version } from '../../version.ts';
import type { BuildFlags } from '../build.ts';
import { explainVersions, type ExplainOptions } from '../explain-versions.ts';
import { createSourceContext } from '../fetch-files.ts';
import type { ImportedArtifact } from '../import-artifact.ts';
import { toServiceFile } from '../is-service-file.ts';
import { openArtifact } from '../model-formats.ts';
import { inTotoMediaType, provenanceStatement, spdxDocument, spdxMediaType } from './describe-contents.ts';
import { describeServices } from './describe-services.ts';
import { loadIntoEngine, parseOutput, type Output } from './destination.ts';
import { importModels } from './import-models.ts';
import { containerConfig, type DescribedModel } from './image-config.ts';
import { planApplication, type PlannedApplication } from './plan-application.ts';
import { defaultNodeVersion, planPlatform, type Component } from './plan-layers.ts';

export async function runBuild(given: readonly string[], flags: BuildFlags): Promise<void> {
  const { needsPreparing, prepareServedPaths } = await import('../served-paths.ts');
  await using prepared = (await needsPreparing(given)) ? await prepareServedPaths(given, flags.cacheDir) : undefined;
  const paths = (prepared?.paths ?? given).map(toServiceFile);
  if (flags.gpu !== undefined && flags.dockerfile === undefined && flags.compose === undefined) throw new ModelportError('INVALID_USAGE', '--gpu is said to --dockerfile and --compose; images that are written without Docker run on the CPU', { at: '--gpu' });
  if (flags.dockerfile !== undefined || flags.compose !== undefined) {
    const { writeDeploymentFiles } = await import('./deployment-files.ts');
    await writeDeploymentFiles(paths, flags);
  } else if (flags.bundle === true) {
    const { runBundle } = await import('./run-bundle.ts');
    await runBundle(paths, flags);
  } else await runImage(paths, flags);
}

async function runImage(paths: readonly string[], flags: BuildFlags): Promise<void> {
  const startedAtMs = performance.now();
  const names = (flags.tag ?? []).map((tag) => withTag(tag));
  const references = names.map(parseReferenceName);
  if (flags.push === true && names.length === 0) throw new ModelportError('INVALID_USAGE', '--push needs a name to push to: -t host/team/app:1');
  if (flags.compression === 'zstd' && !canWriteZstd()) throw new ModelportError('INVALID_USAGE', `--compression zstd: Node ${process.versions.node} has no zstd; use gzip, or Node 22.15 and newer`);
  const platforms = parsePlatforms(flags.platform);
  const output = chooseOutput(flags, paths, names, platforms);
  const created = createdAt();
  const cacheDirectory = flags.cacheDir ?? defaultCacheDirectory();
  const store = await ContentStore.open(cacheDirectory);
  const context = createSourceContext(store);
  const cache = await DigestCache.open(join(cacheDirectory, 'layers.json'), !flags.cache);
  const line = new LiveLine();
  const original = await planApplication(paths, { ...(flags.include === undefined ? {} : { included: flags.include }), ...(flags.exclude === undefined ? {} : { excluded: flags.exclude }), cacheDirectory });
  const { services, models: serviceModels } = await describeServices(original);
  const { application, imported, notes } = flags.import ? await importModels(original, { cacheDirectory, cache, serviceModels }) : { application: original, imported: new Map<string, ImportedArtifact>(), notes: [] };
  const models = await describeModels(paths, application, imported, cacheDirectory);
  const clients: RegistryClient[] = [];
  try {
    const components = new Map<string, readonly Component[]>();
    const plans = [];
    let program = '';
    for (const platform of platforms) {
      const base = await resolveBase(flags, platform, clients);
      const planned = await planPlatform(platform, application, {
        base,
        node: flags.node ?? (base === 'host' ? 'host' : defaultNodeVersion),
        compression: flags.compression,
        compressWeights: flags.compressWeights === true,
        debianMirror: flags.debianMirror,
        packageRoot: fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, ''),
        optionalPackages: flags.package ?? [],
      }, store, context);
      plans.push(planned.plan);
      components.set(platform.architecture, planned.components);
      ({ program } = planned);
    }
    const whileMade = flags.push === true && output === undefined && flags.load !== true && flags.dryRun !== true ? sendWhileMade(references, flags, clients) : undefined;
    const image = await buildImage(
      {
        platforms: plans,
        created,
        config: containerConfig({ program, models, services, paths: servedPaths(application), labels: Object.fromEntries((flags.label ?? []).map((text) => keyValue('--label', text))), env: (flags.env ?? []).map((text) => keyValue('--env', text).join('=')) }),
        annotations: { 'org.opencontainers.image.created': created, 'org.opencontainers.image.title': names[0] === undefined ? nameFor(paths) : basename(references[0]!.repository), ...(references[0]?.tag === undefined ? {} : { 'org.opencontainers.image.version': references[0].tag }), 'org.modelport.version': version },
      },
      { store, cache, level: flags.compressionLevel, ...(whileMade === undefined ? {} : { send: whileMade.send }), progress: (title, done, total) => line.show(() => `${padEnd(title.slice(0, 40), 40)}  ${bar(done / total, 24)}  ${humanBytes(done)}`) },
    );
    line.clear();
    await cache.save();
    const name = names[0] ?? nameFor(paths);
    const referrers = makeReferrers(name, image, components, flags, created);
    const style = createStyle(usesColor(process.stdout));
    for (const note of notes) process.stdout.write(`${style.yellow('Note')}  ${note}\n`);
    process.stdout.write(describeImage(image, style));
    if (flags.dryRun === true) return;
    if (output !== undefined) await write(output, image, referrers, names, line);
    const known = await KnownRepositories.open(join(cacheDirectory, 'repositories.json'));
    for (const [index, reference] of references.entries()) {
      if (flags.push !== true) break;
      const client = new RegistryClient(reference.registry, flags.plainHttp === true ? { plainHttp: true } : {});
      clients.push(client);
      const { digest, sentBytes } = await pushContent(client, { ...reference, tag: reference.tag ?? 'latest' }, image.content, { referrers, known, ...(whileMade === undefined || index > 0 ? {} : { sent: whileMade.sent }), progress: (done, total) => line.show(() => `push ${names[index]}  ${bar(done / Math.max(1, total), 24)}  ${humanBytes(done)} of ${humanBytes(total)}`) });
      line.clear();
      process.stdout.write(`${style.bold('Pushed')}   ${showReference({ ...reference, digest: undefined })}@${digest}  ${style.dim(`${humanBytes(sentBytes)} sent`)}\n`);
    }
    await known.save();
    if (flags.load === true) {
      const engine = await loadIntoEngine(image.platforms[0]!.content, names.length === 0 ? [`${nameFor(paths)}:latest`] : names);
      process.stdout.write(`${style.bold('Loaded')}   into ${engine}\n`);
    }
    if (output !== undefined) process.stdout.write(`${style.bold('Written')}  ${output.kind}:${output.path}\n`);
    process.stdout.write(`${style.bold('Digest')}   ${image.content.descriptor.digest}  ${style.dim(humanSeconds((performance.now() - startedAtMs) / 1000))}\n`);
  } finally {
    line.clear();
    for (const client of clients) await client[Symbol.asyncDispose]();
  }
}

/** Large layers go to the first of the names while they are made; from there the others take them over, where all are in one registry. */
function sendWhileMade(references: readonly Reference[], flags: BuildFlags, clients: RegistryClient[]): { readonly send: NonNullable<LayerContext['send']>; readonly sent: ReadonlySet<string> } | undefined {
  const [first] = references;
  if (first === undefined || references.some(({ registry }) => registry !== first.registry)) return undefined;
  const sent = new Set<string>();
  let client: RegistryClient | undefined;
  return {
    sent,
    send: async (make, mediaType) => {
      if (client === undefined) clients.push((client = new RegistryClient(first.registry, flags.plainHttp === true ? { plainHttp: true } : {})));
      const descriptor = await client.pushStream(first.repository, make, mediaType);
      sent.add(descriptor.digest);
      return descriptor;
    },
  };
}

function withTag(name: string): string {
  const { tag, digest } = parseReferenceName(name);
  if (digest !== undefined) throw new ModelportError('INVALID_USAGE', `-t '${name}': a build has no digest before it is made; leave @… away`);
  return tag === undefined ? `${name}:latest` : name;
}

const knownArchitectures = ['amd64', 'arm64'];

function parsePlatforms(text: string): Platform[] {
  const list = text === 'all' ? knownArchitectures.map((architecture) => `linux/${architecture}`) : text.split(',').map((part) => part.trim());
  return [...new Set(list)].map((part) => {
    const match = /^(?:linux\/)?(\w+)$/.exec(part);
    const architecture = match?.[1] === 'x64' || match?.[1] === 'x86_64' ? 'amd64' : match?.[1] === 'aarch64' ? 'arm64' : match?.[1];
    if (architecture === undefined || !knownArchitectures.includes(architecture)) throw new ModelportError('INVALID_USAGE', `--platform '${part}': images are made for linux/amd64 and linux/arm64`);
    return { os: 'linux', architecture };
  });
}

function chooseOutput(flags: BuildFlags, paths: readonly string[], names: readonly string[], platforms: readonly Platform[]): Output | undefined {
  const output = flags.output === undefined ? undefined : parseOutput(flags.output);
  if (platforms.length > 1 && (output?.kind === 'docker-archive' || flags.load === true)) throw new ModelportError('INVALID_USAGE', `Docker's archives hold one platform: name one with --platform`);
  if (output?.kind === 'docker-archive' && names.length === 0) throw new ModelportError('INVALID_USAGE', 'a docker-archive needs a name: -t me/app:1');
  if (flags.dryRun === true) return undefined;
  if (output !== undefined && output.kind !== 'oci' && existsSync(output.path) && flags.force !== true && !output.path.endsWith('.tar')) throw new ModelportError('INVALID_USAGE', `${output.path} is there already: choose another name, or write over it with --force`);
  if (output !== undefined || flags.push === true || flags.load === true) return output;
  return { kind: 'oci-archive', path: `${names[0] === undefined ? nameFor(paths) : basename(parseReferenceName(names[0]).repository)}.oci.tar` };
}

function nameFor(paths: readonly string[]): string {
  const name = basename(resolve(paths[0]!));
  return name.slice(0, name.length - extname(name).length).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'models';
}

/** https://reproducible-builds.org/docs/source-date-epoch/; without it the beginning of time, so that equal inputs give the equal digest. */
function createdAt(): string {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  if (epoch === undefined || epoch === '') return '1970-01-01T00:00:00Z';
  if (!/^\d{1,12}$/.test(epoch)) throw new ModelportError('INVALID_USAGE', `SOURCE_DATE_EPOCH is '${epoch}': it must be seconds since 1970`);
  return new Date(Number(epoch) * 1000).toISOString().replace('.000Z', 'Z');
}

async function resolveBase(flags: BuildFlags, platform: Platform, clients: RegistryClient[]): Promise<'debian' | 'host' | BaseImage> {
  const { base } = flags;
  if (base === 'debian' || base === 'host') return base;
  if (base.startsWith('oci:') && !base.startsWith('oci://')) {
    const [, folder, name] = /^oci:(.*?)(?::([^:/]+))?$/.exec(base)!;
    if ((await stat(folder!).catch(() => undefined))?.isDirectory() !== true) throw new ModelportError('INVALID_USAGE', `--base ${base}: there is no folder ${folder}`);
    return await readBase(await layoutPlace(folder!, name), platform, base);
  }
  const reference = parseReferenceName(base);
  const client = new RegistryClient(reference.registry, flags.plainHttp === true ? { plainHttp: true } : {});
  clients.push(client);
  try {
    return await readBase(registryPlace(client, reference), platform, showReference({ ...reference, digest: undefined }));
  } catch (cause) {
    if ((cause as ModelportError).code !== 'UNAVAILABLE' && (cause as ModelportError).code !== 'NOT_FOUND') throw cause;
    throw new ModelportError('UNAVAILABLE', `there is no base ${base}: ${(cause as Error).message}. --base debian needs no registry`, { cause });
  }
}

async function describeModels(paths: readonly string[], application: PlannedApplication, imported: ReadonlyMap<string, ImportedArtifact>, cacheDirectory: string): Promise<DescribedModel[]> {
  const models: DescribedModel[] = [];
  if (application.models.length === 0) return models;
  const open: ExplainOptions['open'] = (artifact, importing) => {
    const ready = imported.get(join(artifact.directory, artifact.main));
    return ready === undefined ? openArtifact(artifact, importing, cacheDirectory) : openArtifact(ready.artifact);
  };
  for (const path of paths) {
    if (/\.[cm]?[jt]s$/.test(path)) continue;
    for (const { found, version: newest, explanation } of await explainVersions(path, { cacheDirectory, open })) models.push({ name: found.name, version: newest, signature: explanation.signature });
  }
  return models;
}

/** `/models` holds one model or many; either way it is what `serve` takes. */
function servedPaths({ models, services }: PlannedApplication): string[] {
  return [...(models.length > 0 ? ['/models'] : []), ...services.map((path) => `/${path}`)];
}

function keyValue(flag: string, text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new ModelportError('INVALID_USAGE', `${flag} '${text}': write key=value`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function makeReferrers(name: string, image: BuiltImage, components: ReadonlyMap<string, readonly Component[]>, flags: BuildFlags, created: string): ManifestContent[] {
  return image.platforms.flatMap((built) => {
    const list = components.get(built.platform.architecture) ?? [];
    const annotations = { 'org.opencontainers.image.created': created };
    return [
      ...(flags.sbom ? [makeReferrer(built.content.descriptor, spdxMediaType, json(spdxDocument(name, built, list, created)), annotations)] : []),
      ...(flags.provenance ? [makeReferrer(built.content.descriptor, inTotoMediaType, json(provenanceStatement(name, built, list, { base: flags.base, platform: `${built.platform.os}/${built.platform.architecture}`, compression: flags.compression })), { ...annotations, 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' })] : []),
    ];
  });
}

async function write(output: Output, image: BuiltImage, referrers: readonly ManifestContent[], names: readonly string[], line: LiveLine): Promise<void> {
  const progress = (done: number, total: number): void => line.show(() => `write ${output.path}  ${bar(done / Math.max(1, total), 24)}  ${humanBytes(done)} of ${humanBytes(total)}`);
  if (output.kind === 'docker-archive') await writeDockerArchive(output.path, image.platforms[0]!.content, names, progress);
  else {
    const contents: NamedContent[] = names.length === 0 ? [{ content: image.content }] : names.map((name) => ({ content: image.content, name }));
    // Tools that are given an archive take the only image in it; a second entry would make them ask which.
    await (output.kind === 'oci' ? writeOciLayout(output.path, [...contents, ...referrers.map((content) => ({ content }))]) : writeOciArchive(output.path, contents, progress));
  }
  line.clear();
}

function describeImage(image: BuiltImage, style: Style): string {
  const lines: string[] = [];
  for (const { platform, layers, base } of image.platforms) {
    const baseBytes = (base?.layers ?? []).reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    const own = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    lines.push(`${style.bold(`${platform.os}/${platform.architecture}`)}  ${humanBytes(baseBytes + own)}`);
    if (base !== undefined) lines.push(`  ${padEnd(`base ${base.name}`, 52)} ${humanBytes(baseBytes).padStart(8)}`);
    for (const { title, descriptor, cached } of layers) lines.push(`  ${padEnd(title, 52)} ${humanBytes(descriptor.size).padStart(8)}  ${style.dim(`${descriptor.digest.slice(0, 19)}${cached ? '  unchanged' : ''}`)}`);
  }
  return `${lines.join('\n')}\n`;
}
