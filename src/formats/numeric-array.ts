/** Little-endian bytes as the array of a datatype. */
import { datatypes, type Datatype, type NumericArray } from '../tensor.ts';

/** A view where the bytes are aligned, else a copy. Their length is a multiple of the element's. */
export function numericArray(datatype: Datatype, bytes: Uint8Array): NumericArray {
  const { bytes: size, array } = datatypes[datatype as Exclude<Datatype, 'BYTES'>];
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const make = array as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => NumericArray;
  return new make(aligned.buffer, aligned.byteOffset, bytes.length / size);
}
