/** What completion needs to know of a command line, read from commander's definitions. */
import type { Argument, Command, Option } from 'commander';

/** What may stand at a place: one of some words, a file, a folder, or something that nobody can guess. */
export type Value = { readonly kind: 'words'; readonly words: readonly string[] } | { readonly kind: 'file' } | { readonly kind: 'folder' } | { readonly kind: 'other' };

export interface DescribedFlag {
  /** `--output`, `-o`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined for a flag without a value, or whose value may be left out. */
  readonly value: Value | undefined;
  readonly repeatable: boolean;
}

export interface DescribedArgument {
  readonly name: string;
  readonly value: Value;
  readonly variadic: boolean;
}

export interface DescribedCommand {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly DescribedFlag[];
  readonly arguments: readonly DescribedArgument[];
}

export interface DescribedProgram {
  readonly name: string;
  /** `help` included, whose argument is a command. */
  readonly commands: readonly DescribedCommand[];
  readonly flags: readonly DescribedFlag[];
}

export function describeProgram(program: Command): DescribedProgram {
  const help: DescribedFlag = { names: ['-h', '--help'], description: 'display help for command', value: undefined, repeatable: false };
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.summary() || command.description(),
    flags: [...command.options.filter((option) => !option.hidden).map(describeFlag), help],
    arguments: command.registeredArguments.map((argument) => ({ name: argument.name(), value: valueOf(argument.name(), argument.argChoices), variadic: argument.variadic })),
  }));
  const names = commands.map(({ name }) => name);
  return {
    name: program.name(),
    commands: [...commands, { name: 'help', description: 'display help for command', flags: [], arguments: [{ name: 'command', value: { kind: 'words', words: names }, variadic: false }] }],
    flags: [...program.options.map(describeFlag), help],
  };
}

function describeFlag(option: Option): DescribedFlag {
  const placeholder = /<([^>]+)>/.exec(option.flags)?.[1];
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    value: placeholder === undefined ? undefined : valueOf(placeholder, option.argChoices),
    repeatable: option.variadic || /several times/.test(option.description),
  };
}

/** The name of a placeholder says what stands there; that is a rule for those who name them. */
function valueOf(name: string, choices: Argument['argChoices']): Value {
  if (choices !== undefined) return { kind: 'words', words: choices };
  if (/^(?:folder|directory)$/.test(name)) return { kind: 'folder' };
  if (/^(?:paths?|files?|source|model|inputs?)$/.test(name)) return { kind: 'file' };
  return { kind: 'other' };
}
