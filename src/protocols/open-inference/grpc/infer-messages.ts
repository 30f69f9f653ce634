/**
 * `ModelInferRequest` and `ModelInferResponse` (proto/triton/grpc_service.proto) read and written by hand: they are the hot
 * path, and numbers go from the message's bytes straight into the typed array of the tensor's datatype.
 */
import protobuf from 'protobufjs/minimal.js';
import { ProtobufReader } from '../../../formats/protobuf-reader.ts';
import type { ParameterValue } from '../../../model.ts';

export type WireParameters = Record<string, ParameterValue>;

/** `InferTensorContents`: the field that was used and its elements; undefined where there is none. */
export interface WireContents {
  readonly field: ContentsField;
  readonly data: Uint8Array | Int32Array | BigInt64Array | Uint32Array | BigUint64Array | Float32Array | Float64Array | Uint8Array[];
}

export const contentsFields = ['bool_contents', 'int_contents', 'int64_contents', 'uint_contents', 'uint64_contents', 'fp32_contents', 'fp64_contents', 'bytes_contents'] as const;
export type ContentsField = (typeof contentsFields)[number];

export interface WireTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: WireParameters | undefined;
  /** More than one only in malformed messages. */
  readonly contents: readonly WireContents[];
}

export interface WireInferRequest {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: WireParameters | undefined;
  readonly inputs: readonly WireTensor[];
  readonly outputs: readonly { readonly name: string; readonly parameters: WireParameters | undefined }[];
  /** Views of the message. */
  readonly rawInputContents: readonly Uint8Array[];
}

export interface WireInferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters?: WireParameters;
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[]; readonly parameters?: WireParameters }[];
  /** One per output that is not in shared memory. */
  readonly rawOutputContents: readonly Uint8Array[];
}

/** Throws `MalformedMessageError`. */
export function readInferRequest(bytes: Uint8Array): WireInferRequest {
  const reader = new ProtobufReader(bytes);
  let modelName = '';
  let modelVersion = '';
  let id = '';
  let parameters: WireParameters | undefined;
  const inputs: WireTensor[] = [];
  const outputs: { name: string; parameters: WireParameters | undefined }[] = [];
  const rawInputContents: Uint8Array[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        modelName = reader.string();
        break;
      case (2 << 3) | 2:
        modelVersion = reader.string();
        break;
      case (3 << 3) | 2:
        id = reader.string();
        break;
      case (4 << 3) | 2:
        readParameter(reader.message(), (parameters ??= Object.create(null) as WireParameters));
        break;
      case (5 << 3) | 2:
        inputs.push(readTensor(reader.message()));
        break;
      case (6 << 3) | 2:
        outputs.push(readRequestedOutput(reader.message()));
        break;
      case (7 << 3) | 2:
        rawInputContents.push(reader.bytes());
        break;
      default:
        reader.skip(tag);
    }
  }
  return { modelName, modelVersion, id, parameters, inputs, outputs, rawInputContents };
}

function readTensor(reader: ProtobufReader): WireTensor {
  let name = '';
  let datatype = '';
  const shape: number[] = [];
  let parameters: WireParameters | undefined;
  const contents: WireContents[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        name = reader.string();
        break;
      case (2 << 3) | 2:
        datatype = reader.string();
        break;
      case (3 << 3) | 2:
        for (const packed = reader.message(); !packed.done; ) shape.push(packed.int64Number());
        break;
      case 3 << 3:
        shape.push(reader.int64Number());
        break;
      case (4 << 3) | 2:
        readParameter(reader.message(), (parameters ??= Object.create(null) as WireParameters));
        break;
      case (5 << 3) | 2:
        readContents(reader.message(), contents);
        break;
      default:
        reader.skip(tag);
    }
  }
  return { name, datatype, shape, parameters, contents };
}

function readRequestedOutput(reader: ProtobufReader): { name: string; parameters: WireParameters | undefined } {
  let name = '';
  let parameters: WireParameters | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) name = reader.string();
    else if (tag === ((2 << 3) | 2)) readParameter(reader.message(), (parameters ??= Object.create(null) as WireParameters));
    else reader.skip(tag);
  }
  return { name, parameters };
}

/** One entry of a `map<string, InferParameter>`. An entry without a value is left out. */
function readParameter(reader: ProtobufReader, into: WireParameters): void {
  let key = '';
  let value: ParameterValue | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) key = reader.string();
    else if (tag === ((2 << 3) | 2)) value = readParameterValue(reader.message());
    else reader.skip(tag);
  }
  if (value !== undefined) into[key] = value;
}

function readParameterValue(reader: ProtobufReader): ParameterValue | undefined {
  let value: ParameterValue | undefined;
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag) {
      case 1 << 3:
        value = reader.bool();
        break;
      case 2 << 3:
        value = narrow(reader.int64());
        break;
      case (3 << 3) | 2:
        value = reader.string();
        break;
      case (4 << 3) | 1:
        value = reader.double();
        break;
      case 5 << 3:
        value = narrow(reader.uint64());
        break;
      default:
        reader.skip(tag);
    }
  }
  return value;
}

