/**
 * Weights of PyTorch without a program: `torch.save(model.state_dict(), …)` and safetensors. The program is built from a description of the architecture that
 * a person names; every weight of the file must have its place in it, and every place its weight.
 */
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { ImportOptions, Importer, InputDeclaration } from '../../importer.ts';
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { writeModelFile } from '../../onnx/write-model-file.ts';
import { architectures } from './architectures/index.ts';
import type { Architecture } from './architecture.ts';
import { buildGraph, pictureName, pictureShape, sizeOf, type PictureSizes } from './build-graph.ts';
import { readEncoderConfig, type EncoderConfig } from './encoder-config.ts';
import { compareShapes, describeMisfit, fit, fits, likeness, recognize, renamed, type Fit } from './fit-architecture.ts';
import { looksLikeWeights, openWeights, type WeightFile } from './read-weights.ts';
import { buildEncoder, currentName, isLeftAside } from './text-encoders.ts';
import { FileWeights, Rehearsal, type StoredWeights } from './weights.ts';

/** What says what the weights of a text encoder are, and what tasks read beside a model, which goes with it. */
const beside = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt'];

export const stateDict: Importer = { name: 'state-dict', version: 1, readsBeside: beside, accepts: looksLikeWeights, import: importModel };

function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  const path = join(artifact.directory, artifact.main);
  const file = openWeights(path);
  try {
    const config = options.architecture === undefined ? readEncoderConfig(join(artifact.directory, 'config.json')) : undefined;
    if (config !== undefined) return Promise.resolve(importEncoder(file, config, artifact, directory, options));
    const architecture = chooseArchitecture(file.weights, artifact.main, options.architecture);
    if (options.precision === 'float64') throw new ModelportError('INVALID_USAGE', `${artifact.main} is computed in float32: ONNX Runtime has no convolution in float64. Leave the precision out`);
    tell(file, options);
    const model = buildModel(architecture, file.weights, options);
    mkdirSync(directory, { recursive: true });
    const written = writeModelFile(model, join(directory, 'model.onnx'));
    const preparation = JSON.stringify(preprocessorConfig(architecture, new Rehearsal(renamed(file.weights, architecture)), options.inputs?.[0]), undefined, 2);
    writeFileSync(join(directory, preparationFile), `${preparation}\n`);
    return Promise.resolve({
      format: 'onnx',
      directory,
      main: 'model.onnx',
      files: [...written.map(({ path: place, sizeBytes }) => ({ path: basename(place), sizeBytes })), { path: preparationFile, sizeBytes: Buffer.byteLength(preparation) + 1 }],
      metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? ''])),
    });
  } catch (error) {
    return Promise.reject(error as Error);
  } finally {
    file.close();
  }
}

/** Weights whose config.json says what they are. */
function importEncoder(file: WeightFile, config: EncoderConfig, artifact: Artifact, directory: string, options: ImportOptions): Artifact {
  if (options.precision === 'float64') throw new ModelportError('INVALID_USAGE', `${artifact.main} is computed in float32, as its program does. Leave the precision out`);
  if (options.inputs !== undefined && options.inputs.length > 0) throw new ModelportError('INVALID_USAGE', `the inputs of ${artifact.main} are told by its config.json: [batch, sequence], both free. Leave them out`, { at: 'inputs' });
  tell(file, options);
  const model = buildEncoderModel(config, file.weights, artifact.main, options);
  mkdirSync(directory, { recursive: true });
  const files = writeModelFile(model, join(directory, 'model.onnx')).map(({ path, sizeBytes }) => ({ path: basename(path), sizeBytes }));
  for (const name of beside) {
    const from = join(artifact.directory, name);
    if (!existsSync(from)) continue;
    copyFileSync(from, join(directory, name));
    files.push({ path: name, sizeBytes: statSync(join(directory, name)).size });
  }
  return { format: 'onnx', directory, main: 'model.onnx', files, metadata: {} };
}

/** Throws `INVALID_MODEL` with the names and shapes that do not fit. */
export function buildEncoderModel(config: EncoderConfig, weights: StoredWeights, name: string, options: ImportOptions = {}): ModelProto {
  const stored = new Map([...weights].map(([key, weight]) => [currentName(key), weight]));
  const rehearsal = new Rehearsal(stored);
  buildEncoder(config, new GraphBuilder({ opset: 20 }), rehearsal);
  const misfit = compareShapes(rehearsal.asked, stored, (key) => isLeftAside(key, config));
  if (!fits(misfit)) throw new ModelportError('INVALID_MODEL', `${name} does not fit its config.json: ${describeMisfit(misfit)}`, { at: name });
  const graph = new GraphBuilder({ opset: 20 });
  let taken = 0;
  buildEncoder(config, graph, new FileWeights(stored, options.progress === undefined ? undefined : () => options.progress!('weights', Math.min(1, taken++ / stored.size))));
  return graph.build({ name: config.family, docString: config.family });
}

/** The graph with its weights. Those that are not changed stay in their file until the model is written. */
export function buildModel(architecture: Architecture, weights: StoredWeights, options: ImportOptions = {}): ModelProto {
  const stored = renamed(weights, architecture);
  const sizes = pictureSizes(architecture, stored, options.inputs ?? []);
  const graph = new GraphBuilder({ opset: 20 });
  let taken = 0;
  const progress = options.progress === undefined ? undefined : () => options.progress!('weights', Math.min(1, taken++ / stored.size));
  buildGraph(architecture, graph, new FileWeights(stored, progress), sizes);
  return graph.build({ name: architecture.name, docString: architecture.name, metadata: { architecture: architecture.name } });
}

