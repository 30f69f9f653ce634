import { expect, test } from 'vitest';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { FakeRepository, allFakes, identityModel, matricesModel } from '../../fixtures/fake-repository.ts';
import { schemaErrors } from '../../fixtures/json-schema.ts';
import { protocolClient, type Json } from '../../fixtures/protocol-client.ts';

const repository = new FakeRepository(allFakes());
const client = protocolClient(openInference, repository);
const described = client.router.routes.flatMap(({ route }) => (route.describe?.() ?? []).map(({ path, operation }) => ({ method: route.method, path, operation, openapi: operation.openapi as Json })));

test('each model has an infer operation of its own, whose example works and whose answer fits', async () => {
  const infers = described.filter(({ path }) => path.endsWith('/infer'));
  expect(infers.length).toBe(new Set([...repository.served.values()].filter((served) => served.model.infer !== undefined).map((served) => served.name)).size);
  for (const { path, openapi } of infers) {
    const { schema, examples } = openapi.requestBody.content['application/json'];
    const example = examples.example.value;
    expect(schemaErrors(example, schema, schema), path).toEqual([]);
    const answer = await client.post(path, example);
    expect(answer.status, `${path} ${answer.text}`).toBe(200);
    const response = openapi.responses['200'].content['application/json'].schema;
    expect(schemaErrors(answer.json(), response, response), path).toEqual([]);
  }
});

test('the schema refuses what the server refuses', async () => {
  const { path, openapi } = described.find((each) => each.path === '/v2/models/classifier_FP32/infer')!;
  const { schema } = openapi.requestBody.content['application/json'];
  const input = { name: 'scores', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] };
  const wrong = [{}, { inputs: [] }, { inputs: [{ ...input, name: 'other' }] }, { inputs: [{ ...input, datatype: 'FP64' }] }, { inputs: [{ ...input, shape: [1, 2] }] }, { inputs: [{ ...input, shape: [1, 3, 1] }] }, { inputs: [{ ...input, data: ['1', '2', '3'] }] }, { inputs: [input], id: 5 }, { inputs: [input], parameters: { priority: -1 } }, { inputs: [input], outputs: [{ name: 'x' }] }];
  for (const body of wrong) {
    expect(schemaErrors(body, schema, schema), JSON.stringify(body)).not.toEqual([]);
    expect((await client.post(path, body)).status, JSON.stringify(body)).toBe(400);
  }
  for (const body of [{ inputs: [input], parameters: null, outputs: null }, { inputs: [{ ...input, data: [[1, 2, 3]] }], parameters: { sequence_id: 'a', mine: true } }]) {
    expect(schemaErrors(body, schema, schema)).toEqual([]);
    expect((await client.post(path, body)).status).toBe(200);
  }
});

test('the other operations answer what they say', async () => {
  for (const { method, path, openapi } of described.filter((each) => !/\/(infer|generate|generate_stream|load|unload)$/.test(each.path))) {
    const names: string[] = (openapi.parameters ?? []).map((parameter: Json) => parameter.schema.enum[0]);
    const answer = await client.send(method, path.replace('{model}', names[0] ?? ''), method === 'POST' ? { body: {} } : {});
    expect(answer.status, path).toBe(200);
    const { schema } = openapi.responses['200'].content['application/json'];
    expect(schemaErrors(answer.json(), schema, schema), path).toEqual([]);
  }
});

test('models that generate or stream are described where they are served', () => {
  expect(described.filter(({ path }) => /generate/.test(path)).map(({ path }) => path)).toEqual(['/v2/models/generator/generate', '/v2/models/repeat/generate_stream', '/v2/models/generator/generate_stream']);
});

test('an input too large to paste has no example; sizes that vary come from the warm-up', () => {
  const large = protocolClient(openInference, new FakeRepository([{ ...identityModel('FP32'), signature: { inputs: [{ name: 'x', datatype: 'FP32', shape: [3, 224, 224] }], outputs: [] } }, { ...matricesModel('INT8'), config: { warmup: [{ batchSize: 1, count: 1, inputs: { x: { shape: [2, 5] } } }] } }]));
  const examples = large.router.routes.flatMap(({ route }) => route.describe?.() ?? []).filter(({ path }) => path.endsWith('/infer')).map(({ operation }) => (operation.openapi as Json).requestBody.content['application/json'].examples?.example.value.inputs[0].shape);
  expect(examples).toEqual([undefined, [1, 2, 5]]);
});
