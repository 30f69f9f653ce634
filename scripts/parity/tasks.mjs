/**
 * Makes the tiny models of pictures and sound anew, with transformers' own answers, and compares ours with them. The tasks on text are text.mjs'.
 * Exit code 1 where something differs.
 *
 *     npm run parity -- tasks
 *
 * MODELPORT_TORCH_PYTHON names a Python with torch, transformers, onnx, onnxscript, scipy and Pillow (default: python3).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'modelport-tasks-parity-'));
const run = (command, args, env = {}) => spawnSync(command, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } }).status ?? 1;

let status = run(process.env.MODELPORT_TORCH_PYTHON ?? 'python3', [join(import.meta.dirname, 'tasks_media.py'), folder]);
if (status === 0) status = run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/tasks/parity.test.ts', 'test/tasks/audio.test.ts'], { MODELPORT_TASK_FIXTURES: folder });
rmSync(folder, { recursive: true });
process.exit(status === 0 ? 0 : 1);
