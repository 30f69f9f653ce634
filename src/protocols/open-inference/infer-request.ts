/**
 * The body of `infer` as data: what the JSON says, before anything is looked up. Plain data, because large bodies are
 * parsed in a thread and the result is sent over. The gRPC wire makes the same structure from its messages.
 */
import type { ParameterValue } from '../../model.ts';
import type { Datatype, TensorData } from '../../tensor.ts';
import { isDatatype } from '../../tensor.ts';
import { describeJsonError } from './json-path.ts';
import { JsonReader, maxDepth } from './json-reader.ts';
import { readTensorData } from './json-tensors.ts';

/** Where a tensor lies in a registered shared memory region. */
export interface SharedMemorySpan {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

/** An input has exactly one of `data`, `binaryDataSize` and `sharedMemory`. */
export interface WireInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  readonly data: TensorData | undefined;
  /** Bytes after the JSON that hold the elements. */
  readonly binaryDataSize: number | undefined;
  readonly sharedMemory: SharedMemorySpan | undefined;
}

export interface WireOutput {
  readonly name: string;
  /** Undefined: as the request as a whole says. */
  readonly binaryData: boolean | undefined;
  /** How many classes to answer with; 0: the tensor itself. */
  readonly classification: number;
  readonly sharedMemory: SharedMemorySpan | undefined;
}

export interface WireInferRequest {
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, ParameterValue>> | undefined;
  readonly inputs: readonly WireInput[];
  /** Undefined: all, as the model has them. */
  readonly outputs: readonly WireOutput[] | undefined;
}

/** A dimension that no array could have is refused before anything multiplies it. */
const largestDimension = 0x7fffffff;

/** Parses the JSON of an infer request. Throws `INVALID_REQUEST` naming the field. */
export function parseInferRequest(json: Uint8Array): WireInferRequest {
  const reader = new JsonReader(json);
  try {
    const request = readRequest(reader);
    reader.end();
    return request;
  } catch (error) {
    throw describeJsonError(error, json);
  }
}

function readRequest(reader: JsonReader): WireInferRequest {
  let id: string | undefined;
  let parameters: Readonly<Record<string, ParameterValue>> | undefined;
  let inputs: WireInput[] | undefined;
  let outputs: WireOutput[] | undefined;
  reader.open(123, 'an object');
  const start = reader.position - 1;
  if (!reader.closes(125)) {
    do {
      const key = reader.key();
      switch (key) {
        case 'id':
          id = reader.string();
          break;
        case 'parameters':
          parameters = readParameters(reader);
          break;
        case 'inputs':
          if (inputs !== undefined) reader.reject('it is given twice', reader.position);
          inputs = readList(reader, readInput);
          break;
        case 'outputs':
          if (outputs !== undefined) reader.reject('it is given twice', reader.position);
          if (!reader.null()) outputs = readList(reader, readOutput);
          break;
        default:
          // Members that this protocol does not have are read over: `model_name` stands in many examples.
          reader.skip(2);
      }
    } while (reader.next(125));
  }
  if (inputs === undefined) return reader.reject("it has no 'inputs', an array of tensors", start);
  return { id, parameters, inputs, outputs };
}

function readList<Item extends { readonly name: string }>(reader: JsonReader, read: (reader: JsonReader) => Item): Item[] {
  reader.open(91, 'an array');
  const items: Item[] = [];
  if (reader.closes(93)) return items;
  do {
    reader.peek();
    const start = reader.position;
    const item = read(reader);
    // A few names are compared faster than hashed; many would make it quadratic.
    const known = items.length < 16 ? items.some((other) => other.name === item.name) : namesOf(items).has(item.name);
    if (known) reader.reject(`'${item.name}' is given twice`, start);
    items.push(item);
    if (items.length >= 16) namesOf(items).add(item.name);
  } while (reader.next(93));
  return items;
}

const nameSets = new WeakMap<readonly object[], Set<string>>();

