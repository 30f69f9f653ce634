import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import type { ModelConfig } from '../../src/model-config.ts';
import type { Signature } from '../../src/model.ts';
import { ensembleFacts } from '../../src/serving/ensemble-facts.ts';
import { explainConfig, type Explanation } from '../../src/serving/explain-config.ts';
import { readInlineConfig, readModelConfigText } from '../../src/serving/model-config-file.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';
import { folder, toyText, ToyWorld, tritonConfigs } from './toy-models.ts';

const read = (text: string) => readModelConfigText(text, 'model.yaml');

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!isModelportError(error)) throw error;
    expect(error.code).toBe('INVALID_CONFIG');
    return error.message;
  }
  throw new Error('nothing was thrown');
}

describe('model.yaml', () => {
  test.each([
    ['name: x\n\n\ninstnces:\n  count: 2', "unknown key 'instnces' (model.yaml:4): did you mean 'instances'?"],
    ['instances:\n  cuont: 2', "unknown key 'cuont' in instances (model.yaml:2): did you mean 'count'?"],
    ['batching:\n  maxSize: 4\n  max_queue_delay: 2', "unknown key 'max_queue_delay' in batching (model.yaml:3): did you mean 'maxQueueDelayMs'?"],
    ['inputs:\n- name: x\n- nmae: y', "inputs[1].name (model.yaml:3) expects text; unknown key 'nmae' in inputs[1] (model.yaml:3): did you mean 'name'?"],
    ['warmup:\n- inputs:\n    x:\n      fil: zeros', "unknown key 'fil' in warmup[0].inputs.x (model.yaml:4): did you mean 'fill'?"],
    ['sequences: {controls: [{input: a, kind: strat}]}', 'sequences.controls[0].kind (model.yaml:1) expects "start", "ready", "end" or "correlation-id", found "strat"'],
    ['instances: {count: two}', 'instances.count (model.yaml:1) expects a number, found "two"'],
    ['instances: {count: 0}', 'instances.count (model.yaml:1) must be at least 1, found 0'],
    ['batching: 7', 'batching (model.yaml:1) expects false, or an object of keys and values, found 7'],
    ['versions: latst', 'versions (model.yaml:1) expects "all", or an object of keys and values, or a list, found "latst"'],
    ['name: a/b', 'name (model.yaml:1) is wrong: a name of at most 255 characters without slashes, found "a/b"'],
    ['- a\n- b', 'the config (model.yaml) expects an object of keys and values, found ["a","b"]'],
    ['name: x\nname: y', "the key 'name' is given twice (model.yaml:2)"],
    ['a: &x 1\nb: *x', 'aliases (*name) are not covered: write the value out (model.yaml:2)'],
    ['a: !!js/function "x"', 'not valid YAML: Unresolved tag: tag:yaml.org,2002:js/function (model.yaml:1)'],
  ])('%j', (text, expected) => {
    expect(failure(() => read(text))).toBe(expected);
  });

  test('broken YAML is told with its line', () => {
    expect(failure(() => read('name: x\nbatching: [1'))).toMatch(/^not valid YAML: .* \(model\.yaml:[12]\)$/);
  });

  test('nesting and size have limits', () => {
    expect(failure(() => read('['.repeat(1_900)))).toMatch(/nested too deeply|nested more than/);
    expect(failure(() => read('{a: '.repeat(500_000)))).toMatch(/nested too deeply/);
    expect(failure(() => read('- '.repeat(3_000)))).toMatch(/nested/);
    expect(failure(() => read(`a: ${'['.repeat(50)}${']'.repeat(50)}`))).toMatch(/nested more than 40 deep/);
  });

  test('an empty file says nothing', () => {
    expect(read('').config).toEqual({});
    expect(read('# only a comment\n').config).toEqual({});
  });

  test('a key like __proto__ is an unknown key', () => {
    expect(failure(() => read('__proto__: {polluted: 1}'))).toMatch(/^unknown key '__proto__'/);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test('fuzz: whatever the text, it is read or refused by name', () => {
    const source = random(7);
    const start = new TextEncoder().encode('name: x\ninputs:\n  - name: a\n    shape: [-1, 4]\nbatching: {maxSize: 4, maxQueueDelayMs: 1.5}\nensemble:\n  steps:\n    - model: m\n      inputs: {x: "a"}\n      outputs: {y: b}\nparameters: {k: v}\n');
    let accepted = 0;
    for (let run = 0; run < fuzzRuns; run++) {
      const text = new TextDecoder().decode(mutate(start, source));
      try {
        read(text);
        accepted++;
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_CONFIG') throw new Error(`on ${JSON.stringify(text)}`, { cause: error });
        expect(error.message).toMatch(/model\.yaml/);
      }
    }
    expect(accepted).toBeGreaterThan(fuzzRuns / 50);
  });
});

describe("the config of a load request", () => {
  const inline = (value: unknown) => readInlineConfig(JSON.stringify(value), [tritonConfigs]);

  test('in our form or in Triton’s', () => {
    expect(inline({ batching: { maxSize: 4 } }).config).toEqual({ batching: { maxSize: 4 } });
    expect(inline({ max_batch_size: 4 }).config).toEqual({ batching: { maxSize: 4 } });
    expect(inline({ maxBatchSize: 4 }).config).toEqual({ batching: { maxSize: 4 } });
    expect(inline({}).config).toEqual({});
  });

  test.each([
    [{ instnces: {} }, "unknown key 'instnces' (the config of the load request): did you mean 'instances'?"],
    [{ max_batch_size: 1, inptu: [] }, "unknown field 'inptu' of ModelConfig (the config of the load request): did you mean 'input'?"],
    [[], 'the config (the config of the load request) expects an object of keys and values, found []'],
  ])('%j', (value, expected) => {
    expect(failure(() => inline(value))).toBe(expected);
  });

  test('that is no JSON, or too much', () => {
    expect(failure(() => readInlineConfig('{', [tritonConfigs]))).toMatch(/^the config of the load request is not valid JSON: /);
    expect(failure(() => readInlineConfig(' '.repeat(2 << 20), [tritonConfigs]))).toMatch(/larger than/);
  });
});

const graph: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }, { name: 'mask', datatype: 'INT64', shape: ['batch', -1], batchAxis: 0 }],
  outputs: [{ name: 'label', datatype: 'INT64', shape: ['batch'], batchAxis: 0 }, { name: 'p', datatype: 'FP32', shape: ['batch', 3], batchAxis: 0, labels: ['0', '1', '2'] }],
  batch: { maxSize: 64, reason: "can batch: the first axis is named 'batch' everywhere" },
};
const fixed: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 3] }],
  batch: { maxSize: 0, reason: 'cannot batch: the first axis of x is 1' },
};

