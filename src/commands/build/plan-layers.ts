/** The layers of an image for one platform, in the order in which they change: base, Node, Modelport, weights, application. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { debianLayer, packagesFor } from '../../packaging/base/debian-root.ts';
import { readElf } from '../../packaging/base/elf.ts';
import { hostLayer } from '../../packaging/base/host-root.ts';
import type { ContentStore } from '../../packaging/content-store.ts';
import type { BaseImage, PlatformPlan } from '../../packaging/image/build-image.ts';
import type { Compression, LayerEntry, LayerPlan } from '../../packaging/image/layer.ts';
import type { Platform } from '../../packaging/image/oci.ts';
import { findProductionPackages, isNeeded, packageEntries, topFolder, type NodePlatform, type ProductionPackage } from '../../packaging/image/production-packages.ts';
import type { SourceContext } from '../../source.ts';
import { npmFiles } from './npm-files.ts';
import type { PlannedApplication, PlannedFile } from './plan-application.ts';

/** Node's version in images. A newer one than the oldest that Modelport runs on: it is faster. */
export const defaultNodeVersion = '24.21.0';
/** Where everything of Modelport's lies in an image. */
export const modelportRoot = 'opt/modelport';
const weightBytes = 1 << 20;
/** Runtimes stop at about 125 layers; a base has some, too. */
const mostWeightLayers = 80;

export interface LayerOptions {
  readonly base: 'debian' | 'host' | BaseImage;
  /** A version, or `host`. */
  readonly node: string;
  readonly compression: Compression;
  readonly compressWeights: boolean;
  readonly debianMirror: string | undefined;
  /** The folder of Modelport's own package.json. */
  readonly packageRoot: string;
  /** Packages that Modelport can do without and the image is to have. */
  readonly optionalPackages: readonly string[];
}

/** One thing that is in an image, for the list of what is. */
export interface Component {
  readonly kind: 'npm' | 'debian' | 'runtime';
  readonly name: string;
  readonly version: string;
  readonly licence?: string;
  readonly sha256?: string;
}

export interface PlannedPlatform {
  readonly plan: PlatformPlan;
  readonly components: readonly Component[];
  /** Modelport's program in the image. */
  readonly program: string;
}

export async function planPlatform(platform: Platform, application: PlannedApplication, options: LayerOptions, store: ContentStore, context: SourceContext): Promise<PlannedPlatform> {
  // Says at once where the base is not for this platform.
  if (options.base === 'host') hostLayer(platform.architecture, []);
  const cpu = platform.architecture === 'amd64' ? 'x64' : 'arm64';
  const nodePlatform: NodePlatform = { os: 'linux', cpu };
  const node = await planNode(options, nodePlatform, store, context);
  const modelport = await planModelport(options.packageRoot, options.optionalPackages, nodePlatform, options.compression, store, context);
  const service = await planServicePackages(application, modelport, nodePlatform, options.compression, store, context);
  const base = await planBase(options, platform, [node.source, ...modelport.natives, ...service.natives], context);
  for (const native of [...modelport.natives, ...service.natives]) await checkArchitecture(native, platform);
  const layers = [...(base.layer === undefined ? [] : [base.layer]), { ...node.layer, compression: options.compression }, modelport.layer, ...service.layers, ...applicationLayers(application.files, options)];
  return {
    plan: { platform, ...(base.image === undefined ? {} : { base: base.image }), layers: layers.map((layer) => (layer.title.startsWith('base ') ? { ...layer, compression: options.compression } : layer)) },
    components: [...base.components, { kind: 'runtime', name: 'node', version: node.version, licence: 'MIT' }, ...[...modelport.packages, ...service.packages].map(({ name, version, licence }): Component => ({ kind: 'npm', name, version, ...(licence === undefined ? {} : { licence }) }))],
    program: modelport.program,
  };
}

async function planBase(options: LayerOptions, platform: Platform, programs: readonly string[], context: SourceContext): Promise<{ readonly layer?: LayerPlan; readonly image?: BaseImage; readonly components: readonly Component[] }> {
  if (options.base === 'host') return { layer: hostLayer(platform.architecture, programs), components: [] };
  if (options.base !== 'debian') return { image: options.base, components: [] };
  return {
    layer: debianLayer(platform.architecture, context, options.debianMirror),
    components: packagesFor(platform.architecture).map(({ name, version, sha256 }) => ({ kind: 'debian', name, version, sha256 })),
  };
}

