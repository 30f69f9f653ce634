import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model, Signature } from '../../src/model.ts';
import { recommendation } from '../../src/tasks/recommendation/recommendation.ts';
import { textOf, type Tensor } from '../../src/tensor.ts';
import { factsOf, fakeModel, lifted, signatureOf, spec, type FakeModel } from './fake-model.ts';

const score = spec('score', 'FP32', ['batch', 1]);
const pairs = signatureOf([spec('user_id', 'INT64', ['batch']), spec('item_id', 'INT64', ['batch'])], [score], 4);
const numbersOf = (tensor: Tensor): number[] => Array.from(tensor.data as ArrayLike<bigint | number>, Number);
/** The higher the number, the better, unless it is that of the user. */
const byNumber = (signature: Signature): FakeModel =>
  fakeModel(signature, ({ inputs }) => {
    const [users, items] = [numbersOf(inputs.get('user_id')!), numbersOf(inputs.get('item_id')!)];
    return [['score', { datatype: 'FP32', shape: [items.length, 1], data: Float32Array.from(items, (item, row) => (item === users[row] ? -1 : item / 10)) }]];
  });
const ask = async (model: Model, value: unknown): Promise<unknown> => ((await model.predict!(value, new Call())) as { items: unknown }).items;
const films = ['Alien', 'Brazil', 'Casablanca', 'Dune', 'Eraserhead'];

describe('pairs of user and item', () => {
  it('ranks all items, in parts that the model can run', async () => {
    const inner = byNumber(pairs);
    const model = lifted(recommendation, inner, { items: films, topK: 3 });
    expect(await ask(model, { user: 3 })).toEqual([{ item: 'Eraserhead', score: 0.4 }, { item: 'Casablanca', score: 0.2 }, { item: 'Brazil', score: 0.1 }]);
    expect(inner.requests.map(({ inputs }) => [inputs.get('user_id')!.shape, numbersOf(inputs.get('item_id')!)])).toEqual([[[4], [0, 1, 2, 3]], [[1], [4]]]);
  });

  it('ranks those that are asked for, without those that are known', async () => {
    const model = lifted(recommendation, byNumber(pairs), { items: films });
    expect(await ask(model, { user: '9', items: ['Alien', 'Dune', 'Brazil'], exclude: ['Dune'], topK: 2 })).toEqual([{ item: 'Brazil', score: 0.1 }, { item: 'Alien', score: 0 }]);
    expect(await ask(model, { user: 1, items: ['Dune'], exclude: ['Dune'] })).toEqual([]);
  });

  it('takes names of users and numbers from 1', async () => {
    const inner = byNumber(pairs);
    const model = lifted(recommendation, inner, { users: ['ann', 'bob'], firstUser: 1, items: { count: 3 }, firstItem: 1 });
    expect(await ask(model, { user: 'bob' })).toEqual([{ item: 3, score: 0.3 }, { item: 1, score: 0.1 }, { item: 2, score: -1 }]);
    expect(model.signature.predict!.examples).toEqual([{ user: 'ann' }]);
  });

  it('takes texts', async () => {
    const texts = signatureOf([spec('user', 'BYTES', ['batch', 1]), spec('item', 'BYTES', ['batch', 1])], [score]);
    const inner = fakeModel(texts, ({ inputs }) => {
      const items = textOf(inputs.get('item') as Tensor<'BYTES'>);
      return [['score', { datatype: 'FP32', shape: [items.length, 1], data: Float32Array.from(items, (item) => item.length) }]];
    });
    const model = lifted(recommendation, inner, { items: films });
    expect(await ask(model, { user: 'ann', topK: 2 })).toEqual([{ item: 'Casablanca', score: 10 }, { item: 'Eraserhead', score: 10 }]);
    expect(inner.requests[0]!.inputs.get('user')!.shape).toEqual([5, 1]);
  });
});

