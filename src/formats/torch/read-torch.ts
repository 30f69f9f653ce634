/**
 * Files of `torch.save`: the zip layout (1.6 and later) and the run of pickles before it. Also the pickles in TorchScript archives, which have the zip layout.
 * https://docs.pytorch.org/docs/stable/notes/serialization.html
 */
import { ModelportError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { firstOf, type PickleReading } from '../pickle/pickle-class.ts';
import { PickledObject, describePickleValue, isTuple, printable, type PickleValue } from '../pickle/pickle-value.ts';
import { readPickle } from '../pickle/read-pickle.ts';
import { ZipArchive, looksLikeZip } from '../zip.ts';
import { looksLikeLegacyTorch, readLegacyTorch } from './read-legacy-torch.ts';
import type { ReadTorchOptions } from './torch-options.ts';
import { locationOf, storageBytes, storageDatatype, torchClasses } from './torch-classes.ts';
import { TorchStorage, TorchTensor } from './torch-tensor.ts';

/** The value that was saved; its tensors are read when they are asked for, for as long as the source is open. Throws `INVALID_MODEL`. */
export function readTorch(source: ByteSource, options: ReadTorchOptions = {}): PickleValue {
  const start = source.read(0, Math.min(source.sizeBytes, 512));
  if (looksLikeZip(start)) return new TorchArchive(ZipArchive.open(source, options.zipLimits)).readPickle('data.pkl', options);
  if (looksLikeLegacyTorch(start)) return readLegacyTorch(source, options);
  if (start.length > 262 && Buffer.from(start).toString('latin1', 257, 262) === 'ustar') {
    throw new ModelportError('INVALID_MODEL', `${source.name} has the tar layout of PyTorch before 0.1.10, which is not read; save it again with a newer PyTorch`, { at: source.name });
  }
  throw new ModelportError('INVALID_MODEL', `${source.name} is no file of torch.save: neither a zip archive nor PyTorch's older layout`, { at: source.name });
}

/** An archive whose members lie in one folder: pickles, and storages as `data/0`, `data/1` … */
export class TorchArchive {
  readonly archive: ZipArchive;
  /** The folder of all members, with a slash at its end. */
  readonly root: string;
  readonly bigEndian: boolean;
  readonly #storages = new Map<string, TorchStorage>();

  /** Throws `INVALID_MODEL` where it is no archive of PyTorch. */
  constructor(archive: ZipArchive) {
    this.archive = archive;
    const main = archive.members.map(({ path }) => path).find((path) => /^(?:[^/]+\/)?(?:data|constants)\.pkl$/.test(path));
    if (main === undefined) throw new ModelportError('INVALID_MODEL', `${archive.name} is a zip archive, but none of PyTorch's: it holds no data.pkl`, { at: archive.name });
    this.root = main.slice(0, main.lastIndexOf('/') + 1);
    const order = archive.member(`${this.root}byteorder`) === undefined ? 'little' : Buffer.from(archive.read(`${this.root}byteorder`)).toString('latin1').trim();
    if (order !== 'little' && order !== 'big') throw new ModelportError('INVALID_MODEL', `${archive.name} has the byte order ${printable(order)}`, { at: archive.name });
    this.bigEndian = order === 'big';
  }

  /** The value of one of the archive's pickles. Storages of `data.pkl` lie in `data/`, of `constants.pkl` in `constants/`. Throws `INVALID_MODEL`. */
  readPickle(path: string, { classes, wrapFloats, bareArguments, limits }: ReadTorchOptions = {}): PickleValue {
    const name = `${this.archive.name}: ${path}`;
    if (this.archive.member(this.root + path) === undefined) throw new ModelportError('INVALID_MODEL', `${this.archive.name} holds no ${path}`, { at: this.archive.name });
    const folder = `${this.root}${path.replace(/\.pkl$/, '')}/`;
    return readPickle(this.archive.read(this.root + path), {
      classes: classes === undefined ? torchClasses : firstOf(torchClasses, classes),
      name,
      persistentLoad: (id, reading) => this.#storage(id, folder, reading),
      ...(wrapFloats === undefined ? {} : { wrapFloats }),
      ...(bareArguments === undefined ? {} : { bareArguments }),
      ...(limits === undefined ? {} : { limits }),
    });
  }

  /** ('storage', type, key, location, elements) */
  #storage(id: PickleValue, folder: string, reading: PickleReading): PickleValue {
    if (!isTuple(id) || id[0] !== 'storage' || id.length < 5) return reading.fail(`a persistent id is ${describePickleValue(id)}, not a storage`);
    const [, type, key, location, elements] = id;
    if (typeof key !== 'string') return reading.fail('a storage has no key');
    const path = folder + key;
    const datatype = storageDatatype(type, reading);
    const known = this.#storages.get(`${datatype}\n${path}`);
    if (known !== undefined) return known;
    const sizeBytes = storageBytes(datatype, elements, reading);
    const member = this.archive.member(path);
    if (member === undefined) return reading.fail(`the storage ${JSON.stringify(path.slice(0, 200))} is not in the archive`);
    if (member.sizeBytes < sizeBytes) return reading.fail(`the storage ${JSON.stringify(path.slice(0, 200))} has ${member.sizeBytes} bytes, not ${sizeBytes}`);
    const storage = new TorchStorage({ key, datatype, sizeBytes, location: locationOf(location), bigEndian: this.bigEndian, read: () => this.archive.read(path) });
    this.#storages.set(`${datatype}\n${path}`, storage);
    return storage;
  }
}

/**
 * The tensors of a state dict by name: of a dict of tensors, or of a checkpoint that keeps one under a usual key.
 * undefined where the value is something else.
 */
export function stateDictOf(value: PickleValue): ReadonlyMap<string, TorchTensor> | undefined {
  const entries = value instanceof Map ? (value as ReadonlyMap<PickleValue, PickleValue>) : value instanceof PickledObject ? value.entries : undefined;
  if (entries === undefined) return undefined;
  for (const key of checkpointKeys) {
    const inner = entries.get(key);
    if (inner instanceof Map && inner.size > 0) {
      const found = stateDictOf(inner);
      if (found !== undefined) return found;
    }
  }
  const tensors = new Map<string, TorchTensor>();
  for (const [name, tensor] of entries) {
    if (typeof name !== 'string') return undefined;
    if (tensor instanceof TorchTensor) tensors.set(name, tensor);
  }
  return tensors.size > 0 || entries.size === 0 ? tensors : undefined;
}

const checkpointKeys = ['state_dict', 'model_state_dict', 'model_state', 'model'];
