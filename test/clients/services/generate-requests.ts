/** A few hundred requests for the equal services: every value of a pool in every place, damaged texts, and random mixes. */
import { random as createRandom } from '../../fixtures/random.ts';

export interface EqualRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const json = { 'content-type': 'application/json' };

const pool: readonly string[] = [
  'null', 'true', 'false', '0', '1', '2', '-1', '7', '11', '1.0', '1.5', '0.5', '-0.5', '1e2', '""', '"a"', '"ab"', '"abcdef"', '"ABC"', '"1"', '" 3 "', '"1.0"', '"1.5"', '"1_0"', '"x"', '"yes"', '"off"', '"true"', '"nan"', '"red"', '"bad"', '"😀😀"',
  '[]', '[1]', '["a"]', '["1", 2]', '["a","b","c","d"]', '[1,"a"]', '[1,"a",3]', '["x"]', '[null]', '[[]]', '{}', '{"a": 1}', '{"a": "x"}', '{"x": 1}', '{"x": "y", "z": 1}', '[{"x": 1}, {"y": "q"}, 3]', '{"kind": "cat"}', '{"kind": "cat", "lives": "9"}', '{"kind": "dog", "name": 3}', '{"kind": "bird"}', '{"kind": 5}',
  '"2020-01-01"', '"2020-13-01"', '"2020-02-30"', '"2020-01-01T10:00:00Z"', '"2020-01-01T10:00:00+02:00"', '"2020-01-01T25:00:00Z"', '"2020-01-01 10:00"', '"10:30:00"', '"10:61"', '"1:2"', '"6ba7b810-9dad-41d1-80b4-00c04fd430c8"', '"6ba7b810"', '"zzz"', '"a@example.com"', '"a@"', '"@b.com"', '1577836800',
];

const members = ['count', 'ratio', 'even', 'name', 'code', 'flag', 'color', 'tags', 'numbers', 'pair', 'scores', 'inner', 'inners', 'maybe', 'either', 'pet', 'when', 'day', 'at', 'id', 'email', 'checked'];
const valid: Readonly<Record<string, string>> = { count: '3', ratio: '0.5', name: '"abc"' };

function body(values: Readonly<Record<string, string>>): string {
  return `{${Object.entries(values).map(([name, value]) => `"${name}": ${value}`).join(', ')}}`;
}

const broken: readonly string[] = [
  '', '{', '}', '[', '{"count": 1,}', '{"count" 1}', '{count: 1}', "{'count': 1}", '{"count": 1} x', '{"count": 01}', '{"count": .5}', '{"count": "a', '{"count": "\\q"}', '{"count": "\\u12"}', '{"a": [1, 2,]}', '{"a": [1 2]}', 'nul', 'undefined', '{"count": "a\u0001b"}', '  ', '{"é": tru}', '[1, 2', '"text', '1.', '-', '{"a": 1 "b": 2}',
];

/** The same for the same seed. */
export function generateRequests(seed: number): EqualRequest[] {
  const { next: random, pick } = createRandom(seed);
  const requests: EqualRequest[] = [];
  const post = (path: string, text: string): void => void requests.push({ method: 'POST', path, headers: json, body: text });
  for (const member of members) for (const value of pool) if (random() < 0.6) post('/everything', body({ ...valid, [member]: value }));
  for (const value of pool) {
    post('/everything', value);
    post('/closed', value);
    post('/closed', body({ a: value }));
    post('/closed', body({ a: '1', b: value, c: value }));
    post('/list', value);
    requests.push({ method: 'PUT', path: `/mixed/${pick(['one', 'two', 'three', '1'])}?verbose=${pick(['1', 'x', 'true', ''])}`, headers: json, body: body({ a: value, b: pick(pool) }) });
  }
  for (const text of broken) {
    post('/everything', text);
    post('/closed', text);
  }
  for (let index = 0; index < 150; index++) {
    const some = members.filter(() => random() < 0.35);
    post('/everything', body(Object.fromEntries(some.map((member) => [member, pick(pool)]))));
  }
  const texts = ['1', '5', '0', 'a', 'ab', '', '1.5', 'true', 'maybe', '101', '-3', ' 7 ', 'on', '%20', 'x%26y'];
  for (let index = 0; index < 120; index++) {
    const query = ['q', 'limit', 'ratio', 'flag', 'tags', 'tags', 'other'].filter(() => random() < 0.5).map((name) => `${name}=${pick(texts)}`).join('&');
    const headers: Record<string, string> = {};
    if (random() < 0.4) headers['x-token'] = pick(['a', 'abc', 'abcd']);
    if (random() < 0.4) headers['cookie'] = `session=${pick(['1', 'x', '2.5'])}`;
    requests.push({ method: 'GET', path: `/items/${pick(['1', 'x', '2.0', '2.5', '-4', '1e3', 'true'])}?${query}`, headers });
  }
  for (let index = 0; index < 60; index++) {
    const form = ['user', 'age', 'agree', 'other'].filter(() => random() < 0.7).map((name) => `${name}=${pick(texts)}`).join('&');
    requests.push({ method: 'POST', path: '/form', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form });
  }
  return requests;
}
