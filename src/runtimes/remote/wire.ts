/**
 * Tensors as the Open Inference Protocol's REST messages carry them, seen from the client: in binary behind the JSON (the extension
 * binary_tensor_data), or as JSON for servers that lack it. Pure functions.
 */
import { ModelportError } from '../../errors.ts';
import { fromBfloat16, fromHalf, toBfloat16, toHalf } from '../../lib/half-float.ts';
import type { InferRequest, ParameterValue, Parameters } from '../../model.ts';
import { byteLength, datatypes, elementCount, isDatatype, type DataOf, type Datatype, type NumericArray, type Tensor } from '../../tensor.ts';

export interface EncodedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: readonly Uint8Array[];
  readonly sizeBytes: number;
}

const encoder = new TextEncoder();
const headerLength = 'inference-header-content-length';

/** `extra`: parameters beside those of the request (sequence, priority, timeout). */
export function encodeRequest(request: InferRequest, binary: boolean, extra: Parameters = {}, id?: string): EncodedRequest {
  const inputs: string[] = [];
  const parts: Uint8Array[] = [];
  for (const [name, tensor] of request.inputs) {
    const facts = `"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
    if (binary) {
      const data = encodeBinary(tensor);
      inputs.push(`{${facts},"parameters":{"binary_data_size":${data.byteLength}}}`);
      parts.push(data);
    } else {
      inputs.push(`{${facts},"data":${encodeJson(tensor, name)}}`);
    }
  }
  const parameters = encodeParameters({ ...request.parameters, ...extra, ...(binary ? { binary_data_output: true } : {}) });
  const fields = [
    ...(id === undefined ? [] : [`"id":${JSON.stringify(id)}`]),
    ...(parameters === '{}' ? [] : [`"parameters":${parameters}`]),
    `"inputs":[${inputs.join(',')}]`,
    ...(request.outputs === undefined ? [] : [`"outputs":${JSON.stringify(request.outputs.map((name) => ({ name })))}`]),
  ];
  const json = encoder.encode(`{${fields.join(',')}}`);
  const all = [json, ...parts];
  return {
    headers: binary ? { 'content-type': 'application/octet-stream', [headerLength]: String(json.byteLength) } : { 'content-type': 'application/json' },
    parts: all,
    sizeBytes: all.reduce((total, part) => total + part.byteLength, 0),
  };
}

function encodeBinary(tensor: Tensor): Uint8Array {
  if (tensor.datatype !== 'BYTES') {
    const data = tensor.data as NumericArray;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  const elements = tensor.data as Uint8Array[];
  const bytes = Buffer.allocUnsafe(byteLength(tensor) + 4 * elements.length);
  let offset = 0;
  for (const element of elements) {
    bytes.writeUInt32LE(element.byteLength, offset);
    bytes.set(element, offset + 4);
    offset += 4 + element.byteLength;
  }
  return bytes;
}

function encodeJson(tensor: Tensor, name: string): string {
  const { datatype } = tensor;
  switch (datatype) {
    case 'BYTES':
      return JSON.stringify((tensor.data as Uint8Array[]).map((element) => textOf(element, name)));
    case 'BOOL':
      return `[${Array.from(tensor.data as Uint8Array, (element) => element !== 0).join(',')}]`;
    case 'FP16':
      return `[${Array.from(tensor.data as Uint16Array, fromHalf).join(',')}]`;
    case 'BF16':
      return `[${Array.from(tensor.data as Uint16Array, fromBfloat16).join(',')}]`;
    default:
      return `[${(tensor.data as NumericArray).join(',')}]`;
  }
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, name: string): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (error) {
    throw new ModelportError('INVALID_REQUEST', `the input '${name}' holds bytes that are not UTF-8, and its server takes text only`, { at: `inputs.${name}.data`, cause: error });
  }
}

function encodeParameters(parameters: Parameters): string {
  const text = (value: ParameterValue) => (typeof value === 'bigint' ? String(value) : JSON.stringify(value));
  return `{${Object.entries(parameters).map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`).join(',')}}`;
}

/** The outputs of an answer, by name. Throws `RUN_FAILED` where the answer is not one of this protocol. */
export function decodeResponse(body: Uint8Array, jsonLength: number | undefined): Map<string, Tensor> {
  const length = jsonLength ?? body.byteLength;
  if (!Number.isSafeInteger(length) || length < 0 || length > body.byteLength) throw malformed(`its ${headerLength} is ${jsonLength}, but it has ${body.byteLength} bytes`);
  const message = parse(body.subarray(0, length));
  const list = (message as { outputs?: unknown } | null)?.outputs;
  if (!Array.isArray(list)) throw malformed('it has no list of outputs');
  const outputs = new Map<string, Tensor>();
  let offset = length;
  for (const entry of list as unknown[]) {
    const { name, datatype, shape, parameters, data } = (entry ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string' || typeof datatype !== 'string' || !isDatatype(datatype) || !isShape(shape)) throw malformed('an output lacks a name, a datatype or a shape');
    const size = (parameters as { binary_data_size?: unknown } | undefined)?.binary_data_size;
    if (size !== undefined) {
      if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || offset + size > body.byteLength) throw malformed(`the binary data of '${name}' does not fit into it`);
      outputs.set(name, { datatype, shape, data: decodeBinary(name, datatype, elementCount(shape), body.subarray(offset, offset + size)) });
      offset += size;
    } else {
      outputs.set(name, { datatype, shape, data: decodeJson(name, datatype, elementCount(shape), data) });
    }
  }
  return outputs;
}

/** NaN and infinities are no JSON, but servers of this protocol send them. */
function parse(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    // Outside of strings only: a string is matched first and put back as it was.
    const strict = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (match) => (match.startsWith('"') ? match : `"${match}"`));
    try {
      return JSON.parse(strict);
    } catch (error) {
      throw malformed(`it is not JSON: ${(error as Error).message.slice(0, 100)}`);
    }
  }
}

function decodeBinary<D extends Datatype>(name: string, datatype: D, count: number, bytes: Uint8Array): DataOf<D> {
  if (datatype !== 'BYTES') {
    if (count * datatypes[datatype].bytes !== bytes.byteLength) throw malformed(`the output '${name}' has ${bytes.byteLength} bytes for ${count} elements of ${datatype}`);
    // A copy: the body is as large as all outputs together, and an element rarely lies where its array could begin.
    const copy = new Uint8Array(bytes);
    const array = datatypes[datatype].array as unknown as new (buffer: ArrayBufferLike) => DataOf<D>;
    return new array(copy.buffer);
  }
  const elements: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (offset < bytes.byteLength) {
    if (offset + 4 > bytes.byteLength) throw malformed(`the texts of '${name}' are cut off`);
    const length = view.getUint32(offset, true);
    if (offset + 4 + length > bytes.byteLength) throw malformed(`the texts of '${name}' are cut off`);
    elements.push(new Uint8Array(bytes.subarray(offset + 4, offset + 4 + length)));
    offset += 4 + length;
  }
  if (elements.length !== count) throw malformed(`the output '${name}' has ${elements.length} texts for ${count} elements`);
  return elements as unknown as DataOf<D>;
}

function decodeJson<D extends Datatype>(name: string, datatype: D, count: number, data: unknown): DataOf<D> {
  const flat = Array.isArray(data) ? (data as unknown[]).flat(64) : [data];
  if (flat.length !== count) throw malformed(`the output '${name}' has ${flat.length} values for ${count} elements`);
  if (datatype === 'BYTES') {
    const texts = flat.map((value) => {
      if (typeof value !== 'string') throw malformed(`the output '${name}' holds ${JSON.stringify(value)?.slice(0, 40)} where text belongs`);
      return encoder.encode(value);
    });
    return texts as unknown as DataOf<D>;
  }
  const array = new (datatypes[datatype].array as unknown as new (length: number) => Record<number, number | bigint>)(count);
  for (let index = 0; index < count; index++) array[index] = decodeNumber(name, datatype, flat[index]);
  return array as unknown as DataOf<D>;
}

function decodeNumber(name: string, datatype: Datatype, value: unknown): number | bigint {
  const number = typeof value === 'boolean' ? Number(value) : value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : value;
  if (typeof number !== 'number') throw malformed(`the output '${name}' holds ${JSON.stringify(value)?.slice(0, 40)} where ${datatype} belongs`);
  if (datatypes[datatype].kind === 'integer' && !Number.isSafeInteger(number)) throw malformed(`the output '${name}' holds the integer ${number}, which JSON does not carry exactly`);
  if (datatype === 'INT64' || datatype === 'UINT64') return BigInt(number);
  if (datatype === 'FP16') return toHalf(number);
  if (datatype === 'BF16') return toBfloat16(number);
  return number;
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0) && Number.isSafeInteger(elementCount(value as number[]));
}

function malformed(what: string): ModelportError {
  return new ModelportError('RUN_FAILED', `the remote server's answer is none of the Open Inference Protocol: ${what}`);
}