function namesOf(items: readonly { readonly name: string }[]): Set<string> {
  let names = nameSets.get(items);
  if (names === undefined) nameSets.set(items, (names = new Set(items.map((item) => item.name))));
  return names;
}

function readInput(reader: JsonReader): WireInput {
  let name: string | undefined;
  let shape: number[] | undefined;
  let datatype: Datatype | undefined;
  let data: TensorData | undefined;
  let dataAt = -1;
  let parameters: TensorParameters = noParameters;
  reader.open(123, 'an object');
  const start = reader.position - 1;
  if (!reader.closes(125)) {
    do {
      const key = reader.key();
      switch (key) {
        case 'name':
          name = reader.string();
          break;
        case 'shape':
          shape = readShape(reader);
          break;
        case 'datatype':
          datatype = readDatatype(reader);
          break;
        case 'data':
          if (dataAt !== -1) reader.reject('it is given twice', reader.position);
          if (reader.peek() !== 91) reader.expected('an array');
          dataAt = reader.position;
          // Members come in any order: elements that come before their datatype and shape are read when both are known.
          if (shape === undefined || datatype === undefined) reader.skip(4);
          else data = readTensorData(reader, datatype, shape);
          break;
        case 'parameters':
          parameters = readTensorParameters(reader);
          break;
        default:
          reader.skip(4);
      }
    } while (reader.next(125));
  }
  if (name === undefined) return reader.reject("it has no 'name'", start);
  if (shape === undefined) return reader.reject(`input '${name}' has no 'shape'`, start);
  if (datatype === undefined) return reader.reject(`input '${name}' has no 'datatype'`, start);
  const { binaryDataSize } = parameters;
  const sharedMemory = spanOf(parameters, reader, start);
  const given = (dataAt === -1 ? 0 : 1) + (binaryDataSize === undefined ? 0 : 1) + (sharedMemory === undefined ? 0 : 1);
  if (given !== 1) {
    const set = [dataAt === -1 ? '' : " 'data'", binaryDataSize === undefined ? '' : " 'binary_data_size'", sharedMemory === undefined ? '' : " 'shared_memory_region'"].join('');
    reader.reject(
      "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But" +
        (given === 0 ? ' no field is set' : ` set${set}`) +
        ` (input '${name}')`,
      start,
    );
  }
  if (dataAt !== -1 && data === undefined) {
    const end = reader.position;
    reader.position = dataAt;
    data = readTensorData(reader, datatype, shape);
    reader.position = end;
  }
  return { name, shape, datatype, data, binaryDataSize, sharedMemory };
}

function readOutput(reader: JsonReader): WireOutput {
  let name: string | undefined;
  let parameters: TensorParameters = noParameters;
  reader.open(123, 'an object');
  const start = reader.position - 1;
  if (!reader.closes(125)) {
    do {
      const key = reader.key();
      if (key === 'name') name = reader.string();
      else if (key === 'parameters') parameters = readTensorParameters(reader);
      else reader.skip(4);
    } while (reader.next(125));
  }
  if (name === undefined) return reader.reject("it has no 'name'", start);
  const sharedMemory = spanOf(parameters, reader, start);
  const { binaryData, classification = 0 } = parameters;
  if (sharedMemory !== undefined && classification > 0) reader.reject("Output can't set both 'shared_memory_region' and 'classification'", start);
  if (sharedMemory !== undefined && binaryData === true) reader.reject("Output can't set both 'shared_memory_region' and 'binary_data'", start);
  return { name, binaryData, classification, sharedMemory };
}

function readShape(reader: JsonReader): number[] {
  reader.open(91, 'an array');
  const shape: number[] = [];
  if (reader.closes(93)) return shape;
  do {
    if (shape.length === maxDepth) reader.reject(`a tensor has at most ${maxDepth} dimensions`, reader.position);
    shape.push(reader.size(largestDimension));
  } while (reader.next(93));
  return shape;
}

