/** A TorchScript archive: its classes and functions, read when they are asked for, its module and its constants. Nothing in it is run. */
import { statSync } from 'node:fs';
import { ModelportError } from '../../errors.ts';
import { bytesSource, type ByteSource } from '../../formats/byte-source.ts';
import { data, type PickleClasses } from '../../formats/pickle/pickle-class.ts';
import { printable, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { TorchArchive } from '../../formats/torch/read-torch.ts';
import type { TorchTensor } from '../../formats/torch/torch-tensor.ts';
import { ZipArchive, looksLikeZip } from '../../formats/zip.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { ByteRange, type FileIdentity } from '../../onnx/byte-range.ts';
import { dataTypes } from '../../onnx/data-type.ts';
import { datatypes, elementCount } from '../../tensor.ts';
import { weightOfBytes, type WeightSource } from '../aten/weight.ts';
import { parseSource } from './parse-source.ts';
import { ScriptClass } from './script-value.ts';
import type { FunctionDefinition, SourceModule } from './syntax.ts';

/** More source than this in one archive is no program that somebody wrote. */
const mostSourceBytes = 2 ** 27;

/**
 * Whether a file that begins so holds TorchScript. `torch.save` writes `data.pkl` before its tensors, `torch.jit.save` the tensors first where the module has any;
 * a module without tensors is known by the class in its pickle.
 */
export function looksLikeTorchScript(start: Uint8Array): boolean {
  if (!looksLikeZip(start) || start.length < 34) return false;
  const text = Buffer.from(start.buffer, start.byteOffset, start.byteLength).toString('latin1');
  const first = text.slice(30, 30 + start[26]! + 256 * start[27]!);
  if (/^(?:[^/]+\/)?(?:data\/\d+|code\/.*|constants\/\d+|constants\.pkl|bytecode\.pkl|extra\/.*)$/.test(first)) return true;
  return /(?:^|\/)data\.pkl$/.test(first) && text.includes('c__torch__');
}

export class ScriptArchive {
  readonly name: string;
  readonly #archive: TorchArchive;
  readonly #path: string | undefined;
  readonly #modules = new Map<string, SourceModule | undefined>();
  readonly #classes = new Map<string, ScriptClass>();
  readonly #verified = new Set<string>();
  #constants: readonly PickleValue[] | undefined;
  #sourceBytes = 0;

  private constructor(archive: TorchArchive, path: string | undefined) {
    this.name = archive.archive.name;
    this.#archive = archive;
    this.#path = path;
  }

  /** The source is borrowed. `path`: the file that it is, from which weights are then copied. Throws `INVALID_MODEL` where it is no TorchScript. */
  static open(source: ByteSource, path?: string): ScriptArchive {
    const archive = new TorchArchive(ZipArchive.open(source));
    const { members } = archive.archive;
    if (!members.some((member) => member.path.startsWith(`${archive.root}code/`) && member.path.endsWith('.py'))) {
      const old = members.some((member) => /(?:^|\/)model\.json$/.test(member.path));
      throw new ModelportError('INVALID_MODEL', `${source.name} holds no TorchScript code${old ? ' in the layout that is read: it was written by PyTorch before 1.4; load it there and save it again with a newer one' : ', only tensors'}`, { at: source.name });
    }
    return new ScriptArchive(archive, path);
  }

  static ofBytes(bytes: Uint8Array, name: string): ScriptArchive {
    return ScriptArchive.open(bytesSource(bytes, name));
  }

  /** The module, as it was pickled. */
  module(): PickleValue {
    return this.#archive.readPickle('data.pkl', { classes: archiveClasses, wrapFloats: true, bareArguments: true });
  }

  /** `CONSTANTS.c0` …, as they were pickled. */
  constant(name: string): PickleValue | undefined {
    if (this.#constants === undefined) {
      const known = this.#archive.archive.member(`${this.#archive.root}constants.pkl`) === undefined ? [] : this.#archive.readPickle('constants.pkl', { classes: archiveClasses, wrapFloats: true, bareArguments: true });
      this.#constants = Array.isArray(known) ? (known as readonly PickleValue[]) : [];
    }
    return /^c\d{1,9}$/.test(name) ? this.#constants[Number(name.slice(1))] : undefined;
  }

  /** `__torch__.model.Net`. Undefined where there is no such class. */
  class(path: string): ScriptClass | undefined {
    const known = this.#classes.get(path);
    if (known !== undefined) return known;
    const [module, name] = split(path);
    const definition = this.#module(module)?.classes.get(name);
    if (definition === undefined) return undefined;
    const found = new ScriptClass(path, definition);
    this.#classes.set(path, found);
    return found;
  }

  function(path: string): FunctionDefinition | undefined {
    const [module, name] = split(path);
    return this.#module(module)?.functions.get(name);
  }

  /** Whether some class or function lies below the name. */
  isPackage(path: string): boolean {
    return path === '__torch__' || path.startsWith('__torch__.');
  }

  /** The weight that a pickled tensor is. `folder`: of its storage. */
  weight(tensor: TorchTensor, folder: 'data' | 'constants', name: string): WeightSource {
    const elementType = [...dataTypes.values()].find((facts) => facts.datatype === tensor.datatype)?.number;
    if (elementType === undefined) throw new ModelportError('INVALID_MODEL', `${this.name}: ${printable(name)} has elements of ${tensor.datatype}, which are not imported`, { at: this.name });
    return weightOfBytes(name, elementType, tensor.shape, this.#bytes(tensor, folder));
  }

  #bytes(tensor: TorchTensor, folder: string): ByteRange {
    const { archive, root } = this.#archive;
    const path = `${root}${folder}/${tensor.storage.key}`;
    const width = datatypes[tensor.datatype].bytes;
    const length = elementCount(tensor.shape) * width;
    const start = archive.storedOffset(path);
    if (this.#path === undefined || start === undefined || tensor.storage.bigEndian || !tensor.isContiguous || length < 4096) {
      const elements = tensor.read();
      return ByteRange.of(new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength));
    }
    // Reading it once checks it; afterwards it stays in the file.
    if (!this.#verified.has(path)) archive.read(path);
    this.#verified.add(path);
    const status = statSync(this.#path);
    const file: FileIdentity = { path: this.#path, sizeBytes: status.size, modifiedMs: status.mtimeMs };
    return ByteRange.ofFile(file, start + tensor.offset * width, length);
  }

  #module(path: string): SourceModule | undefined {
    if (this.#modules.has(path)) return this.#modules.get(path);
    const member = `${this.#archive.root}code/${path.replaceAll('.', '/')}.py`;
    const found = this.#archive.archive.member(member);
    let parsed: SourceModule | undefined;
    if (found !== undefined) {
      this.#sourceBytes += found.sizeBytes;
      if (this.#sourceBytes > mostSourceBytes) throw new ModelportError('INVALID_MODEL', `${this.name} holds more than ${mostSourceBytes} bytes of source`, { at: this.name });
      parsed = parseSource(Buffer.from(this.#archive.archive.read(member)).toString('utf8'), member.slice(this.#archive.root.length));
    }
    this.#modules.set(path, parsed);
    return parsed;
  }

  /** For a class that is missing. */
  suggest(path: string): string {
    const [module, name] = split(path);
    const known = this.#module(module);
    return known === undefined ? '' : suggestName(name, known.classes.keys());
  }
}

function split(path: string): [module: string, name: string] {
  const dot = path.lastIndexOf('.');
  return dot === -1 ? ['', path] : [path.slice(0, dot), path.slice(dot + 1)];
}

/** Classes of the archive are data: what they are called, and their attributes. */
const archiveClasses: PickleClasses = (module, name) => (`${module}.${name}`.startsWith('__torch__.') || module === '__torch__' ? data : undefined);