describe('all items at once', () => {
  const all = signatureOf([spec('user', 'INT32', ['batch', 1])], [spec('scores', 'FP32', ['batch', 5], { labels: films })]);
  it('ranks the columns of the answer', async () => {
    const inner = fakeModel(all, () => [['scores', { datatype: 'FP32', shape: [1, 5], data: Float32Array.of(0.1, 0.5, 0.3, 0.2, 0.4) }]]);
    const model = lifted(recommendation, inner);
    expect(await ask(model, { user: 7, topK: 2, exclude: ['Brazil'] })).toEqual([{ item: 'Eraserhead', score: 0.4 }, { item: 'Casablanca', score: 0.3 }]);
    expect(inner.requests[0]!.inputs.get('user')).toEqual({ datatype: 'INT32', shape: [1, 1], data: Int32Array.of(7) });
  });

  it('says when there are not as many as said', () => {
    expect(() => lifted(recommendation, fakeModel(all, () => []), { items: { count: 4 } })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(/there are 4 items, but output 'scores' has 5 columns/) as string }) as Error);
  });
});

describe('what does not fit', () => {
  const model = (options: object = {}): Model => lifted(recommendation, byNumber(pairs), { items: films, users: { count: 10 }, ...options });
  it.each<[unknown, string | undefined, RegExp]>([
    [{}, 'user', /user is missing/],
    [{ user: 10 }, 'user', /user is 10, but users are numbered from 0 to 9/],
    [{ user: 1.5 }, 'user', /user is 1\.5, not the number of a user/],
    [{ user: 1, items: ['Alein'] }, 'items[0]', /items\[0\] is "Alein", and there is no such item: did you mean 'Alien'\?/],
    [{ user: 1, items: 'Alien' }, 'items', /items is "Alien": write a list/],
    [{ user: 1, topK: 9 }, 'topK', /topK is 9: write a whole number from 1 to 5/],
    [{ user: 1, item: 2 }, 'item', /there is no field 'item': did you mean 'items'/],
    [7, undefined, /the value is a number: send an object with the field 'user'/],
  ])('%j', async (value, at, message) => {
    await expect(ask(model(), value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
  });

  it('asks for items where it does not know any', async () => {
    const open = lifted(recommendation, byNumber(pairs), {});
    await expect(ask(open, { user: 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'items' });
    expect(await ask(open, { user: 1, items: [5, 6] })).toEqual([{ item: 6, score: 0.6 }, { item: 5, score: 0.5 }]);
    expect(open.signature.predict!.input['required']).toEqual(['user', 'items']);
  });

  it('says so when the model answers nonsense', async () => {
    const broken = fakeModel(pairs, () => [['score', { datatype: 'FP32', shape: [4, 1], data: Float32Array.of(1, NaN, 2, 3) }]]);
    await expect(ask(lifted(recommendation, broken, { items: { count: 4 } }), { user: 1 })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/a score that is NaN/) as string });
    await expect(ask(lifted(recommendation, broken, { items: { count: 3 } }), { user: 1 })).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/4 scores for 3 pairs/) as string });
  });

  it.each<[Signature, object, RegExp]>([
    [pairs, { user: 'uesr_id' }, /task\.user is 'uesr_id', but the model has no such input; did you mean 'user_id'\?/],
    [signatureOf([spec('user', 'FP32', ['batch', 7])], [score]), {}, /a user or item is one number or text a row/],
    [signatureOf([spec('user', 'INT64', ['batch']), spec('item', 'INT64', ['batch']), spec('hour', 'INT64', ['batch'])], [score]), {}, /there is no telling what goes into input 'hour'/],
  ])('%#', (signature, options, message) => {
    expect(() => lifted(recommendation, byNumber(signature), options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });
});

it('is found by the names of the inputs', () => {
  expect(recommendation.detect(factsOf(pairs))?.reason).toBe("inputs 'user_id' and 'item_id' are a user and an item, and output 'score' is one score a pair");
  expect(recommendation.detect(factsOf(signatureOf([spec('user_age', 'INT64', ['batch']), spec('item', 'INT64', ['batch'])], [score])))).toBeUndefined();
  expect(recommendation.detect(factsOf(signatureOf([spec('a', 'INT64', ['batch']), spec('b', 'INT64', ['batch'])], [score])))).toBeUndefined();
});
