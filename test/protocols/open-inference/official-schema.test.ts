/**
 * Every reply against the protocol's OpenAPI document. MODELPORT_OPEN_INFERENCE_OPENAPI names a second one (the YAML of the
 * kserve/open-inference-protocol repository) to check against, too.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { openInference } from '../../../src/protocols/open-inference/index.ts';
import { FakeRepository, allFakes } from '../../fixtures/fake-repository.ts';
import { schemaErrors } from '../../fixtures/json-schema.ts';
import { protocolClient, type Answer, type Json } from '../../fixtures/protocol-client.ts';

interface OpenApi extends Readonly<Record<string, unknown>> {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

const own = `${import.meta.dirname}/../../../proto/open-inference/dataplane.json`;
const other = process.env['MODELPORT_OPEN_INFERENCE_OPENAPI'];
const documents = [own, ...(other === undefined ? [] : [other])].map((path) => ({ path, document: parse(readFileSync(path, 'utf8')) as OpenApi }));

const client = protocolClient(openInference, new FakeRepository(allFakes()));
const good = { inputs: [{ name: 'x', shape: [2], datatype: 'FP32', data: [1.5, -2] }] };
const exchanges: { method: string; template: string; path: string; body?: unknown; headers?: Record<string, string> }[] = [
  { method: 'get', template: '/v2/health/live', path: '/v2/health/live' },
  { method: 'get', template: '/v2/health/ready', path: '/v2/health/ready' },
  { method: 'get', template: '/v2', path: '/v2' },
  ...['simple', 'identity_FP32', 'identity_BF16', 'generator', 'nobody'].flatMap((model) => [
    { method: 'get', template: '/v2/models/{}', path: `/v2/models/${model}` },
    { method: 'get', template: '/v2/models/{}/ready', path: `/v2/models/${model}/ready` },
    { method: 'get', template: '/v2/models/{}/versions/{}', path: `/v2/models/${model}/versions/1` },
    { method: 'get', template: '/v2/models/{}/versions/{}/ready', path: `/v2/models/${model}/versions/1/ready` },
  ]),
  ...['/v2/models/{}/infer', '/v2/models/{}/versions/{}/infer'].flatMap((template) => {
    const path = (model: string): string => template.replace('{}', model).replace('{}', '1');
    const send = (model: string, body: unknown): { method: string; template: string; path: string; body: unknown } => ({ method: 'post', template, path: path(model), body });
    return [
      send('identity_FP32', good),
      send('identity_FP32', { id: '7', parameters: { mine: 1 }, ...good }),
      send('identity_FP32', { ...good, outputs: [{ name: 'y' }] }),
      send('identity_FP32', { inputs: [] }),
      send('nobody', good),
      send('identity_BYTES', { inputs: [{ name: 'x', shape: [2], datatype: 'BYTES', data: ['a', 'ü'] }] }),
      send('classifier_FP32', { inputs: [{ name: 'scores', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }], outputs: [{ name: 'classes', parameters: { classification: 2 } }] }),
      send('simple', { inputs: ['INPUT0', 'INPUT1'].map((name) => ({ name, shape: [1, 16], datatype: 'INT32', data: Array.from({ length: 16 }, (_, index) => index) })) }),
    ];
  }),
];

/** `/v2/models/{model_name}/ready` and `/v2/models/${MODEL_NAME}/ready` are the same path. */
function shapeOf(template: string): string {
  return template.replace(/\$?\{[^}]*\}/g, '{}').replace(/\/$/, '');
}

function errorsOf(document: OpenApi, method: string, template: string, answer: Answer): string[] | undefined {
  // A document may have the paths with a version only.
  const templates = [template, template.replace('/v2/models/{}', '/v2/models/{}/versions/{}')];
  const operation = templates.map((each) => Object.entries(document.paths).find(([path]) => shapeOf(path) === each)).find((found) => found !== undefined)?.[1][method];
  const schema = operation?.responses[String(answer.status)]?.content?.['application/json']?.schema;
  if (schema === undefined) return undefined;
  // The document is older than BF16.
  return schemaErrors(answer.json(), schema, document).filter((error) => !/BF16|is none of \["BOOL"/.test(error));
}

for (const { path: file, document } of documents) {
  test(`every reply fits ${file.split('/').at(-1)!}`, async () => {
    let checked = 0;
    for (const { method, template, path, body } of exchanges) {
      const answer = await client.send(method.toUpperCase(), path, body === undefined ? {} : { body: body as object });
      expect(answer.headers['content-type']).toBe('application/json');
      if (answer.status >= 400) expect(answer.json()).toEqual({ error: expect.any(String) });
      const errors = errorsOf(document, method, template, answer);
      if (errors === undefined) continue;
      checked++;
      expect(errors, `${path} ${answer.text.slice(0, 200)}`).toEqual([]);
    }
    expect(checked).toBeGreaterThan(15);
  });

  test(`the requests of ${file.split('/').at(-1)!} are served: all its paths but those that only MLServer has`, () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      if (path.endsWith('/infer_stream')) continue;
      const concrete = path.replace(/\$?\{[^}]*name\}/gi, 'simple').replace(/\$?\{[^}]*\}/g, '1');
      for (const method of Object.keys(operations)) if (method !== 'parameters') expect(() => client.router.find(method.toUpperCase(), concrete)).not.toThrow();
    }
  });
}
