/** Instances die at random while requests run: every request gets exactly one answer, and the right one. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import type { InferRequest, Parameters } from '../../src/model.ts';
import type { Runtime } from '../../src/runtime.ts';
import { dynamicBatching } from '../../src/serving/dynamic-batching.ts';
import { instanceGroup } from '../../src/serving/instance-group.ts';
import type { Tensor } from '../../src/tensor.ts';

const { default: runtime } = (await import(new URL('../fixtures/runtimes/obedient.mjs', import.meta.url).href)) as { default: Runtime };
const artifact = { format: 'test', directory: tmpdir(), main: 'model.test', files: [], metadata: {} };

/** Mulberry32: the same faults in every run. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Large ones too, so that memory that is given back and used again takes part. */
function request(value: number, rows: number, parameters: Parameters): InferRequest {
  const x: Tensor = { datatype: 'FP32', shape: [rows, 4], data: new Float32Array(rows * 4).fill(value) };
  return { inputs: new Map([['x', x]]), parameters };
}

interface Outcome {
  answers: number;
  right: number;
  retriedInVain: number;
  wrong: unknown[];
}

test.each([
  ['process', ['kill', 'exit-between', 'throw-between']],
  ['thread', ['throw-between', 'exit-between', 'exit']],
] as const)('%s instances that die under load lose nothing and mix nothing up', async (kind, faults) => {
  const next = random(5);
  const group = await instanceGroup(runtime, artifact, { kind, count: 2, load: { threads: 1, parameters: {} } });
  const outcome: Outcome = { answers: 0, right: 0, retriedInVain: 0, wrong: [] };
  let value = 0;
  let deaths = 0;
  let pids = new Set<unknown>();

  const one = async (fault: string | undefined): Promise<void> => {
    const mine = ++value;
    const rows = next() < 0.2 ? 8192 : 1 + Math.floor(next() * 8);
    // A request that kills cannot be answered where it is tried again; one that leaves death behind is answered first.
    const parameters: Parameters = fault !== undefined ? { action: fault } : next() < 0.3 ? { action: 'sleep', durationMs: Math.floor(next() * 4) } : {};
    try {
      const { outputs, parameters: said } = await group.infer!(request(mine, rows, parameters), new Call());
      pids.add(said!['pid']);
      outcome.answers++;
      const data = outputs.get('x')!.data as Float32Array;
      if (data.length === rows * 4 && data.every((element) => element === mine + 1)) outcome.right++;
      else outcome.wrong.push([mine, rows, data[0], data.length]);
    } catch (error) {
      outcome.answers++;
      if (isModelportError(error) && error.code === 'RUN_FAILED' && error.message.startsWith('two instances died')) outcome.retriedInVain++;
      else outcome.wrong.push(error);
    }
  };

  const fatal = (fault: string): boolean => fault === 'kill' || fault === 'exit';
  let killers = 0;
  const stop = { asked: false };
  const killer = (async () => {
    while (deaths < 12) {
      const answers = outcome.answers + 5 + next() * 15;
      while (outcome.answers < answers) await sleep(2);
      const fault = faults[deaths++ % faults.length]!;
      if (fatal(fault)) killers++;
      await one(fault);
    }
    stop.asked = true;
  })();
  const client = async (): Promise<void> => {
    while (!stop.asked) await one(undefined);
  };
  await Promise.all([killer, ...Array.from({ length: 6 }, client)]);
  await group[Symbol.asyncDispose]();

  expect(outcome.wrong).toEqual([]);
  expect(outcome.answers).toBe(value);
  // Only those that bring death themselves, and those unlucky twice, may go without an answer.
  expect(outcome.retriedInVain).toBeGreaterThanOrEqual(killers);
  expect(outcome.retriedInVain).toBeLessThanOrEqual(killers + Math.ceil(value / 100));
  expect(outcome.right).toBe(value - outcome.retriedInVain);
  if (kind === 'process') expect(pids.size).toBeGreaterThan(4);
});

test('processes that are killed from outside, at any moment, lose nothing', async () => {
  const next = random(9);
  const group = await instanceGroup(runtime, artifact, { kind: 'process', count: 2, load: { threads: 1, parameters: {} } });
  const alive = new Set<number>();
  const stop = { asked: false };
  const outcome = { answered: 0 };
  const failures: string[] = [];
  const client = async (seed: number): Promise<void> => {
    for (let value = seed; !stop.asked; value += 10) {
      try {
        const { outputs, parameters } = await group.infer!(request(value, value % 7 === 0 ? 6000 : 2, {}), new Call());
        alive.add(parameters!['pid'] as number);
        if ((outputs.get('x')!.data as Float32Array).some((element) => element !== value + 1)) failures.push(`wrong answer to ${value}`);
        outcome.answered++;
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  };
  const killer = async (): Promise<void> => {
    for (let kill = 0; kill < 15; kill++) {
      const answers = outcome.answered + 5 + next() * 15;
      while (outcome.answered < answers) await sleep(next() * 4);
      const [pid] = [...alive].slice(-1);
      if (pid === undefined) continue;
      alive.delete(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It died of an earlier kill.
      }
    }
    stop.asked = true;
  };
  await Promise.all([killer(), ...[1, 2, 3, 4].map(client)]);
  await group[Symbol.asyncDispose]();
  // Each request is tried once more; only one whose second instance is killed as well may fail, and says so.
  expect(failures.filter((failure) => !failure.startsWith('two instances died'))).toEqual([]);
  expect(failures.length).toBeLessThanOrEqual(2);
});

/** Whether a process runs; one that has ended and waits for its parent does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test.runIf(process.platform === 'linux')('processes outlive a Ctrl-C that the server handles, and end with the server when it is killed', async () => {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'serve-until-killed.mjs')], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<number[]> => ((await lines.next()).value as string).split(' ').map(Number);
  const pids = await next();
  expect(pids.length).toBe(2);
  // To the whole group of processes, as a terminal does it.
  process.kill(-server.pid!, 'SIGINT');
  expect(await next()).toEqual(pids);
  server.kill('SIGKILL');
  while (pids.some(runs)) await sleep(10);
});

test('of requests that were joined to one run, only the one that kills instances fails', async () => {
  const group = await instanceGroup(runtime, artifact, { kind: 'process', load: { threads: 1, parameters: { poison: 13 } }, restart: { firstDelayMs: 1 } });
  const model = dynamicBatching(group, { modelName: 'poisoned', concurrency: group.count });
  const answers = await Promise.allSettled([11, 12, 13, 14].map((value) => model.infer!({ inputs: request(value, 2, {}).inputs }, new Call())));
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? (answer.value.outputs.get('x')!.data as Float32Array)[0] : (answer.reason as Error).message))).toEqual([
    12,
    13,
    expect.stringMatching(/^two instances died while they ran this request; .*ended by SIGKILL/),
    15,
  ]);
  await model[Symbol.asyncDispose]();
});
