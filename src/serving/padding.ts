/**
 * Joins requests of unequal lengths: shorter ones are filled up to the longest of the batch with each input's `padValue`,
 * the mask input says which elements are real, and outputs are cut back to each request's own length.
 *
 * A dimension can be padded where it has a size that varies, is not the batch axis, and belongs to inputs that all have a
 * pad value (or are the mask). Dimensions are told apart by their names in the signature; one without a name belongs to
 * its input alone. Every free dimension of an output must be one of those of the inputs: else nobody knows where to cut.
 */
import { ModelportError } from '../errors.ts';
import { copyRegion } from '../lib/copy-region.ts';
import { toBfloat16, toHalf } from '../lib/half-float.ts';
import type { InferRequest, Signature, TensorSpec } from '../model.ts';
import { allocate, elementCount, type Datatype, type Tensor } from '../tensor.ts';
import type { QueuedRequest } from './queued-request.ts';

/** Lengths up to this one are joined whatever they are. */
const freelyPadded = 128;

/** For each axis of a tensor the padded dimension that it is, as an index into {@link Padding.dimensions}; -1: none. */
type AxisDimensions = readonly number[];

export class Padding {
  /** Names of the dimensions that are padded. */
  readonly dimensions: readonly string[];
  readonly maskInput: string | undefined;
  readonly #inputs = new Map<string, { readonly spec: TensorSpec; readonly axes: AxisDimensions }>();
  readonly #outputs = new Map<string, AxisDimensions>();
  readonly #mask: { readonly spec: TensorSpec; readonly axes: AxisDimensions } | undefined;

  /** Throws `INVALID_CONFIG` where the signature does not allow padding, saying what to write. */
  constructor(signature: Signature, maskInput: string | undefined, modelName: string) {
    const mask = maskInput === undefined ? undefined : signature.inputs.find((spec) => spec.name === maskInput);
    if (maskInput !== undefined && mask === undefined) {
      throw invalidConfig(modelName, 'batching.maskInput', `the mask input '${maskInput}' is not an input of the model`);
    }
    this.maskInput = maskInput;
    const names = paddedDimensions(signature, mask);
    this.dimensions = names;
    if (names.length === 0) {
      throw invalidConfig(modelName, 'batching.padding', 'padding is on, but no dimension can be padded: an input needs a dimension that varies and a padValue, and so do all inputs that share this dimension');
    }
    for (const spec of signature.inputs) {
      if (spec === mask) continue;
      const axes = axisDimensions(spec, names);
      if (axes.some((dimension) => dimension !== -1)) this.#inputs.set(spec.name, { spec, axes });
    }
    this.#mask = mask === undefined ? undefined : { spec: mask, axes: maskAxes(mask, names, [...this.#inputs.values()], modelName) };
    const inputDimensions = new Set(signature.inputs.flatMap((spec) => spec.shape.filter((size) => typeof size === 'string')));
    for (const spec of signature.outputs) {
      const axes = axisDimensions(spec, names);
      for (const [axis, size] of spec.shape.entries()) {
        const known = typeof size === 'number' ? size !== -1 : inputDimensions.has(size);
        if (axis === spec.batchAxis || known) continue;
        throw invalidConfig(
          modelName,
          'batching.padding',
          `padding is on, but dimension ${axis} of output '${spec.name}' varies and is none of the inputs' (${names.join(', ')}): name it like the input's dimension that it follows, so that answers can be cut back`,
        );
      }
      if (axes.some((dimension) => dimension !== -1)) this.#outputs.set(spec.name, axes);
    }
  }

  /** Whether this axis of this input is padded, so that its size does not keep requests apart. */
  pads(input: string, axis: number): boolean {
    const axes = this.#mask?.spec.name === input ? this.#mask.axes : this.#inputs.get(input)?.axes;
    return axes !== undefined && axes[axis] !== -1;
  }

