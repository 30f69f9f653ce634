/** Clients of the Python registry, in a virtual environment that the tests make themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './command.ts';
import { installOnce, type Installed } from './installed.ts';

export const pythonTests = join(import.meta.dirname, '../python');

const interpreter = process.env['MODELPORT_PYTHON'] ?? 'python3';
const requirements = join(pythonTests, 'requirements.txt');

/** `MODELPORT_PYTHON` names another interpreter than `python3`. */
export const python: Installed = await installOnce('python', `${interpreter}\n${readFileSync(requirements, 'utf8')}`, async (folder) => {
  await mustRun(interpreter, ['-m', 'venv', folder]);
  await mustRun(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements], { timeoutMs: 420_000 });
});

/** The interpreter of that environment. Only to be called where {@link python} is not missing. */
export function pythonPath(): string {
  return join(python.folder!, 'bin/python');
}
