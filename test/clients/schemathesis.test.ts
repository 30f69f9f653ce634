/** schemathesis makes thousands of requests from our own /openapi.json, right ones and wrong ones, and holds the answers against it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startModelport } from '../start-modelport.ts';
import { runCommand } from './setup/command.ts';
import { skipUnless } from './setup/installed.ts';
import { python, pythonPath, pythonTests } from './setup/python.ts';
import { clientModels } from './setup/serve-client-models.ts';

const testRuntimes = { NODE_OPTIONS: `--import=${new URL('./setup/test-runtimes.mjs', import.meta.url).href}` };

describe.skipIf(skipUnless('schemathesis', python))('schemathesis finds no fault', () => {
  test.each([
    { name: 'the example models', args: ['examples/models'], environment: {}, durationS: 50, operations: 20 },
    {
      name: 'models of every datatype, with a state, with several answers',
      args: ['datatypes', 'running_sum', 'scores', 'repeat_int32'].map((model) => join(clientModels, 'more', model)),
      environment: testRuntimes,
      durationS: 40,
      operations: 16,
    },
  ])('$name', { timeout: 180_000 }, async ({ args, environment, durationS, operations }) => {
    const server = await startModelport({ arguments: args, environment });
    const folder = mkdtempSync(join(tmpdir(), 'modelport-schemathesis-'));
    try {
      const { code, stdout, stderr } = await runCommand(
        pythonPath(),
        ['-m', 'schemathesis.cli', '--config-file', join(pythonTests, 'schemathesis.toml'), 'run', `${server.url}/openapi.json`, '--checks', 'all', '--max-time', String(durationS), '--seed', '20', '--no-color', '--continue-on-failure'],
        { cwd: folder, timeoutMs: 150_000 },
      );
      // Bodies of pictures fill pages.
      const output = `${stdout}${stderr}`.split('\n').map((line) => line.slice(0, 1500)).join('\n');
      expect(code, output).toBe(0);
      expect(Number(/Tested: (\d+)/.exec(stdout)?.[1]), output).toBeGreaterThanOrEqual(operations);
      const [, generated, passed] = /Test cases:\s+(\d+) generated, (\d+) passed/.exec(stdout) ?? [];
      expect(Number(generated), output).toBeGreaterThan(500);
      expect(passed).toBe(generated);
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await server.stop();
    }
  });
});
