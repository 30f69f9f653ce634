/**
 * Triton's generate extension: text in, text out, in one answer or as server-sent events. For models that generate, the
 * prompt is `text_input`; for models that take tensors, members with the name of an input become that input.
 */
import type { Call } from '../../call.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { GenerateRequest, InferResponse, ParameterValue, Parameters, Signature, TensorSpec } from '../../model.ts';
import type { HttpRequest, HttpResponse, ProtocolContext, Route } from '../../protocol.ts';
import type { ModelRepository, ServedModel } from '../../repository.ts';
import { elementCount, type Tensor } from '../../tensor.ts';
import { describeGenerate } from './describe-generate.ts';
import { checkCommand, runStream } from './infer.ts';
import { tensorText } from './infer-response.ts';
import { jsonHeaders } from './json-response.ts';
import { describeJsonError } from './json-path.ts';
import { JsonReader } from './json-reader.ts';
import { readTensorData } from './json-tensors.ts';
import { readParameter, readParameters } from './infer-request.ts';
import { readControls } from './request-controls.ts';

export function generateRoutes(context: ProtocolContext): Route[] {
  const { repository } = context;

  function answersTo(request: HttpRequest, call: Call): AsyncIterable<string> {
    const served = repository.get(request.parameters['model']!, request.parameters['version']);
    return served.model.generate !== undefined ? generated(served, readGenerateBody(request.body, undefined), call) : inferred(served, readGenerateBody(request.body, served.model.signature), call);
  }

  async function generate(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const served = repository.get(request.parameters['model']!, request.parameters['version']);
    if (served.model.generate !== undefined) return { headers: jsonHeaders, body: await generateWhole(served, readGenerateBody(request.body, undefined), call) };
    const answers: string[] = [];
    for await (const answer of answersTo(request, call)) answers.push(answer);
    if (answers.length !== 1) {
      throw new ModelportError('INVALID_REQUEST', `generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses (model '${served.name}' gave ${answers.length})`);
    }
    return { headers: jsonHeaders, body: answers[0]! };
  }

  async function generateStream(request: HttpRequest, call: Call): Promise<HttpResponse> {
    // The first answer is waited for, so that an error before it still has a status of its own.
    const answers = answersTo(request, call)[Symbol.asyncIterator]();
    const first = await answers.next();
    return { headers: { 'content-type': 'text/event-stream; charset=utf-8' }, body: events(first, answers) };
  }

  const door = 'inference';
  const described = (streaming: boolean) => () => newestVersions(repository).flatMap((served) => describeGenerate(served, streaming));
  return [
    { method: 'POST', path: '/v2/models/:model/generate', door, handle: generate, describe: described(false) },
    { method: 'POST', path: '/v2/models/:model/generate_stream', door, handle: generateStream, describe: described(true) },
    { method: 'POST', path: '/v2/models/:model/versions/:version/generate', door, handle: generate },
    { method: 'POST', path: '/v2/models/:model/versions/:version/generate_stream', door, handle: generateStream },
  ];
}

/** The version of each model that answers where none is named. */
export function newestVersions(repository: ModelRepository): ServedModel[] {
  return repository.ready().filter((served) => served.versions.at(-1) === served.version);
}

/** Once the status is sent, an error can only be told as the last event. */
async function* events(first: IteratorResult<string>, answers: AsyncIterator<string>): AsyncIterable<string> {
  try {
    for (let answer = first; answer.done !== true; answer = await answers.next()) yield `data: ${answer.value}\n\n`;
  } catch (error) {
    yield `data: ${JSON.stringify({ error: isModelportError(error) ? error.message : 'internal error' })}\n\n`;
    if (!isModelportError(error)) throw error;
  } finally {
    await answers.return?.();
  }
}

interface GenerateBody {
  readonly id: string | undefined;
  readonly textInput: string | undefined;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly parameters: Parameters;
}

/**
 * `id`, `text_input`, `parameters` and whatever else: tensors where `signature` has an input of that name, else parameters.
 * Throws `INVALID_REQUEST` naming the field.
 */
function readGenerateBody(body: Uint8Array, signature: Signature | undefined): GenerateBody {
  const reader = new JsonReader(body);
  const inputs = new Map<string, Tensor>();
  const parameters: Record<string, ParameterValue> = {};
  let id: string | undefined;
  let textInput: string | undefined;
  try {
    reader.open(123, 'an object');
    if (!reader.closes(125)) {
      do {
        const key = reader.key();
        const spec = signature?.inputs.find((input) => input.name === key);
        if (spec !== undefined) inputs.set(key, readInput(reader, spec));
        else if (key === 'id') id = reader.string();
        else if (key === 'text_input' && signature === undefined) textInput = reader.string();
        else if (key === 'parameters') Object.assign(parameters, readNested(reader, signature, inputs));
        else Object.defineProperty(parameters, key, { value: readParameter(reader), enumerable: true, configurable: true, writable: true });
      } while (reader.next(125));
    }
    reader.end();
  } catch (error) {
    throw describeJsonError(error, body);
  }
  return { id, textInput, inputs, parameters };
}

