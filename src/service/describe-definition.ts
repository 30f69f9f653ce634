/** An endpoint as it is described to protocols, forms and clients, before anything runs. */
import type { JsonSchema, PredictSignature } from '../model.ts';
import { isAsyncGenerator } from './check-definition.ts';
import type { EndpointDefinition } from './definition.ts';
import { describeInput } from './input-locations.ts';
import { jsonSchemaOf } from './read-input.ts';

export function describeDefinition(service: string, name: string, definition: EndpointDefinition): PredictSignature {
  const { summary, description, method = 'POST', path = `/${service}/${name}`, status, tags, deprecated, input, output, examples = [] } = definition;
  const answer: JsonSchema = output === undefined ? {} : jsonSchemaOf(output, 'output');
  const streams = definition.stream === true || isAsyncGenerator(definition.handler);
  return {
    task: 'service',
    input: describeInput(input === undefined ? { type: 'object', properties: {} } : jsonSchemaOf(input, 'input'), method, path),
    output: streams ? { type: 'array', items: answer } : answer,
    ...(streams ? { part: answer } : {}),
    examples,
    ...(summary === undefined ? {} : { summary }),
    ...(description === undefined ? {} : { description }),
    http: { method, path, tags: tags ?? [service], ...(status === undefined ? {} : { status }), ...(deprecated === undefined ? {} : { deprecated }) },
  };
}
