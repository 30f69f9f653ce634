/** `ModelInfer` and `ModelStreamInfer`: messages to the commands that REST uses, answers to messages with raw contents. */
import { ModelportError, isModelportError } from '../../../errors.ts';
import { MalformedMessageError } from '../../../formats/protobuf-reader.ts';
import type { InferResponse } from '../../../model.ts';
import type { GrpcCall, GrpcMethod, ProtocolContext } from '../../../protocol.ts';
import type { ServedModel } from '../../../repository.ts';
import { datatypes, elementCount, isDatatype, type Datatype, type Tensor, type TensorData } from '../../../tensor.ts';
import { bytesOfTensor, tensorDataFromBytes } from '../binary-tensors.ts';
import { answerOutputs, checkCommand, runInfer, runStream, sharedMemorySpan, wireOutput, type CheckedCommand } from '../infer.ts';
import type { SharedMemoryRegions } from '../shared-memory.ts';
import { stateOf, type OpenInferenceState } from '../state.ts';
import { requestedVersion } from './model-version.ts';
import { readInferRequest, writeInferResponse, writeStreamResponse, type ContentsField, type WireContents, type WireInferRequest, type WireInferResponse, type WireTensor } from './infer-messages.ts';

const service = '/inference.GRPCInferenceService/';

/** A message that can't be read is kept as its error, so that the answer is an INVALID_ARGUMENT with a text and not the transport's. */
type ReadRequest = WireInferRequest | MalformedMessageError;

