/** The classification extension: an output as its best classes, each `value:index` or `value:index:label`. */
import { ModelportError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../lib/half-float.ts';
import type { TensorSpec } from '../../model.ts';
import { datatypes, elementCount, textTensor, type NumericArray, type Tensor } from '../../tensor.ts';

const mostElements = 1_000_000;

/**
 * The `count` largest elements of each row in descending order; equal ones by index, NaN last. The result has shape
 * `[rows, n]`, or `[n]` where the output has no rows. Floats are written with six decimals, as Triton writes them.
 */
export function classify(name: string, tensor: Tensor, count: number, spec: TensorSpec | undefined): Tensor<'BYTES'> {
  if (tensor.datatype === 'BYTES' || tensor.datatype === 'BOOL') {
    throw new ModelportError('INVALID_REQUEST', `class result not available for output '${name}' due to unsupported type '${tensor.datatype}'`, { at: `outputs.${name}.parameters.classification` });
  }
  if (tensor.data.length > mostElements) {
    throw new ModelportError('INVALID_REQUEST', `classification output tensor too large: '${name}' has ${tensor.data.length} elements, at most ${mostElements} are sorted`, { at: `outputs.${name}` });
  }
  const batched = spec?.batchAxis === 0 && tensor.shape.length > 0;
  const rows = batched ? tensor.shape[0]! : 1;
  const classes = elementCount(batched ? tensor.shape.slice(1) : tensor.shape);
  const best = Math.min(count, classes);
  const values = valuesOf(tensor);
  const isFloat = datatypes[tensor.datatype].kind === 'float';
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    for (const index of largest(values, start, classes, best)) {
      const label = spec?.labels?.[index];
      const value = values[start + index]!;
      texts.push(`${isFloat ? floatText(value as number) : value}:${index}${label === undefined ? '' : `:${label}`}`);
    }
  }
  return textTensor(batched ? [rows, best] : [best], texts);
}

type Values = ArrayLike<number | bigint>;

function valuesOf(tensor: Tensor): Values {
  const data = tensor.data as NumericArray;
  if (tensor.datatype === 'FP16') return Float64Array.from(data as Uint16Array, fromHalf);
  if (tensor.datatype === 'BF16') return Float64Array.from(data as Uint16Array, fromBfloat16);
  return data;
}

function largest(values: Values, start: number, length: number, count: number): number[] {
  const indices = Array.from({ length }, (_, index) => index);
  indices.sort((left, right) => {
    const a = values[start + left]!;
    const b = values[start + right]!;
    if (a > b) return -1;
    if (b > a) return 1;
    if (a !== a || b !== b) return a === a ? -1 : b === b ? 1 : left - right;
    return left - right;
  });
  return indices.slice(0, count);
}

/** As C's `%f`. */
function floatText(value: number): string {
  if (value !== value) return 'nan';
  if (Math.abs(value) === Infinity) return value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}
