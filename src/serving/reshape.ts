/** A model seen with other shapes than it has itself (`reshape` of the config): elements stay where they are, sizes are told anew. */
import { ModelportError } from '../errors.ts';
import type { InferResponse, Model, Signature, TensorSpec } from '../model.ts';
import { elementCount, type Tensor, type Tensors } from '../tensor.ts';

/** `model` with the signature `seen`, whose tensors have the same names and element counts per row. */
export function reshape(model: Model, seen: Signature): Model {
  const { signature: own } = model;
  if (model.infer === undefined || seen === own) return model;
  return {
    signature: seen,
    async infer(request, call): Promise<InferResponse> {
      const response = await model.infer!({ ...request, inputs: told(request.inputs, own.inputs, seen.inputs) }, call);
      return { ...response, outputs: told(response.outputs, seen.outputs, own.outputs) };
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

function told(tensors: Tensors, as: readonly TensorSpec[], from: readonly TensorSpec[]): Tensors {
  const result = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const spec = as.find((candidate) => candidate.name === name);
    const before = from.find((candidate) => candidate.name === name);
    result.set(name, spec === undefined || before === undefined || sameShape(spec, before) ? tensor : { ...tensor, shape: shapeOf(tensor, spec) });
  }
  return result;
}

function sameShape(a: TensorSpec, b: TensorSpec): boolean {
  return a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis]);
}

/** The spec's shape, its batch axis taken over and its one free size, if any, found from the number of elements. */
function shapeOf(tensor: Tensor, spec: TensorSpec): number[] {
  const shape = spec.shape.map((size, axis) => (axis === spec.batchAxis ? tensor.shape[0]! : typeof size === 'number' && size !== -1 ? size : -1));
  const free = shape.indexOf(-1);
  const known = elementCount(shape.filter((size) => size !== -1));
  const count = elementCount(tensor.shape);
  if (free !== -1 && shape.indexOf(-1, free + 1) === -1 && known > 0 && count % known === 0) shape[free] = count / known;
  if (shape.includes(-1) || elementCount(shape) !== count) {
    throw new ModelportError('INVALID_REQUEST', `tensor '${spec.name}' of shape [${tensor.shape.join(', ')}] can't be reshaped to [${spec.shape.join(', ')}]`, { at: spec.name });
  }
  return shape;
}
