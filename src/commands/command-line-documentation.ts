/** The reference page of the command line, from the definitions of the commands. */
import type { Command, Option } from 'commander';

/** Markdown. Pure. */
export function commandLineDocumentation(program: Command): string {
  const commands = program.commands;
  const sections = [
    '# Command line',
    `<!-- Written by scripts/write-cli-docs.mjs from the definitions in src/commands: change those. -->`,
    program.description(),
    ['| command | |', '|---|---|', ...commands.map((command) => `| [\`${program.name()} ${command.name()}\`](#${program.name()}-${command.name()}) | ${cell(command.summary() || command.description())} |`)].join('\n'),
    [
      'Exit codes: 0 done, 1 the work failed, 2 the command line was wrong, 130 stopped by Ctrl-C; `serve` drains and ends with 0. Messages go to standard error, answers to standard output.',
      'Colours are written to terminals only; `NO_COLOR` and `FORCE_COLOR` decide otherwise.',
    ].join('\n'),
    ...commands.map((command) => commandSection(program.name(), command)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function commandSection(programName: string, command: Command): string {
  const operands = command.registeredArguments;
  const options = command.options.filter((option) => !option.hidden);
  const usage = `${programName} ${command.name()} ${command.usage()}`;
  const examples = examplesOf(command);
  return [
    `## ${programName} ${command.name()}`,
    // Markdown takes <x> for a tag.
    command.description().replaceAll('<', '\\<'),
    `\`\`\`text\n${usage.replaceAll(/\n\s+/g, '\n')}\n\`\`\``,
    ...(operands.length === 0 ? [] : [['| argument | |', '|---|---|', ...operands.map((argument) => `| \`${argument.name()}\` | ${cell([argument.description, choices(argument.argChoices)].filter((part) => part !== '').join('; '))} |`)].join('\n')]),
    ...(options.length === 0 ? [] : [['| flag | | default |', '|---|---|---|', ...options.map(optionRow)].join('\n')]),
    ...(options.some((option) => option.envVar !== undefined) ? [environmentNote(options)] : []),
    ...(examples === '' ? [] : [`\`\`\`sh\n${examples}\n\`\`\``]),
  ].join('\n\n');
}

function optionRow(option: Option): string {
  const { defaultValue, defaultValueDescription } = option as { defaultValue?: unknown; defaultValueDescription?: string };
  const shown = defaultValueDescription ?? (defaultValue === undefined || defaultValue === false ? '' : typeof defaultValue === 'string' ? defaultValue : JSON.stringify(defaultValue));
  return `| \`${option.flags}\` | ${cell([option.description, choices(option.argChoices)].filter((part) => part !== '').join('; '))} | ${shown === '' ? '' : `\`${shown}\``} |`;
}

function choices(words: readonly string[] | undefined): string {
  return words === undefined ? '' : `one of ${words.map((word) => `\`${word}\``).join(', ')}`;
}

/** All flags may be set in the environment, or some of them by name. */
function environmentNote(options: readonly Option[]): string {
  const named = options.filter((option) => option.envVar !== undefined);
  if (named.length > 3) return `In the environment \`${named[0]!.envVar!}\` stands for \`${named[0]!.long!}\`, and so on for ${named.length === options.length ? 'every flag' : `all flags but ${options.filter((option) => option.envVar === undefined).map((option) => `\`${option.long!}\``).join(', ')}`}.`;
  return named.map((option) => `In the environment \`${option.envVar!}\` stands for \`${option.long!}\`.`).join(' ');
}

/** What the help shows below its last heading. */
function examplesOf(command: Command): string {
  let text = '';
  const before = command.configureOutput();
  command.configureOutput({ ...before, writeOut: (part) => (text += part), getOutHasColors: () => false });
  command.outputHelp();
  command.configureOutput(before);
  const examples = /\nExamples:\n([\s\S]*)$/.exec(text)?.[1] ?? '';
  return examples.replace(/\n\nExit codes:[\s\S]*$/, '').replaceAll(/^ {2}/gm, '').trim();
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}
