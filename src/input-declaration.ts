/** `x:f32[batch,3,224,224]`: an input as a person says it on a command line or in model.yaml. */
import { ModelportError } from './errors.ts';
import type { InputDeclaration } from './importer.ts';
import { suggestName } from './lib/suggest-name.ts';
import type { Dimension } from './model.ts';
import { datatypes, isDatatype, type Datatype } from './tensor.ts';

/** Rust's and PyTorch's short names beside the protocol's. */
const shortNames: Readonly<Record<string, Datatype>> = {
  f16: 'FP16', f32: 'FP32', f64: 'FP64', bf16: 'BF16', i8: 'INT8', i16: 'INT16', i32: 'INT32', i64: 'INT64', u8: 'UINT8', u16: 'UINT16', u32: 'UINT32', u64: 'UINT64',
  bool: 'BOOL', float16: 'FP16', float32: 'FP32', float64: 'FP64', bfloat16: 'BF16', int8: 'INT8', int16: 'INT16', int32: 'INT32', int64: 'INT64', uint8: 'UINT8', uint16: 'UINT16',
  uint32: 'UINT32', uint64: 'UINT64', string: 'BYTES',
};

const form = /^(?:([^\s:[\]]{1,255}):)?([A-Za-z0-9]{1,16})\[([^[\]]{0,1000})\]$/;
const dimensionName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const mostDimensions = 32;

/** Throws `INVALID_USAGE`. `batch`, `n` and other names are sizes that vary, `-1` and `?` are sizes that vary without a name. */
export function parseInputDeclaration(text: string): InputDeclaration {
  const refuse = (what: string): ModelportError => new ModelportError('INVALID_USAGE', `'${text.slice(0, 200)}' declares no input: ${what}. Write NAME:TYPE[SIZES], as in x:f32[batch,3,224,224]`, { at: 'inputs' });
  const match = form.exec(text.trim());
  if (match === null) throw refuse('it is not of that form');
  const [, name, type, sizes] = match;
  const datatype = shortNames[type!.toLowerCase()] ?? (isDatatype(type!.toUpperCase()) ? (type!.toUpperCase() as Datatype) : undefined);
  if (datatype === undefined) throw refuse(`there is no type '${type}'${suggestName(type!, [...Object.keys(shortNames), ...Object.keys(datatypes)])}`);
  const parts = sizes!.trim() === '' ? [] : sizes!.split(',').map((part) => part.trim());
  if (parts.length > mostDimensions) throw refuse(`it has ${parts.length} dimensions, and a tensor has at most ${mostDimensions}`);
  const shape = parts.map((part, axis): Dimension => {
    if (/^\d{1,10}$/.test(part)) return Number(part);
    if (part === '-1' || part === '?') return `size_${axis}`;
    if (dimensionName.test(part)) return part;
    throw refuse(`'${part}' is neither a size nor a name of one`);
  });
  return { ...(name === undefined ? {} : { name }), datatype, shape };
}