function deserialize(bytes: Uint8Array): ReadRequest {
  try {
    return readInferRequest(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
}

function requireRead(request: ReadRequest): WireInferRequest {
  if (request instanceof MalformedMessageError) throw new ModelportError('INVALID_REQUEST', `the message is not a ModelInferRequest: ${request.message}`);
  return request;
}

export function inferMethods(context: ProtocolContext): GrpcMethod[] {
  const state = stateOf(context);
  const { repository } = context;
  const check = (request: WireInferRequest, call: GrpcCall['call']): CheckedCommand => {
    const served = repository.get(request.modelName, requestedVersion(request.modelVersion));
    const inputs = readInputs(request, served, state.regions);
    const twice = request.outputs.find(({ name }, index) => request.outputs.findIndex((output) => output.name === name) < index);
    if (twice !== undefined) throw new ModelportError('INVALID_REQUEST', `output '${twice.name}' is asked for twice`, { at: 'outputs' });
    return checkCommand(served, { parameters: request.parameters, inputs, outputs: request.outputs.map(({ name, parameters }) => wireOutput(name, parameters)) }, call);
  };

  return [
    {
      path: `${service}ModelInfer`,
      door: 'inference',
      requestStream: false,
      responseStream: false,
      deserialize,
      serialize: (message) => writeInferResponse(message as WireInferResponse),
      unary(message, { call }) {
        const request = requireRead(message as ReadRequest);
        const checked = check(request, call);
        const { model, name } = checked.served;
        if (model.infer === undefined && model.stream !== undefined) throw new ModelportError('UNSUPPORTED', `ModelInfer RPC doesn't support models with decoupled transaction policy: model '${name}' answers a request with a stream, use ModelStreamInfer`);
        return runInfer(checked).then((response) => answer(state, checked, request.id, response));
      },
    },
    {
      path: `${service}ModelStreamInfer`,
      door: 'inference',
      requestStream: true,
      responseStream: true,
      deserialize,
      serialize: (message) => writeStreamResponse(message as StreamMessage),
      streaming: (requests, grpcCall) => streamInfer(state, check, requests as AsyncIterable<ReadRequest>, grpcCall),
    },
  ];
}

interface StreamMessage {
  readonly errorMessage?: string;
  readonly response?: WireInferResponse;
}

/** Requests that may be under way on one stream; more are not read until one is answered. */
const mostConcurrentRequests = 128;

/**
 * Requests are run as they come; answers go out as they are ready. Those of one sequence keep their order because their
 * scheduler does; the answers of one request keep theirs.
 */
async function* streamInfer(
  state: OpenInferenceState,
  check: (request: WireInferRequest, call: GrpcCall['call']) => CheckedCommand,
  requests: AsyncIterable<ReadRequest>,
  grpcCall: GrpcCall,
): AsyncIterable<StreamMessage> {
  // Clients that ask for it get errors as the status of the stream instead of messages.
  const failsStream = grpcCall.metadata['triton_grpc_error'] === 'true';
  const ready: StreamMessage[] = [];
  let failure: unknown;
  let running = 0;
  let ended = false;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  const wait = (): Promise<void> => new Promise((resolve) => (wake = resolve));

  const run = async (message: ReadRequest): Promise<void> => {
    let id = message instanceof MalformedMessageError ? '' : message.id;
    try {
      const request = requireRead(message);
      id = request.id;
      const checked = check(request, grpcCall.call.child());
      const { name, version, model } = checked.served;
      // Every answer says whether it is the last. Which one that is of a model that streams, only its end tells.
      const isOnly = model.stream === undefined;
      for await (const response of runStream(checked)) {
        const message = answer(state, checked, id, response);
        ready.push({ response: { ...message, parameters: { ...message.parameters, triton_final_response: isOnly } } });
        notify();
      }
      if (!isOnly && checked.emptyFinalResponse) ready.push({ response: { modelName: name, modelVersion: version, id, parameters: { triton_final_response: true }, outputs: [], rawOutputContents: [] } });
    } catch (error) {
      if (failsStream) failure ??= error;
      else ready.push({ errorMessage: isModelportError(error) ? error.message : 'the server failed on this request; its log says why', response: { modelName: '', modelVersion: '', id, outputs: [], rawOutputContents: [] } });
    } finally {
      running--;
      notify();
    }
  };

  const reading = (async () => {
    try {
      for await (const message of requests) {
        while (running >= mostConcurrentRequests) await new Promise<void>((resolve) => waiting.push(resolve));
        running++;
        void run(message).finally(() => waiting.shift()?.());
      }
    } catch (error) {
      failure ??= error;
    } finally {
      ended = true;
      notify();
    }
  })();
  const waiting: (() => void)[] = [];

  for (;;) {
    while (ready.length > 0) yield ready.shift()!;
    if (failure !== undefined) throw failure;
    if (ended && running === 0) break;
    await wait();
  }
  await reading;
}

function readInputs(request: WireInferRequest, served: ServedModel, regions: SharedMemoryRegions): Map<string, Tensor> {
  const { inputs, rawInputContents } = request;
  const tensors = new Map<string, Tensor>();
  let raw = 0;
  for (const [index, input] of inputs.entries()) {
    const { name } = input;
    if (!isDatatype(input.datatype)) {
      throw new ModelportError('INVALID_REQUEST', `inference input '${name}' has the datatype '${input.datatype.slice(0, 40)}': use one of ${Object.keys(datatypes).join(', ')}`, { at: `inputs[${index}].datatype` });
    }
    if (tensors.has(name)) throw new ModelportError('INVALID_REQUEST', `input '${name}' already exists in request: it is given twice`, { at: `inputs[${index}].name` });
    for (const dimension of input.shape) {
      if (dimension < 0) throw new ModelportError('INVALID_REQUEST', `All input dimensions should be specified for input '${name}' for model '${served.name}', got [${input.shape.join(',')}]`, { at: `inputs[${index}].shape` });
      if (dimension > 0x7fffffff) throw new ModelportError('INVALID_REQUEST', `input '${name}' has the dimension ${dimension}: a size is from 0 to 2147483647`, { at: `inputs[${index}].shape` });
    }
    const { datatype, shape } = input;
    const span = sharedMemorySpan(input.parameters, `inputs[${index}].parameters`);
    let data: TensorData;
    if (span !== undefined) {
      if (input.contents.length > 0) throw new ModelportError('INVALID_REQUEST', `unexpected 'content' provided when using shared memory for input tensor '${name}' for model '${served.name}': its elements are in region '${span.region}'`, { at: `inputs[${index}].contents` });
      data = tensorDataFromBytes(name, datatype, shape, regions.read(span), served.name);
    } else if (rawInputContents.length > 0) {
      if (input.contents.length > 0) throw new ModelportError('INVALID_REQUEST', `contents field must not be specified when using raw_input_contents for '${name}' for model '${served.name}'`, { at: `inputs[${index}].contents` });
      if (raw >= rawInputContents.length) throw new ModelportError('INVALID_REQUEST', `unable to find data for input tensor '${name}' for model '${served.name}' in request: there are only ${rawInputContents.length} raw_input_contents`, { at: 'raw_input_contents' });
      data = tensorDataFromBytes(name, datatype, shape, rawInputContents[raw++]!, served.name, true);
    } else {
      data = contentsData(input, datatype, served.name);
    }
    tensors.set(name, { datatype, shape, data });
  }
  if (raw < rawInputContents.length) {
    throw new ModelportError('INVALID_REQUEST', `raw_input_contents has ${rawInputContents.length} elements, but ${raw} of the inputs of the request to model '${served.name}' take one`, { at: 'raw_input_contents' });
  }
  return tensors;
}

interface Contents {
  readonly field: ContentsField;
  readonly least?: number;
  readonly most?: number;
}

/** Which field of `InferTensorContents` holds the elements of a datatype, and their range; 16-bit floats are raw only. */
const contentsOf: Readonly<Record<Datatype, Contents | undefined>> = {
  BOOL: { field: 'bool_contents' },
  INT8: { field: 'int_contents', least: -128, most: 127 },
  INT16: { field: 'int_contents', least: -32768, most: 32767 },
  INT32: { field: 'int_contents' },
  INT64: { field: 'int64_contents' },
  UINT8: { field: 'uint_contents', least: 0, most: 255 },
  UINT16: { field: 'uint_contents', least: 0, most: 65535 },
  UINT32: { field: 'uint_contents' },
  UINT64: { field: 'uint64_contents' },
  FP16: undefined,
  BF16: undefined,
  FP32: { field: 'fp32_contents' },
  FP64: { field: 'fp64_contents' },
  BYTES: { field: 'bytes_contents' },
};

/** What Triton takes each field for. */
const contentsType: Readonly<Record<ContentsField, Datatype>> = {
  bool_contents: 'BOOL',
  int_contents: 'INT32',
  int64_contents: 'INT64',
  uint_contents: 'UINT32',
  uint64_contents: 'UINT64',
  fp32_contents: 'FP32',
  fp64_contents: 'FP64',
  bytes_contents: 'BYTES',
};

function contentsData(input: WireTensor, datatype: Datatype, modelName: string): TensorData {
  const { name, shape } = input;
  const expected = contentsOf[datatype];
  const count = elementCount(shape);
  if (input.contents.length === 0 && count > 0) throw new ModelportError('INVALID_REQUEST', `unable to find data for input tensor '${name}' for model '${modelName}' in request: it has neither contents nor raw_input_contents`, { at: `inputs.${name}` });
  if (expected === undefined) throw new ModelportError('INVALID_REQUEST', `input '${name}' of model '${modelName}' has the datatype ${datatype}, which has no contents field: send it as raw_input_contents`, { at: `inputs.${name}` });
  const other = input.contents.find(({ field }) => field !== expected.field);
  if (other !== undefined) {
    throw new ModelportError('INVALID_REQUEST', `unexpected explicit tensor data for input tensor '${name}' for model '${modelName}' of type '${contentsType[other.field]}', expected datatype '${datatype}', which is sent in ${expected.field}`, { at: `inputs.${name}.contents` });
  }
  const given = input.contents.find(({ data }) => data.length > 0) ?? input.contents[0];
  const length = given?.data.length ?? 0;
  if (length !== count) {
    throw new ModelportError('INVALID_REQUEST', `input element count mismatch for input '${name}' for model '${modelName}'. Expected ${count}, got ${length} (${expected.field}, shape [${shape.join(', ')}])`, { at: `inputs.${name}.contents` });
  }
  const data: WireContents['data'] = given?.data ?? [];
  if (datatype === 'BYTES') return (data as Uint8Array[]).map((element) => new Uint8Array(element));
  if (expected.least !== undefined) {
    for (let index = 0; index < data.length; index++) {
      const element = data[index] as number;
      if (element < expected.least || element > expected.most!) throw new ModelportError('INVALID_REQUEST', `element ${index} of input '${name}' is ${element}: ${datatype} is from ${expected.least} to ${expected.most}`, { at: `inputs.${name}.contents` });
    }
  }
  const array = datatypes[datatype].array as unknown as { from(elements: unknown): TensorData };
  return data instanceof (array as unknown as new () => object) ? (data as TensorData) : array.from(data);
}

function answer(state: OpenInferenceState, checked: CheckedCommand, id: string, response: InferResponse): WireInferResponse {
  const outputs: { name: string; datatype: string; shape: readonly number[]; parameters?: Record<string, number | string> }[] = [];
  const raw: Uint8Array[] = [];
  for (const { name, tensor, sharedMemory } of answerOutputs(checked, response, state.regions)) {
    if (sharedMemory === undefined) {
      outputs.push({ name, datatype: tensor.datatype, shape: tensor.shape });
      raw.push(bytesOfTensor(tensor));
    } else {
      outputs.push({
        name,
        datatype: tensor.datatype,
        shape: tensor.shape,
        parameters: { shared_memory_region: sharedMemory.region, shared_memory_offset: sharedMemory.offset, shared_memory_byte_size: bytesOfTensor(tensor).length },
      });
      // Contents are found by position, so an output elsewhere has an empty one.
      raw.push(noBytes);
    }
  }
  return {
    modelName: checked.served.name,
    modelVersion: checked.served.version,
    id,
    ...(response.parameters === undefined ? {} : { parameters: { ...response.parameters } }),
    outputs,
    rawOutputContents: raw,
  };
}

const noBytes = new Uint8Array(0);
