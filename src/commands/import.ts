/** `modelport import`: a file of another framework as ONNX, to look at, change or serve elsewhere. */
import { Command, Option } from 'commander';

interface Options {
  readonly output: string;
  readonly force?: boolean;
  readonly architecture?: string;
  readonly precision?: 'float32' | 'float64';
  readonly input?: readonly string[];
  readonly sample?: string;
  readonly expect?: string;
}

export function importCommand(): Command {
  return new Command('import')
    .summary('write a model of another framework as ONNX')
    .description('Writes model.onnx and model.yaml into a folder, and tells what the model takes, gives and is made of.\nNothing in the file is executed, and no Python is needed. `serve` imports by itself; this is for keeping the result.')
    .argument('<file>', 'a model file: PyTorch (.pt2, .pt, .pth, .safetensors), scikit-learn (.joblib, .pkl), XGBoost, LightGBM, CatBoost')
    .requiredOption('-o, --output <folder>', 'the folder to write into; it is made where it is missing')
    .option('--architecture <name>', 'the program of a file that holds weights alone: resnet50, efficientnet_lite0 …')
    .option('--input <declaration>', 'an input that the file does not describe, as in x:f32[batch,3,224,224]; may be repeated', (one: string, all: readonly string[] | undefined) => [...(all ?? []), one])
    .addOption(new Option('--precision <type>', 'where the framework computes in float64: as it does (the default), or in float32 for speed').choices(['float32', 'float64']))
    .option('--sample <file>', 'inputs to try the model with: .npy, or .npz with the names of the inputs')
    .option('--expect <file>', 'the outputs that the sample gives in the framework; the largest difference is printed')
    .option('--force', 'write over the model that is there')
    .addHelpText(
      'after',
      `
Examples:
  modelport import classifier.joblib -o models/classifier
  modelport import booster.ubj -o models/booster
  modelport import traced.pt -o models/net --input 'x:f32[batch,3,224,224]'
  modelport import weights.pth --architecture resnet18 -o models/resnet
  modelport import model.pt2 -o net --sample inputs.npz --expect outputs.npz
`,
    )
    .action(async (file: string, options: Options) => {
      const { runImport } = await import('./run-import.ts');
      await runImport(file, options);
    });
}

export type { Options as ImportCommandOptions };
