/** Files that hold weights and no program: state dicts as `torch.save` writes them, in both of its layouts, and safetensors. */
import { statSync } from 'node:fs';
import { ModelportError } from '../../errors.ts';
import { fileSource, type ByteSource } from '../../formats/byte-source.ts';
import { data, type PickleClasses } from '../../formats/pickle/pickle-class.ts';
import { PickledObject, printable, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { looksLikeSafetensors, openSafetensors } from '../../formats/safetensors.ts';
import { looksLikeLegacyTorch } from '../../formats/torch/read-legacy-torch.ts';
import { TorchArchive, readTorch, stateDictOf } from '../../formats/torch/read-torch.ts';
import type { TorchTensor } from '../../formats/torch/torch-tensor.ts';
import { ZipArchive, looksLikeZip } from '../../formats/zip.ts';
import { ByteRange, type FileIdentity } from '../../onnx/byte-range.ts';
import type { StoredWeight, StoredWeights } from './weights.ts';

export interface WeightFile {
  readonly weights: StoredWeights;
  /** Classes that the file names beside its weights; they were left aside. */
  readonly classes: readonly string[];
  /** Weights are read while it is open. */
  close(): void;
}

/** Whether a file begins as weights do. A zip archive is looked into as far as `start` reaches: TorchScript has the same layout. */
export function looksLikeWeights(start: Uint8Array): boolean {
  return looksLikeSafetensors(start) || looksLikeLegacyTorch(start) || looksLikeTorchZip(start) || looksLikeTorchTar(start);
}

/** `torch.save` writes the pickle first, and TorchScript's pickles name classes of `__torch__` at once. */
function looksLikeTorchZip(start: Uint8Array): boolean {
  if (!looksLikeZip(start) || start.length < 64) return false;
  const header = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const nameBytes = header.readUInt16LE(26);
  const name = header.toString('latin1', 30, 30 + nameBytes);
  if (!/^(?:[^/]+\/)?data\.pkl$/.test(name)) return false;
  const pickle = header.subarray(30 + nameBytes + header.readUInt16LE(28));
  return !pickle.subarray(0, 64).includes('__torch__');
}

/** The layout before 2017, which is refused with its name. */
function looksLikeTorchTar(start: Uint8Array): boolean {
  const text = Buffer.from(start.subarray(0, 512)).toString('latin1');
  return start.length >= 512 && text.slice(257, 262) === 'ustar' && /^(?:\.\/)?(?:storages|tensors|pickle|sys_info)\b/.test(text);
}

/** Throws `INVALID_MODEL`, naming the classes of a file that holds a whole module. */
export function openWeights(path: string): WeightFile {
  const source = fileSource(path);
  try {
    return { ...readWeights(source, path), close: () => source.close() };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** `path` is where the source's bytes lie, so that weights can be copied from there; undefined where they lie in memory. */
export function readWeights(source: ByteSource, path?: string): Omit<WeightFile, 'close'> {
  const identity = path === undefined ? undefined : identityOf(path, source);
  const start = source.read(0, Math.min(source.sizeBytes, 512));
  if (looksLikeSafetensors(start)) return { weights: withoutPrefix(safetensorsWeights(source, identity)), classes: [] };
  const named = new Set<string>();
  // Classes that are not known become inert records, so that what lies beside the weights does not matter, and a module's classes can be told.
  const classes: PickleClasses = (module, name) => {
    named.add(`${module}.${name}`);
    return data;
  };
  let value: PickleValue;
  let placed: (tensor: TorchTensor) => ByteRange | undefined = () => undefined;
  if (looksLikeZip(start)) {
    const torch = new TorchArchive(ZipArchive.open(source));
    value = torch.readPickle('data.pkl', { classes });
    placed = (tensor) => placeInZip(torch, tensor, identity);
  } else {
    value = readTorch(source, { classes });
  }
  refuseModule(value, source.name, named);
  const tensors = findTensors(value);
  if (tensors === undefined || tensors.size === 0) throw new ModelportError('INVALID_MODEL', `${source.name} holds no weights: neither a dict of tensors nor a checkpoint with one${shownClasses(named)}`, { at: source.name });
  const weights = new Map([...tensors].map(([key, tensor]): [string, StoredWeight] => [key, { datatype: tensor.datatype, shape: tensor.shape, read: () => tensor.read(), place: () => placed(tensor) }]));
  return { weights: withoutPrefix(weights), classes: [...named] };
}

function identityOf(path: string, source: ByteSource): FileIdentity {
  return { path, sizeBytes: source.sizeBytes, modifiedMs: statSync(path).mtimeMs };
}

function safetensorsWeights(source: ByteSource, identity: FileIdentity | undefined): StoredWeights {
  const { tensors } = openSafetensors(source);
  return new Map(
    [...tensors.values()].map((tensor) => [
      tensor.name,
      {
        datatype: tensor.datatype,
        shape: tensor.shape,
        read: () => tensor.read(),
        place: () => (identity === undefined || tensor.datatype !== 'FP32' ? undefined : ByteRange.ofFile(identity, tensor.offset, tensor.sizeBytes)),
      },
    ]),
  );
}

function placeInZip({ archive, root, bigEndian }: TorchArchive, tensor: TorchTensor, identity: FileIdentity | undefined): ByteRange | undefined {
  if (identity === undefined || bigEndian || tensor.datatype !== 'FP32' || !tensor.isContiguous) return undefined;
  const start = archive.storedOffset(`${root}data/${tensor.storage.key}`);
  if (start === undefined) return undefined;
  // Read once, so that its checksum is checked; copied later.
  tensor.storage.bytes();
  return ByteRange.ofFile(identity, start + tensor.offset * 4, tensor.shape.reduce((product, size) => product * size, 4));
}

/** What checkpoints keep beside a dict of weights is left aside. A dict that holds several, none under a usual name, is nobody's. */
function findTensors(value: PickleValue): ReadonlyMap<string, TorchTensor> | undefined {
  const direct = stateDictOf(value);
  if (direct !== undefined && direct.size > 0) return direct;
  const inner = [...entriesOf(value).values()].map(stateDictOf).filter((found) => found !== undefined && found.size > 0);
  return inner.length === 1 ? inner[0] : undefined;
}

function entriesOf(value: PickleValue): ReadonlyMap<PickleValue, PickleValue> {
  return value instanceof Map ? (value as ReadonlyMap<PickleValue, PickleValue>) : value instanceof PickledObject ? value.entries : new Map();
}

function refuseModule(value: PickleValue, name: string, named: ReadonlySet<string>): void {
  const found = [value, ...entriesOf(value).values()].find((candidate): candidate is PickledObject => candidate instanceof PickledObject && candidate.attributes.has('_modules'));
  if (found === undefined) return;
  const own = [...named].filter((path) => path !== found.path && !path.startsWith('torch.')).map(printable);
  const rest = own.length === 0 ? '' : `, with ${own.slice(0, 5).join(', ')}${own.length > 5 ? ` and ${own.length - 5} more` : ''}`;
  throw new ModelportError(
    'INVALID_MODEL',
    `${name} holds a whole module, ${printable(found.path)}${rest}: torch.save(model) writes the names of Python classes, and their code is not in the file. ` +
      "Save the program: torch.export.save(torch.export.export(model.eval(), (sample,)), 'model.pt2'); or the weights alone, torch.save(model.state_dict(), 'weights.pth'), and name their architecture",
    { at: name },
  );
}

function shownClasses(named: ReadonlySet<string>): string {
  const shown = [...named].slice(0, 5).map(printable);
  return shown.length === 0 ? '' : `; it names ${shown.join(', ')}${named.size > shown.length ? ` and ${named.size - shown.length} more` : ''}`;
}

/** What programs around a model put before its names: DataParallel, torch.compile, Lightning. */
const prefixes = ['module.', '_orig_mod.', 'model.', 'net.', 'network.'];

function withoutPrefix(weights: StoredWeights): StoredWeights {
  const keys = [...weights.keys()];
  const prefix = prefixes.find((candidate) => keys.length > 0 && keys.every((key) => key.startsWith(candidate)));
  return prefix === undefined ? weights : withoutPrefix(new Map([...weights].map(([key, weight]) => [key.slice(prefix.length), weight])));
}
