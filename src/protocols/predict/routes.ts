/**
 * The door for people: `POST /models/{name}/predict` takes a value by the task's schema (JSON, a form, an image file) and
 * answers a value by it. `POST /predict` where one model is served.
 */
import type { Call } from '../../call.ts';
import { asEndpoint } from '../../endpoint.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { HttpRequest, HttpResponse, ProtocolContext, Route } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import { timingHeaders } from '../../timing-headers.ts';
import { problemsOf } from '../../value-problem.ts';
import { acceptedStream, streamAnswer } from './answer-stream.ts';
import { describePredict } from './describe.ts';
import { inputProperties } from './input-schema.ts';
import { plain } from '../json/plain.ts';
import { readValue } from './read-value.ts';

export function routes(context: ProtocolContext): Route[] {
  const { repository, server } = context;
  const door = 'inference';
  const method = 'POST';
  const template = server.predictPath ?? '/models/{name}/predict';
  const byName: Route = {
    method,
    door,
    path: template.replace('{name}', ':model'),
    handle: (request, call) => predict(template.includes('{name}') ? repository.get(request.parameters['model']!) : onlyModel(context, template), request, call),
    describe: () => newest(context).flatMap((served) => describePredict(served, template.replace('{name}', encodeURIComponent(served.name)))),
  };
  const byVersion: Route = {
    method,
    door,
    path: '/models/:model/versions/:version/predict',
    handle: (request, call) => predict(repository.get(request.parameters['model']!, request.parameters['version']), request, call),
    describe: () => older(context).flatMap((served) => describePredict(served, `/models/${encodeURIComponent(served.name)}/versions/${encodeURIComponent(served.version)}/predict`)),
  };
  const short: Route = {
    method,
    door,
    path: '/predict',
    handle: (request, call) => predict(onlyModel(context, template), request, call),
    describe: () => {
      const served = newest(context);
      return served.length === 1 ? describePredict(served[0]!, '/predict') : [];
    },
  };
  return byName.path === short.path ? [byName, byVersion] : [byName, byVersion, short];
}

/** The version of each model that answers where none is named. */
function newest({ repository }: ProtocolContext): ServedModel[] {
  return repository.ready().filter((served) => served.versions.at(-1) === served.version);
}

function older({ repository }: ProtocolContext): ServedModel[] {
  return repository.ready().filter((served) => served.versions.at(-1) !== served.version);
}

function onlyModel(context: ProtocolContext, template: string): ServedModel {
  const served = newest(context);
  if (served.length === 1) return served[0]!;
  if (served.length === 0) throw new ModelportError('UNAVAILABLE', 'no model is ready: GET /v2/health/ready tells when one is', { retryAfterSeconds: 1 });
  const paths = served.slice(0, 5).map((each) => `POST ${template.includes('{name}') ? template.replace('{name}', each.name) : `/models/${each.name}/versions/${each.version}/predict`}`);
  throw new ModelportError('INVALID_REQUEST', `${served.length} models are served, say which: ${paths.join(', ')}${served.length > 5 ? ' …' : ''}`);
}

async function predict(served: ServedModel, request: HttpRequest, call: Call): Promise<HttpResponse> {
  const { model, name, version } = served;
  const schema = model.signature.predict;
  if (model.predict === undefined || schema === undefined) {
    const instead = model.infer !== undefined ? `send tensors to POST /v2/models/${name}/infer` : model.generate !== undefined ? `send text to POST /v2/models/${name}/generate` : 'use another door of this server';
    throw new ModelportError('INVALID_REQUEST', `model '${name}' has no task, so it does not take values: ${instead}, or say in its model.yaml what it does (\`task: image-classification\`, for one)`);
  }
  const value = await readValue(request, inputProperties(schema.input));
  call.throwIfCancelled();
  const format = acceptedStream(request);
  if (format !== undefined) return streamAnswer(asEndpoint(served)!, value, call, format, (error) => errorResponse(error).body as string);
  const answer = await model.predict(value, call);
  return {
    headers: { 'content-type': 'application/json', ...timingHeaders(call), 'modelport-model': `${encodeURIComponent(name)}/${encodeURIComponent(version)}` },
    body: JSON.stringify(answer, plain),
  };
}

/** `{"error": text, "code": …, "at": field}`, and for endpoints of services FastAPI's `detail`. */
export function errorResponse(error: unknown): HttpResponse {
  if (!isModelportError(error)) return { status: 500, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ error: 'internal error', code: 'INTERNAL' }) };
  const problems = problemsOf(error)?.map((problem) => ({ ...problem, loc: ['body', ...problem.loc] }));
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) };
  return {
    status: error.httpStatus,
    headers: { 'content-type': 'application/json', ...retryAfter },
    body: JSON.stringify({ error: error.message, code: error.code, ...(error.at === undefined ? {} : { at: error.at }), ...(problems === undefined ? {} : { detail: problems }) }, plain),
  };
}
