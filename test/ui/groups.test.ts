import { expect, test } from 'vitest';
import type { PageModel } from '../../ui/src/api-types.ts';
import { endpointName, groupModels, matches, serviceOf, stateOf, taskOf } from '../../ui/src/groups.ts';

function model(name: string, task: string | undefined, { service, description }: { readonly service?: string; readonly description?: string } = {}): PageModel {
  const predict = task === undefined ? {} : { predict: { task, path: '', input: {}, output: {}, examples: [], ...(service === undefined ? {} : { http: { method: 'POST', path: '/', tags: [service] } }) } };
  return {
    name,
    versions: [{ version: '1', state: 'READY', reason: '', served: { platform: 'x', ...(description === undefined ? {} : { description }), signature: { inputs: [], outputs: [] }, batching: { maxSize: 1, reason: '' }, statistics: { requests: 0, failures: 0, inferences: 0, executions: 0 }, ...predict } }],
  };
}

const shop = [model('shop.order', 'service', { service: 'shop' }), model('shop.pay', 'service', { service: 'shop' }), model('alone', 'service', { service: 'alone' })];
const loading: PageModel = { name: 'late', versions: [{ version: '1', state: 'UNAVAILABLE', reason: 'no' }, { version: '2', state: 'LOADING', reason: '' }] };

test('endpoints stand below their service, models and what is not served yet beside them', () => {
  const { models, services } = groupModels([model('iris', 'tabular-classification'), loading, ...shop]);
  expect(models.map(({ name }) => name)).toEqual(['iris', 'late']);
  expect(services.map(({ service, endpoints }) => [service, endpoints.map((endpoint) => endpointName(endpoint, service))])).toEqual([['shop', ['order', 'pay']], ['alone', ['alone']]]);
  expect(serviceOf(model('old.name', 'service'))).toBe('old');
});

test('nothing is said about the task of what is not served; what only takes tensors is called so', () => {
  expect([loading, model('raw', undefined), shop[0]!, model('iris', 'tabular-classification')].map(taskOf)).toEqual([undefined, 'tensors', 'service', 'tabular-classification']);
  expect([stateOf(loading), stateOf(shop[0]!)]).toEqual(['LOADING', 'READY']);
});

test('each word of a search is looked for in name, task and description', () => {
  const iris = model('iris', 'tabular-classification', { description: 'Which of three flowers?' });
  expect(['IRIS', 'flowers tab', 'three  iris', 'roses', 'iris roses'].map((query) => matches(iris, query))).toEqual([true, true, true, false, false]);
  expect(groupModels([iris, ...shop], (each) => matches(each, 'pay')).services).toEqual([{ service: 'shop', endpoints: [shop[1]] }]);
});
