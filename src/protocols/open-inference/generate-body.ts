/** The body of `generate` as data. Pure: large ones are read in a thread. */
import type { ParameterValue, Parameters, TensorSpec } from '../../model.ts';
import { elementCount, type Tensor } from '../../tensor.ts';
import { readParameter, readParameters } from './infer-request.ts';
import { describeJsonError } from './json-path.ts';
import { JsonReader } from './json-reader.ts';
import { readTensorData } from './json-tensors.ts';

export interface GenerateBody {
  readonly id: string | undefined;
  readonly textInput: string | undefined;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly parameters: Parameters;
}

/**
 * `id`, `text_input`, `parameters` and whatever else: tensors where one of `inputSpecs` has that name, else parameters.
 * Without specs (a model that generates) `text_input` is the prompt.
 * Throws `INVALID_REQUEST` naming the field.
 */
export function readGenerateBody(body: Uint8Array, inputSpecs: readonly TensorSpec[] | undefined): GenerateBody {
  const reader = new JsonReader(body);
  const inputs = new Map<string, Tensor>();
  const parameters: Record<string, ParameterValue> = {};
  let id: string | undefined;
  let textInput: string | undefined;
  try {
    reader.open(123, 'an object');
    if (!reader.closes(125)) {
      do {
        const key = reader.key();
        const spec = inputSpecs?.find((input) => input.name === key);
        if (spec !== undefined) inputs.set(key, readInput(reader, spec));
        else if (key === 'id') id = reader.string();
        else if (key === 'text_input' && inputSpecs === undefined) textInput = reader.string();
        else if (key === 'parameters') Object.assign(parameters, readNested(reader, inputSpecs, inputs));
        else Object.defineProperty(parameters, key, { value: readParameter(reader), enumerable: true, configurable: true, writable: true });
      } while (reader.next(125));
    }
    reader.end();
  } catch (error) {
    throw describeJsonError(error, body);
  }
  return { id, textInput, inputs, parameters };
}

/** `parameters` may hold inputs, too. */
function readNested(reader: JsonReader, inputSpecs: readonly TensorSpec[] | undefined, inputs: Map<string, Tensor>): Parameters {
  if (inputSpecs === undefined) return readParameters(reader) ?? {};
  const parameters: Record<string, ParameterValue> = {};
  reader.open(123, 'an object');
  if (reader.closes(125)) return parameters;
  do {
    const key = reader.key();
    const spec = inputSpecs.find((input) => input.name === key);
    if (spec !== undefined) inputs.set(key, readInput(reader, spec));
    else Object.defineProperty(parameters, key, { value: readParameter(reader), enumerable: true, configurable: true, writable: true });
  } while (reader.next(125));
  return parameters;
}

/** A value or a flat list of them as the tensor that the model wants: one row, the dimension that varies found from the count. */
function readInput(reader: JsonReader, spec: TensorSpec): Tensor {
  reader.peek();
  const start = reader.position;
  let count = 0;
  const isList = reader.peek() === 91;
  if (isList) {
    reader.position++;
    if (!reader.closes(93)) {
      do {
        reader.skip(3);
        count++;
      } while (reader.next(93));
    }
    const end = reader.position;
    reader.position = start;
    const data = readTensorData(reader, spec.datatype, [count]);
    reader.position = end;
    return { datatype: spec.datatype, shape: resolveShape(reader, start, spec, count), data };
  }
  reader.skip(2);
  // The same rules as for a list of one, whose positions are one byte on.
  const span = new Uint8Array(reader.position - start + 2);
  span.set(reader.bytes.subarray(start, reader.position), 1);
  span[0] = 91;
  span[span.length - 1] = 93;
  try {
    return { datatype: spec.datatype, shape: resolveShape(reader, start, spec, 1), data: readTensorData(new JsonReader(span), spec.datatype, [1]) };
  } catch (error) {
    return reader.reject((error as Error).message, start);
  }
}

function resolveShape(reader: JsonReader, start: number, spec: TensorSpec, count: number): number[] {
  const shape = spec.shape.map((dimension, axis) => (axis === spec.batchAxis ? 1 : typeof dimension === 'number' && dimension >= 0 ? dimension : -1));
  const known = elementCount(shape.filter((size) => size !== -1));
  let open = shape.filter((size) => size === -1).length;
  const resolved = shape.map((size) => (size === -1 ? (--open === 0 ? count / known : 1) : size));
  if (elementCount(resolved) !== count || !resolved.every(Number.isInteger)) reader.reject(`it has ${count} elements, which do not fill shape [${shape.join(', ')}]`, start);
  return resolved;
}
