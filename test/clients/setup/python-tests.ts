/** Test functions of a Python file as tests here: one for one, so that what is skipped is counted, too. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from './command.ts';
import { skipUnless } from './installed.ts';
import { python, pythonPath, pythonTests } from './python.ts';

interface Outcome {
  readonly test: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly text: string;
}

export interface PythonTestsOptions {
  /** Starts what the tests talk to; gives the environment that tells them where it is. */
  readonly start: () => Promise<Readonly<Record<string, string>>>;
  readonly stop: () => Promise<unknown>;
  readonly timeoutMs?: number;
}

/** Runs `file` of test/clients/python with pytest once, and tells the outcome of each of its functions. */
export function describePython(name: string, file: string, options: PythonTestsOptions): void {
  const path = join(pythonTests, file);
  const functions = [...readFileSync(path, 'utf8').matchAll(/^(?:async )?def (test_\w+)\(/gm)].map((match) => match[1]!);
  const timeoutMs = options.timeoutMs ?? 150_000;

  describe.skipIf(skipUnless(name, python))(name, () => {
    const outcomes = new Map<string, Outcome>();
    let output = '';
    const folder = mkdtempSync(join(tmpdir(), 'modelport-python-'));

    beforeAll(async () => {
      const environment = await options.start();
      const report = join(folder, 'outcomes');
      const { stdout, stderr } = await runCommand(pythonPath(), ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-p', 'no:schemathesis', path], {
        environment: { ...environment, MODELPORT_OUTCOMES: report, PYTHONDONTWRITEBYTECODE: '1' },
        timeoutMs,
      });
      output = `${stdout}${stderr}`.slice(-8000);
      try {
        for (const line of readFileSync(report, 'utf8').trimEnd().split('\n')) {
          const outcome = JSON.parse(line) as Outcome;
          outcomes.set(outcome.test, outcome);
        }
      } catch (error) {
        throw new Error(`pytest told no outcomes: ${output}`, { cause: error });
      }
    }, timeoutMs + 60_000);

    afterAll(async () => {
      rmSync(folder, { recursive: true, force: true });
      await options.stop();
    });

    test.each(functions)('%s', (name) => {
      const found = outcomes.get(name);
      if (found === undefined) expect.fail(`pytest did not run it:\n${output}`);
      expect(found.outcome, found.text).toBe('passed');
    });
  });
}
