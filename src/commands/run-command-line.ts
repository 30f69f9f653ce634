/** argv → one command. Exit codes: 0 done, 1 the work failed, 2 the command line was wrong, 130 stopped by Ctrl-C. */
import { CommanderError } from 'commander';
import { isModelportError } from '../errors.ts';
import { createStyle, usesColor } from '../lib/terminal.ts';
import { createProgram } from './program.ts';

export async function runCommandLine(): Promise<void> {
  // `modelport … | head`: who reads no more has what they wanted.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const style = createStyle(usesColor(process.stderr));
  if (isModelportError(error)) {
    process.stderr.write(`${style.red('error')} ${error.message}\n`);
    return error.code === 'INVALID_USAGE' ? 2 : 1;
  }
  process.stderr.write(`${style.red('error')} Modelport itself failed: please report this with what follows\n${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
