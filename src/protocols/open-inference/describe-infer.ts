/** What `/openapi.json` says of one model's infer endpoint: its own tensors, and an example that works as it stands. */
import type { JsonSchema, TensorSpec } from '../../model.ts';
import type { Operation } from '../../protocol.ts';
import type { ServedModel } from '../../repository.ts';
import { datatypes, elementCount } from '../../tensor.ts';
import { elementSchema, errorAnswer, jsonAnswer } from './describe-parts.ts';
import { wireShape } from './documents.ts';

/** Examples with more elements are left out: nobody pastes them. */
const mostExampleElements = 2000;

export function describeInfer(served: ServedModel): { path: string; operation: Operation }[] {
  const { model, name } = served;
  if (model.infer === undefined) return [];
  const { inputs, outputs } = model.signature;
  const example = inferExample(served);
  const { description } = served.config.config;
  const operation: Operation = {
    summary: `Run ${name} on tensors`,
    description: [description, 'Elements are nested as the shape says, or flat in row-major order. The same request takes binary tensors after the JSON (header `Inference-Header-Content-Length`).'].filter((part) => part !== undefined).join('\n\n'),
    tags: [name],
    openapi: {
      requestBody: { required: true, content: { 'application/json': { schema: requestSchema(inputs, outputs), ...(example === undefined ? {} : { examples: { example: { value: example } } }) } } },
      responses: {
        '200': withBinary(jsonAnswer('The outputs.', responseSchema(served))),
        '400': errorAnswer('The request does not fit the model; the text names the field.'),
        '404': errorAnswer('The model is not loaded any more.'),
        '500': errorAnswer('The model failed.'),
        '503': errorAnswer('The model is not ready, its queue is full, or the deadline can not be met.'),
      },
    },
  };
  return [{ path: `/v2/models/${encodeURIComponent(name)}/infer`, operation }];
}

/** Where binary outputs are asked for, the same JSON, then bytes. */
function withBinary(answer: JsonSchema): JsonSchema {
  return { ...answer, content: { ...(answer['content'] as JsonSchema), 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } };
}

function requestSchema(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): JsonSchema {
  const required = inputs.filter((input) => input.optional !== true).length;
  return {
    type: 'object',
    properties: {
      id: { type: 'string', description: 'Comes back in the answer.' },
      parameters: parametersSchema,
      inputs: { type: 'array', minItems: required, maxItems: inputs.length, items: oneOf(inputs.map(inputSchema)) },
      outputs: {
        type: ['array', 'null'],
        description: 'The wanted outputs; all where it is left out.',
        items: {
          type: 'object',
          properties: {
            name: { enum: outputs.map((output) => output.name) },
            parameters: {
              type: ['object', 'null'],
              properties: { classification: { type: 'integer', minimum: 0, description: 'Answer with so many best classes instead of the tensor.' }, binary_data: { type: 'boolean' } },
            },
          },
          required: ['name'],
        },
      },
    },
    required: ['inputs'],
  };
}

const parametersSchema: JsonSchema = {
  type: ['object', 'null'],
  properties: {
    sequence_id: { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }] },
    sequence_start: { type: 'boolean' },
    sequence_end: { type: 'boolean' },
    priority: { type: 'integer', minimum: 0, description: '1 is served first; 0: the usual level.' },
    timeout: { type: 'integer', minimum: 0, description: 'Microseconds after which the answer is worth nothing; 0: none.' },
    binary_data_output: { type: 'boolean', description: 'All outputs as bytes after the JSON.' },
  },
  additionalProperties: { type: ['boolean', 'number', 'string'] },
};

function inputSchema(spec: TensorSpec): JsonSchema {
  return {
    type: 'object',
    ...(spec.description === undefined ? {} : { description: spec.description }),
    properties: { name: { const: spec.name }, datatype: { const: spec.datatype }, shape: shapeSchema(spec), data: dataSchema(spec), parameters: { type: ['object', 'null'] } },
    required: ['name', 'shape', 'datatype', 'data'],
  };
}

function shapeSchema(spec: TensorSpec): JsonSchema {
  const shape = wireShape(spec);
  const sizes = shape.map((size, axis): JsonSchema => {
    if (size !== -1) return { const: size };
    const dimension = spec.shape[axis]!;
    const meaning = axis === spec.batchAxis ? 'rows' : typeof dimension === 'string' ? dimension : undefined;
    return { type: 'integer', minimum: 0, ...(meaning === undefined ? {} : { description: meaning }) };
  });
  return { type: 'array', ...(sizes.length === 0 ? {} : { prefixItems: sizes }), minItems: shape.length, maxItems: shape.length };
}

function dataSchema(spec: TensorSpec): JsonSchema {
  return { type: 'array', items: { anyOf: [elementSchema(spec.datatype), { type: 'array' }] }, ...(spec.labels === undefined ? {} : { description: `Classes: ${spec.labels.slice(0, 20).join(', ')}${spec.labels.length > 20 ? ' …' : ''}` }) };
}

function responseSchema(served: ServedModel): JsonSchema {
  return {
    type: 'object',
    properties: {
      id: { type: 'string' },
      model_name: { const: served.name },
      model_version: { type: 'string' },
      parameters: { type: 'object' },
      outputs: {
        type: 'array',
        items: oneOf(
          served.model.signature.outputs.map((spec) => ({
            type: 'object',
            properties: { name: { const: spec.name }, datatype: { enum: [...new Set([spec.datatype, 'BYTES'])] }, shape: { type: 'array', items: { type: 'integer', minimum: 0 } }, data: { type: 'array' }, parameters: { type: 'object' } },
            required: ['name', 'datatype', 'shape'],
          })),
        ),
      },
    },
    required: ['model_name', 'model_version', 'outputs'],
  };
}

function oneOf(choices: readonly JsonSchema[]): JsonSchema {
  return choices.length === 1 ? choices[0]! : { anyOf: choices };
}

/** A request of one row, undefined where it would be too long to read. Sizes that vary are those of the warm-up, else 1. */
export function inferExample(served: ServedModel): unknown {
  const warmup = served.config.config.warmup?.[0]?.inputs ?? {};
  const inputs = served.model.signature.inputs
    .filter((spec) => spec.optional !== true)
    .map((spec) => {
      const rows = spec.batchAxis === undefined ? undefined : 1;
      const given = warmup[spec.name]?.shape;
      let next = 0;
      const shape = wireShape(spec).map((size, axis) => {
        if (axis === spec.batchAxis) return rows!;
        const warm = given?.[next++];
        return size === -1 ? (warm ?? 1) : size;
      });
      return { name: spec.name, shape, datatype: spec.datatype, data: { length: elementCount(shape), element: exampleElement(spec) } };
    });
  if (inputs.reduce((total, input) => total + input.data.length, 0) > mostExampleElements) return undefined;
  return { inputs: inputs.map((input) => ({ ...input, data: Array.from({ length: input.data.length }, () => input.data.element) })) };
}

function exampleElement({ datatype, minimum, maximum }: TensorSpec): unknown {
  const { kind } = datatypes[datatype];
  if (kind === 'bytes') return 'text';
  if (kind === 'boolean') return true;
  const middle = minimum !== undefined && maximum !== undefined ? (minimum + maximum) / 2 : (minimum ?? maximum ?? (kind === 'integer' ? 1 : 0.5));
  return kind === 'integer' ? Math.round(middle) : Number(middle.toPrecision(4));
}
