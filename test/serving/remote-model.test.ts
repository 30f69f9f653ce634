/** A model on another server, served as if it were here, and as a step of an ensemble. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-remote-'));
let behind: RunningModelport;
let gateway: RunningModelport;
const measurements = [6.3, 3.3, 6, 2.5];
beforeAll(async () => {
  behind = await startModelport({ arguments: [join(root, 'examples/models')] });
  for (const [name, config] of [
    ['flowers', `format: remote\nparameters: {url: "${behind.url}", model: iris}\n`],
    ['graph', 'ensemble:\n  steps:\n    - model: flowers\n      inputs: {measurements: sizes}\n      outputs: {probabilities: scores}\n'],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'model.yaml'), config);
  }
  gateway = await startModelport({ arguments: [folder, '--model-control-mode', 'explicit', '--load-model', '*'] });
});
afterAll(async () => {
  await gateway.stop();
  await behind.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function infer(url: string, model: string, input: string): Promise<{ status: number; document: { outputs: { name: string; data: number[] }[] } & { error?: string } }> {
  const answer = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ name: input, shape: [1, 4], datatype: 'FP32', data: measurements }] }) });
  return { status: answer.status, document: (await answer.json()) as never };
}

test('it answers as the server behind it does, alone and in an ensemble', async () => {
  const there = await infer(behind.url, 'iris', 'measurements');
  expect((await infer(gateway.url, 'flowers', 'measurements')).document.outputs).toEqual(there.document.outputs);
  expect((await infer(gateway.url, 'graph', 'sizes')).document.outputs).toEqual([{ ...there.document.outputs[0]!, name: 'scores' }]);
});

test('inspect tells what it is', async () => {
  const { stdout, code } = await runModelport(['inspect', join(folder, 'flowers')]);
  expect(code).toBe(0);
  expect(stdout).toContain(behind.url);
  expect(stdout).toContain('measurements');
});

test('a client cannot make the server connect to an address of its choice', async () => {
  const load = await fetch(`${gateway.url}/v2/repository/models/flowers/load`, { method: 'POST', body: JSON.stringify({ parameters: { config: JSON.stringify({ format: 'remote', parameters: { url: 'http://127.0.0.1:9', model: 'x' } }) } }) });
  expect([load.status, ((await load.json()) as { error: string }).error]).toEqual([403, expect.stringContaining('remote')]);
  expect((await infer(gateway.url, 'flowers', 'measurements')).status).toBe(200);
});

test('a server that is not there is said when the model is loaded', async () => {
  const place = join(folder, 'nowhere');
  mkdirSync(place);
  writeFileSync(join(place, 'model.yaml'), 'format: remote\nparameters: {url: "http://127.0.0.1:9", model: x}\n');
  const result = await runModelport(['serve', place, '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off']);
  expect([result.code, result.stderr]).toEqual([1, expect.stringContaining('127.0.0.1:9')]);
  expect(result.stderr).not.toMatch(/\n\s+at /);
});
