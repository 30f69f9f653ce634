/** `modelport completion`: a script that completes commands, flags, choices and files, made from the definitions of the commands. */
import { Argument, Command } from 'commander';

export function completionCommand(): Command {
  return new Command('completion')
    .summary('a script that completes the command line in your shell')
    .description('Prints a completion script for a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  source <(modelport completion bash)     # put this line into ~/.bashrc
  modelport completion zsh > "\${fpath[1]}/_modelport"
  modelport completion fish > ~/.config/fish/completions/modelport.fish
`,
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish', _flags, command: Command) => {
      const [{ describeProgram }, { bashScript }, { zshScript }, { fishScript }] = await Promise.all([
        import('./completion/described-command.ts'),
        import('./completion/bash-script.ts'),
        import('./completion/zsh-script.ts'),
        import('./completion/fish-script.ts'),
      ]);
      const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
      process.stdout.write(write(describeProgram(command.parent!)));
    });
}
