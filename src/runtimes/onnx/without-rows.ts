/** Requests of zero rows, for models with a node that can't take them (ONNX Runtime's tokenizer loses an axis then). */
import type { InferRequest, InferResponse, Signature } from '../../model.ts';
import { allocate, elementCount, type Tensor } from '../../tensor.ts';

/** The same request with one row of zeros and empty strings, or undefined where it has rows, or where the model has outputs without rows to cut away. */
export function withOneRow(request: InferRequest, { inputs, outputs }: Signature): InferRequest | undefined {
  const wanted = outputs.filter(({ name }) => request.outputs === undefined || request.outputs.includes(name));
  if (wanted.some(({ batchAxis }) => batchAxis === undefined)) return undefined;
  const rows = new Map<string, Tensor>();
  for (const { name, batchAxis } of inputs) {
    const tensor = request.inputs.get(name);
    if (tensor === undefined) continue;
    if (batchAxis === undefined) {
      rows.set(name, tensor);
      continue;
    }
    if (tensor.shape[batchAxis] !== 0) return undefined;
    const shape = tensor.shape.with(batchAxis, 1);
    rows.set(name, { datatype: tensor.datatype, shape, data: allocate(tensor.datatype, elementCount(shape)) });
  }
  return rows.size === 0 ? undefined : { ...request, inputs: rows };
}

/** The answer to {@link withOneRow} without its row. */
export function cutRow(response: InferResponse, { outputs }: Signature): InferResponse {
  const axes = new Map(outputs.map(({ name, batchAxis }) => [name, batchAxis]));
  const cut = [...response.outputs].map(([name, { datatype, shape }]): [string, Tensor] => [name, { datatype, shape: shape.with(axes.get(name)!, 0), data: allocate(datatype, 0) }]);
  return { ...response, outputs: new Map(cut) };
}
