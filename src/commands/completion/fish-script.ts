/** The completion script for fish. */
import type { DescribedFlag, DescribedProgram, Value } from './described-command.ts';

export function fishScript(program: DescribedProgram): string {
  const { name } = program;
  const lines = [`# Completion of ${name} for fish. Written by \`${name} completion fish\`.`, `complete -c ${name} -f`];
  for (const flag of program.flags) lines.push(`complete -c ${name} -n __fish_use_subcommand${flagWords(flag)}`);
  for (const command of program.commands) {
    const seen = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`;
    lines.push(`complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quote(command.description)}`);
    for (const flag of command.flags) lines.push(`complete -c ${name} ${seen}${flagWords(flag)}`);
    const operand = command.arguments.find(({ value }) => value.kind !== 'other');
    if (operand !== undefined) lines.push(`complete -c ${name} ${seen}${valueWords(operand.value)}`);
  }
  return `${lines.join('\n')}\n`;
}

function flagWords({ names, description, value }: DescribedFlag): string {
  const flags = names.map((flag) => (flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`)).join('');
  return `${flags}${value === undefined ? '' : ` ${value.kind === 'file' ? '-r' : '-x'}${valueWords(value)}`} -d ${quote(description)}`;
}

function valueWords(value: Value): string {
  switch (value.kind) {
    case 'words':
      return ` -a ${quote(value.words.join(' '))}`;
    case 'file':
      return ' -F';
    case 'folder':
      return ` -a '(__fish_complete_directories)'`;
    case 'other':
      return '';
  }
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
