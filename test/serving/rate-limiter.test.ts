import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { InferRequest, Model } from '../../src/model.ts';
import { RateLimiter } from '../../src/serving/rate-limiter.ts';

const request: InferRequest = { inputs: new Map() };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A model whose runs end when the test says so. */
function heldModel(): Model & { readonly runs: { readonly call: Call; end(error?: Error): void }[]; disposed: boolean } {
  const runs: { readonly call: Call; end(error?: Error): void }[] = [];
  return {
    signature: { inputs: [], outputs: [], batch: { maxSize: 0, reason: '' } },
    runs,
    disposed: false,
    infer: (_, call) => new Promise((resolve, reject) => runs.push({ call, end: (error) => (error === undefined ? resolve({ outputs: new Map() }) : reject(error)) })),
    async *stream() {
      yield { outputs: new Map() };
      yield { outputs: new Map() };
    },
    async [Symbol.asyncDispose]() {
      this.disposed = true;
    },
  };
}

const resourceNames = ['a', 'b', 'c'] as const;
const needs = fc.record({ resources: fc.dictionary(fc.constantFrom(...resourceNames), fc.integer({ min: 1, max: 3 })), priority: fc.integer({ min: 0, max: 3 }) });
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), model: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat() }) },
);

test('never more is held than there is, every call ends once, and nobody waits for ever', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(needs, { minLength: 1, maxLength: 4 }), fc.array(action, { maxLength: 60 }), fc.record({ a: fc.integer({ min: 3, max: 5 }), b: fc.integer({ min: 3, max: 5 }) }), async (allNeeds, actions, pools) => {
      const limiter = new RateLimiter(pools);
      const models = allNeeds.map(() => heldModel());
      const limited = models.map((model, index) => limiter.limit(model, allNeeds[index]!));
      const sizes = { ...pools, c: Math.max(0, ...allNeeds.map(({ resources }) => resources['c'] ?? 0)) };
      const sent: { readonly call: Call; readonly model: number; ends: string[] }[] = [];
      const running: { readonly model: number; readonly call: Call; end(error?: Error): void }[] = [];
      const started = models.map((): Call[] => []);

      const settle = async (): Promise<void> => {
        for (let again = 0; again < 3; again++) await turn();
        models.forEach((model, index) => {
          for (const run of model.runs.splice(0)) {
            running.push({ model: index, ...run });
            started[index]!.push(run.call);
          }
        });
        const held = new Map<string, number>();
        for (const { model } of running) for (const [name, count] of Object.entries(allNeeds[model]!.resources)) held.set(name, (held.get(name) ?? 0) + count);
        expect(limiter.inUse()).toEqual(held);
        for (const [name, count] of held) expect(count).toBeLessThanOrEqual(sizes[name as keyof typeof sizes]);
      };

      for (const step of actions) {
        if (step.kind === 'send') {
          const model = step.model % models.length;
          const call = new Call();
          const entry = { call, model, ends: [] as string[] };
          sent.push(entry);
          limited[model]!.infer!(request, call).then(
            () => entry.ends.push('answered'),
            (error: Error & { code?: string }) => entry.ends.push(error.code ?? error.message),
          );
        } else if (step.kind === 'end' && running.length > 0) {
          const [run] = running.splice(step.which % running.length, 1);
          run!.end(step.fails ? new Error('failed') : undefined);
        } else if (step.kind === 'cancel' && sent.length > 0) {
          sent[step.which % sent.length]!.call.cancel();
        }
        await settle();
      }
      // Nobody sends any more: whatever order runs end in, all who wait get their turn.
      for (let rounds = 0; running.length > 0; rounds++) {
        expect(rounds).toBeLessThanOrEqual(sent.length);
        running.shift()!.end();
        await settle();
      }
      for (const { ends, call } of sent) {
        expect(ends.length).toBe(1);
        if (!call.cancelled) expect(['answered', 'failed']).toContain(ends[0]);
      }
      // Calls to one model are served in the order in which they came.
      models.forEach((_, index) => {
        const arrived = sent.filter(({ model, call }) => model === index && started[index]!.includes(call)).map(({ call }) => call);
        expect(started[index]!.map((call) => arrived.indexOf(call))).toEqual(arrived.map((__, position) => position));
      });
      expect(limiter.inUse().size).toBe(0);
    }),
    { numRuns: 150, seed: 4 },
  );
});

