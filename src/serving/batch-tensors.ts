/** Many requests to the tensors of one run, and its tensors back to many answers. Pure but for reading the requests. */
import { ModelportError } from '../errors.ts';
import type { InferRequest, InferResponse, Signature, TensorSpec } from '../model.ts';
import { allocateUnfilled, concatenate, elementCount, elements, split, type Tensor, type TensorData, type Tensors } from '../tensor.ts';
import type { Padding } from './padding.ts';
import type { QueuedRequest } from './queued-request.ts';

/** The one request that answers all of `batch`, whose shape keys are equal. A batch of one is its request itself: nothing is copied. */
export function gatherRequest(batch: readonly QueuedRequest[], rows: number, signature: Signature, padding: Padding | undefined): InferRequest {
  const first = batch[0]!.request;
  const padded = padding !== undefined && batch[0]!.sizes !== undefined && padding.applies(batch) ? padding.gather(batch, rows) : undefined;
  if (batch.length === 1 && padded === undefined) return first;
  const inputs = new Map<string, Tensor>();
  for (const spec of signature.inputs) {
    const tensor = padded?.get(spec.name) ?? gatherInput(batch, rows, spec);
    if (tensor !== undefined) inputs.set(spec.name, tensor);
  }
  const outputs = unionOfOutputs(batch);
  if (outputs === undefined && first.parameters === undefined) return { inputs };
  return { inputs, ...(outputs === undefined ? {} : { outputs }), ...(first.parameters === undefined ? {} : { parameters: first.parameters }) };
}

function gatherInput(batch: readonly QueuedRequest[], rows: number, spec: TensorSpec): Tensor | undefined {
  const first = batch[0]!.request.inputs.get(spec.name);
  if (first === undefined || spec.batchAxis === undefined || batch.length === 1) return first;
  if (spec.batchAxis === 0) return joinRows(batch, rows, spec.name, first);
  return concatenate(batch.map(({ request }) => request.inputs.get(spec.name)!), spec.batchAxis);
}

/** Below this many elements a loop is faster than a call of `set`. */
const smallPart = 32;

function joinRows(batch: readonly QueuedRequest[], rows: number, name: string, first: Tensor): Tensor {
  const shape = first.shape.slice();
  shape[0] = rows;
  const data: TensorData = allocateUnfilled(first.datatype, elementCount(shape));
  let offset = 0;
  if (data instanceof Float32Array) {
    // A loop of its own, because one over arrays of several types is an order of magnitude slower.
    for (let index = 0; index < batch.length; index++) {
      const part = batch[index]!.request.inputs.get(name)!.data as Float32Array;
      if (part.length > smallPart) data.set(part, offset);
      else for (let element = 0; element < part.length; element++) data[offset + element] = part[element]!;
      offset += part.length;
    }
  } else {
    for (const { request } of batch) {
      const part = request.inputs.get(name)!.data;
      if (Array.isArray(data)) for (let element = 0; element < part.length; element++) data[offset + element] = part[element] as Uint8Array;
      else data.set(part as never, offset);
      offset += part.length;
    }
  }
  return { datatype: first.datatype, shape, data };
}

/** Undefined: all. */
function unionOfOutputs(batch: readonly QueuedRequest[]): readonly string[] | undefined {
  const first = batch[0]!.request.outputs;
  if (first === undefined) return undefined;
  let union: Set<string> | undefined;
  for (const { request } of batch) {
    if (request.outputs === undefined) return undefined;
    if (request.outputs === first) continue;
    union ??= new Set(first);
    for (const name of request.outputs) union.add(name);
  }
  return union === undefined ? first : [...union];
}

/**
 * The answer of each request of a batch of several. Throws `RUN_FAILED` where an output does not have exactly the rows
 * that were put in: then nobody can say whose they are.
 */