async function explain(text: string | undefined, signature = graph, files: Record<string, string> = {}): Promise<Explanation> {
  const directory = await folder(files);
  return await explainConfig({
    name: 'm', format: 'onnx', file: 'model.onnx', directory, facts: { signature, source: 'model.onnx (graph)' },
    ...(text === undefined ? {} : { reading: read(text) }),
    ...(files['labels.txt'] === undefined ? {} : { labelsFile: 'labels.txt' }),
  });
}

async function refusal(text: string, signature = graph, files: Record<string, string> = {}): Promise<string> {
  const error: unknown = await explain(text, signature, files).then(() => undefined, (reason: unknown) => reason);
  if (!isModelportError(error)) throw error ?? new Error('nothing was thrown');
  expect(error.code).toBe('INVALID_CONFIG');
  return error.message;
}

describe('the config in force', () => {
  test('without a file everything is from the model or by default, and says so', async () => {
    const { config, signature, modelSignature } = await explain(undefined);
    expect(signature).toBe(modelSignature);
    expect(signature).toEqual(graph);
    const expected: ModelConfig = {
      name: 'm', format: 'onnx', file: 'model.onnx', versions: { latest: 1 },
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }, { name: 'mask', datatype: 'INT64', shape: ['batch', -1], batchAxis: 0 }],
      outputs: [{ name: 'label', datatype: 'INT64', shape: ['batch'], batchAxis: 0 }, { name: 'p', datatype: 'FP32', shape: ['batch', 3], batchAxis: 0 }],
      batching: { maxSize: 64, maxQueueDelayMs: 0, preserveOrder: false, padding: false },
      queue: { maxSize: 10_000, defaultTimeoutMs: 0, timeoutAction: 'reject', allowTimeoutOverride: true },
      instances: { kind: 'auto', count: 1 }, cache: false,
    };
    expect(config.config).toEqual(expected);
    const origin = (path: string) => config.origins.find((candidate) => candidate.path === path);
    expect(origin('inputs[0].shape')).toEqual({ path: 'inputs[0].shape', source: 'model.onnx (graph)' });
    expect(origin('batching.maxSize')).toEqual({ path: 'batching.maxSize', source: 'model.onnx (graph)', reason: graph.batch.reason });
    expect(origin('instances.kind')).toMatchObject({ source: 'default', reason: 'measured when the model is loaded' });
    expect(origin('outputs[1].labels')).toMatchObject({ source: 'model.onnx (graph)' });
    expect(origin('name')).toMatchObject({ source: 'its place' });
  });

  test('every value of the effective config has exactly one origin', async () => {
    const text = 'inputs:\n- name: mask\n  shape: [batch, 7]\nbatching: {maxSize: 8}\nqueue: {maxSize: 5, levels: [{maxSize: 1}]}\ninstances: {threads: 2, kind: thread}\ntask: tabular-classification\nparameters: {a: 1}\n';
    const { config } = await explain(text);
    const paths = config.origins.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    const leaves = (value: unknown, path: string): string[] => {
      if (paths.includes(path)) return [];
      if (Array.isArray(value)) return value.flatMap((element, index) => leaves(element, `${path}[${index}]`));
      if (typeof value === 'object' && value !== null) return Object.entries(value).flatMap(([key, member]) => leaves(member, path === '' ? key : `${path}.${key}`));
      return path.endsWith('.name') ? [] : [path];
    };
    expect(leaves(config.config, '')).toEqual([]);
  });

  test('the file wins where it may, with its line as the origin', async () => {
    const { config, signature } = await explain('batching:\n  maxSize: 8\n  preferredSizes: [4, 8]\ninputs:\n- name: mask\n  shape: [batch, 128]\n  description: 1 for tokens\n  padValue: 0\ninstances:\n  count: 2\n');
    expect(signature.batch).toEqual({ maxSize: 8, reason: graph.batch.reason });
    expect(signature.inputs[1]).toEqual({ name: 'mask', datatype: 'INT64', shape: ['batch', 128], batchAxis: 0, description: '1 for tokens', padValue: 0 });
    expect(config.config.batching).toMatchObject({ maxSize: 8, preferredSizes: [4, 8] });
    const sourceOf = (path: string) => config.origins.find((candidate) => candidate.path === path)?.source;
    expect(sourceOf('batching.maxSize')).toBe('model.yaml:2');
    expect(sourceOf('inputs[1].shape')).toBe('model.yaml:6');
    expect(sourceOf('inputs[1].datatype')).toBe('model.onnx (graph)');
    expect(sourceOf('instances.count')).toBe('model.yaml:10');
    expect(sourceOf('instances.kind')).toBe('default');
  });

  test.each([
    ['inputs:\n- name: y', "unexpected inference input 'y': model.onnx (graph) has none of that name; there are 'x', 'mask' (model.yaml:2)"],
    ['inputs:\n- name: msak', "unexpected inference input 'msak': model.onnx (graph) has none of that name; did you mean 'mask'? (model.yaml:2)"],
    ['inputs:\n- name: x\n- name: x', "input 'x' is described twice (model.yaml:3)"],
    ['inputs:\n- name: x\n  datatype: FP64', "input 'x' is FP64 in the config, but FP32 in model.onnx (graph) (model.yaml:3)"],
    ['outputs:\n- name: p\n  shape: [batch, 5]', "output 'p' has the shape [batch, 5] in the config, but [batch, 3] in model.onnx (graph) (model.yaml:3)"],
    ['inputs:\n- name: x\n  shape: [4]', "input 'x' has the shape [4] in the config, but [batch, 4] in model.onnx (graph); the batch axis belongs to the shape, and to dims where max_batch_size is 0 (model.yaml:3)"],
    ['inputs:\n- name: x\n  shape: [-1, -1]', "input 'x' has the shape [-1, -1] in the config, but [batch, 4] in model.onnx (graph) (model.yaml:3)"],
    ['inputs:\n- name: x\n  batchAxis: 1', "input 'x': the model does not support batching along axis 1, which is 4 in model.onnx (graph) [batch, 4] (model.yaml:3)"],
    ['inputs:\n- name: x\n  batchAxis: 5', "input 'x' has the batch axis 5 in the config, but only 2 axes (model.yaml:3)"],
    ['inputs:\n- name: x\n  optional: true', "input 'x' is optional in the config, but model.onnx (graph) has no default for it (model.yaml:3)"],
    ['batching: {preferredSizes: [65]}', 'batching.preferredSizes holds 65, but at most 64 rows run together (model.yaml:1)'],
    ['batching: {maskInput: maks}', "batching.maskInput is 'maks', but the model has no such input; did you mean 'mask'? (model.yaml:1)"],
    ['queue: {defaultLevel: 2}', 'queue.defaultLevel is 2, but there is 1 level (model.yaml:1)'],
    ['warmup: [{inputs: {z: {}}}]', "warm-up data for 'z', but the model has no such input; there are 'x', 'mask' (model.yaml:1)"],
    ['inputs:\n- name: x\n  reshape: [2, 2]', "input 'x' has the shape [-1, 2, 2] in the config, but [batch, 4] in model.onnx (graph) (model.yaml:3)"],
    ['inputs:\n- name: x\n  reshape: [4]', "input 'x' has a reshape but no shape: say the shape that clients see (model.yaml:3)"],
  ])('disagreement with the model: %j', async (text, expected) => {
    expect(await refusal(text)).toBe(expected);
  });

  test('a batch that the model cannot take', async () => {
    expect(await refusal('batching: {maxSize: 8}', fixed)).toBe('batching.maxSize is 8, but the model cannot batch: the first axis of x is 1 (model.yaml:1)');
    const reading = { ...tritonConfigs.readText('max_batch_size: 8\ninput { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }', 'config.pbtxt'), source: 'config.pbtxt' };
    await expect(explainConfig({ name: 'm', format: 'onnx', directory: '/', facts: { signature: fixed, source: 'model.onnx (graph)' }, reading })).rejects.toThrow("input 'x': the model does not support batching along axis 0, which is 1 in model.onnx (graph) [1, 4] (config.pbtxt:2)");
  });

  test('batching turned off keeps the shapes and says why', async () => {
    const { signature, config } = await explain('batching: false');
    expect(signature.batch).toEqual({ maxSize: 0, reason: 'cannot batch: the config turns it off' });
    expect(signature.inputs).toEqual(graph.inputs);
    expect(config.config.batching).toBe(false);
  });

  test('batch axes that only the config knows', async () => {
    const unnamed: Signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [4, -1] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }], batch: { maxSize: 0, reason: 'cannot batch: no axis is common' } };
    const { signature } = await explain('inputs: [{name: x, batchAxis: 1}]\noutputs: [{name: y, batchAxis: 0}]', unnamed);
    expect(signature.batch).toEqual({ maxSize: 64, reason: 'can batch: the config says along which axes' });
    expect([signature.inputs[0]!.batchAxis, signature.outputs[0]!.batchAxis]).toEqual([1, 0]);
    expect((await explain('inputs: [{name: x, batchAxis: 1}]', unnamed)).signature.batch.reason).toMatch(/output 'y' has no batch axis/);
    expect(await refusal('batching: {maxSize: 2}\ninputs: [{name: x, batchAxis: 1}]', unnamed)).toMatch(/batching\.maxSize is 2, but output 'y' has no batch axis/);
  });

  test('reshape: clients see the shape, the model gets the other', async () => {
    const image: Signature = { ...graph, inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 784], batchAxis: 0 }] };
    const { signature, modelSignature } = await explain('inputs: [{name: x, shape: [-1, 1, 28, 28], reshape: [784]}]', image);
    expect(signature.inputs[0]).toMatchObject({ shape: [-1, 1, 28, 28], batchAxis: 0 });
    expect(modelSignature.inputs[0]).toMatchObject({ shape: ['n', 784], batchAxis: 0 });
  });

  test('a graph without a shape takes the config’s', async () => {
    const { signature } = await explain('inputs: [{name: x, shape: [-1, 3, 8]}]', { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: fixed.outputs, batch: fixed.batch });
    expect(signature.inputs[0]!.shape).toEqual([-1, 3, 8]);
  });
});

