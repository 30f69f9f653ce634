/**
 * The layouts of `.pt2` archives, all zip files:
 *
 * - since PyTorch 2.9: `<root>/models/model.json`, weights as raw bytes beside a `model_weights_config.json` that says what each is
 * - 2.8: the same folders with `data/weights/model.pt` and `data/constants/model.pt`, files of torch.save
 * - before: `serialized_exported_program.json`, `serialized_state_dict.pt`, `serialized_constants.pt` (2.1: `.json` and `.pt` of other names)
 */
import { crc32 } from 'node:zlib';
import { ModelportError } from '../../errors.ts';
import { bytesSource, type ByteSource } from '../../formats/byte-source.ts';
import { readTorch } from '../../formats/torch/read-torch.ts';
import { TorchStorage, TorchTensor } from '../../formats/torch/torch-tensor.ts';
import { PickledObject, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { ZipArchive } from '../../formats/zip.ts';
import { ByteRange, type FileIdentity } from '../../onnx/byte-range.ts';
import { dataTypes } from '../../onnx/data-type.ts';
import type { Datatype } from '../../tensor.ts';
import { scalarTypes } from '../aten/value.ts';
import { weightOfBytes, type WeightSource } from '../aten/weight.ts';
import { damaged, isObject, objectOf, parseProgramJson, readTensorMeta, textOf } from './program.ts';

/** The exporter counts scalar types from 1, and leaves the quantized ones out. */
export function scalarTypeOfExport(dtype: number): number {
  return dtype <= 12 ? dtype - 1 : dtype === 13 ? 15 : dtype <= 28 ? 27 : dtype >= 34 && dtype <= 35 ? dtype - 6 : -1;
}

/** The `ElementType` of the exporter's number of a type. Throws `INVALID_MODEL` where ONNX has none. */
export function elementTypeOfExport(dtype: number, what: string): number {
  const type = scalarTypes.get(scalarTypeOfExport(dtype));
  if (type === undefined) throw new ModelportError('INVALID_MODEL', `${what} has a type that is not covered (number ${dtype} of torch.export)`);
  return type;
}

export interface ExportArchive {
  /** The parsed JSON of the program. */
  readonly document: unknown;
  /** A parameter or buffer by its full name; undefined where the archive has none. */
  weight(name: string): WeightSource | undefined;
  constant(name: string): WeightSource | undefined;
  /** What two weights have in common that lie in the same memory. */
  memoryOf(name: string): string | undefined;
}

const mostProgramBytes = 480 * 2 ** 20;

export function looksLikeExport(paths: readonly string[]): boolean {
  return programPath(paths) !== undefined;
}

function programPath(paths: readonly string[]): string | undefined {
  return paths.find((path) => /^(?:[^/]+\/)?models\/[^/]+\.json$/.test(path)) ?? paths.find((path) => /^(?:[^/]+\/)?serialized_exported_program\.json$/.test(path));
}

/** Reads the directory and the program; weights are looked at when they are asked for. Throws `INVALID_MODEL`. */
export function openExportArchive(source: ByteSource, identity: FileIdentity | undefined): ExportArchive {
  const archive = ZipArchive.open(source);
  const paths = archive.members.map(({ path }) => path);
  const path = programPath(paths);
  if (path === undefined) throw new ModelportError('INVALID_MODEL', `${source.name} is no archive of torch.export.save: it holds no program`);
  const programs = paths.filter((other) => /^(?:[^/]+\/)?models\/[^/]+\.json$/.test(other));
  if (programs.length > 1) throw new ModelportError('INVALID_MODEL', `${source.name} holds ${programs.length} programs (${programs.map((other) => other.split('/').at(-1)).slice(0, 5).join(', ')}); archives with one are imported`);
  if ((archive.member(path)?.sizeBytes ?? 0) > mostProgramBytes) throw new ModelportError('INVALID_MODEL', `${source.name} has a program of more than ${mostProgramBytes} bytes`);
  const json = (at: string): unknown => parseProgramJson(Buffer.from(archive.read(at)).toString('utf8'));
  const root = path.includes('/') ? path.slice(0, path.lastIndexOf('/', path.lastIndexOf('/') - 1) + 1) : '';
  const order = archive.member(`${root}byteorder`) === undefined ? 'little' : Buffer.from(archive.read(`${root}byteorder`)).toString('latin1').trim();
  if (order !== 'little') throw new ModelportError('INVALID_MODEL', `${source.name} has the byte order ${JSON.stringify(order.slice(0, 20))}; archives of little-endian machines are imported`);
  const name = path.split('/').at(-1)!.replace(/\.json$/, '');
  const legacy = path.endsWith('serialized_exported_program.json');
  const folder = legacy ? path.slice(0, -'serialized_exported_program.json'.length) : root;
  const store = (kind: 'weights' | 'constants', older: string): Store => {
    const config = `${folder}data/${kind}/${name}_${kind}_config.json`;
    if (archive.member(config) !== undefined) return rawStore(archive, json(config), `${folder}data/${kind}/`, source, identity);
    const file = [`${folder}data/${kind}/${name}.pt`, `${folder}${older}`].find((candidate) => archive.member(candidate) !== undefined);
    return file === undefined ? noStore : torchStore(archive, file, source, identity);
  };
  const [weights, constants] = [lazily(() => store('weights', 'serialized_state_dict.pt')), lazily(() => store('constants', 'serialized_constants.pt'))];
  return { document: json(path), weight: (wanted) => weights().find(wanted), constant: (wanted) => constants().find(wanted), memoryOf: (wanted) => weights().memoryOf(wanted) ?? constants().memoryOf(wanted) };
}

interface Store {
  find(name: string): WeightSource | undefined;
  memoryOf(name: string): string | undefined;
}

const noStore: Store = { find: () => undefined, memoryOf: () => undefined };

function lazily(open: () => Store): () => Store {
  let opened: Store | undefined;
  return () => (opened ??= open());
}

/** `{ config: { name: { path_name, use_pickle, tensor_meta } } }` and a file of bytes for each storage. */
function rawStore(archive: ZipArchive, document: unknown, folder: string, source: ByteSource, identity: FileIdentity | undefined): Store {
  const config = objectOf(objectOf(document, 'the list of weights')['config'], 'the list of weights');
  const checked = new Set<string>();
  const factsOf = (name: string): Readonly<Record<string, unknown>> | undefined => (Object.hasOwn(config, name) ? objectOf(config[name], `the weight ${name}`) : undefined);
  const pathOf = (facts: Readonly<Record<string, unknown>>, name: string): string => folder + textOf(facts['path_name'], `the file of ${name}`);
  const find = (name: string): WeightSource | undefined => {
    const facts = factsOf(name);
    if (facts === undefined) return undefined;
    const path = pathOf(facts, name);
    const member = archive.member(path);
    if (member === undefined) throw damaged(`the file of ${name} is not in the archive`);
    if (facts['use_pickle'] === true || !isObject(facts['tensor_meta'])) throw new ModelportError('INVALID_MODEL', `${name} is no plain tensor, which is not covered`);
    const meta = readTensorMeta(facts['tensor_meta'], name);
    const elementType = elementTypeOfExport(meta.dtype, name);
    const shape = numbers(meta.sizes, name);
    return sliceOf({ archive, path, source, identity, checked }, name, elementType, shape, numbers(meta.strides, name), numbers([meta.storageOffset], name)[0]!);
  };
  const memoryOf = (name: string): string | undefined => {
    const facts = factsOf(name);
    return facts === undefined ? undefined : pathOf(facts, name);
  };
  return { find, memoryOf };
}

function numbers(sizes: readonly (number | string)[], name: string): number[] {
  return sizes.map((size) => {
    if (typeof size !== 'number' || size < 0) throw damaged(`${name} has the size ${String(size).slice(0, 60)}`);
    return size;
  });
}

interface Place {
  readonly archive: ZipArchive;
  readonly path: string;
  readonly source: ByteSource;
  readonly identity: FileIdentity | undefined;
  readonly checked: Set<string>;
}

/** Row-major tensors stay in the file until they are written; others are put in order when they are asked for. */
function sliceOf(place: Place, name: string, elementType: number, shape: readonly number[], strides: readonly number[], offset: number): WeightSource {
  const { datatype, bits } = dataTypes.get(elementType)!;
  if (datatype === undefined) throw new ModelportError('INVALID_MODEL', `${name} has a type that is not covered`);
  const width = bits / 8;
  const { sizeBytes } = place.archive.member(place.path)!;
  const storage = new TorchStorage({ key: place.path, datatype, sizeBytes, location: 'cpu', bigEndian: false, read: () => place.archive.read(place.path) });
  const tensor = new TorchTensor({ storage, datatype, offset, shape, strides, requiresGrad: false, isParameter: false });
  const begin = place.archive.storedOffset(place.path);
  if (tensor.isContiguous && begin !== undefined && place.identity !== undefined) {
    checkSum(place, begin);
    const length = shape.reduce((product, size) => product * size, 1) * width;
    return weightOfBytes(name, elementType, shape, ByteRange.ofFile(place.identity, begin + offset * width, length));
  }
  return weightOfTensor(name, elementType, tensor);
}

/** Once for each file of the archive, in pieces, so that large weights are not held. */
function checkSum({ archive, path, source, checked }: Place, begin: number): void {
  if (checked.has(path)) return;
  checked.add(path);
  const member = archive.member(path)!;
  let sum = 0;
  for (let done = 0; done < member.sizeBytes; done += 8 << 20) sum = crc32(source.read(begin + done, Math.min(8 << 20, member.sizeBytes - done)), sum);
  if (sum !== member.crc32) throw new ModelportError('INVALID_MODEL', `${archive.name}: ${JSON.stringify(path)} is damaged: its checksum differs`);
}

function weightOfTensor(name: string, elementType: number, tensor: TorchTensor): WeightSource {
  const elements = tensor.read();
  return weightOfBytes(name, elementType, tensor.shape, ByteRange.of(new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength)));
}

