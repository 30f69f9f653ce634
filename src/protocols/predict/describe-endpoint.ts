/** What `/openapi.json` says of an endpoint of a service, in FastAPI's shape. */
import { endpointSummary, type Endpoint } from '../../endpoint.ts';
import type { JsonSchema } from '../../model.ts';
import type { Operation } from '../../protocol.ts';
import type { EndpointPlan, PlacedInput } from './endpoint-plan.ts';
import { objectSchema } from './input-schema.ts';

const problemSchema: JsonSchema = {
  title: 'ValidationError',
  type: 'object',
  properties: {
    loc: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] }, title: 'Location' },
    msg: { type: 'string', title: 'Message' },
    type: { type: 'string', title: 'Error Type' },
    input: { title: 'Input' },
    ctx: { type: 'object', title: 'Context' },
  },
  required: ['loc', 'msg', 'type'],
};

export function describeEndpoint(endpoint: Endpoint, plan: EndpointPlan): Operation {
  const { signature } = endpoint;
  const { http, description, examples, output, part } = signature;
  const detail = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { detail: schema }, required: ['detail'] });
  const failure = (text: string, schema: JsonSchema = { type: 'string' }): JsonSchema => ({ description: text, content: { 'application/json': { schema: detail(schema) } } });
  const parameters = plan.inputs.filter(({ place }) => place !== 'body').map((input) => parameter(input, signature.input));
  const named = Object.fromEntries(examples.map((value, index) => [`example${index + 1}`, { value: bodyOf(value, plan) }]));
  const content: JsonSchema = {
    ...(part === undefined ? {} : { 'text/event-stream': { schema: part }, 'application/x-ndjson': { schema: part } }),
    'application/json': { schema: output },
  };
  return {
    summary: endpointSummary(endpoint),
    ...(description === undefined ? {} : { description }),
    ...(http?.tags === undefined ? {} : { tags: http.tags }),
    openapi: {
      ...(http?.deprecated === true ? { deprecated: true } : {}),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(plan.takesBody ? { requestBody: requestBody(plan, signature.input, named) } : {}),
      responses: {
        [String(http?.status ?? 200)]: { description: 'The answer.', content },
        ...(plan.takesBody ? { '400': failure('The body can not be read.'), '415': failure('The body has a form that is not taken here.') } : {}),
        '422': failure('Values do not fit the schema.', { type: 'array', items: problemSchema }),
        '500': failure('The endpoint failed.'),
        '503': failure('Too many requests wait, or the time is over.'),
      },
    },
  };
}

function parameter({ key, place, property, schema }: PlacedInput, root: JsonSchema): JsonSchema {
  const { description, 'x-modelport': _hints, ...rest } = schema;
  const { $defs } = root;
  return {
    name: key,
    in: place,
    required: place === 'path' || property.required,
    ...(description === undefined ? {} : { description }),
    schema: $defs === undefined ? rest : { ...rest, $defs },
  };
}

function requestBody(plan: EndpointPlan, input: JsonSchema, examples: Readonly<Record<string, unknown>>): JsonSchema {
  const shown = Object.keys(examples).length === 0 ? {} : { examples };
  if (plan.wholeBody) return { required: true, content: { 'application/json': { schema: input, ...shown } } };
  const object = objectSchema(input)!;
  const members = Object.fromEntries(plan.body.map(({ name, schema }) => [name, schema]));
  const required = Array.isArray(object['required']) ? (object['required'] as string[]).filter((name) => Object.hasOwn(members, name)) : [];
  const schema = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({ ...object, properties, ...(required.length === 0 ? { required: undefined } : { required }) });
  const asForm = Object.fromEntries(plan.body.map(({ name, property, schema: member }) => [name, property.file ? { type: 'string', format: 'binary', ...(member['description'] === undefined ? {} : { description: member['description'] }) } : member]));
  return {
    required: required.length > 0,
    content: { 'application/json': { schema: schema(members), ...shown }, 'multipart/form-data': { schema: schema(asForm) } },
  };
}

/** An example without what stands elsewhere than in the body. */
function bodyOf(value: unknown, plan: EndpointPlan): unknown {
  if (plan.wholeBody || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => plan.body.some((input) => input.name === name)));
}