/** `parameters` may hold inputs, too. */
function readNested(reader: JsonReader, signature: Signature | undefined, inputs: Map<string, Tensor>): Parameters {
  if (signature === undefined) return readParameters(reader) ?? {};
  const parameters: Record<string, ParameterValue> = {};
  reader.open(123, 'an object');
  if (reader.closes(125)) return parameters;
  do {
    const key = reader.key();
    const spec = signature.inputs.find((input) => input.name === key);
    if (spec !== undefined) inputs.set(key, readInput(reader, spec));
    else Object.defineProperty(parameters, key, { value: readParameter(reader), enumerable: true, configurable: true, writable: true });
  } while (reader.next(125));
  return parameters;
}

/** A value or a flat list of them as the tensor that the model wants: one row, the dimension that varies found from the count. */
function readInput(reader: JsonReader, spec: TensorSpec): Tensor {
  reader.peek();
  const start = reader.position;
  let count = 0;
  const isList = reader.peek() === 91;
  if (isList) {
    reader.position++;
    if (!reader.closes(93)) {
      do {
        reader.skip(3);
        count++;
      } while (reader.next(93));
    }
    const end = reader.position;
    reader.position = start;
    const data = readTensorData(reader, spec.datatype, [count]);
    reader.position = end;
    return { datatype: spec.datatype, shape: resolveShape(reader, start, spec, count), data };
  }
  reader.skip(2);
  // The same rules as for a list of one, whose positions are one byte on.
  const span = new Uint8Array(reader.position - start + 2);
  span.set(reader.bytes.subarray(start, reader.position), 1);
  span[0] = 91;
  span[span.length - 1] = 93;
  try {
    return { datatype: spec.datatype, shape: resolveShape(reader, start, spec, 1), data: readTensorData(new JsonReader(span), spec.datatype, [1]) };
  } catch (error) {
    return reader.reject((error as Error).message, start);
  }
}

function resolveShape(reader: JsonReader, start: number, spec: TensorSpec, count: number): number[] {
  const shape = spec.shape.map((dimension, axis) => (axis === spec.batchAxis ? 1 : typeof dimension === 'number' && dimension >= 0 ? dimension : -1));
  const known = elementCount(shape.filter((size) => size !== -1));
  let open = shape.filter((size) => size === -1).length;
  const resolved = shape.map((size) => (size === -1 ? (--open === 0 ? count / known : 1) : size));
  if (elementCount(resolved) !== count || !resolved.every(Number.isInteger)) reader.reject(`it has ${count} elements, which do not fill shape [${shape.join(', ')}]`, start);
  return resolved;
}

function answerHead(served: ServedModel, id: string | undefined): string {
  return `{${id === undefined ? '' : `"id":${JSON.stringify(id)},`}"model_name":${JSON.stringify(served.name)},"model_version":${JSON.stringify(served.version)}`;
}

function requestOf(served: ServedModel, body: GenerateBody, parameters: Parameters | undefined): GenerateRequest {
  if (body.textInput === undefined) throw new ModelportError('INVALID_REQUEST', `the request to model '${served.name}' has no 'text_input', the text to continue`, { at: 'text_input' });
  return parameters === undefined ? { prompt: body.textInput } : { prompt: body.textInput, parameters };
}


async function generateWhole(served: ServedModel, body: GenerateBody, outer: Call): Promise<string> {
  const { call, parameters } = readControls(body.parameters, outer);
  let text = '';
  for await (const event of served.model.generate!(requestOf(served, body, parameters), call)) if (event.type === 'text-delta') text += event.text;
  return `${answerHead(served, body.id)},"text_output":${JSON.stringify(text)}}`;
}

async function* generated(served: ServedModel, body: GenerateBody, outer: Call): AsyncIterable<string> {
  const { call, parameters } = readControls(body.parameters, outer);
  const head = answerHead(served, body.id);
  for await (const event of served.model.generate!(requestOf(served, body, parameters), call)) {
    if (event.type === 'text-delta') yield `${head},"text_output":${JSON.stringify(event.text)}}`;
  }
}

async function* inferred(served: ServedModel, body: GenerateBody, call: Call): AsyncIterable<string> {
  const checked = checkCommand(served, { parameters: body.parameters, inputs: body.inputs, outputs: undefined }, call);
  for await (const response of runStream(checked)) yield `${answerHead(served, body.id)}${outputsText(response)}}`;
}

/** Each output as a member of its name: the value itself where there is one, else a flat list. */
function outputsText(response: InferResponse): string {
  let text = '';
  for (const [name, tensor] of response.outputs) {
    const list = tensorText(name, tensor.datatype, tensor.data);
    text += `,${JSON.stringify(name)}:${tensor.data.length === 1 ? list.slice(1, -1) : list}`;
  }
  return text;
}
