/** What `/openapi.json` says of one model's predict door. */
import type { JsonSchema } from '../../model.ts';
import type { Operation } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import { fileProperty, inputProperties, objectSchema } from './input-schema.ts';

const errorSchema: JsonSchema = {
  type: 'object',
  properties: { error: { type: 'string' }, code: { type: 'string' }, at: { type: 'string', description: 'The field that is wrong.' } },
  required: ['error'],
};

export function describePredict(served: ServedModel, path: string): { path: string; operation: Operation }[] {
  const { predict } = served.model.signature;
  if (served.model.predict === undefined || predict === undefined) return [];
  const properties = inputProperties(predict.input);
  const file = fileProperty(properties);
  const examples = Object.fromEntries(predict.examples.map((value, index) => [`example${index + 1}`, { value }]));
  const content: Record<string, unknown> = {
    'application/json': { schema: predict.input, ...(predict.examples.length === 0 ? {} : { examples }) },
  };
  if (properties.length > 0) content['multipart/form-data'] = { schema: formSchema(predict.input, properties) };
  if (file !== undefined) for (const type of fileTypes(file.mediaType)) content[type] = { schema: { type: 'string', format: 'binary' } };
  const failure = (description: string): JsonSchema => ({ description, content: { 'application/json': { schema: errorSchema } } });
  const { description } = served.config.config;
  return [
    {
      path,
      operation: {
        summary: `${predict.task} with ${served.name}${served.versions.at(-1) === served.version ? '' : ` (version ${served.version})`}`,
        ...(description === undefined ? {} : { description }),
        tags: [served.name],
        openapi: {
          requestBody: { required: true, content },
          responses: {
            '200': {
              description: 'The answer.',
              headers: { 'Server-Timing': { description: 'Where the time went, in milliseconds: queue, run, total.', schema: { type: 'string' } } },
              content: { 'application/json': { schema: predict.output } },
            },
            '400': failure('The body can not be read.'),
            '404': failure('The model is not loaded any more.'),
            '415': failure('The body has a form that this model does not take.'),
            '422': failure('A value does not fit the schema.'),
            '500': failure('The model failed.'),
            '503': failure('The model is not ready, its queue is full, or the deadline can not be met.'),
          },
        },
      },
    },
  ];
}

function fileTypes(mediaType = 'image/*'): readonly string[] {
  if (mediaType === 'image/*') return ['image/png', 'image/jpeg'];
  return mediaType === 'audio/*' ? ['audio/wav'] : [mediaType];
}

/** The same object as a form: files are bytes instead of text. */
function formSchema(input: JsonSchema, properties: ReturnType<typeof inputProperties>): JsonSchema {
  const object = objectSchema(input);
  if (object === undefined) return input;
  const members = object['properties'] as Record<string, JsonSchema>;
  return {
    ...object,
    properties: Object.fromEntries(
      Object.entries(members).map(([name, member]) => {
        const { description } = member as { description?: unknown };
        const isFile = properties.some((property) => property.name === name && property.file);
        return [name, isFile ? { type: 'string', format: 'binary', ...(description === undefined ? {} : { description }) } : member];
      }),
    ),
  };
}
