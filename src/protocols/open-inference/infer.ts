/**
 * What an inference request means, whichever wire it came over: controls are taken out, the request is checked against the
 * signature, the model's verb is called, and outputs become what was asked for (classes, shared memory).
 */
import type { Call } from '../../call.ts';
import { checkRequest } from '../../check-request.ts';
import { ModelportError } from '../../errors.ts';
import type { InferRequest, InferResponse, Parameters, ParameterValue } from '../../model.ts';
import type { ServedModel } from '../../repository.ts';
import type { Tensor, Tensors } from '../../tensor.ts';
import { bytesOfTensor } from './binary-tensors.ts';
import { classify } from './classification.ts';
import type { SharedMemorySpan, WireOutput } from './infer-request.ts';
import { readControls } from './request-controls.ts';
import type { SharedMemoryRegions } from './shared-memory.ts';

/** A request of either wire with its tensors. */
export interface InferCommand {
  /** Reserved ones included. */
  readonly parameters: Parameters | undefined;
  readonly inputs: Tensors;
  /** Undefined: all, as the model has them. An empty list means the same. */
  readonly outputs: readonly WireOutput[] | undefined;
}

/** A command that fits its model and can be run. */
export interface CheckedCommand {
  readonly served: ServedModel;
  readonly request: InferRequest;
  readonly call: Call;
  readonly outputs: readonly WireOutput[] | undefined;
  readonly binaryDataOutput: boolean;
  readonly emptyFinalResponse: boolean;
}

/** Throws `INVALID_REQUEST` where the command does not fit. */
export function checkCommand(served: ServedModel, command: InferCommand, call: Call): CheckedCommand {
  const controls = readControls(command.parameters, call);
  const outputs = command.outputs === undefined || command.outputs.length === 0 ? undefined : command.outputs;
  const request: InferRequest = makeRequest(command.inputs, outputs, controls.parameters);
  checkRequest(request, served.model.signature, served.name);
  return { served, request, call: controls.call, outputs, binaryDataOutput: controls.binaryDataOutput, emptyFinalResponse: controls.emptyFinalResponse };
}

function makeRequest(inputs: Tensors, outputs: readonly WireOutput[] | undefined, parameters: Parameters | undefined): InferRequest {
  if (outputs === undefined) return parameters === undefined ? { inputs } : { inputs, parameters };
  const names = outputs.map((output) => output.name);
  return parameters === undefined ? { inputs, outputs: names } : { inputs, outputs: names, parameters };
}

/** One request, one answer. Throws `UNSUPPORTED` where the model has no `infer`. */
export function runInfer({ served, request, call }: CheckedCommand): Promise<InferResponse> {
  const { model, name } = served;
  if (model.infer !== undefined) return model.infer(request, call);
  if (model.stream !== undefined) throw new ModelportError('UNSUPPORTED', `HTTP end point doesn't support models with decoupled transaction policy: model '${name}' answers a request with a stream, use POST /v2/models/${name}/generate_stream or gRPC ModelStreamInfer`);
  const doors = [model.generate === undefined ? '' : `POST /v2/models/${name}/generate`, model.predict === undefined ? '' : `POST /models/${name}/predict`].filter((door) => door !== '');
  throw new ModelportError('UNSUPPORTED', `model '${name}' does not take tensors${doors.length === 0 ? '' : `: use ${doors.join(' or ')}`}`);
}

/** One request, any number of answers: a model's `stream`, or its one answer. Throws `UNSUPPORTED` at once. */
export function runStream(checked: CheckedCommand): AsyncIterable<InferResponse> {
  const { served, request, call } = checked;
  if (served.model.stream !== undefined) return served.model.stream(request, call);
  const answer = runInfer(checked);
  return (async function* () {
    yield await answer;
  })();
}

