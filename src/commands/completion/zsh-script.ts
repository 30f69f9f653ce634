/** The completion script for zsh: a file `_modelport` on its `fpath`, or sourced after `compinit`. */
import type { DescribedCommand, DescribedFlag, DescribedProgram, Value } from './described-command.ts';

export function zshScript(program: DescribedProgram): string {
  const { name } = program;
  return `#compdef ${name}
# Completion of ${name} for zsh. Written by \`${name} completion zsh\`.
_${name}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C \\
${program.flags.map((flag) => `    ${flagSpec(flag)} \\`).join('\n')}
    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command)
      local -a commands
      commands=(
${program.commands.map((command) => `        ${quote(`${command.name}:${command.description}`)}`).join('\n')}
      )
      _describe -t commands command commands ;;
    rest)
      case $words[1] in
${program.commands.map(commandCase).join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function commandCase(command: DescribedCommand): string {
  const operands = command.arguments.map(({ name, value, variadic }, index) => quote(`${variadic ? '*' : String(index + 1)}:${escape(name)}:${action(value)}`));
  return `        ${command.name}) _arguments -s \\\n${[...command.flags.map(flagSpec), ...operands].map((spec) => `          ${spec}`).join(' \\\n')} ;;`;
}

function flagSpec({ names, description, value, repeatable }: DescribedFlag): string {
  const help = `[${escape(description)}]`;
  const suffix = value === undefined ? '' : `:value:${action(value)}`;
  // A name that takes a value takes it after a blank or =.
  const spelled = (flag: string) => (value !== undefined && flag.startsWith('--') ? `${flag}=` : value === undefined ? flag : `${flag}+`);
  if (repeatable || names.length === 1) return names.map((flag) => quote(`${repeatable ? '*' : ''}${spelled(flag)}${help}${suffix}`)).join(' ');
  return `${quote(`(${names.join(' ')})`)}{${names.map(spelled).join(',')}}${quote(`${help}${suffix}`)}`;
}

function action(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'other':
      return ' ';
  }
}

function escape(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
