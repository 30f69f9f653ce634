/** `POST /v2/models/{m}[/versions/{v}]/infer`: bytes to a command, the model's answer to bytes. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { InferResponse } from '../../model.ts';
import type { HttpRequest, HttpResponse, ProtocolContext } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import type { Tensor } from '../../tensor.ts';
import { timingHeaders } from '../../timing-headers.ts';
import { rawInput, tensorDataFromBytes } from './binary-tensors.ts';
import { answerOutputs, checkCommand, runInfer, type CheckedCommand } from './infer.ts';
import { parseInferRequest, type WireInferRequest } from './infer-request.ts';
import { joinParts, responseParts, writingCost } from './infer-response.ts';
import { jsonHeaders } from './json-response.ts';
import { largestInlineBytes, largestInlineElements } from './json-threads.ts';
import type { SharedMemoryRegions } from './shared-memory.ts';
import { stateOf, type OpenInferenceState } from './state.ts';

const headerLengthName = 'inference-header-content-length';
const noBytes = new Uint8Array(0);

export function inferHandler(context: ProtocolContext): (request: HttpRequest, call: Call) => Promise<HttpResponse> {
  const state = stateOf(context);
  const { repository } = context;
  // Browsers name themselves in `sec-fetch-site`; people who look there see where the time went. Programs are spared it.
  return (request, call) => (request.headers['sec-fetch-site'] === undefined ? handle(request, call) : handle(request, call).then((response) => ({ ...response, headers: { ...response.headers, ...timingHeaders(call) } })));

  // Not an async function: its promise would be one more turn for every request.
  function handle(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const model = request.parameters['model']!;
    const version = request.parameters['version'];
    const served = repository.get(model, version);
    const { body } = request;
    const header = request.headers[headerLengthName];
    const jsonLength = header === undefined ? body.length : readHeaderLength(header, body.length);
    if (header !== undefined && jsonLength === 0) return run(state, checkCommand(served, rawCommand(served, body), call), undefined, true);
    const json = jsonLength === body.length ? body : body.subarray(0, jsonLength);
    const binary = jsonLength === body.length ? noBytes : body.subarray(jsonLength);
    if (jsonLength <= largestInlineBytes) return inferWire(state, served, parseInferRequest(json), binary, header !== undefined, call);
    return state.threads
      .parse(json, call)
      // The version may have been replaced meanwhile.
      .then((wire) => inferWire(state, repository.get(model, version), wire, binary, header !== undefined, call));
  }
}

/** The bytes of JSON before the binary part. Throws `INVALID_REQUEST`. */
function readHeaderLength(header: string | string[], bodyLength: number): number {
  const text = Array.isArray(header) ? header.join(', ') : header;
  if (!/^-?\d{1,15}$/.test(text)) throw new ModelportError('INVALID_REQUEST', `Unable to parse Inference-Header-Content-Length, got: ${text.slice(0, 80)}`, { at: 'Inference-Header-Content-Length' });
  const length = Number(text);
  if (length < 0 || length > bodyLength) {
    throw new ModelportError('INVALID_REQUEST', `inference header size should be in range (0, ${bodyLength}), got: ${text}`, { at: 'Inference-Header-Content-Length' });
  }
  return length;
}

function rawCommand(served: ServedModel, body: Uint8Array): { parameters: undefined; inputs: Map<string, Tensor>; outputs: undefined } {
  const { name, tensor } = rawInput(served.model.signature, body, served.name);
  return { parameters: undefined, inputs: new Map([[name, tensor]]), outputs: undefined };
}

function inferWire(state: OpenInferenceState, served: ServedModel, wire: WireInferRequest, binary: Uint8Array, hasHeader: boolean, call: Call): Promise<HttpResponse> {
  const inputs = bindInputs(wire, binary, hasHeader, served.name, state.regions);
  return run(state, checkCommand(served, { parameters: wire.parameters, inputs, outputs: wire.outputs }, call), wire.id, false);
}

/** Each input with its elements, from the JSON, the bytes after it, or shared memory. Throws `INVALID_REQUEST`. */
export function bindInputs(wire: WireInferRequest, binary: Uint8Array, hasHeader: boolean, modelName: string, regions: SharedMemoryRegions): Map<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  let offset = 0;
  for (const { name, datatype, shape, data, binaryDataSize, sharedMemory } of wire.inputs) {
    if (data !== undefined) {
      inputs.set(name, { datatype, shape, data });
    } else if (binaryDataSize !== undefined) {
      if (!hasHeader && binaryDataSize > 0) {
        throw new ModelportError(
          'INVALID_REQUEST',
          "must specify valid 'Inference-Header-Content-Length' in request header and 'binary_data_size' when passing inputs in binary data format",
          { at: `inputs.${name}` },
        );
      }
      const end = offset + binaryDataSize;
      if (end > binary.length) {
        throw new ModelportError('INVALID_REQUEST', `unexpected size for input '${name}', expecting ${end - binary.length} additional bytes for model '${modelName}'`, { at: `inputs.${name}.parameters.binary_data_size` });
      }
      inputs.set(name, { datatype, shape, data: tensorDataFromBytes(name, datatype, shape, binary.subarray(offset, end), modelName, true) });
      offset = end;
    } else {
      inputs.set(name, { datatype, shape, data: tensorDataFromBytes(name, datatype, shape, regions.read(sharedMemory!), modelName) });
    }
  }
  if (offset !== binary.length) {
    throw new ModelportError('INVALID_REQUEST', `unexpected additional input data for model '${modelName}': ${binary.length - offset} bytes follow the inputs' binary data`, { at: 'body' });
  }
  return inputs;
}

function run(state: OpenInferenceState, checked: CheckedCommand, id: string | undefined, raw: boolean): Promise<HttpResponse> {
  return runInfer(checked).then((response) => answer(state, checked, response, id, raw));
}

function answer(state: OpenInferenceState, checked: CheckedCommand, response: InferResponse, id: string | undefined, raw: boolean): HttpResponse | Promise<HttpResponse> {
  const outputs = answerOutputs(checked, response, state.regions);
  const parts = responseParts(checked.served, id, response.parameters, outputs, raw || checked.binaryDataOutput);
  const { binary } = parts;
  if (writingCost(parts) <= largestInlineElements) return withBinary(joinParts(parts), binary);
  return state.threads.write(parts, checked.call).then((json) => withBinary(json, binary));
}

function withBinary(json: string | Uint8Array, binary: readonly Uint8Array[]): HttpResponse {
  if (binary.length === 0) return { headers: jsonHeaders, body: json };
  const head = typeof json === 'string' ? Buffer.from(json) : json;
  return {
    headers: { 'content-type': 'application/octet-stream', 'Inference-Header-Content-Length': String(head.length) },
    body: [head, ...binary],
  };
}
