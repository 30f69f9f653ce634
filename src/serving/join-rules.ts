/**
 * Which requests may become one run. Two may where every input has the same datatype and the same sizes apart from the
 * batch axis, the same optional inputs are given, inputs without rows are equal byte by byte, parameters are equal, and every
 * wanted output has rows. All of that is put into one text, the shape key: equal keys may be joined.
 */
import { createHash } from 'node:crypto';
import type { Parameters, Signature, TensorSpec } from '../model.ts';
import { datatypes, elementCount, type Tensor } from '../tensor.ts';
import type { Padding } from './padding.ts';
import type { QueuedRequest } from './queued-request.ts';

interface InputRule {
  readonly spec: TensorSpec;
  /** Axes whose size is part of the key: not fixed by the signature, not the batch axis, not padded. */
  readonly keyAxes: readonly number[];
  readonly mask: boolean;
}

export class JoinRules {
  /** Why no two requests of this model are ever joined; undefined where some are. */
  readonly never: string | undefined;
  readonly #inputs: readonly InputRule[];
  readonly #padding: Padding | undefined;
  /** Outputs that tell nobody apart: what they hold belongs to the whole run. */
  readonly #outputsWithoutRows: readonly string[];

  constructor(signature: Signature, maxSize: number, padding: Padding | undefined) {
    this.#padding = padding;
    this.#inputs = signature.inputs.map((spec) => ({
      spec,
      keyAxes: spec.shape.flatMap((size, axis) => (isFree(size) && axis !== spec.batchAxis && padding?.pads(spec.name, axis) !== true ? [axis] : [])),
      mask: padding?.maskInput === spec.name,
    }));
    this.#outputsWithoutRows = signature.outputs.filter((spec) => spec.batchAxis === undefined).map((spec) => spec.name);
    this.never = whyNever(signature, maxSize, this.#outputsWithoutRows);
  }

  /** Writes `rows`, `shapeKey` and `sizes`. A request that does not fit the signature runs alone: the model will say what is wrong. */
  describe(queued: QueuedRequest): void {
    const { inputs, outputs, parameters } = queued.request;
    let joins = this.never === undefined;
    let key = '';
    let rows = -1;
    let given = 0;
    for (const { spec, keyAxes, mask } of this.#inputs) {
      const tensor = inputs.get(spec.name);
      if (tensor === undefined) {
        if (mask) continue;
        if (spec.optional !== true) joins = false;
        key += '-';
        continue;
      }
      given++;
      if (spec.batchAxis === undefined) {
        if (joins) key += contentKey(tensor);
        continue;
      }
      if (!fits(tensor, spec)) joins = false;
      const size = tensor.shape[spec.batchAxis] ?? 1;
      if (rows === -1) rows = size;
      else if (rows !== size) joins = false;
      if (spec.optional === true && !mask) key += '+';
      for (let index = 0; index < keyAxes.length; index++) key += `${tensor.shape[keyAxes[index]!]},`;
    }
    if (given !== inputs.size) joins = false;
    if (joins && this.#outputsWithoutRows.length > 0) {
      joins = outputs !== undefined && !this.#outputsWithoutRows.some((name) => outputs.includes(name));
    }
    if (joins && parameters !== undefined) key += parametersKey(parameters);
    if (this.#padding !== undefined) {
      queued.sizes = this.#padding.sizesOf(queued.request);
      if (queued.sizes === undefined) joins = false;
      else key += this.#padding.lengthClass(queued.sizes);
    }
    queued.rows = rows === -1 ? 1 : rows;
    queued.shapeKey = joins ? key : undefined;
  }
}

function whyNever(signature: Signature, maxSize: number, outputsWithoutRows: readonly string[]): string | undefined {
  if (maxSize === 0) return signature.batch.maxSize === 0 ? signature.batch.reason : 'batching is off';
  if (maxSize === 1) return 'the largest batch is 1';
  if (signature.inputs.every((spec) => spec.batchAxis === undefined)) return 'no input has a batch axis';
  if (outputsWithoutRows.length === signature.outputs.length) return 'no output has a batch axis';
  return undefined;
}

function isFree(size: number | string): boolean {
  return typeof size === 'string' || size === -1;
}

function fits(tensor: Tensor, spec: TensorSpec): boolean {
  const { shape } = tensor;
  if (tensor.datatype !== spec.datatype || shape.length !== spec.shape.length) return false;
  let count = 1;
  for (let axis = 0; axis < shape.length; axis++) {
    const wanted = spec.shape[axis]!;
    const size = shape[axis]!;
    if (axis !== spec.batchAxis && typeof wanted === 'number' && wanted !== -1 && wanted !== size) return false;
    count *= size;
  }
  return count === tensor.data.length;
}

/** Contents up to this size are the key themselves; longer ones are digested. */
const plainContentBytes = 64;

/** Every part is preceded by its length, so that different contents never make equal keys. */
function contentKey(tensor: Tensor): string {
  const content = contentOf(tensor);
  const text = content.byteLength <= plainContentBytes ? content.toString('latin1') : createHash('sha256').update(content).digest('base64');
  return `${tensor.datatype}[${tensor.shape.join()}]${content.byteLength}:${text}`;
}

function contentOf(tensor: Tensor): Buffer {
  if (!Array.isArray(tensor.data)) return Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const parts: Uint8Array[] = [];
  for (const element of tensor.data) parts.push(Buffer.from(`${element.byteLength}:`), element);
  return Buffer.concat(parts);
}

function parametersKey(parameters: Parameters): string {
  const names = Object.keys(parameters).sort();
  let key = '';
  for (const name of names) {
    const value = parameters[name]!;
    const text = String(value);
    key += `${name.length}:${name}${typeof value}${text.length}:${text}`;
  }
  return key;
}

/** Bytes of one row of the inputs, as far as the signature fixes their sizes. */
export function rowBytes({ inputs }: Signature): number {
  return inputs.reduce((total, { datatype, shape, batchAxis }) => {
    const sizes = shape.map((size, axis) => (axis !== batchAxis && typeof size === 'number' && size > 0 ? size : 1));
    return total + elementCount(sizes) * datatypes[datatype].bytes;
  }, 0);
}
