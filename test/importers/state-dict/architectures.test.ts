/** Every architecture by its shapes, and the way from a file to answers. Numbers are compared with torch in scripts/parity/architectures.mjs. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Artifact } from '../../../src/artifact.ts';
import { Call } from '../../../src/call.ts';
import type { ImportOptions } from '../../../src/importer.ts';
import { importers } from '../../../src/importers/index.ts';
import type { Architecture } from '../../../src/importers/state-dict/architecture.ts';
import { architectures } from '../../../src/importers/state-dict/architectures/index.ts';
import { buildGraph } from '../../../src/importers/state-dict/build-graph.ts';
import { chooseArchitecture, stateDict } from '../../../src/importers/state-dict/state-dict.ts';
import { Rehearsal, type StoredWeights } from '../../../src/importers/state-dict/weights.ts';
import { GraphBuilder } from '../../../src/onnx/graph-builder.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { elementCount } from '../../../src/tensor.ts';
import { random } from '../../fixtures/random.ts';

type Shapes = ReadonlyMap<string, readonly number[]>;

/** What an architecture asks for, of a file that has nothing. */
function shapesOf(architecture: Architecture): Shapes {
  const rehearsal = new Rehearsal(new Map());
  buildGraph(architecture, new GraphBuilder({ opset: 20 }), rehearsal);
  return rehearsal.asked;
}

function only(name: string): Architecture {
  return architectures.find((architecture) => architecture.name === name)!;
}

/** Weights of which only the shapes are known. */
function stored(shapes: Shapes): StoredWeights {
  const unread = (): never => {
    throw new Error('nobody reads these');
  };
  return new Map([...shapes].map(([key, shape]) => [key, { datatype: 'FP32', shape, read: unread, place: unread }]));
}

/** What torchvision counts, buffers left aside. */
const parameters: Readonly<Record<string, number>> = {
  resnet18: 11_689_512, resnet50: 25_557_032, resnet152: 60_192_808, resnext50_32x4d: 25_028_904, resnext101_64x4d: 83_455_272, wide_resnet101_2: 126_886_696,
  vgg11: 132_863_336, vgg16_bn: 138_365_992, mobilenet_v2: 3_504_872, mobilenet_v3_large: 5_483_032, mobilenet_v3_small: 2_542_856,
  densenet121: 7_978_856, densenet161: 28_681_000, densenet201: 20_013_928, efficientnet_b0: 5_288_548, efficientnet_b4: 19_341_616, efficientnet_b7: 66_347_960,
  efficientnet_v2_s: 21_458_488, efficientnet_v2_l: 118_515_272, efficientnet_lite0: 4_652_008, efficientnet_lite4: 13_006_568, convnext_tiny: 28_589_128, convnext_large: 197_767_336,
  vit_b_32: 88_224_232, alexnet: 61_100_840, squeezenet1_0: 1_248_424, squeezenet1_1: 1_235_496, shufflenet_v2_x0_5: 1_366_792, shufflenet_v2_x2_0: 7_393_996,
  mnasnet0_5: 2_218_512, mnasnet1_3: 6_282_256, regnet_y_400mf: 4_344_144, regnet_y_128gf: 644_812_894, regnet_x_32gf: 107_811_560, swin_t: 28_288_354, swin_v2_b: 87_930_848,
};
const buffer = /\.(?:running_mean|running_var|relative_position_index|relative_coords_table)$/;

/** The Vision Transformer's size stands in its position embedding. */
const fixedShapes: Shapes = new Map([['encoder.pos_embedding', [1, 50, 768]]]);

test.each(Object.entries(parameters))('%s has %i parameters', (name, count) => {
  const rehearsal = new Rehearsal(name.startsWith('vit') ? stored(fixedShapes) : new Map());
  buildGraph(only(name), new GraphBuilder({ opset: 20 }), rehearsal);
  expect([...rehearsal.asked].filter(([key]) => !buffer.test(key)).reduce((sum, [, shape]) => sum + elementCount(shape), 0)).toBe(count);
});

test('every architecture has a name of its own and weights that no other has', { timeout: 60_000 }, () => {
  expect(new Set(architectures.map(({ name }) => name)).size).toBe(architectures.length);
  expect(architectures.length).toBeGreaterThan(70);
  const seen = new Map<string, string>();
  for (const architecture of architectures.filter(({ family }) => family !== 'ViT')) {
    const graph = new GraphBuilder({ opset: 20 });
    const rehearsal = new Rehearsal(new Map());
    const logits = buildGraph(architecture, graph, rehearsal);
    expect(logits.shape, architecture.name).toEqual(['batch', 1000]);
    expect(rehearsal.asked.has(architecture.stem), architecture.name).toBe(true);
    const key = JSON.stringify([...rehearsal.asked].sort(([left], [right]) => (left < right ? -1 : 1)));
    expect(seen.get(key), architecture.name).toBeUndefined();
    seen.set(key, architecture.name);
  }
});

