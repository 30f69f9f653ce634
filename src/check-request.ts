/** Checks a request against a signature before anything is queued, with the texts that clients of the protocol look for. */
import { ModelportError } from './errors.ts';
import type { InferRequest, Signature, TensorSpec } from './model.ts';
import { wireDimension } from './model.ts';

/**
 * Throws `INVALID_REQUEST` where a name, datatype, shape or row count does not fit. Returns the number of rows: the
 * common size of all batch axes, 1 where the model has none.
 */
export function checkRequest(request: InferRequest, signature: Signature, modelName: string): number {
  const { inputs } = request;
  let given = 0;
  let rows = -1;
  let rowsFrom = '';
  for (const spec of signature.inputs) {
    const tensor = inputs.get(spec.name);
    if (tensor === undefined) {
      if (spec.optional === true) continue;
      // A misspelt name is one input too many and one too few: it is the name that helps.
      const misspelt = inputs.size === signature.inputs.length && [...inputs.keys()].some((name) => signature.inputs.every((input) => input.name !== name));
      throw misspelt ? unexpectedInput(request, signature, modelName) : missingInputs(request, signature, modelName);
    }
    given++;
    if (tensor.datatype !== spec.datatype) {
      throw new ModelportError(
        'INVALID_REQUEST',
        `inference input '${spec.name}' data-type is '${tensor.datatype}', but model '${modelName}' expects '${spec.datatype}'`,
        { at: `inputs.${spec.name}.datatype` },
      );
    }
    if (!fits(tensor.shape, spec)) throw unexpectedShape(tensor.shape, spec, modelName);
    if (spec.batchAxis === undefined) continue;
    const size = tensor.shape[spec.batchAxis]!;
    if (rows === -1) {
      rows = size;
      rowsFrom = spec.name;
    } else if (rows !== size) {
      throw new ModelportError(
        'INVALID_REQUEST',
        `input '${spec.name}' has ${size} rows (axis ${spec.batchAxis}), but input '${rowsFrom}' has ${rows}: all inputs of a request to model '${modelName}' have the same number of rows`,
        { at: `inputs.${spec.name}.shape` },
      );
    }
  }
  if (given !== inputs.size) throw unexpectedInput(request, signature, modelName);
  if (signature.batch.maxSize > 0 && rows > signature.batch.maxSize) {
    throw new ModelportError('INVALID_REQUEST', `inference request batch-size must be <= ${signature.batch.maxSize} for '${modelName}', got ${rows}`, { at: 'inputs' });
  }
  if (request.outputs !== undefined) {
    for (const name of request.outputs) {
      if (!signature.outputs.some((output) => output.name === name)) {
        throw new ModelportError(
          'INVALID_REQUEST',
          `unexpected inference output '${name}' for model '${modelName}'. Its outputs are [${quoted(signature.outputs.map((output) => output.name))}]`,
          { at: 'outputs' },
        );
      }
    }
  }
  return rows === -1 ? 1 : rows;
}

function fits(shape: readonly number[], spec: TensorSpec): boolean {
  if (shape.length !== spec.shape.length) return false;
  for (let axis = 0; axis < shape.length; axis++) {
    const wanted = spec.shape[axis]!;
    if (typeof wanted === 'number' && wanted !== -1 && axis !== spec.batchAxis && wanted !== shape[axis]) return false;
  }
  return true;
}

function unexpectedShape(shape: readonly number[], spec: TensorSpec, modelName: string): ModelportError {
  const expected = spec.shape.map((dimension, axis) => (axis === spec.batchAxis ? -1 : wireDimension(dimension)));
  return new ModelportError(
    'INVALID_REQUEST',
    `unexpected shape for input '${spec.name}' for model '${modelName}'. Expected [${expected.join(',')}], got [${shape.join(',')}]`,
    { at: `inputs.${spec.name}.shape` },
  );
}

function missingInputs(request: InferRequest, signature: Signature, modelName: string): ModelportError {
  const required = signature.inputs.filter((input) => input.optional !== true);
  const missing = required.filter((input) => !request.inputs.has(input.name)).map((input) => input.name);
  return new ModelportError(
    'INVALID_REQUEST',
    `expected ${signature.inputs.length} inputs but got ${request.inputs.size} inputs for model '${modelName}'. ` +
      `Got input(s) [${quoted([...request.inputs.keys()])}], but missing required input(s) [${quoted(missing)}]. Please provide all required input(s).`,
    { at: 'inputs' },
  );
}

function unexpectedInput(request: InferRequest, signature: Signature, modelName: string): ModelportError {
  const known = signature.inputs.map((input) => input.name);
  const unknown = [...request.inputs.keys()].find((name) => !known.includes(name))!;
  return new ModelportError('INVALID_REQUEST', `unexpected inference input '${unknown}' for model '${modelName}'. Its inputs are [${quoted(known)}]`, {
    at: `inputs.${unknown}`,
  });
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(',');
}