/** A file of torch.save that holds a dict of tensors. */
function torchStore(archive: ZipArchive, path: string, source: ByteSource, identity: FileIdentity | undefined): Store {
  const begin = archive.storedOffset(path);
  const member = archive.member(path)!;
  if (member.sizeBytes === 0) return noStore;
  const inner = begin === undefined || identity === undefined ? undefined : nested(source, begin, member.sizeBytes);
  const value = readTorch(inner ?? bytesSource(archive.read(path), `${archive.name}: ${path}`));
  const entries = value instanceof Map ? (value as ReadonlyMap<PickleValue, PickleValue>) : value instanceof PickledObject ? value.entries : undefined;
  const tensorOf = (name: string): TorchTensor | undefined => {
    const tensor = entries?.get(name);
    return tensor instanceof TorchTensor ? tensor : undefined;
  };
  const find = (name: string): WeightSource | undefined => {
    const tensor = tensorOf(name);
    return tensor === undefined ? undefined : weightOfTensor(name, elementTypeOfDatatype(tensor.datatype, name), tensor);
  };
  const memoryOf = (name: string): string | undefined => {
    const tensor = tensorOf(name);
    return tensor === undefined ? undefined : `${path} ${tensor.storage.key}`;
  };
  return { find, memoryOf };
}

/** An archive that lies, stored, in another. */
function nested(source: ByteSource, begin: number, sizeBytes: number): ByteSource {
  return {
    name: source.name,
    sizeBytes,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > sizeBytes) throw new ModelportError('INVALID_MODEL', `${source.name}: the archive of weights inside is truncated or damaged`);
      return source.read(begin + offset, length);
    },
    close() {},
  };
}

function elementTypeOfDatatype(datatype: Datatype, name: string): number {
  for (const facts of dataTypes.values()) if (facts.datatype === datatype) return facts.number;
  throw new ModelportError('INVALID_MODEL', `${name} has a type that is not covered`);
}