export function scatterResponse(
  response: InferResponse,
  batch: readonly QueuedRequest[],
  rows: number,
  outputSpecs: ReadonlyMap<string, TensorSpec>,
  padding: Padding | undefined,
  modelName: string,
): InferResponse[] {
  const answers: Map<string, Tensor>[] = [];
  for (let index = 0; index < batch.length; index++) answers.push(new Map());
  const ragged = padding !== undefined && batch[0]!.sizes !== undefined && padding.isRagged(batch);
  for (const [name, tensor] of response.outputs) {
    const spec = outputSpecs.get(name);
    // Requests that want an output without rows are not joined, so nobody here does.
    if (spec?.batchAxis === undefined) continue;
    checkRows(tensor, spec, rows, batch.length, modelName);
    if (ragged) scatterCut(tensor, spec, batch, padding, answers, modelName);
    else if (spec.batchAxis === 0) scatterRows(tensor, name, batch, answers);
    else {
      const parts = split(tensor, spec.batchAxis, batch.map((queued) => queued.rows));
      for (let index = 0; index < batch.length; index++) if (wants(batch[index]!, name)) answers[index]!.set(name, parts[index]!);
    }
  }
  const { parameters } = response;
  const responses: InferResponse[] = [];
  for (let index = 0; index < batch.length; index++) {
    const outputs: Tensors = answers[index]!;
    checkOutputs(outputs, batch[index]!.request.outputs, modelName);
    responses.push(parameters === undefined ? { outputs } : { outputs, parameters });
  }
  return responses;
}

function scatterRows(tensor: Tensor, name: string, batch: readonly QueuedRequest[], answers: readonly Map<string, Tensor>[]): void {
  const { datatype, shape } = tensor;
  const rowElements = elementCount(shape) / shape[0]! || 0;
  let offset = 0;
  let partShape: number[] | undefined;
  for (let index = 0; index < batch.length; index++) {
    const queued = batch[index]!;
    const end = offset + queued.rows * rowElements;
    if (wants(queued, name)) {
      // Shapes are never written into, so neighbours of equal size share one.
      if (partShape === undefined || partShape[0] !== queued.rows) {
        partShape = shape.slice();
        partShape[0] = queued.rows;
      }
      const data = tensor.data instanceof Float32Array ? tensor.data.subarray(offset, end) : elements(tensor.data, offset, end);
      answers[index]!.set(name, { datatype, shape: partShape, data });
    }
    offset = end;
  }
}

function scatterCut(tensor: Tensor, spec: TensorSpec, batch: readonly QueuedRequest[], padding: Padding, answers: readonly Map<string, Tensor>[], modelName: string): void {
  const longest = padding.longest(batch);
  const axis = padding.unpaddedAxis(tensor, spec, longest);
  if (axis !== -1) {
    throw new ModelportError(
      'RUN_FAILED',
      `model '${modelName}' was run with inputs padded to ${padding.dimensions.map((name, index) => `${name}=${longest[index]}`).join(', ')}, but axis ${axis} of its output '${spec.name}', ` +
        `whose size should be '${spec.shape[axis]}', has size ${tensor.shape[axis]}: it cannot be cut back`,
      { at: `outputs.${spec.name}` },
    );
  }
  let row = 0;
  for (let index = 0; index < batch.length; index++) {
    const queued = batch[index]!;
    if (wants(queued, spec.name)) answers[index]!.set(spec.name, padding.cut(spec, tensor, row, queued));
    row += queued.rows;
  }
}

function wants(queued: QueuedRequest, output: string): boolean {
  return queued.request.outputs === undefined || queued.request.outputs.includes(output);
}

function checkRows(tensor: Tensor, spec: TensorSpec, rows: number, requests: number, modelName: string): void {
  const size = tensor.shape[spec.batchAxis!];
  if (size === rows && elementCount(tensor.shape) === tensor.data.length) return;
  throw new ModelportError(
    'RUN_FAILED',
    `model '${modelName}' was run with ${rows} rows of ${requests} requests, but its output '${spec.name}' came back with shape [${tensor.shape.join(',')}]: ` +
      `axis ${spec.batchAxis} should have size ${rows}. The model does not honour its batch axis; set \`batching: false\``,
    { at: `outputs.${spec.name}` },
  );
}

function checkOutputs(outputs: Tensors, wanted: readonly string[] | undefined, modelName: string): void {
  if (wanted === undefined) return;
  for (let index = 0; index < wanted.length; index++) {
    if (!outputs.has(wanted[index]!)) throw new ModelportError('RUN_FAILED', `model '${modelName}' returned no output '${wanted[index]}'`, { at: `outputs.${wanted[index]}` });
  }
}
