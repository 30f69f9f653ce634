/** Answers to `infer` as JSON, with tensors inside it or as bytes after it. */
import { isUtf8 } from 'node:buffer';
import { ModelportError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../lib/half-float.ts';
import { float32Text, float64Text } from '../../lib/number-text.ts';
import type { ParameterValue, Parameters } from '../../model.ts';
import type { ServedModel } from '../../repository.ts';
import type { Datatype, TensorData } from '../../tensor.ts';
import { bytesOfTensor } from './binary-tensors.ts';
import type { AnsweredOutput } from './infer.ts';

/** The JSON up to the outputs, and one part for each output whose `data` is still to be written in between. */
export interface ResponseParts {
  /** `{"model_name":…,"outputs":[{"name":…,"data":` and what stands between the data of two outputs; one more than `data`. */
  readonly json: string[];
  /** What is to be written between them, as JSON. */
  readonly data: { readonly name: string; readonly datatype: Datatype; readonly data: TensorData }[];
  /** Bytes after the JSON. */
  readonly binary: Uint8Array[];
}

/** Divides the answer into text that is cheap to make and elements that may be many. */
export function responseParts(served: ServedModel, id: string | undefined, parameters: Parameters | undefined, outputs: readonly AnsweredOutput[], binaryDataOutput: boolean): ResponseParts {
  const json: string[] = [];
  const data: { name: string; datatype: Datatype; data: TensorData }[] = [];
  const binary: Uint8Array[] = [];
  let text = `{${id === undefined || id === '' ? '' : `"id":${JSON.stringify(id)},`}${headOf(served)}`;
  if (parameters !== undefined) text += `"parameters":${parametersText(parameters)},`;
  text += '"outputs":[';
  for (let index = 0; index < outputs.length; index++) {
    const { name, tensor, sharedMemory, binaryData } = outputs[index]!;
    text += `${index === 0 ? '' : ','}{"name":${quoted(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
    if (sharedMemory !== undefined) {
      text += `,"parameters":{"shared_memory_region":${JSON.stringify(sharedMemory.region)},"shared_memory_offset":${sharedMemory.offset},"shared_memory_byte_size":${sharedMemory.byteSize}}}`;
    } else if (binaryData ?? binaryDataOutput) {
      const bytes = bytesOfTensor(tensor);
      if (bytes.length > 0) binary.push(bytes);
      text += `,"parameters":{"binary_data_size":${bytes.length}}}`;
    } else {
      json.push(`${text},"data":`);
      data.push({ name, datatype: tensor.datatype, data: tensor.data });
      text = '}';
    }
  }
  json.push(`${text}]}`);
  return { json, data, binary };
}

/** Joins the parts. Throws `INVALID_REQUEST` where BYTES are no text: JSON can't hold them. */
export function joinParts({ json, data }: Pick<ResponseParts, 'json' | 'data'>): string {
  let text = json[0]!;
  for (let index = 0; index < data.length; index++) {
    const { name, datatype, data: elements } = data[index]!;
    text += tensorText(name, datatype, elements) + json[index + 1]!;
  }
  return text;
}

const heads = new WeakMap<ServedModel, string>();

function headOf(served: ServedModel): string {
  let head = heads.get(served);
  if (head === undefined) heads.set(served, (head = `"model_name":${JSON.stringify(served.name)},"model_version":${JSON.stringify(served.version)},`));
  return head;
}

/** Names of outputs in quotation marks. They come from models, so there are few. */
const quotedNames = new Map<string, string>();

function quoted(name: string): string {
  let text = quotedNames.get(name);
  if (text === undefined) {
    if (quotedNames.size >= 1000) quotedNames.clear();
    quotedNames.set(name, (text = JSON.stringify(name)));
  }
  return text;
}

function parametersText(parameters: Parameters): string {
  return `{${Object.entries(parameters)
    .map(([name, value]) => `${JSON.stringify(name)}:${parameterText(value)}`)
    .join(',')}}`;
}

function parameterText(value: ParameterValue): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The elements as a flat JSON array; NaN and the infinities as bare words, which Triton's clients read. */
export function tensorText(name: string, datatype: Datatype, data: TensorData): string {
  switch (datatype) {
    case 'FP32':
      return numbersText(data as Float32Array, float32Text);
    case 'FP64':
      return numbersText(data as Float64Array, float64Text);
    case 'FP16':
      return numbersText(data as Uint16Array, halfText);
    case 'BF16':
      return numbersText(data as Uint16Array, bfloat16Text);
    case 'BOOL':
      return numbersText(data as Uint8Array, (value) => (value === 0 ? 'false' : 'true'));
    case 'BYTES':
      return stringsText(name, data as Uint8Array[]);
    case 'INT64':
    case 'UINT64':
      return `[${(data as BigInt64Array).join(',')}]`;
    default:
      return `[${(data as Int32Array).join(',')}]`;
  }
}

function halfText(bits: number): string {
  return float32Text(fromHalf(bits));
}

function bfloat16Text(bits: number): string {
  return float32Text(fromBfloat16(bits));
}

function numbersText(data: ArrayLike<number>, write: (value: number) => string): string {
  if (data.length === 0) return '[]';
  let text = `[${write(data[0]!)}`;
  for (let index = 1; index < data.length; index++) text += `,${write(data[index]!)}`;
  return `${text}]`;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function stringsText(name: string, data: readonly Uint8Array[]): string {
  let text = '[';
  for (let index = 0; index < data.length; index++) {
    const element = data[index]!;
    if (!isUtf8(element)) {
      throw new ModelportError('INVALID_REQUEST', `element ${index} of output '${name}' is not UTF-8 text, so it can't be answered as JSON: ask for the output with "parameters": {"binary_data": true}`, { at: `outputs.${name}` });
    }
    text += (index === 0 ? '' : ',') + JSON.stringify(decoder.decode(element));
  }
  return `${text}]`;
}

/** What an answer costs to write, in elements and bytes of text: decides whether it is written off the event loop. */
export function writingCost({ data }: ResponseParts): number {
  let cost = 0;
  for (const { datatype, data: elements } of data) {
    cost += elements.length;
    if (datatype === 'BYTES') for (const element of elements as Uint8Array[]) cost += element.length >> 3;
  }
  return cost;
}