function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** How each field of `InferTensorContents` is read: packed as one length-delimited run, or element by element. */
const contentsReaders: readonly ((reader: ProtobufReader, into: unknown[]) => void)[] = [
  (reader, into) => into.push(reader.bool() ? 1 : 0),
  (reader, into) => into.push(reader.int32()),
  (reader, into) => into.push(reader.int64()),
  (reader, into) => into.push(reader.uint32()),
  (reader, into) => into.push(reader.uint64()),
  (reader, into) => into.push(reader.float()),
  (reader, into) => into.push(reader.double()),
];
const contentsWireTypes = [0, 0, 0, 0, 0, 5, 1] as const;
const contentsArrays: readonly ((elements: never[]) => WireContents['data'])[] = [
  (elements) => Uint8Array.from(elements),
  (elements) => Int32Array.from(elements),
  (elements) => BigInt64Array.from(elements),
  (elements) => Uint32Array.from(elements),
  (elements) => BigUint64Array.from(elements),
  (elements) => Float32Array.from(elements),
  (elements) => Float64Array.from(elements),
  (elements) => elements,
];

function readContents(reader: ProtobufReader, contents: WireContents[]): void {
  const lists: (unknown[] | undefined)[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    const index = (tag >>> 3) - 1;
    if (index === 7 && (tag & 7) === 2) {
      (lists[7] ??= []).push(reader.bytes());
    } else if (index < 7 && (tag & 7) === 2) {
      const whole = reader.done ? undefined : readPackedFloats(index, reader, lists[index] === undefined);
      if (whole !== undefined) contents.push(whole);
    } else if (index < 7 && (tag & 7) === contentsWireTypes[index]) {
      contentsReaders[index]!(reader, (lists[index] ??= []));
    } else {
      reader.skip(tag);
    }
  }
  for (const [index, list] of lists.entries()) {
    if (list === undefined) continue;
    contents.push({ field: contentsFields[index]!, data: contentsArrays[index]!(list as never[]) });
  }

  /** Floats and doubles in one run are copied as they are; other packed runs go element by element. */
  function readPackedFloats(index: number, source: ProtobufReader, first: boolean): WireContents | undefined {
    const run = source.bytes();
    const width = index === 5 ? 4 : index === 6 ? 8 : 0;
    if (width > 0 && first && run.length % width === 0 && source.done) {
      const copy = new Uint8Array(run).buffer;
      return { field: contentsFields[index]!, data: index === 5 ? new Float32Array(copy) : new Float64Array(copy) };
    }
    const list = (lists[index] ??= []);
    for (const packed = new ProtobufReader(run); !packed.done; ) contentsReaders[index]!(packed, list);
    return undefined;
  }
}

export function writeInferResponse(response: WireInferResponse): Uint8Array {
  const writer = new protobuf.Writer();
  writeInferResponseFields(writer, response);
  return writer.finish();
}

/** `ModelStreamInferResponse`: an error text or a response. */
export function writeStreamResponse(message: { readonly errorMessage?: string; readonly response?: WireInferResponse }): Uint8Array {
  const writer = new protobuf.Writer();
  if (message.errorMessage !== undefined && message.errorMessage !== '') writer.uint32((1 << 3) | 2).string(message.errorMessage);
  if (message.response !== undefined) {
    writer.uint32((2 << 3) | 2).fork();
    writeInferResponseFields(writer, message.response);
    writer.ldelim();
  }
  return writer.finish();
}

function writeInferResponseFields(writer: protobuf.Writer, response: WireInferResponse): void {
  if (response.modelName !== '') writer.uint32((1 << 3) | 2).string(response.modelName);
  if (response.modelVersion !== '') writer.uint32((2 << 3) | 2).string(response.modelVersion);
  if (response.id !== '') writer.uint32((3 << 3) | 2).string(response.id);
  if (response.parameters !== undefined) writeParameters(writer, 4, response.parameters);
  for (const output of response.outputs) {
    writer.uint32((5 << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(output.name);
    writer.uint32((2 << 3) | 2).string(output.datatype);
    if (output.shape.length > 0) {
      writer.uint32((3 << 3) | 2).fork();
      for (const dimension of output.shape) writer.int64(dimension);
      writer.ldelim();
    }
    if (output.parameters !== undefined) writeParameters(writer, 4, output.parameters);
    writer.ldelim();
  }
  for (const raw of response.rawOutputContents) writer.uint32((6 << 3) | 2).bytes(raw);
}

function writeParameters(writer: protobuf.Writer, field: number, parameters: WireParameters): void {
  for (const [name, value] of Object.entries(parameters)) {
    writer.uint32((field << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(name);
    writer.uint32((2 << 3) | 2).fork();
    if (typeof value === 'boolean') writer.uint32(1 << 3).bool(value);
    else if (typeof value === 'string') writer.uint32((3 << 3) | 2).string(value);
    else if (typeof value === 'bigint') writeBigInteger(writer, value);
    else if (Number.isSafeInteger(value)) writer.uint32(2 << 3).int64(value);
    else writer.uint32((4 << 3) | 1).double(value);
    writer.ldelim();
    writer.ldelim();
  }
}

function writeBigInteger(writer: protobuf.Writer, value: bigint): void {
  const bits = { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: value >= 0n };
  if (value < 2n ** 63n) writer.uint32(2 << 3).int64(bits);
  else writer.uint32(5 << 3).uint64(bits);
}