describe('labels', () => {
  const three = 'setosa\nversicolor\nvirginica\n';

  test('labels.txt belongs to the output with as many classes', async () => {
    const { signature, config } = await explain(undefined, graph, { 'labels.txt': three });
    expect(signature.outputs.map((output) => output.labels)).toEqual([undefined, ['setosa', 'versicolor', 'virginica']]);
    expect(config.origins.find(({ path }) => path === 'outputs[1].labels')?.source).toBe('labels.txt');
  });

  test('in the config, in a file that it names, with Windows line ends', async () => {
    expect((await explain('outputs: [{name: p, labels: [a, b, c]}]')).signature.outputs[1]!.labels).toEqual(['a', 'b', 'c']);
    expect((await explain('outputs: [{name: p, labelsFile: names/l.txt}]', graph, { 'names/l.txt': 'a\r\nb\r\nc\r\n\r\n' })).signature.outputs[1]!.labels).toEqual(['a', 'b', 'c']);
  });

  test('another number than there are classes', async () => {
    expect(await refusal('outputs: [{name: p, labels: [a, b]}]')).toBe("output 'p' [batch, 3] has 3 classes, but the config has 2 labels (model.yaml:1)");
    const { config, signature } = await explain(undefined, { ...graph, outputs: [graph.outputs[1]!] }, { 'labels.txt': 'a\nb' });
    expect(config.warnings).toEqual(['labels.txt has 2 labels, but no output has so many classes (p [batch, 3]): it is not used']);
    expect(signature.outputs[0]!.labels).toEqual(['0', '1', '2']);
  });

  test('a file outside the folder, or none', async () => {
    expect(await refusal('outputs: [{name: p, labelsFile: ../l.txt}]')).toMatch(/'\.\.\/l\.txt' leads out of the model's folder/);
    expect(await refusal('outputs: [{name: p, labelsFile: /etc/passwd}]')).toMatch(/leads out/);
    expect(await refusal('outputs: [{name: p, labelsFile: l.txt}]')).toMatch(/'l\.txt' is not in /);
  });
});

describe('ensembles are explained from their steps', () => {
  const signatures: Record<string, Signature> = {
    scale: { inputs: [{ name: 'raw', datatype: 'FP32', shape: ['n', 4], batchAxis: 0 }], outputs: [{ name: 'out', datatype: 'FP32', shape: ['n', 4], batchAxis: 0 }], batch: { maxSize: 16, reason: '' } },
    classify: { inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 4], batchAxis: 0 }], outputs: [{ name: 'p', datatype: 'FP32', shape: ['n', 3], batchAxis: 0 }], batch: { maxSize: 64, reason: '' } },
    single: { ...fixed },
  };
  const facts = (text: string) => ensembleFacts('e', read(text), (model) => signatures[model]!);
  const steps = 'ensemble:\n  steps:\n  - {model: scale, inputs: {raw: measurements}, outputs: {out: scaled}}\n  - {model: classify, inputs: {x: scaled}, outputs: {p: species}}\n';

  test('inputs that no step makes, outputs that no step takes', () => {
    const { signature } = facts(steps);
    expect(signature.inputs).toEqual([{ name: 'measurements', datatype: 'FP32', shape: ['n', 4], batchAxis: 0 }]);
    expect(signature.outputs).toEqual([{ name: 'species', datatype: 'FP32', shape: ['n', 3], batchAxis: 0 }]);
    expect(signature.batch).toEqual({ maxSize: 16, reason: "can batch: all its steps can, 'scale' up to 16 rows" });
    expect(facts(`${steps}outputs: [{name: scaled}, {name: species}]`).signature.outputs.map(({ name }) => name)).toEqual(['scaled', 'species']);
  });

  test.each([
    [`${steps}batching: {maxSize: 32}`, "ensemble 'e': it allows maximum batch size 32, but its step with model 'scale' only allows 16 (model.yaml:5)"],
    ['ensemble: {steps: [{model: scale, inputs: {row: a}, outputs: {out: b}}]}', "ensemble 'e': model 'scale' has no input 'row'; it has 'raw' (model.yaml:1)"],
    ['ensemble: {steps: [{model: scale, inputs: {raw: a}, outputs: {y: b}}]}', "ensemble 'e': model 'scale' has no output 'y'; it has 'out' (model.yaml:1)"],
    ['ensemble: {steps: [{model: scale, inputs: {}, outputs: {out: b}}]}', "ensemble 'e': step 0 leaves out input 'raw' of model 'scale' (model.yaml:1)"],
    ['ensemble: {steps: [{model: scale, inputs: {raw: a}, outputs: {out: b}}, {model: classify, inputs: {x: a}, outputs: {p: b}}]}', "ensemble 'e': tensor 'b' is made by two steps (model.yaml:1)"],
  ])('%j', (text, expected) => {
    expect(failure(() => facts(text))).toBe(expected);
  });

  test('a step that cannot batch', () => {
    expect(facts('ensemble: {steps: [{model: single, inputs: {x: a}, outputs: {y: b}}]}').signature.batch).toEqual({ maxSize: 0, reason: "cannot batch: its step 'single' cannot batch: the first axis of x is 1" });
  });
});

