/** What `/openapi.json` says of the endpoints that are the same for every model. */
import type { JsonSchema } from '../../model.ts';
import type { Operation, ProtocolContext } from '../../protocol.ts';
import { errorAnswer, jsonAnswer, pathParameter } from './describe-parts.ts';

type Described = readonly { readonly path: string; readonly operation: Operation }[];
type Describe = () => Described;

const tensors: JsonSchema = {
  type: 'array',
  items: {
    type: 'object',
    properties: { name: { type: 'string' }, datatype: { type: 'string' }, shape: { type: 'array', items: { type: 'integer', minimum: -1 } } },
    required: ['name', 'datatype', 'shape'],
  },
};

const duration: JsonSchema = { type: 'object', properties: { count: { type: 'integer', minimum: 0 }, ns: { type: 'number', minimum: 0 } }, required: ['count', 'ns'] };

const statistics: JsonSchema = {
  type: 'object',
  properties: {
    model_stats: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          version: { type: 'string' },
          last_inference: { type: 'number', description: 'Milliseconds since 1970.' },
          inference_count: { type: 'integer' },
          execution_count: { type: 'integer' },
          inference_stats: { type: 'object', additionalProperties: duration },
          batch_stats: { type: 'array', items: { type: 'object' } },
        },
        required: ['name', 'version', 'inference_count', 'execution_count', 'inference_stats', 'batch_stats'],
      },
    },
  },
  required: ['model_stats'],
};

const metadata: JsonSchema = {
  type: 'object',
  properties: { name: { type: 'string' }, versions: { type: 'array', items: { type: 'string' } }, platform: { type: 'string' }, inputs: tensors, outputs: tensors },
  required: ['name', 'versions', 'platform', 'inputs', 'outputs'],
};

const index: JsonSchema = {
  type: 'array',
  items: { type: 'object', properties: { name: { type: 'string' }, version: { type: 'string' }, state: { enum: ['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE'] }, reason: { type: 'string' } }, required: ['name'] },
};

const serverTag = 'server';
const modelsTag = 'models';
const repositoryTag = 'repository';

function get(path: string, summary: string, tag: string, answers: JsonSchema, parameters: readonly JsonSchema[] = []): Described {
  return [{ path, operation: { summary, tags: [tag], openapi: { ...(parameters.length === 0 ? {} : { parameters }), responses: answers } } }];
}

/** Descriptions by method and path of the route. Endpoints of a model are described once, with the model as a parameter. */
export function descriptions(context: ProtocolContext): Readonly<Record<string, Describe>> {
  const { repository } = context;
  const model = (): JsonSchema => pathParameter('model', repository.ready().map(({ name }) => name), 'The name of a model.');
  // Not only those that are ready can be loaded, and taking away what is not there does no harm.
  const anyModel = pathParameter('model', [], 'The name of a model.');
  const notFound = errorAnswer('There is no such model.');
  const health = (name: string): JsonSchema => ({ type: 'object', properties: { [name]: { type: 'boolean' } }, required: [name] });
  const ofModel = (rest: string, summary: string, schema: JsonSchema, missing: JsonSchema = { '404': notFound }): Describe => () => get(`/v2/models/{model}${rest}`, summary, modelsTag, { '200': jsonAnswer('Of the newest version.', schema), ...missing }, [model()]);
  return {
    'GET /v2/health/live': () => get('/v2/health/live', 'Whether the server runs', serverTag, { '200': jsonAnswer('It does.', health('live')), '400': jsonAnswer('It is shutting down.', health('live')) }),
    'GET /v2/health/ready': () => get('/v2/health/ready', 'Whether every model is ready', serverTag, { '200': jsonAnswer('All are.', health('ready')), '400': jsonAnswer('Not yet.', health('ready')) }),
    'GET /v2': () => get('/v2', 'Name, version and extensions of the server', serverTag, { '200': jsonAnswer('The server.', { type: 'object', properties: { name: { type: 'string' }, version: { type: 'string' }, extensions: { type: 'array', items: { type: 'string' } } }, required: ['name', 'version', 'extensions'] }) }),
    'GET /v2/models': () => get('/v2/models', 'The names of the models that are ready', modelsTag, { '200': jsonAnswer('Their names.', { type: 'object', properties: { models: { type: 'array', items: { type: 'string' } } }, required: ['models'] }) }),
    'GET /v2/models/stats': () => get('/v2/models/stats', 'How often and how long every model ran', modelsTag, { '200': jsonAnswer('Of every version.', statistics) }),
    'GET /v2/models/:model': ofModel('', 'Inputs and outputs of a model', metadata),
    'GET /v2/models/:model/ready': ofModel('/ready', 'Whether a model is ready', { type: 'object', properties: { name: { type: 'string' }, ready: { const: true } }, required: ['name', 'ready'] }, { '400': errorAnswer('It is not.') }),
    'GET /v2/models/:model/config': ofModel('/config', "The config in force, in Triton's form", { type: 'object', properties: { name: { type: 'string' }, max_batch_size: { type: 'integer' } }, required: ['name'] }),
    'GET /v2/models/:model/stats': ofModel('/stats', 'How often and how long a model ran', statistics, { '400': errorAnswer('There is no such model.') }),
    'POST /v2/repository/index': () => [
      {
        path: '/v2/repository/index',
        operation: {
          summary: 'Every model that is known, and why it is not ready',
          tags: [repositoryTag],
          openapi: {
            requestBody: { content: { 'application/json': { schema: { type: 'object', properties: { ready: { type: 'boolean', description: 'Only those that are.' } } }, examples: { all: { value: {} } } } } },
            responses: { '200': jsonAnswer('The index.', index), '400': errorAnswer('The body can not be read.') },
          },
        },
      },
    ],
    'POST /v2/repository/models/:model/load': () => change('/v2/repository/models/{model}/load', 'Load a model, or load it again', { config: { type: ['string', 'object'], description: 'A config that replaces the one in the folder: an object, or the JSON text of one.' } }, anyModel),
    'POST /v2/repository/models/:model/unload': () => change('/v2/repository/models/{model}/unload', 'Unload a model', { unload_dependents: { type: 'boolean', description: 'With an ensemble, the models that were loaded for it alone.' } }, anyModel),
  };
}

function change(path: string, summary: string, parameters: JsonSchema, model: JsonSchema): Described {
  const failures = Object.fromEntries(['400', '401', '403', '404', '501', '503'].map((status) => [status, errorAnswer('It was not done; the text says why.')]));
  return [
    {
      path,
      operation: {
        summary,
        description: 'Open on loopback only; elsewhere it needs the management key.',
        tags: [repositoryTag],
        openapi: {
          parameters: [model],
          requestBody: { content: { 'application/json': { schema: { type: 'object', properties: { parameters: { type: ['object', 'null'], properties: parameters, additionalProperties: { type: ['boolean', 'number', 'string'] } } } } } } },
          responses: { '200': { description: 'Done.' }, ...failures },
        },
      },
    },
  ];
}