/** An output as it is answered. */
export interface AnsweredOutput {
  readonly name: string;
  readonly tensor: Tensor;
  /** Where the client asked for it; its elements were written there and are not sent. */
  readonly sharedMemory: SharedMemorySpan | undefined;
  /** What the request said of this output, undefined where it said nothing. */
  readonly binaryData: boolean | undefined;
}

/** The outputs that were asked for, in the order in which they were asked for. */
export function answerOutputs(checked: CheckedCommand, response: InferResponse, regions: SharedMemoryRegions): AnsweredOutput[] {
  const answered: AnsweredOutput[] = [];
  if (checked.outputs === undefined) {
    for (const [name, tensor] of response.outputs) answered.push({ name, tensor, sharedMemory: undefined, binaryData: undefined });
    return answered;
  }
  const { signature } = checked.served.model;
  for (const { name, classification, sharedMemory, binaryData } of checked.outputs) {
    const whole = response.outputs.get(name);
    // A decoupled model may leave outputs out of an answer.
    if (whole === undefined) continue;
    const tensor = classification > 0 ? classify(name, whole, classification, signature.outputs.find((spec) => spec.name === name)) : whole;
    if (sharedMemory !== undefined) regions.write(sharedMemory, bytesOfTensor(tensor), name);
    answered.push({ name, tensor, sharedMemory, binaryData });
  }
  return answered;
}

/**
 * A requested output from parameters that are already values (gRPC). The JSON wire reads the same members while it parses.
 * Throws `INVALID_REQUEST`.
 */
export function wireOutput(name: string, parameters: Parameters | undefined): WireOutput {
  if (parameters === undefined) return { name, binaryData: undefined, classification: 0, sharedMemory: undefined };
  const where = `outputs.${name}`;
  const sharedMemory = sharedMemorySpan(parameters, where);
  const classification = parameters['classification'] === undefined ? 0 : size(parameters['classification'], 'classification', where);
  const binaryData = parameters['binary_data'];
  if (binaryData !== undefined && typeof binaryData !== 'boolean') throw new ModelportError('INVALID_REQUEST', `Unable to parse 'binary_data': ${where} has ${String(binaryData)}, expected true or false`, { at: where });
  if (sharedMemory !== undefined && classification > 0) throw new ModelportError('INVALID_REQUEST', `Output can't set both 'shared_memory_region' and 'classification' (${where})`, { at: where });
  return { name, binaryData, classification, sharedMemory };
}

/** `shared_memory_region`, `_offset` and `_byte_size` of a tensor; undefined where there is no region. Throws `INVALID_REQUEST`. */
export function sharedMemorySpan(parameters: Parameters | undefined, where: string): SharedMemorySpan | undefined {
  const region = parameters?.['shared_memory_region'];
  if (parameters === undefined) return undefined;
  if (region === undefined) {
    const lonely = ['shared_memory_byte_size', 'shared_memory_offset'].find((name) => parameters[name] !== undefined);
    if (lonely !== undefined) throw new ModelportError('INVALID_REQUEST', `'${lonely}' can not be specified without 'shared_memory_region' parameter (${where})`, { at: where });
    return undefined;
  }
  if (typeof region !== 'string') throw new ModelportError('INVALID_REQUEST', `Unable to parse 'shared_memory_region': ${where} has ${String(region)}, expected text`, { at: where });
  const byteSize = parameters['shared_memory_byte_size'];
  if (byteSize === undefined) throw new ModelportError('INVALID_REQUEST', `'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter (${where})`, { at: where });
  const offset = parameters['shared_memory_offset'];
  return { region, offset: offset === undefined ? 0 : size(offset, 'shared_memory_offset', where), byteSize: size(byteSize, 'shared_memory_byte_size', where) };
}

function size(value: ParameterValue, name: string, where: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
  throw new ModelportError('INVALID_REQUEST', `Unable to parse '${name}': ${where} has ${String(value).slice(0, 80)}, expected an integer of at least 0`, { at: where });
}
