/**
 * Triton's generate extension: text in, text out, in one answer or as server-sent events. For models that generate, the
 * prompt is `text_input`; for models that take tensors, members with the name of an input become that input.
 */
import type { Call } from '../../call.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { GenerateRequest, InferResponse, Parameters } from '../../model.ts';
import type { HttpRequest, HttpResponse, ProtocolContext, Route } from '../../protocol.ts';
import type { ModelRepository, ServedModel } from '../../repository.ts';
import { describeGenerate } from './describe-generate.ts';
import { readGenerateBody, type GenerateBody } from './generate-body.ts';
import { checkCommand, runStream } from './infer.ts';
import { tensorText } from './infer-response.ts';
import { jsonHeaders } from './json-response.ts';
import { largestInlineBytes } from './json-threads.ts';
import { readControls } from './request-controls.ts';
import { stateOf } from './state.ts';

export function generateRoutes(context: ProtocolContext): Route[] {
  const { repository } = context;
  const { threads } = stateOf(context);

  async function answersTo(request: HttpRequest, call: Call): Promise<{ served: ServedModel; body: GenerateBody; answers: AsyncIterable<string> }> {
    const served = repository.get(request.parameters['model']!, request.parameters['version']);
    const { model } = served;
    const inputs = model.generate === undefined ? model.signature.inputs : undefined;
    const body = request.body.length > largestInlineBytes ? await threads.generateBody(request.body, inputs, call) : readGenerateBody(request.body, inputs);
    return { served, body, answers: model.generate === undefined ? inferred(served, body, call) : generated(served, body, call) };
  }

  async function generate(request: HttpRequest, call: Call): Promise<HttpResponse> {
    const { served, body, answers } = await answersTo(request, call);
    if (served.model.generate !== undefined) return { headers: jsonHeaders, body: await generateWhole(served, body, call) };
    const all: string[] = [];
    for await (const answer of answers) all.push(answer);
    if (all.length !== 1) {
      throw new ModelportError('INVALID_REQUEST', `generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses (model '${served.name}' gave ${all.length})`);
    }
    return { headers: jsonHeaders, body: all[0]! };
  }

  async function generateStream(request: HttpRequest, call: Call): Promise<HttpResponse> {
    // The first answer is waited for, so that an error before it still has a status of its own.
    const answers = (await answersTo(request, call)).answers[Symbol.asyncIterator]();
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
