/** argv → one command. Exit codes: 0 done, 1 the work failed, 2 the command line was wrong, 130 stopped by Ctrl-C. */
import { Command, CommanderError } from 'commander';
import { commands } from './commands/index.ts';
import { isModelportError } from './errors.ts';
import { createStyle, usesColor } from './lib/terminal.ts';
import { version } from './version.ts';

const program = new Command('modelport')
  .description('Turns a trained model file into a production service.')
  .version(version, '-V, --version')
  .showHelpAfterError('(--help shows what there is)')
  .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
  .configureOutput({ outputError: (text, write) => write(createStyle(usesColor(process.stderr)).red(text)) })
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  modelport serve model.onnx              one model: page, REST, gRPC, documentation, metrics
  modelport serve ./models --port 9000    a folder of models
  modelport inspect model.onnx            what is in it, and how it would be served
`,
  );

for (const define of commands) program.addCommand(define().exitOverride().copyInheritedSettings(program));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
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