/** How often each of the models ran, in `rounds` runs, one after the other, while all of them always wait. */
async function share(priorities: readonly number[], rounds: number, limiter = new RateLimiter()): Promise<number[]> {
  const models = priorities.map(() => heldModel());
  const limited = models.map((model, index) => limiter.limit(model, { resources: { gpu: 1 }, priority: priorities[index]! }));
  const runs = priorities.map(() => 0);
  for (const model of limited) for (let call = 0; call < rounds; call++) void model.infer!(request, new Call()).catch(() => {});
  for (let round = 0; round < rounds; round++) {
    await turn();
    const active = models.findIndex((model) => model.runs.length > 0);
    runs[active]!++;
    models[active]!.runs.shift()!.end();
  }
  return runs;
}

test('turns are shared out by priority', async () => {
  expect(await share([1, 1], 100)).toEqual([50, 50]);
  expect(await share([0, 2], 90)).toEqual([60, 30]);
  const [one, two, four] = await share([1, 2, 4], 140);
  expect([one, two, four].map((count) => Math.round(count! / 10))).toEqual([8, 4, 2]);
});

test('a model that was idle does not crowd the others out when it comes back', async () => {
  const limiter = new RateLimiter({ gpu: 1 });
  const busy = heldModel();
  const idle = heldModel();
  const limitedBusy = limiter.limit(busy, { resources: { gpu: 1 } });
  const limitedIdle = limiter.limit(idle, { resources: { gpu: 1 } });
  for (let run = 0; run < 50; run++) {
    const answer = limitedBusy.infer!(request, new Call());
    await turn();
    busy.runs.shift()!.end();
    await answer;
  }
  const order: string[] = [];
  for (let call = 0; call < 4; call++) for (const [name, model] of [['busy', limitedBusy], ['idle', limitedIdle]] as const) void model.infer!(request, new Call()).then(() => order.push(name));
  for (let round = 0; round < 8; round++) {
    await turn();
    (busy.runs.shift() ?? idle.runs.shift())!.end();
  }
  await turn();
  expect(order.slice(0, 4).filter((name) => name === 'idle').length).toBe(2);
});

test('one that waits for much is not overtaken for ever, and who needs nothing of it passes', async () => {
  const limiter = new RateLimiter({ memory: 3 });
  const [small, large, other] = [heldModel(), heldModel(), heldModel()];
  const limitedSmall = limiter.limit(small, { resources: { memory: 1 } });
  const limitedLarge = limiter.limit(large, { resources: { memory: 3 } });
  const limitedOther = limiter.limit(other, { resources: { disk: 1 } });
  void limitedSmall.infer!(request, new Call());
  await turn();
  void limitedLarge.infer!(request, new Call());
  void limitedSmall.infer!(request, new Call());
  void limitedOther.infer!(request, new Call());
  await turn();
  expect([small.runs.length, large.runs.length, other.runs.length]).toEqual([1, 0, 1]);
  small.runs[0]!.end();
  await turn();
  expect([small.runs.length, large.runs.length]).toEqual([1, 1]);
  large.runs[0]!.end();
  await turn();
  expect(small.runs.length).toBe(2);
});

test('a need that can never be met is a mistake in the config', () => {
  const limiter = new RateLimiter({ gpu: 2 });
  expect(() => limiter.limit(heldModel(), { resources: { gpu: 3 } })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', at: 'instances.resources.gpu', message: "a run holds 3 of the resource 'gpu', but there are only 2: it could never run" }));
});

test('waiting calls heed their deadline; streams hold resources while they last; disposal waits', async () => {
  const limiter = new RateLimiter({ gpu: 1 });
  const model = heldModel();
  const limited = limiter.limit(model, { resources: { gpu: 1 } });
  const first = limited.infer!(request, new Call());
  await expect(limited.infer!(request, new Call({ deadlineMs: performance.now() + 5 }))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', message: 'the deadline of the request passed while it waited for resources that other models use' });
  const second = limited.infer!(request, new Call());
  const disposal = limited[Symbol.asyncDispose]();
  await expect(limited.infer!(request, new Call())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  model.runs.shift()!.end();
  await first;
  await turn();
  expect(model.disposed).toBe(false);
  model.runs.shift()!.end();
  await Promise.all([second, disposal]);
  expect(model.disposed).toBe(true);
  const streaming = limiter.limit(heldModel(), { resources: { gpu: 1 } });
  let answers = 0;
  for await (const _ of streaming.stream!(request, new Call())) {
    answers++;
    expect(limiter.inUse()).toEqual(new Map([['gpu', 1]]));
    if (answers === 2) break;
  }
  expect(limiter.inUse().size).toBe(0);
});
