/** The completion script for bash 3.2 and later; it needs no bash-completion package. */
import type { DescribedCommand, DescribedProgram, Value } from './described-command.ts';

export function bashScript(program: DescribedProgram): string {
  const { name } = program;
  return `# Completion of ${name} for bash. Written by \`${name} completion bash\`.
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" command="" word index
  # Bash takes = for a word of its own: --flag = value.
  if [[ $current == "=" ]]; then current=""; previous="\${COMP_WORDS[COMP_CWORD-1]}"
  elif [[ $COMP_CWORD -ge 2 && \${COMP_WORDS[COMP_CWORD-1]} == "=" ]]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"
  else previous="\${COMP_WORDS[COMP_CWORD-1]}"
  fi
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in
      ${program.commands.map((command) => command.name).join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
    "")
      if [[ $current == -* ]]; then ${words(program.flags.flatMap((flag) => flag.names))}
      else ${words(program.commands.map((command) => command.name))}
      fi ;;
${program.commands.map((command) => commandCase(name, command)).join('\n')}
  esac
}
# Files keep their blanks, and folders get a slash.
_${name}_files() {
  local found
  type compopt &>/dev/null && compopt -o filenames 2>/dev/null
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen "$1" -- "$current")
}
complete -F _${name} ${name}
`;
}

function commandCase(program: string, command: DescribedCommand): string {
  const valued = command.flags.filter((flag) => flag.value !== undefined);
  const flagCases = valued.map((flag) => `        ${flag.names.join('|')}) ${action(program, flag.value!)}; return ;;`);
  const operand = action(program, command.arguments.find(({ value }) => value.kind !== 'other')?.value ?? { kind: 'other' });
  return `    ${command.name})
${flagCases.length === 0 ? '' : `      case "$previous" in\n${flagCases.join('\n')}\n      esac\n`}      if [[ $current == -* ]]; then ${words(command.flags.flatMap((flag) => flag.names))}
      else ${operand}
      fi ;;`;
}

function action(program: string, value: Value): string {
  switch (value.kind) {
    case 'words':
      return words(value.words);
    case 'file':
      return `_${program}_files -f`;
    case 'folder':
      return `_${program}_files -d`;
    case 'other':
      return ':';
  }
}

function words(list: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${list.map((word) => word.replace(/["$`\\]/g, '\\$&')).join(' ')}" -- "$current"))`;
}
