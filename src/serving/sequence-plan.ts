/** What sequences mean for one model: which inputs the scheduler makes itself, and what its clients see of the rest. */
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { SequencesConfig } from '../model-config.ts';
import type { Signature, TensorSpec } from '../model.ts';
import { allocate, byteLength, datatypes, elementCount, type Datatype, type NumericArray, type Tensor } from '../tensor.ts';

export type ControlKind = SequencesConfig['controls'][number]['kind'];

/** An input that tells the model where in its sequence a row is. The scheduler writes it, clients do not see it. */
export interface ControlInput {
  readonly spec: TensorSpec;
  readonly kind: ControlKind;
  /** One row with the value for "no" and one for "yes"; for `correlation-id` one row of zero or the empty text, twice. */
  readonly no: Tensor;
  readonly yes: Tensor;
}

/** A tensor that the scheduler keeps for each sequence and feeds into `input` again. */
export interface StateTensor {
  readonly input: TensorSpec;
  readonly output: TensorSpec;
  /** The state of a sequence that just started: one row. Shared by all sequences, written by none. */
  readonly initial: Tensor;
}

export interface SequencePlan {
  /** Of the model itself. */
  readonly model: Signature;
  /** Without controls and states. */
  readonly visible: Signature;
  readonly controls: readonly ControlInput[];
  readonly states: readonly StateTensor[];
  /** Rows of one run: 1 where the model does not batch. */
  readonly maxRows: number;
  /** Bytes that the state of one sequence takes at its start. */
  readonly stateBytes: number;
  /** Whether rows keep their place in a run and rows without a request are filled up: the model has a `ready` control. */
  readonly fillsRows: boolean;
}

/**
 * Checks the config against the model's signature. `initialBytes`: the content of `initialFile`, by state input
 * (see `readInitialStates`). Where the config names no states, those that the model itself declares are used.
 * Throws `INVALID_CONFIG`.
 */
export function planSequences(
  modelName: string,
  model: Signature,
  config: SequencesConfig,
  initialBytes: ReadonlyMap<string, Uint8Array> = new Map(),
): SequencePlan {
  const fail = (at: string, message: string): ModelportError => new ModelportError('INVALID_CONFIG', `model '${modelName}': ${at}: ${message}`, { at });
  const used = new Set<string>();
  const inputOf = (name: string, at: string): TensorSpec => {
    const spec = model.inputs.find((input) => input.name === name);
    if (spec === undefined) throw fail(at, `the model has no input '${name}'${suggestName(name, model.inputs.map((input) => input.name))}`);
    if (used.has(name)) throw fail(at, `input '${name}' is used twice`);
    used.add(name);
    return spec;
  };

  const controls = config.controls.map((control, index): ControlInput => {
    const at = `sequences.controls[${index}]`;
    const spec = inputOf(control.input, `${at}.input`);
    if (control.datatype !== undefined && control.datatype !== spec.datatype) {
      throw fail(`${at}.datatype`, `the config says ${control.datatype}, but input '${spec.name}' of the model is ${spec.datatype}`);
    }
    return control.kind === 'correlation-id' ? idControl(spec, fail, at) : flagControl(spec, control.kind, control.falseTrue ?? [0, 1], fail, at);
  });

  const declared = config.states.length > 0 ? config.states : (model.states ?? []);
  const outputs = new Set<string>();
  const states = declared.map((state: SequencesConfig['states'][number], index): StateTensor => {
    const at = `sequences.states[${index}]`;
    const input = inputOf(state.input, `${at}.input`);
    const output = model.outputs.find((candidate) => candidate.name === state.output);
    if (output === undefined) {
      throw fail(`${at}.output`, `the model has no output '${state.output}'${suggestName(state.output, model.outputs.map((candidate) => candidate.name))}`);
    }
    if (outputs.has(output.name)) throw fail(`${at}.output`, `output '${output.name}' is used twice`);
    outputs.add(output.name);
    if (input.datatype !== output.datatype) {
      throw fail(at, `output '${output.name}' (${output.datatype}) cannot be the next input '${input.name}' (${input.datatype}): their datatypes differ`);
    }
    if (state.datatype !== undefined && state.datatype !== input.datatype) {
      throw fail(`${at}.datatype`, `the config says ${state.datatype}, but input '${input.name}' of the model is ${input.datatype}`);
    }
    if ((input.batchAxis === undefined) !== (output.batchAxis === undefined) || input.shape.length !== output.shape.length) {
      const says = (spec: TensorSpec): string => `'${spec.name}' [${spec.shape.join(', ')}] ${spec.batchAxis === undefined ? 'without a batch axis' : `with its batch on axis ${spec.batchAxis}`}`;
      throw fail(at, `${says(output)} cannot be the next ${says(input)}; set batchAxis of both under inputs and outputs`);
    }
    return { input, output, initial: initialState(input, state, initialBytes.get(input.name), fail, at) };
  });

  const maxRows = Math.max(1, model.batch.maxSize);
  const { states: _, ...rest } = model;
  return {
    model,
    visible: {
      ...rest,
      inputs: model.inputs.filter((input) => !used.has(input.name)),
      outputs: model.outputs.filter((output) => !outputs.has(output.name)),
    },
    controls,
    states,
    maxRows,
    stateBytes: states.reduce((sum, state) => sum + byteLength(state.initial), 0),
    fillsRows: config.strategy === 'direct' && maxRows > 1 && controls.some((control) => control.kind === 'ready'),
  };
}

type Fail = (at: string, message: string) => ModelportError;

