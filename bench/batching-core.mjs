/**
 * What the scheduler itself costs: nanoseconds of processor time per request, with a model that does nothing.
 * Run `npm run build` first; `node --cpu-prof bench/batching-core.mjs` shows where the time goes.
 */
import { Call } from '../dist/call.js';
import { systemClock } from '../dist/lib/clock.js';
import { ModelStatistics, withStatistics } from '../dist/observability/model-statistics.js';
import { dynamicBatching } from '../dist/serving/dynamic-batching.js';
import { QueuedRequest } from '../dist/serving/queued-request.js';
import { queuePolicy } from '../dist/serving/queue-policy.js';
import { RequestQueue } from '../dist/serving/request-queue.js';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const rounds = Number(process.env.ROUNDS ?? 20_000);
const together = 32;

const spec = (name) => ({ name, datatype: 'FP32', shape: [-1, 4], batchAxis: 0 });
const signature = { inputs: [spec('input')], outputs: [spec('output')], batch: { maxSize: together, reason: 'bench' } };
const idle = {
  signature,
  infer: async (request) => ({ outputs: new Map([['output', request.inputs.get('input')]]) }),
  [Symbol.asyncDispose]: async () => {},
};
const input = { datatype: 'FP32', shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
const newRequest = () => ({ inputs: new Map([['input', input]]) });

/** All requests of a turn at once, as sockets of one poll bring them. */
async function turns(model, concurrent, count) {
  const answers = new Array(concurrent);
  for (let round = 0; round < count; round++) {
    for (let index = 0; index < concurrent; index++) answers[index] = model.infer(newRequest(), new Call());
    for (let index = 0; index < concurrent; index++) await answers[index];
    await nextTurn();
  }
}

function report(name, requests, processorMs) {
  const ns = (processorMs * 1e6) / requests;
  console.log(`${name.padEnd(58)} ${ns.toFixed(0).padStart(7)} ns/request ${(1e3 / ns).toFixed(2).padStart(7)} M/s`);
}

async function measure(name, requests, run) {
  await run(Math.ceil(rounds / 10));
  // Processor time, not the clock's: other programs on the machine do not count.
  const before = process.cpuUsage();
  await run(rounds);
  const { user, system } = process.cpuUsage(before);
  report(name, requests * rounds, (user + system) / 1e3);
}

const limits = { maxSize: together, preferredSizes: [], maxQueueDelayMs: 0 };
await measure('queue alone: add, take', together, async (count) => {
  const queue = new RequestQueue(queuePolicy(), limits);
  const call = new Call();
  const request = newRequest();
  for (let round = 0; round < count; round++) {
    for (let index = 0; index < together; index++) queue.add(new QueuedRequest(request, call, index, 0, round));
    queue.take(1, round + 1, false, () => {});
  }
});
await measure('request, call and promise alone (in all that follows)', together, async (count) => {
  await turns({ infer: async () => undefined }, together, count);
});
const options = { modelName: 'bench', concurrency: 1, clock: systemClock };
await measure('batching, 32 requests a turn', together, (count) => turns(dynamicBatching(idle, options), together, count));
await measure('batching, 31 requests a turn (not a full batch)', 31, (count) => turns(dynamicBatching(idle, options), 31, count));
await measure('batching, 1 request a turn', 1, (count) => turns(dynamicBatching(idle, options), 1, count));
await measure('no batching (largest batch 0), 32 requests a turn', together, (count) =>
  turns(dynamicBatching({ ...idle, signature: { ...signature, batch: { maxSize: 0, reason: 'bench' } } }, options), together, count),
);
await measure('batching, order preserved', together, (count) => turns(dynamicBatching(idle, { ...options, preserveOrder: true }), together, count));
await measure('batching, two priority levels with a timeout', together, (count) =>
  turns(dynamicBatching(idle, { ...options, queue: { levels: [{ defaultTimeoutMs: 1_000 }, {}], defaultLevel: 1 } }), together, count),
);
await measure('batching and statistics', together, (count) => {
  const statistics = new ModelStatistics();
  return turns(withStatistics(dynamicBatching(idle, { ...options, observer: statistics }), statistics), together, count);
});