interface PlannedNode {
  readonly layer: LayerPlan;
  /** Its program on this machine. */
  readonly source: string;
  readonly version: string;
}

async function planNode(options: LayerOptions, { cpu }: NodePlatform, store: ContentStore, context: SourceContext): Promise<PlannedNode> {
  if (options.node === 'host') {
    if (process.platform !== 'linux' || process.arch !== cpu) throw new ModelportError('INVALID_USAGE', `--node host takes the Node that runs this, which is for ${process.platform} on ${process.arch}: name a version`);
    const source = process.execPath;
    return { source, version: process.versions.node, layer: { title: `node ${process.versions.node} (this machine's)`, compression: 'gzip', entries: async () => [{ path: 'usr/local/bin/node', type: 'file', mode: 0o755, source }] } };
  }
  if (!/^\d+\.\d+\.\d+$/.test(options.node)) throw new ModelportError('INVALID_USAGE', `--node '${options.node}': write a version like ${defaultNodeVersion}, or host`);
  const name = `node-linux-${cpu}`;
  const files = await npmFiles(name, options.node, store, context, ['bin/node', 'LICENSE']);
  const program = files.find(({ path }) => path === 'bin/node');
  if (program === undefined) throw new ModelportError('INVALID_MODEL', `the npm package ${name} ${options.node} holds no bin/node`);
  const licence = files.find(({ path }) => path === 'LICENSE');
  return {
    source: program.source,
    version: options.node,
    layer: {
      title: `node ${options.node}`,
      compression: 'gzip',
      key: `${name} ${options.node} 1`,
      entries: async () => [{ path: 'usr/local/bin/node', type: 'file', mode: 0o755, source: program.source }, ...(licence === undefined ? [] : [{ path: 'usr/local/share/doc/node/LICENSE', type: 'file', source: licence.source } as const])],
    },
  };
}

interface PlannedModelport {
  readonly layer: LayerPlan;
  readonly packages: readonly ProductionPackage[];
  readonly natives: readonly string[];
  /** Modelport's program in the image. */
  readonly program: string;
  /** Its folder in the image, below the root. */
  readonly place: string;
}

async function planModelport(root: string, optionalPackages: readonly string[], platform: NodePlatform, compression: Compression, store: ContentStore, context: SourceContext): Promise<PlannedModelport> {
  const document = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string; files: readonly string[] };
  const packages = await findProductionPackages(root, platform, [], optionalPackages);
  const entries: LayerEntry[] = [];
  const place = root === topFolder(root) ? modelportRoot : `${modelportRoot}/${root.slice(topFolder(root).length + 1)}`;
  const shipped = (path: string): boolean => path === 'package.json' || (document.files.some((folder) => path === folder || path.startsWith(`${folder}/`)) && !/\.(?:d\.[cm]?ts|map|md)$/.test(path));
  entries.push(...packageEntries(root, place, shipped));
  for (const found of packages) entries.push(...(await packageFiles(found, `${modelportRoot}/${found.place}`, store, context)));
  const runtime = packages.some(({ name }) => name === `@modelport/onnxruntime-linux-${platform.cpu}`) ? [] : await developmentRuntime(root, platform);
  entries.push(...runtime);
  return { packages, natives: nativesOf(entries), program: `/${place}/dist/cli.js`, place, layer: { title: `modelport ${document.version} and its dependencies`, compression, entries: async () => entries } };
}

interface ServicePackages {
  readonly layers: readonly LayerPlan[];
  readonly packages: readonly ProductionPackage[];
  readonly natives: readonly string[];
}

