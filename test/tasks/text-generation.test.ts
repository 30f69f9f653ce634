import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { InferRequest, Model, TokenEvent } from '../../src/model.ts';
import { textGeneration } from '../../src/tasks/text-generation/text-generation.ts';
import type { Tensor } from '../../src/tensor.ts';
import { factsOf, fakeModel, signatureOf, spec } from './fake-model.ts';
import { artifactOf, ask, loadFolder } from './text-fixtures.ts';

let inner: Model;
/** Runs of the model, with the rows of each. */
let runs: number[] = [];
let together: Model;
let alone: Model;
beforeAll(async () => {
  const { model, facts } = await loadFolder('text-generation');
  inner = model;
  const counted: Model = {
    ...model,
    async infer(request, call) {
      runs.push(request.inputs.get('input_ids')!.shape[0]!);
      await new Promise((resolve) => setImmediate(resolve));
      return model.infer!(request, call);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  together = textGeneration.lift(counted, { streams: 8 }, facts);
  alone = textGeneration.lift(counted, { streams: 1 }, facts);
});
afterAll(async () => inner[Symbol.asyncDispose]());

async function collect(model: Model, prompt: string, parameters: Record<string, number | string>, call = new Call()): Promise<TokenEvent[]> {
  const events: TokenEvent[] = [];
  for await (const event of model.generate!({ prompt, parameters }, call)) events.push(event);
  return events;
}

describe('streams that share steps', () => {
  const stream = fc.record({
    prompt: fc.constantFrom('I loved', 'The quick brown fox', 'x', 'Grüße 😀', 'My name is Sarah Connor', ' '),
    maxTokens: fc.integer({ min: 1, max: 14 }),
    temperature: fc.constantFrom(0, 0, 0.7, 1.5),
    topK: fc.constantFrom(0, 5),
    topP: fc.constantFrom(1, 0.8),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    seed: fc.integer({ min: 0, max: 1000 }),
    /** Turns of the event loop before it comes. */
    delay: fc.integer({ min: 0, max: 6 }),
  });

  it('get the tokens that they would get alone, whoever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stream, { minLength: 2, maxLength: 12 }), async (streams) => {
        const found = await Promise.all(
          streams.map(async ({ prompt, delay, ...parameters }) => {
            for (let turn = 0; turn < delay; turn++) await new Promise((resolve) => setImmediate(resolve));
            return collect(together, prompt, parameters);
          }),
        );
        for (const [index, { prompt, delay: _, ...parameters }] of streams.entries()) expect(found[index]).toEqual(await collect(alone, prompt, parameters));
      }),
      { numRuns: 25, seed: 5 },
    );
  });

  it('run as many steps as the longest of them, not as all of them', async () => {
    runs = [];
    await Promise.all(['I loved', 'The quick brown', 'x', 'My name is'].map((prompt) => collect(together, prompt, { maxTokens: 10 })));
    const steps = runs.length;
    expect(Math.max(...runs)).toBe(4);
    expect(steps).toBeLessThanOrEqual(11);
    runs = [];
    await Promise.all(['I loved', 'The quick brown', 'x', 'My name is'].map((prompt) => collect(alone, prompt, { maxTokens: 10 })));
    expect(Math.max(...runs)).toBe(1);
    expect(runs.length).toBeGreaterThan(steps);
  });

  it('leave when they are cancelled or nobody listens, and the others go on', async () => {
    const call = new Call();
    const cancelled = collect(together, 'I loved', { maxTokens: 30 }, call);
    const other = collect(together, 'The quick brown', { maxTokens: 12 });
    const left = (async () => {
      for await (const event of together.generate!({ prompt: 'x', parameters: { maxTokens: 30 } }, new Call())) if (event.type === 'text-delta') return event.text;
      return '';
    })();
    await new Promise((resolve) => setImmediate(resolve));
    call.cancel();
    expect((await cancelled).at(-1)).toMatchObject({ type: 'finish', reason: 'cancelled' });
    expect(await left).not.toBe('');
    expect(await other).toEqual(await collect(alone, 'The quick brown', { maxTokens: 12 }));
  });

  it('all learn of a run that fails, and the next stream starts afresh', async () => {
    const { model, facts } = await loadFolder('text-generation');
    let fail = false;
    const failing = textGeneration.lift({ ...model, infer: (request, call) => (fail ? Promise.reject(new Error('no memory')) : model.infer!(request, call)), [Symbol.asyncDispose]: () => model[Symbol.asyncDispose]() }, {}, facts);
    fail = true;
    const results = await Promise.allSettled([collect(failing, 'x', {}), collect(failing, 'y', {})]);
    expect(results.map((result) => result.status === 'rejected' && (result.reason as Error).message)).toEqual(['no memory', 'no memory']);
    fail = false;
    expect((await collect(failing, 'x', { maxTokens: 3 })).at(-1)).toMatchObject({ type: 'finish' });
    await failing[Symbol.asyncDispose]();
  });
});

