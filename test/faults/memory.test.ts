/** Unloading gives memory back, seen on the server that people start. Slow: it loads 100 MB twenty times. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeMatrixModel } from '../fixtures/matrix-model.ts';
import { cli, startModelport, type RunningModelport } from '../start-modelport.ts';

const side = 5000;
const modelMb = (side * side * 4) / 2 ** 20;
const repository = mkdtempSync(join(tmpdir(), 'modelport-memory-'));
const place = join(repository, 'm');
beforeAll(() => {
  mkdirSync(place);
  writeMatrixModel(join(place, 'model.onnx'), side);
});
afterAll(() => rmSync(repository, { recursive: true, force: true }));

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) / 1024;
}

/** Of the server and of the processes that it started. */
function pssMb(pid: number): number {
  let total = pssOf(pid);
  for (const thread of readdirSync(`/proc/${pid}/task`)) for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ')) if (child !== '') total += pssOf(Number(child));
  return total;
}

async function post(server: RunningModelport, path: string, body?: string | Uint8Array, headers: Record<string, string> = {}): Promise<void> {
  const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });
  expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, expect.any(Number)]);
}

/** Loads, asks and unloads. Memory while it was loaded, and after. */
async function cycle(server: RunningModelport): Promise<{ loadedMb: number; afterMb: number }> {
  await post(server, '/v2/repository/models/m/load');
  const header = JSON.stringify({ inputs: [{ name: 'x', shape: [1, side], datatype: 'FP32', parameters: { binary_data_size: side * 4 } }], parameters: { binary_data_output: true } });
  await post(server, '/v2/models/m/infer', Buffer.concat([Buffer.from(header), Buffer.alloc(side * 4)]), { 'inference-header-content-length': String(header.length) });
  const loadedMb = pssMb(server.process.pid!);
  await post(server, '/v2/repository/models/m/unload');
  return { loadedMb, afterMb: pssMb(server.process.pid!) };
}

describe.runIf(process.platform === 'linux')('unloading', () => {
  // Through the shebang of the command, as npx and a global install start it: it sets how memory is given back.
  const start = () => startModelport({ arguments: [repository, '--model-control-mode', 'explicit'], program: [cli] });

  test('with threads, 20 cycles take no more than 1.3 times the memory of one', { timeout: 120_000 }, async () => {
    writeFileSync(join(place, 'model.yaml'), 'instances: {kind: thread}\n');
    const server = await start();
    const afterMb: number[] = [];
    for (let run = 0; run < 20; run++) {
      const memory = await cycle(server);
      afterMb.push(memory.afterMb);
      // The model was there, and is gone.
      expect(memory.loadedMb - memory.afterMb).toBeGreaterThan(modelMb * 0.8);
    }
    console.log(`PSS in MB after each unload, with threads: ${afterMb.map((value) => value.toFixed(0)).join(' ')}`);
    expect(afterMb.at(-1)! / afterMb[0]!).toBeLessThanOrEqual(1.3);
    expect(await server.stop()).toBe(0);
  });

  test('with processes, all of it goes back', { timeout: 60_000 }, async () => {
    writeFileSync(join(place, 'model.yaml'), 'instances: {kind: process}\n');
    const server = await start();
    const pid = server.process.pid!;
    await cycle(server);
    const beforeMb = pssOf(pid);
    const { loadedMb, afterMb } = await cycle(server);
    console.log(`PSS in MB, with processes: ${loadedMb.toFixed(0)} loaded, ${afterMb.toFixed(0)} after, ${beforeMb.toFixed(0)} before`);
    expect(loadedMb).toBeGreaterThan(afterMb + modelMb * 0.8);
    // What the server itself keeps has nothing to do with the size of the model.
    expect(afterMb).toBeLessThan(beforeMb + modelMb * 0.15);
    expect(await server.stop()).toBe(0);
  });
});