function flagControl(spec: TensorSpec, kind: ControlKind, [no, yes]: readonly [number, number], fail: Fail, at: string): ControlInput {
  if (!['BOOL', 'INT32', 'FP32', 'INT8', 'UINT8', 'INT16', 'UINT16', 'UINT32', 'INT64', 'UINT64', 'FP64'].includes(spec.datatype)) {
    throw fail(`${at}.input`, `a ${kind} control is BOOL, an integer, FP32 or FP64, but input '${spec.name}' is ${spec.datatype}`);
  }
  return { spec, kind, no: filledRow(spec, no), yes: filledRow(spec, yes) };
}

function idControl(spec: TensorSpec, fail: Fail, at: string): ControlInput {
  if (!['UINT64', 'INT64', 'UINT32', 'INT32', 'BYTES'].includes(spec.datatype)) {
    throw fail(`${at}.input`, `a correlation-id control is UINT64, INT64, UINT32, INT32 or BYTES, but input '${spec.name}' is ${spec.datatype}`);
  }
  const none = zeroTensor(spec.datatype, rowShape(spec));
  return { spec, kind: 'correlation-id', no: none, yes: none };
}

/** One row of a control that holds the sequence's id. Throws `INVALID_REQUEST` where the id does not fit the input. */
export function idRow(control: ControlInput, id: bigint | string, modelName: string): Tensor {
  const { spec, no } = control;
  if (spec.datatype === 'BYTES') {
    const bytes = new TextEncoder().encode(String(id));
    return { datatype: 'BYTES', shape: no.shape, data: Array.from({ length: no.data.length }, () => bytes) };
  }
  const bits = datatypes[spec.datatype].bytes * 8;
  const signed = spec.datatype.startsWith('INT');
  // A 64-bit id fills a signed input bit by bit, as it does on the wire.
  const largest = bits === 64 ? (1n << 64n) - 1n : (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  if (typeof id === 'string' || id < 0n || id > largest) {
    throw new ModelportError(
      'INVALID_REQUEST',
      `sequence id '${id}' does not fit model '${modelName}', which takes it as ${spec.datatype}: send a number from 1 to ${largest}`,
      { at: 'parameters.sequence_id' },
    );
  }
  const data = allocate(spec.datatype, no.data.length);
  if (data instanceof BigInt64Array) data.fill(BigInt.asIntN(64, id));
  else if (data instanceof BigUint64Array) data.fill(id);
  else (data as Int32Array).fill(Number(id));
  return { datatype: spec.datatype, shape: no.shape, data };
}

/** The shape of one row: sizes that vary, the batch axis among them, count as 1. */
function rowShape(spec: TensorSpec): number[] {
  return spec.shape.map((dimension, axis) => (typeof dimension === 'number' && dimension >= 0 && axis !== spec.batchAxis ? dimension : 1));
}

function filledRow(spec: TensorSpec, value: number): Tensor {
  const shape = rowShape(spec);
  const data = allocate(spec.datatype, elementCount(shape));
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(value));
  else (data as Float32Array).fill(value);
  return { datatype: spec.datatype, shape, data };
}

/** Zeros, or empty strings. */
export function zeroTensor(datatype: Datatype, shape: readonly number[]): Tensor {
  return { datatype, shape, data: allocate(datatype, elementCount(shape)) };
}

function initialState(spec: TensorSpec, state: SequencesConfig['states'][number], bytes: Uint8Array | undefined, fail: Fail, at: string): Tensor {
  let shape = rowShape(spec);
  if (state.shape !== undefined) {
    const sizes = state.shape.map((dimension) => (typeof dimension === 'number' && dimension >= 0 ? dimension : 1));
    // Triton's configs leave the batch axis out.
    if (spec.batchAxis !== undefined && sizes.length === spec.shape.length - 1) sizes.splice(spec.batchAxis, 0, 1);
    const fits = sizes.length === shape.length && sizes.every((size, axis) => axis === spec.batchAxis || wanted(spec, axis) === -1 || wanted(spec, axis) === size);
    if (!fits) throw fail(`${at}.shape`, `[${state.shape.join(', ')}] does not fit input '${spec.name}', whose shape is [${spec.shape.join(', ')}]`);
    shape = sizes.map((size, axis) => (axis === spec.batchAxis ? 1 : size));
  }
  const tensor = zeroTensor(spec.datatype, shape);
  if (state.initialFile === undefined) return tensor;
  if (bytes === undefined) throw fail(`${at}.initialFile`, `'${state.initialFile}' was not read`);
  if (spec.datatype === 'BYTES') return { ...tensor, data: byteStrings(bytes, tensor.data.length, () => fail(`${at}.initialFile`, `'${state.initialFile}' does not hold ${tensor.data.length} strings, each after its length in 4 bytes`)) };
  const target = tensor.data as NumericArray;
  if (bytes.byteLength !== target.byteLength) {
    throw fail(`${at}.initialFile`, `'${state.initialFile}' has ${bytes.byteLength} bytes, but the state '${spec.name}' ${spec.datatype}[${shape.join(', ')}] has ${target.byteLength}`);
  }
  new Uint8Array(target.buffer).set(bytes);
  return tensor;
}

function wanted(spec: TensorSpec, axis: number): number {
  const dimension = spec.shape[axis]!;
  return typeof dimension === 'number' ? dimension : -1;
}

function byteStrings(bytes: Uint8Array, count: number, error: () => ModelportError): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.byteLength && strings.length < count) {
    if (offset + 4 > bytes.byteLength) throw error();
    const end = offset + 4 + view.getUint32(offset, true);
    if (end > bytes.byteLength) throw error();
    strings.push(bytes.slice(offset + 4, end));
    offset = end;
  }
  if (offset !== bytes.byteLength || strings.length !== count) throw error();
  return strings;
}