describe('other forms of the graph', () => {
  const cache = (name: string) => spec(name, 'FP32', ['batch', 2, 'past', 4]);
  const inputs = [spec('input_ids', 'INT64', ['batch', 'tokens']), spec('attention_mask', 'INT64', ['batch', 'all'])];
  const outputs = [spec('logits', 'FP32', ['batch', 'tokens', 5]), cache('present.0.key'), cache('present.0.value')];
  /** Says the number of tokens that a row has read so far, modulo 5. */
  const counting = (request: InferRequest): [string, Tensor][] => {
    const [rows, length] = request.inputs.get('input_ids')!.shape as [number, number];
    const past = request.inputs.get('past_key_values.0.key')?.shape[2] ?? 0;
    const logits = new Float32Array(rows * length * 5);
    for (let row = 0; row < rows; row++) logits[((row + 1) * length - 1) * 5 + ((past + length) % 5)] = 1;
    const grown = { datatype: 'FP32' as const, shape: [rows, 2, past + length, 4], data: new Float32Array(rows * 2 * (past + length) * 4) };
    return [['logits', { datatype: 'FP32', shape: [rows, length, 5], data: logits }], ['present.0.key', grown], ['present.0.value', grown]];
  };
  const files = artifactOf('text-generation');

  it('one graph for both branches is told whether there is a cache, and rows stay apart where positions are not told', async () => {
    const signature = signatureOf([...inputs, cache('past_key_values.0.key'), cache('past_key_values.0.value'), spec('use_cache_branch', 'BOOL', [1])], outputs);
    const inner = fakeModel(signature, counting);
    const model = textGeneration.lift(inner, {}, factsOf(signature, { artifact: files }));
    const answers = await Promise.all(['I loved', 'x'].map((prompt) => ask<{ completionTokens: number }>(model, { prompt, maxTokens: 3 })));
    expect(answers.map(({ completionTokens }) => completionTokens)).toEqual([expect.any(Number), expect.any(Number)]);
    expect(inner.requests.every(({ inputs: given }) => given.get('input_ids')!.shape[0] === 1)).toBe(true);
    for (const { inputs: given } of inner.requests) {
      const past = given.get('past_key_values.0.key')!.shape[2]!;
      expect(given.get('use_cache_branch')!.data[0]).toBe(past > 0 ? 1 : 0);
      expect(given.get('attention_mask')!.shape[1]).toBe(past + given.get('input_ids')!.shape[1]!);
    }
    expect(inner.requests.some(({ inputs: given }) => given.get('past_key_values.0.key')!.shape[2] === 0)).toBe(true);
  });

  it('a model without a cache reads everything again', async () => {
    const signature = signatureOf(inputs, outputs.slice(0, 1));
    const inner = fakeModel(signature, counting);
    const model = textGeneration.lift(inner, {}, factsOf(signature, { artifact: files }));
    await ask(model, { prompt: 'x', maxTokens: 3 });
    expect(inner.requests.map(({ inputs: given }) => given.get('input_ids')!.shape)).toEqual([[1, 1], [1, 2], [1, 3]]);
  });

  it('long prompts of a model with many tokens are read a few at a time, whatever they wait for', async () => {
    const size = 500_000;
    const signature = signatureOf(inputs, [spec('logits', 'FP32', ['batch', 'tokens', size])]);
    const inner = fakeModel(signature, (request) => {
      const [rows] = request.inputs.get('input_ids')!.shape as [number, number];
      const logits = new Float32Array(rows * size);
      for (let row = 0; row < rows; row++) logits[row * size + 7] = 1;
      return [['logits', { datatype: 'FP32', shape: [rows, 1, size], data: logits }]];
    });
    const model = textGeneration.lift({ ...inner, signature: { ...signature, batch: { maxSize: 8, reason: '' } } }, {}, factsOf(signature, { artifact: files }));
    // Twelve tokens each: two prompts have 12 million scores, three would have 18.
    const prompts = ['abcdefghijklmnop', 'qrstuvwxyzabcdef', 'ponmlkjihgfedcba'];
    const answers = await Promise.all(prompts.map((prompt) => ask<{ completionTokens: number; promptTokens: number }>(model, { prompt, maxTokens: 1 })));
    expect(answers.map(({ completionTokens }) => completionTokens)).toEqual([1, 1, 1]);
    for (const { inputs: given } of inner.requests) {
      const [rows, length] = given.get('input_ids')!.shape as [number, number];
      expect(rows === 1 || rows * length * size <= 16 << 20).toBe(true);
    }
    expect(inner.requests.length).toBeGreaterThan(1);
  });

  it('a cache that is not continued is a mistake of the model', () => {
    const signature = signatureOf([...inputs, cache('past_key_values.0.key')], outputs.slice(0, 1));
    expect(() => textGeneration.lift(fakeModel(signature, counting), {}, factsOf(signature, { artifact: files }))).toThrow(/no output 'present\.0\.key'/);
  });
});

