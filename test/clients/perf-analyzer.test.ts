/** NVIDIA's perf_analyzer measures our server: it asks for metadata, config and statistics, and reports what ours say. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipUnless } from './setup/installed.ts';
import { perfAnalyzer, runPerfAnalyzer } from './setup/perf-analyzer.ts';
import { serveClientModels } from './setup/serve-client-models.ts';

interface Counts {
  readonly inferences: number;
  readonly executions: number;
  readonly requests: number;
}

describe.skipIf(skipUnless('perf_analyzer', perfAnalyzer))('perf_analyzer', () => {
  const served = serveClientModels({});
  let http = '';
  let grpc = '';

  beforeAll(async () => {
    const environment = await served.start();
    http = environment['MODELPORT_TEST_HTTP']!;
    grpc = environment['MODELPORT_TEST_GRPC']!;
  });
  afterAll(() => served.stop());

  async function countsOf(model: string): Promise<Counts> {
    const { model_stats: [statistics] } = (await (await fetch(`http://${http}/v2/models/${model}/stats`)).json()) as { model_stats: [{ inference_count: number; execution_count: number; inference_stats: { success: { count: number } } }] };
    return { inferences: statistics.inference_count, executions: statistics.execution_count, requests: statistics.inference_stats.success.count };
  }

  function number(output: string, pattern: RegExp): number {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) expect.fail(`no ${pattern} in:\n${output}`);
    return Number(found);
  }

  // Not `--shared-memory`: with it the program wants CUDA's library, whatever memory is meant.
  test.each([
    ['HTTP', 'simple', 'http', []],
    ['HTTP, tensors as JSON', 'simple', 'http', ['--input-tensor-format', 'json', '--output-tensor-format', 'json']],
    ['HTTP, requests of four rows', 'simple', 'http', ['-b', '4']],
    ['HTTP, a picture', 'densenet_onnx', 'http', []],
    ['HTTP, text', 'simple_identity', 'http', ['--shape', 'INPUT0:5', '--string-length', '20']],
    ['gRPC', 'simple', 'grpc', []],
    ['gRPC, asynchronous, requests of four rows', 'simple', 'grpc', ['-a', '-b', '4']],
    ['gRPC, a stream', 'simple', 'grpc', ['--streaming']],
    ['gRPC, sequences on a stream', 'simple_sequence', 'grpc', ['--streaming', '--sequence-length', '5']],
  ] as const)('%s', { timeout: 90_000 }, async (_name, model, wire, flags) => {
    const before = await countsOf(model);
    const { code, stdout, stderr } = await runPerfAnalyzer(['-m', model, '-i', wire, '-u', wire === 'http' ? http : grpc, '--concurrency-range', '4', '--request-count', '200', ...flags], 80_000);
    const after = await countsOf(model);
    const output = `${stdout}${stderr}`;
    expect(code, output).toBe(0);
    const rows = (flags as readonly string[]).includes('-b') ? 4 : 1;

    expect(number(output, /Throughput: ([\d.]+) infer\/sec/)).toBeGreaterThan(0);
    const requests = number(output, /Request count: (\d+)/);
    // A sequence that has begun is sent to its end.
    expect(requests).toBeGreaterThanOrEqual(200);
    expect(requests).toBeLessThanOrEqual(200 + 4 * 5);
    expect(after.requests - before.requests).toBe(requests);
    expect(after.inferences - before.inferences).toBe(requests * rows);
    // What it read from our statistics: it looks while the first requests are under way already.
    const reported = number(output, /Successful request count: (\d+)/);
    expect(reported).toBeGreaterThan(requests * 0.8);
    expect(reported).toBeLessThanOrEqual(requests);
    expect(number(output, /Inference count: (\d+)/)).toBe(reported * rows);
    const executions = number(output, /Execution count: (\d+)/);
    expect(executions).toBeGreaterThan(0);
    expect(executions).toBeLessThanOrEqual(after.executions - before.executions);
    const [latency, ...parts] = /Avg request latency: (\d+) usec \(overhead (\d+) usec \+ queue (\d+) usec \+ compute input (\d+) usec \+ compute infer (\d+) usec \+ compute output (\d+) usec\)/.exec(output)!.slice(1).map(Number);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(latency! + parts.length);
    expect(latency).toBeGreaterThan(0);
  });
});
