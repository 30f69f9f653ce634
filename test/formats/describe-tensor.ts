/** Tensors of PyTorch's files in the form in which scripts/fixtures/pickles.py writes them. */
import { fromBfloat16, fromHalf } from '../../src/lib/half-float.ts';
import type { Datatype, NumericArray } from '../../src/tensor.ts';

const names: Readonly<Partial<Record<Datatype, string>>> = {
  FP64: 'float64', FP32: 'float32', FP16: 'float16', BF16: 'bfloat16', INT64: 'int64', INT32: 'int32', INT16: 'int16', INT8: 'int8', UINT8: 'uint8', BOOL: 'bool',
};

export function describeTensor(tensor: { readonly datatype: Datatype; readonly shape: readonly number[]; read(): NumericArray }): unknown {
  const number = tensor.datatype === 'FP16' ? fromHalf : tensor.datatype === 'BF16' ? fromBfloat16 : Number;
  return { dtype: `torch.${names[tensor.datatype]}`, shape: tensor.shape, data: Array.from(tensor.read() as Float32Array, (value) => String(number(value))) };
}

/** Python's text of numbers in JavaScript's. */
export function normalizeTensors(expected: unknown): unknown {
  return Object.fromEntries(Object.entries(expected as Record<string, { data: string[] }>).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.map((value) => String(Number(value))) }]));
}
