/**
 * `torch.save` before 1.6, and now with `_use_new_zipfile_serialization=False`: pickles of a magic number, a version, facts of the machine, the value and the keys of
 * its storages, then the storages, each with its number of elements before it.
 */
import { ModelportError } from '../../errors.ts';
import { datatypes } from '../../tensor.ts';
import type { ByteSource } from '../byte-source.ts';
import { firstOf, type PickleReading } from '../pickle/pickle-class.ts';
import { describePickleValue, isTuple, type PickleValue } from '../pickle/pickle-value.ts';
import { readPickleAt } from '../pickle/read-pickle.ts';
import { standardClasses } from '../pickle/standard-classes.ts';
import { locationOf, storageBytes, storageDatatype, torchClasses } from './torch-classes.ts';
import type { ReadTorchOptions } from './torch-options.ts';
import { TorchStorage } from './torch-tensor.ts';

/** 0x1950a86a20f9469cfc6c, behind PROTO and the opcode LONG1 with its length. */
const magic = Buffer.from('6cfc9c46f9206aa85019', 'hex');
const protocolVersion = 1001;

export function looksLikeLegacyTorch(start: Uint8Array): boolean {
  return start.length > 15 && start[0] === 0x80 && start[2] === 0x8a && start[3] === 10 && magic.equals(start.subarray(4, 14));
}

interface PendingStorage {
  readonly storage: TorchStorage;
  readonly elementBytes: number;
}

/** Throws `INVALID_MODEL`. Storages are found when the pickles were read; the pickles themselves are read as a whole. */
export function readLegacyTorch(source: ByteSource, { classes, wrapFloats, limits }: Omit<ReadTorchOptions, 'zipLimits'>): PickleValue {
  const { name } = source;
  const fail = (problem: string): never => {
    throw new ModelportError('INVALID_MODEL', `${name}: ${problem}`, { at: name });
  };
  // The pickles have no length in front; they are small next to the storages, but how small is not told.
  const bytes = source.read(0, source.sizeBytes);
  const common = { name, ...(limits === undefined ? {} : { limits }) };
  let offset = 0;
  const facts: PickleValue[] = [];
  for (let index = 0; index < 3; index++) {
    const { value, end } = readPickleAt(bytes, { ...common, classes: standardClasses, offset });
    facts.push(value);
    offset = end;
  }
  if (facts[1] !== protocolVersion) return fail(`PyTorch's older layout has version ${describePickleValue(facts[1])}; ${protocolVersion} is read`);
  const bigEndian = facts[2] instanceof Map && facts[2].get('little_endian') === false;

  const storages = new Map<string, PendingStorage>();
  const places = new Map<string, { offset: number; sizeBytes: number }>();
  const load = (id: PickleValue, reading: PickleReading): PickleValue => {
    if (!isTuple(id)) return reading.fail(`a persistent id is ${describePickleValue(id)}, not a storage`);
    // ('module', class, file, source): the source of a module's class is left aside.
    if (id[0] === 'module' && id[1] !== undefined) return id[1];
    if (id[0] !== 'storage' || id.length < 5) return reading.fail('a persistent id names no storage');
    const [, type, key, location, elements, view] = id;
    if (typeof key !== 'string') return reading.fail('a storage has no key');
    const datatype = storageDatatype(type, reading);
    const elementBytes = datatype === undefined ? 1 : datatypes[datatype].bytes;
    let pending = storages.get(key);
    if (pending === undefined) {
      const storage = new TorchStorage({
        key,
        datatype,
        sizeBytes: storageBytes(datatype, elements, reading),
        location: locationOf(location),
        bigEndian,
        read: () => {
          const place = places.get(key);
          return place === undefined ? fail(`the storage ${JSON.stringify(key.slice(0, 60))} is not in the file`) : bytes.subarray(place.offset, place.offset + place.sizeBytes);
        },
      });
      pending = { storage, elementBytes };
      storages.set(key, pending);
    }
    const { storage } = pending;
    if (storage.datatype !== datatype) return reading.fail(`the storage ${JSON.stringify(key.slice(0, 60))} has two types`);
    if (!isTuple(view)) return storage;
    // (key, offset, size): a part of the storage, in elements
    const [viewKey, start, size] = view;
    if (typeof viewKey !== 'string') return reading.fail('a view has no key');
    const startBytes = storageBytes(datatype, start, reading);
    const sizeBytes = storageBytes(datatype, size, reading);
    if (startBytes + sizeBytes > storage.sizeBytes) return reading.fail('a view does not lie in its storage');
    return new TorchStorage({ key: viewKey, datatype, sizeBytes, location: storage.location, bigEndian, read: () => storage.bytes().subarray(startBytes, startBytes + sizeBytes) });
  };
  const main = readPickleAt(bytes, {
    ...common,
    classes: classes === undefined ? torchClasses : firstOf(torchClasses, classes),
    offset,
    persistentLoad: load,
    ...(wrapFloats === undefined ? {} : { wrapFloats }),
  });
  const keys = readPickleAt(bytes, { ...common, classes: standardClasses, offset: main.end });
  if (!Array.isArray(keys.value)) return fail('the list of storages is missing');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  offset = keys.end;
  for (const key of keys.value as PickleValue[]) {
    const pending = typeof key === 'string' ? storages.get(key) : undefined;
    if (typeof key !== 'string' || pending === undefined || places.has(key)) return fail('the list of storages names one that the value does not have, or one twice');
    if (offset + 8 > bytes.length) return fail('the file ends before its storages; it is truncated');
    const elements = Number(bigEndian ? view.readBigInt64BE(offset) : view.readBigInt64LE(offset));
    const sizeBytes = elements * pending.elementBytes;
    if (sizeBytes !== pending.storage.sizeBytes || offset + 8 + sizeBytes > bytes.length) return fail(`the storage ${JSON.stringify(key.slice(0, 60))} of ${pending.storage.sizeBytes} bytes does not lie in the file; it is truncated or damaged`);
    places.set(key, { offset: offset + 8, sizeBytes });
    offset += 8 + sizeBytes;
  }
  for (const key of storages.keys()) if (!places.has(key)) return fail(`the storage ${JSON.stringify(key.slice(0, 60))} is not in the file`);
  return main.value;
}
