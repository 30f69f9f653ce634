/** The command line as a whole; `cli.ts` runs it, completion and documentation read it. */
import { Command } from 'commander';
import { createStyle, usesColor } from '../lib/terminal.ts';
import { version } from '../version.ts';
import { commands } from './index.ts';

/** Rejects with a `CommanderError` where the command line is wrong, and with what the command throws. */
export function createProgram(): Command {
  const program = new Command('modelport')
    .description('Turns a trained model file into a production service.')
    .version(version, '-V, --version')
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ subcommandTerm: (command) => command.name(), styleTitle: (text) => createStyle(usesColor(process.stdout)).bold(text) })
    .configureOutput({ outputError: (text, write) => write(createStyle(usesColor(process.stderr)).red(text)) })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  modelport serve model.onnx
  modelport serve ./models --port 9000
  modelport inspect model.onnx
  modelport predict ./models/iris rows.csv -o answers.csv
  modelport bench http://127.0.0.1:8000 --model iris

modelport <command> --help tells more of each.
Exit codes: 0 done, 1 the work failed, 2 wrong command line, 130 Ctrl-C.
`,
    );
  for (const define of commands) program.addCommand(define().exitOverride().copyInheritedSettings(program));
  return program;
}