describe('weights without an architecture', () => {
  const guessOf = (shapes: Shapes): string => {
    try {
      chooseArchitecture(stored(shapes), 'weights.pth', undefined);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  test('the one that fits is named, with the command', () => {
    expect(guessOf(shapesOf(only('resnet34')))).toBe(
      'weights.pth holds 182 weights and no program. Their names and shapes are those of resnet34: modelport import weights.pth --architecture resnet34 -o DIR, or import: {architecture: resnet34} in model.yaml',
    );
  });

  test('a head of another size and pictures of another depth fit too', () => {
    const shapes = new Map(shapesOf(only('mobilenet_v3_small')));
    shapes.set('classifier.3.weight', [7, 1024]).set('classifier.3.bias', [7]).set('features.0.0.weight', [16, 1, 3, 3]);
    expect(guessOf(shapes)).toContain('are those of mobilenet_v3_small:');
  });

  test('one that is near is named with what does not fit', () => {
    const shapes = new Map(shapesOf(only('resnet50')));
    shapes.delete('fc.weight');
    shapes.delete('fc.bias');
    shapes.set('fc.0.weight', [2, 2048]).set('fc.0.bias', [2]);
    expect(guessOf(shapes)).toMatch(/look most like resnet50, which they do not fit \(2 weights are missing \(fc\.weight, fc\.bias\); 2 are not used \(fc\.0\.weight, fc\.0\.bias\)\).*torch\.export/);
  });

  test('others are told what is known', () => {
    expect(guessOf(new Map([['encoder.weight', [3, 4]]]))).toMatch(/look like none of the architectures that are known here \(ResNet, VGG, .*Swin.*torch\.export/);
  });
});

describe('weights that do not fit', () => {
  test('are told, with the architecture that fits', () => {
    expect(() => chooseArchitecture(stored(shapesOf(only('resnet50'))), 'weights.pth', 'resnext50_32x4d')).toThrow(/weights\.pth does not fit resnext50_32x4d: .*layer1\.0\.conv1\.weight is \[64, 64, 1, 1\] instead of \[128, 64, 1, 1\].*are those of resnet50/);
  });

  test('an unknown architecture is told, with the nearest', () => {
    expect(() => chooseArchitecture(new Map(), 'weights.pth', 'resnet-81')).toThrow(/there is no architecture 'resnet-81'; did you mean 'resnet18'\?/);
  });

  test('a name may have hyphens and capitals', () => {
    expect(chooseArchitecture(stored(shapesOf(only('efficientnet_lite0'))), 'x', 'EfficientNet-Lite0').name).toBe('efficientnet_lite0');
  });

  test('published files of DenseNet have older names', () => {
    const shapes = new Map([...shapesOf(only('densenet121'))].map(([key, shape]) => [key.replace(/(denselayer\d+\.(?:norm|conv))([12])/, '$1.$2'), shape]));
    expect([...shapes.keys()]).toContain('features.denseblock1.denselayer1.norm.1.running_mean');
    expect(chooseArchitecture(stored(shapes), 'x', 'densenet121').name).toBe('densenet121');
  });
});

/** A safetensors file of random weights: SqueezeNet, the smallest there is. */
function writeSafetensors(path: string, shapes: Shapes): void {
  const source = random(5);
  let offset = 0;
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  for (const [key, shape] of shapes) {
    const count = elementCount(shape);
    // Activations keep their size from layer to layer.
    const range = shape.length > 1 ? Math.sqrt(6 / elementCount(shape.slice(1))) : 0.1;
    const numbers = Float32Array.from({ length: count }, () => (source.next() * 2 - 1) * range);
    header[key] = { dtype: 'F32', shape, data_offsets: [offset, offset + count * 4] };
    offset += count * 4;
    parts.push(Buffer.from(numbers.buffer));
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

describe('from a file to answers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelport-state-dict-'));
  const file: Artifact = { format: 'state-dict', directory: folder, main: 'weights.safetensors', files: [], metadata: {} };
  beforeAll(() => {
    const shapes = new Map(shapesOf(only('squeezenet1_1')));
    writeSafetensors(join(folder, 'weights.safetensors'), shapes);
    shapes.set('classifier.1.weight', [3, 512, 1, 1]).set('classifier.1.bias', [3]).set('features.0.weight', [64, 1, 3, 3]);
    writeSafetensors(join(folder, 'grey.safetensors'), shapes);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function answer(imported: Artifact, shape: readonly [number, number, number, number]): Promise<{ shape: readonly number[]; data: number[] }> {
    await using model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
    const data = Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(index));
    const { outputs } = await model.infer!({ inputs: new Map([['image', { datatype: 'FP32', shape, data }]]) }, new Call());
    const logits = outputs.get('logits')!;
    return { shape: logits.shape, data: [...(logits.data as Float32Array)] };
  }

  let counter = 0;
  const bring = (main: string, options: ImportOptions): Promise<Artifact> => stateDict.import({ ...file, main }, join(folder, `out-${counter++}`), options);

  test('any batch and any size of pictures goes through one import', async () => {
    const imported = await bring('weights.safetensors', { architecture: 'squeezenet1_1' });
    expect(imported).toMatchObject({ format: 'onnx', main: 'model.onnx', metadata: { architecture: 'squeezenet1_1' } });
    const one = await answer(imported, [1, 3, 64, 48]);
    expect(one.shape).toEqual([1, 1000]);
    const two = await answer(imported, [2, 3, 64, 48]);
    expect(two.shape).toEqual([2, 1000]);
    for (const [index, value] of one.data.entries()) expect(Math.abs(two.data[index]! - value)).toBeLessThan(1e-4);
    expect(Math.max(...one.data)).toBeGreaterThan(0.01);
    expect((await answer(imported, [1, 3, 97, 129])).shape).toEqual([1, 1000]);
  });

  test('how pictures are prepared stands beside the model', async () => {
    const imported = await bring('weights.safetensors', { architecture: 'squeezenet1_1' });
    expect(imported.files.map(({ path }) => path)).toEqual(['model.onnx', 'preprocessor_config.json']);
    for (const { path } of imported.files) expect(existsSync(join(imported.directory, path))).toBe(true);
    expect(JSON.parse(readFileSync(join(imported.directory, 'preprocessor_config.json'), 'utf8'))).toMatchObject({ size: { shortest_edge: 256 }, crop_size: { height: 224, width: 224 }, image_mean: [0.485, 0.456, 0.406] });
  });

  test('sizes can be said', async () => {
    const imported = await bring('weights.safetensors', { architecture: 'squeezenet1_1', inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 3, 64, 96] }] });
    await using model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
    expect(model.signature.inputs).toMatchObject([{ name: 'x', shape: ['n', 3, 64, 96] }]);
    expect(JSON.parse(readFileSync(join(imported.directory, 'preprocessor_config.json'), 'utf8'))).toMatchObject({ crop_size: { height: 64, width: 96 } });
  });

  test('grey pictures and three classes', async () => {
    const imported = await bring('grey.safetensors', { architecture: 'squeezenet1_1' });
    expect((await answer(imported, [2, 1, 64, 64])).shape).toEqual([2, 3]);
  });

  test.each<[ImportOptions, RegExp]>([
    [{ inputs: [{ datatype: 'FP32', shape: ['n', 1, 64, 64] }] }, /takes pictures of 3 channels with these weights, not 1/],
    [{ inputs: [{ datatype: 'FP32', shape: ['n', 3, 64] }] }, /takes pictures as \[batch, 3, height, width\], not \[n, 3, 64\]/],
    [{ inputs: [{ datatype: 'INT64', shape: ['n', 3, 64, 64] }] }, /as FP32, not INT64/],
    [{ inputs: [{ datatype: 'FP32', shape: ['n', 3, 8, 64] }] }, /at least 32 by 32, not 8 by 64/],
    [{ inputs: [{ datatype: 'FP32', shape: [1, 3, 64, 64] }, { datatype: 'FP32', shape: [1] }] }, /has one input, image, not 2/],
    [{ precision: 'float64' }, /computed in float32/],
  ])('%j is refused', async (options, message) => {
    await expect(bring('weights.safetensors', { architecture: 'squeezenet1_1', ...options })).rejects.toThrow(message);
  });

  test('the size of some is given', async () => {
    const lite = chooseArchitecture(stored(shapesOf(only('efficientnet_lite2'))), 'x', 'efficientnet_lite2');
    expect(lite).toMatchObject({ size: 260, sizes: 'given' });
    const graph = new GraphBuilder({ opset: 20 });
    buildGraph(lite, graph, new Rehearsal(new Map()));
    expect(graph.build({ name: 'lite' }).graph!.input[0]).toMatchObject({ name: 'image' });
  });

  test('without an architecture nothing is written', async () => {
    await expect(bring('weights.safetensors', {})).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringContaining('--architecture squeezenet1_1 -o DIR') as string });
    expect(existsSync(join(folder, `out-${counter - 1}`))).toBe(false);
  });

  test('the importer is among those that are there', async () => {
    const known = importers.find(({ name }) => name === 'state-dict')!;
    expect(known.extensions).toEqual(expect.arrayContaining(['.pth', '.pt', '.bin', '.safetensors']));
    expect(await known.load()).toBe(stateDict);
  });
});
