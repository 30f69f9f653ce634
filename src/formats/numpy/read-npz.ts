/** NumPy's `.npz`: a zip of `.npy` files. */
import { ModelportError } from '../../errors.ts';
import type { ZipArchive } from '../zip.ts';
import type { NumpyArray } from './numpy-array.ts';
import { readNpy, type ReadNpyOptions } from './read-npy.ts';

export interface NpzFile {
  /** Names of the arrays, without `.npy`. */
  readonly names: readonly string[];
  /** Reads one array. Throws `INVALID_MODEL` where there is none of this name. */
  array(name: string): NumpyArray;
}

/** Arrays are read when they are asked for: the archive stays open for as long as its source. */
export function openNpz(archive: ZipArchive, options: Omit<ReadNpyOptions, 'name'> = {}): NpzFile {
  const members = archive.members.filter(({ path }) => path.endsWith('.npy')).map(({ path }) => path);
  return {
    names: members.map((path) => path.slice(0, -4)),
    array(name) {
      if (!members.includes(`${name}.npy`)) throw new ModelportError('INVALID_MODEL', `${archive.name} holds no array ${JSON.stringify(name)}`, { at: archive.name });
      return readNpy(archive.read(`${name}.npy`), { ...options, name: `${archive.name}: ${name}` });
    },
  };
}
