/** What `ci` does. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { CiFlags, PipelineSystem } from '../ci.ts';
import { pipelineSteps } from './pipeline-steps.ts';
import { pipelineFiles, renderPipeline } from './render-pipeline.ts';

export async function runCi(system: PipelineSystem, paths: readonly string[], flags: CiFlags): Promise<void> {
  for (const path of paths) if (!existsSync(join(flags.output, path))) throw new ModelportError('INVALID_USAGE', `there is no ${path} in ${flags.output}: paths are relative to the root of the repository`, { at: path });
  const text = renderPipeline(system, pipelineSteps(paths, flags, existsSync(join(flags.output, 'package.json'))));
  if (flags.stdout === true) {
    process.stdout.write(text);
    return;
  }
  const file = join(flags.output, pipelineFiles[system]);
  if (existsSync(file) && flags.force !== true) throw new ModelportError('INVALID_USAGE', `${file} is there already: write over it with --force`, { at: file });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  process.stdout.write(`Written  ${file}\n`);
}