/** What the package.json of a service names, beside the service, and links to what of its imports is Modelport's own. */
async function planServicePackages(application: PlannedApplication, modelport: PlannedModelport, platform: NodePlatform, compression: Compression, store: ContentStore, context: SourceContext): Promise<ServicePackages> {
  const entries: LayerEntry[] = [];
  const all: ProductionPackage[] = [];
  for (const folder of application.serviceFolders) {
    const packages = await findProductionPackages(folder, platform, ['modelport', 'zod']);
    all.push(...packages);
    for (const found of packages) entries.push(...(await packageFiles(found, `app/${found.place}`, store, context)));
  }
  if (application.services.length > 0) {
    for (const name of new Set(['modelport', 'zod', ...application.servicePackages])) {
      if (all.some(({ place }) => place === `node_modules/${name}`)) continue;
      const target = name === 'modelport' ? modelport.place : modelport.packages.find((found) => found.name === name && !found.place.includes('/node_modules/', 1))?.place;
      if (target === undefined) throw new ModelportError('INVALID_USAGE', `the service imports ${name}, which is not among the dependencies of a package.json beside it: add it there`, { at: application.serviceFiles[0]! });
      entries.push({ path: `app/node_modules/${name}`, type: 'symlink', target: name === 'modelport' ? `/${target}` : `/${modelportRoot}/${target}` });
    }
  }
  const layers = entries.length === 0 ? [] : [{ title: "the service's dependencies", compression, entries: async () => entries }];
  return { layers, packages: all, natives: nativesOf(entries) };
}

/** From this machine, or from the registry for another platform. */
async function packageFiles(found: ProductionPackage, into: string, store: ContentStore, context: SourceContext): Promise<LayerEntry[]> {
  if (found.directory !== undefined) return packageEntries(found.directory, into, (path) => isNeeded(found.name, path));
  const files = await npmFiles(found.name, found.version, store, context);
  return files.filter(({ path }) => isNeeded(found.name, path)).map(({ path, source }) => ({ path: `${into}/${path}`, type: 'file', source }));
}

function nativesOf(entries: readonly LayerEntry[]): string[] {
  return entries.flatMap(({ path, source }) => (source !== undefined && /\.node$|\.so(?:\.\d+)*$/.test(path) ? [source] : []));
}

/** In a checkout ONNX Runtime's library lies in a package that holds those of all systems: the one that is wanted, as the published package would have it. */
async function developmentRuntime(root: string, { os, cpu }: NodePlatform): Promise<LayerEntry[]> {
  const name = `@modelport/onnxruntime-${os}-${cpu}`;
  const from = join(root, 'node_modules', 'onnxruntime-node');
  const document = await readFile(join(from, 'package.json'), 'utf8').catch(() => undefined);
  if (document === undefined) throw new ModelportError('INVALID_USAGE', `ONNX Runtime for ${os} on ${cpu} is not here: npm install --os=${os} --cpu=${cpu} ${name}`);
  const { version } = JSON.parse(document) as { version: string };
  const into = `${modelportRoot}/node_modules/${name}`;
  const libraries = packageEntries(join(from, 'bin', 'napi-v6', os, cpu), into, () => true);
  const licences = existsSync(join(root, 'scripts', 'onnxruntime')) ? packageEntries(join(root, 'scripts', 'onnxruntime'), into, (path) => path !== 'README.md') : [];
  return [...libraries, ...licences, { path: `${into}/package.json`, type: 'file', content: Buffer.from(`${JSON.stringify({ name, version, license: 'MIT', main: 'onnxruntime_binding.node', os: [os], cpu: [cpu] })}\n`) }];
}

async function checkArchitecture(path: string, platform: Platform): Promise<void> {
  const facts = await readElf(path);
  if (facts?.architecture !== undefined && facts.architecture !== platform.architecture) throw new ModelportError('INVALID_USAGE', `${path} is for ${facts.architecture}, and the image for ${platform.architecture}`, { at: path });
}

function applicationLayers(files: readonly PlannedFile[], options: LayerOptions): LayerPlan[] {
  const bySize = files.filter(({ sizeBytes, source }) => source !== undefined && sizeBytes >= weightBytes).sort((left, right) => right.sizeBytes - left.sizeBytes || (left.path < right.path ? -1 : 1));
  const alone = new Set(bySize.slice(0, mostWeightLayers));
  const weights = files.filter((file) => alone.has(file));
  const rest = files.filter((file) => !alone.has(file));
  return [
    ...weights.map((file): LayerPlan => ({ title: `weights ${file.path}`, compression: options.compressWeights ? options.compression : 'none', ownToImage: true, entries: async () => [entryOf(file)] })),
    { title: 'application', compression: options.compression, entries: async () => [{ path: 'models', type: 'directory' }, ...rest.map(entryOf)] },
  ];
}

function entryOf({ path, source, content }: PlannedFile): LayerEntry {
  return { path, type: 'file', ...(source === undefined ? {} : { source }), ...(content === undefined ? {} : { content }) };
}