/** Throws `INVALID_MODEL` with the names and shapes that do not fit, `INVALID_USAGE` where the architecture is not known. */
export function chooseArchitecture(weights: StoredWeights, name: string, wanted: string | undefined): Architecture {
  if (wanted === undefined) throw new ModelportError('INVALID_MODEL', `${name} holds ${weights.size} weights and no program. ${guess(recognize(architectures, weights), name)}`, { at: name });
  const canonical = (text: string) => text.toLowerCase().replaceAll('-', '_');
  const architecture = architectures.find((candidate) => candidate.name === canonical(wanted));
  if (architecture === undefined) {
    throw new ModelportError('INVALID_USAGE', `there is no architecture '${wanted.slice(0, 100)}'${suggestName(canonical(wanted), architectures.map((known) => known.name))}`, { at: 'architecture' });
  }
  const found = fit(architecture, weights);
  if (fits(found)) return architecture;
  const other = recognize(architectures, weights).find(fits);
  const hint = other === undefined ? '' : `. Its names and shapes are those of ${other.architecture.name}`;
  throw new ModelportError('INVALID_MODEL', `${name} does not fit ${architecture.name}: ${describeMisfit(found)}${hint}`, { at: name });
}

function guess(found: readonly Fit[], name: string): string {
  const best = found[0];
  const families = [...new Set(architectures.map(({ family }) => family))].join(', ');
  if (best === undefined || likeness(best) < 0.5) {
    return `They look like none of the architectures that are known here (${families}). Save the program with them: torch.export.save(torch.export.export(model.eval(), (sample,)), 'model.pt2')`;
  }
  const command = `modelport import ${name} --architecture ${best.architecture.name} -o DIR, or import: {architecture: ${best.architecture.name}} in model.yaml`;
  if (fits(best)) return `Their names and shapes are those of ${best.architecture.name}: ${command}`;
  return `They look most like ${best.architecture.name}, which they do not fit (${describeMisfit(best)}). Where the model was changed, save its program: torch.export.save(torch.export.export(model.eval(), (sample,)), 'model.pt2')`;
}

function tell({ weights, classes }: WeightFile, options: ImportOptions): void {
  const types = new Set([...weights.values()].map(({ datatype }) => datatype));
  const halves = (['FP16', 'BF16', 'FP64'] as const).filter((datatype) => types.has(datatype));
  if (halves.length > 0) options.note?.(`Weights that are stored as ${halves.join(', ')} are computed with as float32.`);
  if (classes.length > 0) options.note?.(`The file also names ${classes.slice(0, 5).join(', ')}${classes.length > 5 ? ` and ${classes.length - 5} more` : ''}: left aside, nothing of it was run.`);
}

/** What a person declared of the picture, checked against what the architecture takes. */
function pictureSizes(architecture: Architecture, weights: StoredWeights, inputs: readonly InputDeclaration[]): PictureSizes {
  if (inputs.length === 0) return {};
  const refuse = (problem: string): never => {
    throw new ModelportError('INVALID_USAGE', `${architecture.name} ${problem}`, { at: 'inputs' });
  };
  const source = new Rehearsal(weights);
  const [batch, channels, height, width] = pictureShape(architecture, source);
  if (inputs.length > 1) return refuse(`has one input, ${pictureName}, not ${inputs.length}`);
  const { name, datatype, shape } = inputs[0]!;
  if (datatype !== 'FP32') return refuse(`takes pictures as FP32, not ${datatype}`);
  if (shape.length !== 4) return refuse(`takes pictures as [${batch}, ${channels}, ${height}, ${width}], not [${shape.join(', ')}]`);
  if (shape[1] !== channels) return refuse(`takes pictures of ${channels} channels with these weights, not ${shape[1]}`);
  const size = sizeOf(architecture, source);
  const { leastSize = 32 } = architecture;
  for (const wanted of shape.slice(2)) {
    if (architecture.sizes !== 'any' && typeof wanted !== 'number') return refuse(`takes pictures of one size (${size} by ${size}): write it as a number, not as ${wanted}`);
    if (architecture.sizes === 'given' && wanted !== size) return refuse(`takes pictures of ${size} by ${size}, not ${shape[2]} by ${shape[3]}`);
    if (typeof wanted === 'number' && wanted < leastSize) return refuse(`takes pictures of at least ${leastSize} by ${leastSize}, not ${shape[2]} by ${shape[3]}`);
  }
  return { ...(name === undefined ? {} : { name }), batch: shape[0]!, height: shape[2]!, width: shape[3]! };
}

const preparationFile = 'preprocessor_config.json';

/** How pictures become tensors, in the form that Hugging Face's image processors write: the model's folder says it to whoever serves it. */
function preprocessorConfig(architecture: Architecture, weights: Rehearsal, input: InputDeclaration | undefined): unknown {
  const size = sizeOf(architecture, weights);
  const [, channels] = pictureShape(architecture, weights);
  const { resize = Math.round((size / 224) * 256), filter = 'bilinear', mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } = architecture.preparation ?? {};
  const height = typeof input?.shape[2] === 'number' ? input.shape[2] : size;
  const width = typeof input?.shape[3] === 'number' ? input.shape[3] : size;
  const grey = channels !== 3;
  return {
    do_resize: true,
    size: { shortest_edge: Math.max(Math.round((resize * Math.min(height, width)) / size), height, width) },
    resample: filter === 'bicubic' ? 3 : 2,
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: !grey,
    ...(grey ? {} : { image_mean: mean, image_std: std }),
  };
}
