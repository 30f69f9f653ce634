/** `modelport types`: declarations of the served models for `modelport/client`. */
import { Command, Option } from 'commander';

export function typesCommand(): Command {
  return new Command('types')
    .summary('write TypeScript declarations of models for modelport/client')
    .description('Writes a .d.ts file that tells modelport/client the names, datatypes and schemas of models, so that a wrong one does not compile.')
    .argument('<source>', 'URL of a running server, a model file, a folder of models, or a service')
    .option('-o, --output <file>', 'the file to write; without it, standard output')
    .addOption(new Option('--api-key <key>', 'of the running server').env('MODELPORT_API_KEY'))
    .addHelpText(
      'after',
      `
Examples:
  modelport types http://127.0.0.1:8000 -o src/models.d.ts
  modelport types ./models -o models.d.ts
  modelport types app.ts -o app.d.ts
`,
    )
    .action(async (source: string, options: { output?: string; apiKey?: string }) => {
      const { writeTypes } = await import('./write-types.ts');
      await writeTypes(source, options);
    });
}