  /** The request's size of each padded dimension; undefined where its inputs disagree about one, and it must run alone. */
  sizesOf(request: InferRequest): number[] | undefined {
    const sizes = this.dimensions.map(() => -1);
    for (const { spec, axes } of this.#inputs.values()) {
      if (!collectSizes(request.inputs.get(spec.name), axes, sizes)) return undefined;
    }
    if (this.#mask !== undefined && !collectSizes(request.inputs.get(this.#mask.spec.name), this.#mask.axes, sizes)) return undefined;
    return sizes.map((size) => (size === -1 ? 0 : size));
  }

  /** Keeps very unequal lengths apart, so that padding at most about doubles a request: '' up to 128, then one class per power of two. */
  lengthClass(sizes: readonly number[]): string {
    let key = '';
    for (let dimension = 0; dimension < sizes.length; dimension++) {
      if (sizes[dimension]! > freelyPadded) key += `~${dimension}:${Math.ceil(Math.log2(sizes[dimension]!))}`;
    }
    return key;
  }

  /** Whether the inputs of this batch need anything beyond joining: filling up, or a mask that was not sent. */
  applies(batch: readonly QueuedRequest[]): boolean {
    return this.isRagged(batch) || (this.maskInput !== undefined && batch.some(({ request }) => !request.inputs.has(this.maskInput!)));
  }

  isRagged(batch: readonly QueuedRequest[]): boolean {
    const first = batch[0]!.sizes;
    return batch.some(({ sizes }) => sizes !== first && sizes!.some((size, dimension) => size !== first![dimension]));
  }

  longest(batch: readonly QueuedRequest[]): number[] {
    return this.dimensions.map((_, dimension) => Math.max(...batch.map(({ sizes }) => sizes![dimension]!)));
  }

  /** The padded inputs and the mask of a batch, joined. */
  gather(batch: readonly QueuedRequest[], rows: number): Map<string, Tensor> {
    const longest = this.longest(batch);
    const gathered = new Map<string, Tensor>();
    for (const { spec, axes } of this.#inputs.values()) {
      const first = batch[0]!.request.inputs.get(spec.name);
      if (first === undefined) continue;
      const target = paddedTensor(spec, axes, first.shape, rows, longest, spec.padValue!);
      let row = 0;
      for (const { request, rows: own } of batch) {
        const source = request.inputs.get(spec.name)!;
        copyRows(source, target, spec, row);
        row += own;
      }
      gathered.set(spec.name, target);
    }
    if (this.#mask !== undefined) gathered.set(this.#mask.spec.name, this.#gatherMask(this.#mask.spec, this.#mask.axes, batch, rows, longest));
    return gathered;
  }

  /** The first axis of an output that does not have the length to which the inputs were padded; -1: all have it. */
  unpaddedAxis(tensor: Tensor, spec: TensorSpec, longest: readonly number[]): number {
    const axes = this.#outputs.get(spec.name) ?? [];
    return axes.findIndex((dimension, axis) => dimension !== -1 && tensor.shape[axis] !== longest[dimension]);
  }

  /** The request's rows of an output, without what padding added. */
  cut(spec: TensorSpec, tensor: Tensor, firstRow: number, queued: QueuedRequest): Tensor {
    const axes = this.#outputs.get(spec.name);
    const shape = tensor.shape.map((size, axis) => {
      if (axis === spec.batchAxis) return queued.rows;
      const dimension = axes?.[axis] ?? -1;
      return dimension === -1 ? size : queued.sizes![dimension]!;
    });
    const data = allocate(tensor.datatype, elementCount(shape));
    const start = shape.map((_, axis) => (axis === spec.batchAxis ? firstRow : 0));
    copyRegion({ data: tensor.data, shape: tensor.shape, start }, { data: data, shape, start: shape.map(() => 0) }, shape);
    return { datatype: tensor.datatype, shape, data };
  }

  #gatherMask(spec: TensorSpec, axes: AxisDimensions, batch: readonly QueuedRequest[], rows: number, longest: readonly number[]): Tensor {
    const shape = spec.shape.map((size) => (typeof size === 'number' ? size : 0));
    const target = paddedTensor(spec, axes, shape, rows, longest, 0);
    let row = 0;
    for (const { request, rows: own, sizes } of batch) {
      copyRows(request.inputs.get(spec.name) ?? paddedTensor(spec, axes, shape, own, sizes!, 1), target, spec, row);
      row += own;
    }
    return target;
  }
}

function paddedDimensions(signature: Signature, mask: TensorSpec | undefined): string[] {
  const paddable = new Map<string, boolean>();
  for (const spec of signature.inputs) {
    for (const axis of spec.shape.keys()) {
      const name = dimensionName(spec, axis);
      if (name === undefined || (spec === mask && typeof spec.shape[axis] !== 'string')) continue;
      const allows = spec === mask || (spec.padValue !== undefined && spec.batchAxis !== undefined);
      paddable.set(name, (paddable.get(name) ?? true) && allows);
    }
  }
  // A dimension that only the mask has is nobody's length.
  const ofInputs = new Set(signature.inputs.flatMap((spec) => (spec === mask ? [] : [...spec.shape.keys()].map((axis) => dimensionName(spec, axis)))));
  return [...paddable].filter(([name, allowed]) => allowed && ofInputs.has(name)).map(([name]) => name);
}

/** Undefined for the batch axis and for sizes that do not vary. */
function dimensionName(spec: TensorSpec, axis: number): string | undefined {
  const size = spec.shape[axis]!;
  if (axis === spec.batchAxis) return undefined;
  if (typeof size === 'string') return size;
  return size === -1 ? `${spec.name}[${axis}]` : undefined;
}

function axisDimensions(spec: TensorSpec, names: readonly string[]): AxisDimensions {
  return spec.shape.map((_, axis) => names.indexOf(dimensionName(spec, axis) ?? ''));
}

/** A mask's axis without a name is the same axis of the first padded input. */
function maskAxes(mask: TensorSpec, names: readonly string[], inputs: readonly { readonly axes: AxisDimensions }[], modelName: string): AxisDimensions {
  if (mask.batchAxis === undefined || mask.datatype === 'BYTES') {
    throw invalidConfig(modelName, 'batching.maskInput', `the mask input '${mask.name}' needs a batch axis and numbers or booleans as elements`);
  }
  return mask.shape.map((size, axis) => {
    if (axis === mask.batchAxis || (typeof size === 'number' && size !== -1)) return -1;
    const dimension = size === -1 ? (inputs[0]?.axes[axis] ?? -1) : names.indexOf(size);
    if (dimension === -1) {
      throw invalidConfig(modelName, 'batching.maskInput', `dimension ${axis} of the mask input '${mask.name}' varies, but is no padded dimension (${names.join(', ')})`);
    }
    return dimension;
  });
}

/** False where the tensor disagrees with the sizes found so far. */
function collectSizes(tensor: Tensor | undefined, axes: AxisDimensions, sizes: number[]): boolean {
  if (tensor === undefined) return true;
  for (let axis = 0; axis < axes.length; axis++) {
    const dimension = axes[axis]!;
    if (dimension === -1) continue;
    const size = tensor.shape[axis] ?? -1;
    if (sizes[dimension] === -1) sizes[dimension] = size;
    else if (sizes[dimension] !== size) return false;
  }
  return true;
}

function paddedTensor(spec: TensorSpec, axes: AxisDimensions, like: readonly number[], rows: number, sizes: readonly number[], fill: number): Tensor {
  const shape = like.map((size, axis) => (axis === spec.batchAxis ? rows : axes[axis] === -1 ? size : sizes[axes[axis]!]!));
  const data = allocate(spec.datatype, elementCount(shape));
  const element = elementOf(spec.datatype, fill);
  if (element !== 0 && element !== 0n) (data as unknown[]).fill(element);
  return { datatype: spec.datatype, shape, data };
}

function copyRows(source: Tensor, target: Tensor, spec: TensorSpec, row: number): void {
  const start = target.shape.map((_, axis) => (axis === spec.batchAxis ? row : 0));
  copyRegion({ data: source.data, shape: source.shape, start: source.shape.map(() => 0) }, { data: target.data, shape: target.shape, start }, source.shape);
}

/** A number as an element of the datatype's array. Text is padded with empty strings. */
function elementOf(datatype: Datatype, value: number): number | bigint | Uint8Array {
  if (datatype === 'INT64' || datatype === 'UINT64') return BigInt(Math.trunc(value));
  if (datatype === 'FP16') return toHalf(value);
  if (datatype === 'BF16') return toBfloat16(value);
  return datatype === 'BYTES' ? new Uint8Array(0) : value;
}

function invalidConfig(modelName: string, at: string, reason: string): ModelportError {
  return new ModelportError('INVALID_CONFIG', `model '${modelName}': ${reason}`, { at });
}