describe('what ends an answer', () => {
  it('a stop text, which is left out whole', async () => {
    const whole = (await ask<{ text: string }>(together, { prompt: 'The quick brown', maxTokens: 16 })).text;
    const stop = Array.from(whole).slice(3, 5).join('');
    expect(stop.length).toBeGreaterThan(1);
    const answer = await ask<{ text: string; finishReason: string }>(together, { prompt: 'The quick brown', maxTokens: 16, stop: ['never there', stop] });
    expect(answer).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finishReason: 'stop' });
    const streamed = await collect(together, 'The quick brown', { maxTokens: 16, stop });
    expect(streamed.flatMap((event) => (event.type === 'text-delta' ? [event.text] : [])).join('')).toBe(answer.text);
  });

  it('the number of tokens, which the room for the answer limits', async () => {
    expect(await ask(together, { prompt: 'x', maxTokens: 4 })).toMatchObject({ completionTokens: 4, finishReason: 'length', promptTokens: 1 });
    expect(await ask(together, { prompt: 'x', repetitionPenalty: 3 })).toMatchObject({ promptTokens: 1 });
    await expect(ask(together, { prompt: 'x', maxTokens: 1000 })).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'maxTokens', message: expect.stringMatching(/from 1 to 47/) as string });
    await expect(ask(together, { prompt: 'too long '.repeat(20) })).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
  });
});

it('the default is what fits, also where a form or client sends it; another number that does not fit is refused', async () => {
  const { properties } = together.signature.predict!.input as { properties: { maxTokens: { default: number; maximum: number } } };
  expect(properties.maxTokens).toMatchObject({ default: 47, maximum: 47 });
  const prompt = 'The quick brown fox';
  const cut = await ask<{ promptTokens: number; text: string }>(together, { prompt, temperature: 2, seed: 1 });
  expect(cut.promptTokens).toBeGreaterThan(1);
  for (const maxTokens of [47, '47']) expect(await ask(together, { prompt, temperature: 2, seed: 1, maxTokens })).toEqual(cut);
  await expect(ask(together, { prompt, maxTokens: 46 })).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'maxTokens' });
});

describe('chance', () => {
  it('the same seed gives the same text, another one another', async () => {
    const say = async (seed: number): Promise<string> => (await ask<{ text: string }>(together, { prompt: 'The', temperature: 2, seed, maxTokens: 12 })).text;
    expect(await say(1)).toBe(await say(1));
    expect(new Set(await Promise.all([1, 2, 3, 4, 5].map(say))).size).toBeGreaterThan(1);
  });

  it('with one token to choose from nothing is left to chance', async () => {
    const greedy = await ask<{ text: string }>(together, { prompt: 'The', maxTokens: 12 });
    expect((await ask<{ text: string }>(together, { prompt: 'The', maxTokens: 12, temperature: 3, topK: 1 })).text).toBe(greedy.text);
    expect((await ask<{ text: string }>(together, { prompt: 'The', maxTokens: 12, temperature: 3, topP: 0.000001 })).text).toBe(greedy.text);
  });
});

it.each<[unknown, string, RegExp]>([
  [{}, 'prompt', /is missing/],
  [{ prompt: 3 }, 'prompt', /must be a text/],
  [{ prompt: 'x', temperature: -1 }, 'temperature', /from 0 to 100/],
  [{ prompt: 'x', topP: 0 }, 'topP', /number from/],
  [{ prompt: 'x', stop: [''] }, 'stop', /1 to 1000/],
  [{ prompt: 'x', tempreature: 1 }, 'tempreature', /Did you mean|did you mean/],
  [{ prompt: 'x', seed: 1.5 }, 'seed', /whole number/],
])('%j is refused', async (value, at, message) => {
  await expect(ask(together, value)).rejects.toMatchObject({ code: 'INVALID_VALUE', at, message: expect.stringMatching(message) as string });
});
