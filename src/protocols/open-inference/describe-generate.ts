/** What `/openapi.json` says of one model's generate endpoints. */
import type { JsonSchema } from '../../model.ts';
import type { Operation } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import { elementSchema, errorAnswer, jsonAnswer } from './describe-parts.ts';

export function describeGenerate(served: ServedModel, streaming: boolean): { path: string; operation: Operation }[] {
  const { name, model } = served;
  if (model.generate === undefined && (model.stream === undefined || !streaming)) return [];
  const generates = model.generate !== undefined;
  const request: JsonSchema = generates
    ? { type: 'object', properties: { id: { type: 'string' }, text_input: { type: 'string' }, parameters: { type: ['object', 'null'], additionalProperties: { type: ['boolean', 'number', 'string'] } } }, required: ['text_input'] }
    : {
        type: 'object',
        properties: Object.fromEntries(
          model.signature.inputs.map(({ name: input, datatype }) => [input, { description: `${datatype}: a value, or a list of them`, anyOf: [elementSchema(datatype), { type: 'array', items: elementSchema(datatype) }] }]),
        ),
        required: model.signature.inputs.filter((input) => input.optional !== true).map((input) => input.name),
      };
  const answer: JsonSchema = {
    type: 'object',
    properties: { id: { type: 'string' }, model_name: { type: 'string' }, model_version: { type: 'string' }, ...(generates ? { text_output: { type: 'string' } } : {}) },
    required: ['model_name', 'model_version'],
  };
  return [
    {
      path: `/v2/models/${encodeURIComponent(name)}/generate${streaming ? '_stream' : ''}`,
      operation: {
        summary: `Generate with ${name}${streaming ? ', piece by piece' : ''}`,
        tags: [name],
        openapi: {
          requestBody: { required: true, content: { 'application/json': { schema: request, ...(generates ? { examples: { example: { value: { text_input: 'Once upon a time' } } } } : {}) } } },
          responses: {
            '200': streaming ? { description: 'Server-sent events; the data of each is one answer.', content: { 'text/event-stream': {} } } : jsonAnswer('The text.', answer),
            '400': errorAnswer('The request does not fit the model; the text names the field.'),
            '404': errorAnswer('The model is not loaded any more.'),
            '500': errorAnswer('The model failed.'),
            '503': errorAnswer('The model is not ready, its queue is full, or the deadline can not be met.'),
          },
        },
      },
    },
  ];
}
