/** `modelport import`: a file of another framework as ONNX, to look at, change or serve elsewhere. */
import { Command } from 'commander';

export function importCommand(): Command {
  return new Command('import')
    .summary('write a model of another framework as ONNX')
    .description('Writes model.onnx and model.yaml into a folder, and tells what the model takes, gives and is made of.\nNothing in the file is executed, and no Python is needed. `serve` imports by itself; this is for keeping the result.')
    .argument('<file>', 'a model file: scikit-learn (.joblib, .pkl), XGBoost, LightGBM, CatBoost')
    .requiredOption('-o, --output <folder>', 'the folder to write into; it is made where it is missing')
    .option('--force', 'write over the model that is there')
    .addHelpText(
      'after',
      `
Examples:
  modelport import classifier.joblib -o models/classifier
  modelport import booster.ubj -o models/booster
`,
    )
    .action(async (file: string, options: { readonly output: string; readonly force?: boolean }) => {
      const { importFile } = await import('./import-file.ts');
      const { createStyle, usesColor } = await import('../lib/terminal.ts');
      const { stdout } = process;
      const { inspect } = await import('./inspect.ts');
      const { model, config } = await importFile(file, options.output, options.force === true);
      stdout.write(await inspect(model, { color: usesColor(stdout), columns: Math.min(stdout.columns ?? 100, 120) }));
      stdout.write(`\n${createStyle(usesColor(stdout)).bold('Written')}  ${model}\n         ${config}\n`);
    });
}
