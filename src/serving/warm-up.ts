/** The first runs of a model, before anybody waits for them: runtimes allocate and choose their kernels in them. */
import { Call } from '../call.ts';
import { ModelportError, toPlainError } from '../errors.ts';
import type { ModelConfig, WarmupConfig } from '../model-config.ts';
import type { Model, TensorSpec } from '../model.ts';
import { allocate, datatypes, elementCount, type NumericArray, type Tensor } from '../tensor.ts';
import { readConfined } from './confined-file.ts';
import { generator, randomData, sampleShape, zeroInputs } from './sample-inputs.ts';

const maximumFileBytes = 1 << 30;
const maximumElements = 1 << 28;

/**
 * Runs the samples of `warmup`, or where there are none, one row of zeros by the model's own signature. Files lie in
 * `warmup/` of `directory`. Rejects where a sample of the config does not fit or fails: the version is then not served.
 * Zeros that were made up may fail, that says nothing about the model; the reason is given back.
 */
export async function warmUp(model: Model, config: ModelConfig, directory: string): Promise<string | undefined> {
  if (model.infer === undefined) return undefined;
  if (config.warmup === undefined) return await warmUpWithZeros(model);
  for (const [index, sample] of config.warmup.entries()) {
    const name = sample.name ?? `warmup[${index}]`;
    const inputs = await sampleInputs(model, sample, directory, name);
    for (let run = 0; run < sample.count; run++) {
      try {
        await model.infer({ inputs }, new Call());
      } catch (error) {
        const plain = toPlainError(error);
        throw new ModelportError(plain.code, `warm-up '${name}' failed: ${plain.message}`, { cause: error });
      }
    }
  }
  return undefined;
}

async function warmUpWithZeros(model: Model): Promise<string | undefined> {
  const inputs = zeroInputs(model.signature, 1);
  if (inputs === undefined) return 'not warmed up: its inputs are too large to make up';
  try {
    await model.infer!({ inputs }, new Call());
    return undefined;
  } catch (error) {
    return `not warmed up: the model refuses zeros (${toPlainError(error).message.slice(0, 300)}); say inputs with warmup in model.yaml`;
  }
}

async function sampleInputs(model: Model, sample: WarmupConfig, directory: string, name: string): Promise<Map<string, Tensor>> {
  const inputs = new Map<string, Tensor>();
  const random = generator(1);
  const rows = Math.max(1, sample.batchSize);
  for (const given of Object.keys(sample.inputs)) {
    if (!model.signature.inputs.some((spec) => spec.name === given)) throw new ModelportError('INVALID_CONFIG', `warm-up '${name}': the model has no input '${given}'`);
  }
  for (const spec of model.signature.inputs) {
    const given = sample.inputs[spec.name];
    if (given === undefined && spec.optional === true) continue;
    inputs.set(spec.name, await sampleTensor(spec, given, rows, { directory, name, random }));
  }
  return inputs;
}

async function sampleTensor(
  spec: TensorSpec,
  given: WarmupConfig['inputs'][string] | undefined,
  rows: number,
  { directory, name, random }: { readonly directory: string; readonly name: string; readonly random: () => number },
): Promise<Tensor> {
  const what = `warm-up '${name}', input '${spec.name}'`;
  if (given?.datatype !== undefined && given.datatype !== spec.datatype) {
    throw new ModelportError('INVALID_CONFIG', `${what}: the config says ${given.datatype}, but the model takes ${spec.datatype}`);
  }
  const shape = given?.shape === undefined ? sampleShape(spec, rows) : spec.batchAxis === undefined ? given.shape : [...given.shape.slice(0, spec.batchAxis), rows, ...given.shape.slice(spec.batchAxis)];
  const fits = shape.length === spec.shape.length && shape.every((size, axis) => axis === spec.batchAxis || typeof spec.shape[axis] === 'string' || spec.shape[axis] === -1 || spec.shape[axis] === size);
  if (!fits) throw new ModelportError('INVALID_CONFIG', `${what}: the shape [${shape.join(', ')}] does not fit the model's [${spec.shape.join(', ')}]`);
  const count = elementCount(shape);
  if (count > maximumElements) throw new ModelportError('INVALID_CONFIG', `${what}: ${count} elements are too many`);
  if (given?.file === undefined) return { datatype: spec.datatype, shape, data: given?.fill === 'random' ? randomData(spec.datatype, count, random) : allocate(spec.datatype, count) };
  const bytes = await readConfined(directory, `warmup/${given.file}`, `${what}: the file`, maximumFileBytes);
  return { datatype: spec.datatype, shape, data: spec.datatype === 'BYTES' ? byteStrings(bytes, count, what) : numbers(spec, bytes, count, what) };
}

/** Raw little-endian elements; one row is repeated for all rows, as Triton does with its files. */
function numbers(spec: TensorSpec, bytes: Uint8Array, count: number, what: string): NumericArray {
  const data = allocate(spec.datatype, count) as NumericArray;
  const target = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.byteLength === 0 || target.byteLength % bytes.byteLength !== 0) {
    const size = datatypes[spec.datatype].bytes;
    throw new ModelportError('INVALID_CONFIG', `${what}: the file has ${bytes.byteLength} bytes, but ${count} elements of ${spec.datatype} take ${count * size}`);
  }
  for (let offset = 0; offset < target.byteLength; offset += bytes.byteLength) target.set(bytes, offset);
  return data;
}

/** Each element is its length (32 bits, little-endian) and its bytes. */
function byteStrings(bytes: Uint8Array, count: number, what: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (offset + 4 <= bytes.byteLength) {
    const length = view.getUint32(offset, true);
    if (offset + 4 + length > bytes.byteLength) break;
    elements.push(bytes.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  if (offset !== bytes.byteLength || elements.length === 0 || count % elements.length !== 0) {
    throw new ModelportError('INVALID_CONFIG', `${what}: the file holds ${elements.length} byte strings${offset === bytes.byteLength ? '' : ' and is cut off'}, but ${count} are needed`);
  }
  return Array.from({ length: count }, (_, index) => elements[index % elements.length]!);
}
