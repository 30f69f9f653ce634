/** `modelport init`: a service to start from. */
import { Command } from 'commander';

export function initCommand(): Command {
  return new Command('init')
    .summary('write a service in TypeScript to start from')
    .description('Writes a small service that runs as it is: an endpoint with a form, one that answers in parts, and a test. Nothing that is there is overwritten.')
    .argument('[folder]', 'where to write it', '.')
    .addHelpText(
      'after',
      `
Examples:
  modelport init my-service
  modelport serve my-service/app.ts --watch
`,
    )
    .action(async (folder: string) => {
      const { writeService } = await import('./init/write-service.ts');
      await writeService(folder);
    });
}