function readDatatype(reader: JsonReader): Datatype {
  reader.peek();
  const start = reader.position;
  const text = reader.string();
  if (!isDatatype(text)) return reader.reject(`'${text.slice(0, 40)}' is not a datatype: expected BOOL, UINT8 … UINT64, INT8 … INT64, FP16, BF16, FP32, FP64 or BYTES`, start);
  return text;
}

interface TensorParameters {
  readonly binaryDataSize: number | undefined;
  readonly binaryData: boolean | undefined;
  readonly classification: number | undefined;
  readonly region: string | undefined;
  readonly offset: number | undefined;
  readonly byteSize: number | undefined;
}

const noParameters: TensorParameters = { binaryDataSize: undefined, binaryData: undefined, classification: undefined, region: undefined, offset: undefined, byteSize: undefined };

/** The parameters of a tensor that the protocol knows; others are read over. */
function readTensorParameters(reader: JsonReader): TensorParameters {
  if (reader.null()) return noParameters;
  let binaryDataSize: number | undefined;
  let binaryData: boolean | undefined;
  let classification: number | undefined;
  let region: string | undefined;
  let offset: number | undefined;
  let byteSize: number | undefined;
  reader.open(123, 'an object');
  if (!reader.closes(125)) {
    do {
      const key = reader.key();
      switch (key) {
        case 'binary_data_size':
          binaryDataSize = reader.size();
          break;
        case 'binary_data':
          binaryData = reader.boolean();
          break;
        case 'classification':
          classification = reader.size();
          break;
        case 'shared_memory_region':
          region = reader.string();
          break;
        case 'shared_memory_offset':
          offset = reader.size();
          break;
        case 'shared_memory_byte_size':
          byteSize = reader.size();
          break;
        default:
          reader.skip(5);
      }
    } while (reader.next(125));
  }
  return { binaryDataSize, binaryData, classification, region, offset, byteSize };
}

function spanOf(parameters: TensorParameters, reader: JsonReader, start: number): SharedMemorySpan | undefined {
  const { region, offset = 0, byteSize } = parameters;
  if (region === undefined) return undefined;
  if (byteSize === undefined) return reader.reject("'shared_memory_region' needs 'shared_memory_byte_size' beside it", start);
  return { region, offset, byteSize };
}

/** Parameters of a request: booleans, numbers and text. Integers beyond 2^53 keep every digit as bigint. */
export function readParameters(reader: JsonReader): Record<string, ParameterValue> | undefined {
  if (reader.null()) return undefined;
  const parameters: Record<string, ParameterValue> = {};
  reader.open(123, 'an object');
  if (reader.closes(125)) return parameters;
  do {
    const key = reader.key();
    const value = readParameter(reader);
    // defineProperty: a member named __proto__ is a member like any other.
    Object.defineProperty(parameters, key, { value, enumerable: true, configurable: true, writable: true });
  } while (reader.next(125));
  return parameters;
}

export function readParameter(reader: JsonReader): ParameterValue {
  const byte = reader.peek();
  if (byte === 34) return reader.string();
  if (byte === 116 || byte === 102) return reader.boolean();
  const special = reader.nonFinite();
  if (special !== undefined) return special;
  if (byte !== 45 && !(byte !== undefined && byte >= 48 && byte <= 57)) return reader.expected('a boolean, a number or text');
  const start = reader.position;
  reader.number();
  const { numbers } = reader;
  const integer = numbers.toSafeInteger();
  if (integer === integer) return integer;
  if (numbers.plain) {
    const exact = reader.position - start <= 20 ? BigInt(numbers.text()) : undefined;
    if (exact === undefined || exact >= 1n << 64n || exact < -(1n << 63n)) return reader.reject(`${numbers.text().slice(0, 40)} does not fit 64 bits`, start);
    return exact;
  }
  const value = numbers.toDouble();
  if (value - value !== 0) reader.reject(`${numbers.text().slice(0, 40)} does not fit a double`, start);
  return value;
}
