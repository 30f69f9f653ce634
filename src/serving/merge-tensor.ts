/** What the config says of one tensor, checked against what the model says of it. */
import type { ModelportError } from '../errors.ts';
import type { TensorSpecConfig } from '../model-config.ts';
import type { Dimension, TensorSpec } from '../model.ts';

export interface MergePlace {
  /** `inputs[0]` */
  readonly path: string;
  /** `input 'x'` */
  readonly what: string;
  /** Who says what the config is checked against: `model.onnx (graph)`. */
  readonly source: string;
  readonly sizesMayBeOpen: boolean;
  readonly fail: (path: string, message: string) => ModelportError;
}

/** The tensor as the model has it, with the config's additions. Throws `INVALID_CONFIG` where they disagree. */
export function mergeTensor(model: TensorSpec, given: TensorSpecConfig, place: MergePlace): TensorSpec {
  const { path, what, source, fail } = place;
  if (given.datatype !== undefined && given.datatype !== model.datatype) {
    throw fail(`${path}.datatype`, `${what} is ${given.datatype} in the config, but ${model.datatype} in ${source}`);
  }
  const said = given.reshape === undefined ? given.shape : given.batchAxis === 0 || (given.batchAxis === undefined && model.batchAxis === 0) ? [-1, ...given.reshape] : given.reshape;
  const shape = said === undefined ? model.shape : mergeShape(model, said, given, place);
  const batchAxis = given.batchAxis === undefined ? model.batchAxis : given.batchAxis === false ? undefined : given.batchAxis;
  if (given.batchAxis !== undefined && given.batchAxis !== false) {
    const size = model.shape[given.batchAxis];
    if (given.batchAxis >= shape.length) throw fail(`${path}.batchAxis`, `${what} has the batch axis ${given.batchAxis} in the config, but only ${shape.length} axes`);
    if (typeof size === 'number' && size !== -1) {
      throw fail(`${path}.batchAxis`, `${what}: the model does not support batching along axis ${given.batchAxis}, which is ${size} in ${source} [${model.shape.join(', ')}]`);
    }
  }
  if (given.optional === true && model.optional !== true) {
    throw fail(`${path}.optional`, `${what} is optional in the config, but ${source} has no default for it`);
  }
  const { batchAxis: _axis, optional: _optional, ...rest } = model;
  return {
    ...rest,
    shape,
    ...(batchAxis === undefined ? {} : { batchAxis }),
    ...((given.optional ?? model.optional) === true ? { optional: true } : {}),
    ...(given.padValue === undefined ? {} : { padValue: given.padValue }),
    ...(given.description === undefined ? {} : { description: given.description }),
    ...(given.minimum === undefined ? {} : { minimum: given.minimum }),
    ...(given.maximum === undefined ? {} : { maximum: given.maximum }),
    ...(given.unit === undefined ? {} : { unit: given.unit }),
  };
}

/** A size in the config may fix one that the model leaves open, never the other way round. */
function mergeShape(model: TensorSpec, said: readonly Dimension[], given: TensorSpecConfig, { path, what, source, sizesMayBeOpen, fail }: MergePlace): readonly Dimension[] {
  const field = `${path}.${given.reshape === undefined ? 'shape' : 'reshape'}`;
  // A graph that declares no shape is told as one axis of any size.
  if (model.shape.length === 1 && isOpen(model.shape[0]!) && said.length !== 1) return said;
  const disagree = () => {
    const shape = said.join(', ');
    const hint = said.length + 1 === model.shape.length && given.reshape === undefined ? '; the batch axis belongs to the shape, and to dims where max_batch_size is 0' : '';
    return fail(field, `${what} has the shape [${shape}] in the config, but [${model.shape.join(', ')}] in ${source}${hint}`);
  };
  if (said.length !== model.shape.length) throw disagree();
  return said.map((dimension, axis) => {
    const size = model.shape[axis]!;
    if (isOpen(size)) return dimension === -1 ? size : dimension;
    if ((given.batchAxis === axis || sizesMayBeOpen) && isOpen(dimension)) return size;
    if (dimension !== size) throw disagree();
    return size;
  });
}

function isOpen(dimension: Dimension): boolean {
  return typeof dimension === 'string' || dimension === -1;
}