describe('a served model', () => {
  test("tells what Triton's config says and is not honoured", async () => {
    const root = await folder({ 'm/iris/1/model.onnx': toyText(), 'm/iris/config.pbtxt': 'name: "iris"\nmax_batch_size: 8\ninstance_group { kind: KIND_GPU }\nmetric_tags { key: "a" value: "b" }' });
    const said: string[] = [];
    const repository = new ToyWorld().repository({ paths: [join(root, 'm')], log: (level, text) => void (level === 'warn' && said.push(text)) });
    await repository.start();
    const { warnings, config } = repository.get('iris').config;
    expect(config.batching).toMatchObject({ maxSize: 8 });
    expect(warnings).toEqual([
      'instance_group[0].kind (config.pbtxt:3) is not honoured: no GPU is used: the instances run on the CPU',
      'metric_tags (config.pbtxt:4) is not honoured: metrics carry no tags of models',
    ]);
    expect(said).toEqual(warnings.map((warning) => `'iris': ${warning}`));
  });

  test.each([
    ['model.yaml', 'instnces: {count: 2}', "unknown key 'instnces' (model.yaml:1): did you mean 'instances'?"],
    ['config.pbtxt', 'max_batchsize: 2', "unknown field 'max_batchsize' of ModelConfig (config.pbtxt:1): did you mean 'max_batch_size'?"],
    ['model.yaml', 'format: torchscript', "the format is 'torchscript' in the config (model.yaml:1), but model.onnx is onnx"],
  ])('with a mistake in %s is not loaded, and the index says why', async (name, text, reason) => {
    const root = await folder({ 'iris/model.onnx': toyText(), [`iris/${name}`]: text });
    const repository = new ToyWorld().repository({ paths: [join(root, 'iris')] });
    const failures = await repository.start();
    expect(failures).toHaveLength(1);
    expect(failures[0]!.error.code).toBe('INVALID_CONFIG');
    expect(repository.index().map((entry) => entry.reason)).toEqual([reason]);
    expect(repository.allReady()).toBe(false);
  });
});

test('the schema for editors and the reference page are current', () => {
  const script = join(import.meta.dirname, '..', '..', 'scripts', 'write-model-config-docs.mjs');
  expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('');
});
