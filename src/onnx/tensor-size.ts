/** How large a tensor says it is, and how errors name it. */
import { ModelportError } from '../errors.ts';
import { dataTypeName, type DataTypeFacts } from './data-type.ts';
import type { TensorProto } from './model-proto.ts';

/** The number of elements that the dimensions say. Throws `INVALID_MODEL` where one is negative or the product is absurd. */
export function tensorElementCount(tensor: TensorProto): number {
  let count = 1;
  for (const size of tensor.dims) {
    if (size < 0) throw invalidTensor(tensor, `has the negative dimension ${size}`);
    count *= size;
  }
  if (!Number.isSafeInteger(count)) throw invalidTensor(tensor, `has the impossible shape [${tensor.dims.join(', ')}]`);
  return count;
}

/** The bytes that the elements take where they are packed without gaps, as in `raw_data` and external files. */
export function tensorSizeBytes(tensor: TensorProto, facts: DataTypeFacts): number {
  return Math.ceil((tensorElementCount(tensor) * facts.bits) / 8);
}

export function invalidTensor(tensor: TensorProto, what: string, cause?: unknown): ModelportError {
  const named = tensor.name !== undefined && tensor.name !== '';
  return new ModelportError('INVALID_MODEL', `${named ? `the tensor "${tensor.name}"` : `a ${dataTypeName(tensor.dataType ?? 0)} tensor`} ${what}`, {
    at: named ? `tensor "${tensor.name}"` : 'tensor',
    ...(cause === undefined ? {} : { cause }),
  });
}
