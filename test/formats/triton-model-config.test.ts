import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { isTritonConfigJson, readTritonConfigJson, readTritonConfigText, tritonModelConfig } from '../../src/formats/triton-model-config.ts';
import { modelConfigSchema, type ModelConfig } from '../../src/model-config.ts';
import type { Model, Signature } from '../../src/model.ts';

const ownKeys = Object.keys(modelConfigSchema.shape);
const read = (text: string) => readTritonConfigText(text, 'config.pbtxt');

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isModelportError(error)) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('config.pbtxt as our config', () => {
  test('what Triton documents for a batching model', () => {
    const { config, warnings, locate } = read(`
      name: "digits"
      backend: "onnxruntime"
      max_batch_size: 8
      input { name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 1, 28, 28 ] reshape { shape: [ 784 ] } }
      output { name: "text" data_type: TYPE_STRING dims: [ 10 ] label_filename: "digits.txt" }
      dynamic_batching {
        preferred_batch_size: [ 4, 8 ]
        max_queue_delay_microseconds: 1500
        preserve_ordering: true
        priority_levels: 2
        default_priority_level: 1
        default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 2000 max_queue_size: 16 }
        priority_queue_policy { key: 2 value { allow_timeout_override: true max_queue_size: 3 } }
      }
      instance_group [ { count: 2 kind: KIND_CPU rate_limiter { resources [ { name: "memory" count: 4 } ] priority: 2 } } ]
      version_policy: { latest { num_versions: 3 } }
      response_cache { enable: true }
      parameters { key: "intra_op_thread_count" value { string_value: "3" } }
      model_warmup [ { name: "zeros" batch_size: 2 count: 5 inputs { key: "image" value { data_type: TYPE_FP32 dims: [ 1, 28, 28 ] zero_data: true } } } ]
    `);
    expect(warnings).toEqual([]);
    const expected: ModelConfig = {
      name: 'digits',
      format: 'onnx',
      versions: { latest: 3 },
      inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 28, 28], batchAxis: 0, reshape: [784], layout: 'NCHW' }],
      outputs: [{ name: 'text', datatype: 'BYTES', shape: [-1, 10], batchAxis: 0, labelsFile: 'digits.txt' }],
      batching: { maxSize: 8, preferredSizes: [4, 8], maxQueueDelayMs: 1.5, preserveOrder: true },
      queue: {
        maxSize: 16, defaultTimeoutMs: 2, timeoutAction: 'delay', allowTimeoutOverride: false, defaultLevel: 1,
        levels: [
          { maxSize: 16, defaultTimeoutMs: 2, timeoutAction: 'delay', allowTimeoutOverride: false },
          { maxSize: 3, allowTimeoutOverride: true },
        ],
      },
      instances: { count: 2, priority: 2, resources: { memory: 4 }, threads: 3 },
      cache: true,
      parameters: { intra_op_thread_count: '3' },
      warmup: [{ name: 'zeros', batchSize: 2, count: 5, inputs: { image: { datatype: 'FP32', shape: [1, 28, 28], fill: 'zeros' } } }],
    };
    expect(config).toEqual(expected);
    expect(modelConfigSchema.parse(config)).toEqual(expected);
    expect(locate('inputs[0].shape')).toBe('config.pbtxt:5');
    expect(locate('batching.maxSize')).toBe('config.pbtxt:4');
    expect(locate('outputs[0].labelsFile')).toBe('config.pbtxt:6');
    expect(locate('instances.count')).toBe('config.pbtxt:16');
  });

  test('without max_batch_size dims are whole shapes; 0 turns batching off', () => {
    expect(read('input { name: "x" dims: [ -1, 4 ] }').config).toEqual({ inputs: [{ name: 'x', shape: [-1, 4] }] });
    expect(read('max_batch_size: 0').config).toEqual({ batching: false });
  });

  test('sequences', () => {
    const { config, warnings } = read(`
      max_batch_size: 4
      sequence_batching {
        max_sequence_idle_microseconds: 5000000
        oldest { max_candidate_sequences: 16 max_queue_delay_microseconds: 100 preferred_batch_size: [ 2 ] }
        control_input [
          { name: "S" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } },
          { name: "R" control { kind: CONTROL_SEQUENCE_READY int32_false_true: [ 5, 7 ] } },
          { name: "E" control { kind: CONTROL_SEQUENCE_END bool_false_true: [ false, true ] } },
          { name: "C" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
        ]
        state { input_name: "in" output_name: "out" data_type: TYPE_FP32 dims: [ 2, 64 ] initial_state { data_type: TYPE_FP32 dims: [ 2, 64 ] data_file: "zero.bin" name: "z" } }
      }`);
    expect(warnings).toEqual([]);
    expect(config.sequences).toEqual({
      strategy: 'oldest', idleTimeoutMs: 5000, maxSequences: 16,
      controls: [
        { input: 'S', kind: 'start', datatype: 'FP32', falseTrue: [0, 1] },
        { input: 'R', kind: 'ready', datatype: 'INT32', falseTrue: [5, 7] },
        { input: 'E', kind: 'end', datatype: 'BOOL', falseTrue: [0, 1] },
        { input: 'C', kind: 'correlation-id', datatype: 'BYTES' },
      ],
      states: [{ input: 'in', output: 'out', datatype: 'FP32', shape: [2, 64], initialFile: 'initial_state/zero.bin' }],
    });
    expect(config.batching).toEqual({ maxSize: 4, maxQueueDelayMs: 0.1, preferredSizes: [2] });
    expect(read('sequence_batching {}').config.sequences).toEqual({ strategy: 'direct', idleTimeoutMs: 1000, controls: [], states: [] });
  });

  test('ensembles', () => {
    const { config } = read(`
      name: "e" platform: "ensemble" max_batch_size: 2
      ensemble_scheduling { step [
        { model_name: "scale" model_version: -1 input_map { key: "X" value: "raw" } output_map { key: "Y" value: "scaled" } },
        { model_name: "classify" model_version: 3 input_map { key: "X" value: "scaled" } output_map { key: "P" value: "p" } }
      ] }`);
    expect(config.format).toBe('ensemble');
    expect(config.ensemble).toEqual({ steps: [
      { model: 'scale', inputs: { X: 'raw' }, outputs: { Y: 'scaled' } },
      { model: 'classify', version: '3', inputs: { X: 'scaled' }, outputs: { P: 'p' } },
    ] });
  });

  test('everything that is not honoured is reported with its place', () => {
    const everything = readFileSync(join(import.meta.dirname, 'fixtures', 'everything.pbtxt'), 'utf8');
    const { warnings } = read(everything);
    const paths = warnings.map((warning) => warning.split(' ')[0]);
    for (const path of [
      'input[0].allow_ragged_batch', 'input[0].is_non_linear_format_io', 'batch_input', 'batch_output', 'optimization.graph', 'optimization.priority', 'optimization.cuda',
      'optimization.execution_accelerators', 'optimization.input_pinned_memory', 'optimization.gather_kernel_buffer_threshold', 'optimization.eager_batching',
      'sequence_batching.state[0].use_same_buffer_for_input_output', 'sequence_batching.state[0].use_growable_memory', 'sequence_batching.iterative_sequence',
      'instance_group[1].kind', 'instance_group[1].gpus', 'instance_group[1].secondary_devices', 'instance_group[1].profile', 'instance_group[1].passive', 'instance_group[1].host_policy',
      'cc_model_filenames', 'metric_tags', 'model_operations', 'model_transaction_policy.decoupled', 'model_repository_agents', 'model_metrics',
    ]) expect(paths).toContain(path);
    for (const warning of warnings) expect(warning).toMatch(/^\S+ \(config\.pbtxt:\d+\) is not honoured: ./);
  });

  test.each([
    ['platform: "onnx"', /unexpected platform 'onnx'; known are onnxruntime_onnx, .* \(config\.pbtxt:1\)/],
    ['platform: "ensemble" backend: "onnxruntime"', /unexpected 'platform' and 'backend' pair, got: ensemble, onnxruntime/],
    ['max_batch_size: -1', /'max_batch_size' must be non-negative value, got -1 \(config\.pbtxt:1\)/],
    ['input { name: "x" dims: [ 0 ] }', /dimension must be integer >= 1, or -1 to indicate a variable-size dimension/],
    ['input { name: "x" dims: [ 4 ] reshape { shape: [ 3 ] } }', /'x' has different size for dims and reshape/],
    ['max_batch_size: 4\ndynamic_batching { preferred_batch_size: 8 }', /dynamic batching preferred size must be <= max batch size, got 8 > 4 \(config\.pbtxt:2\)/],
    ['max_batch_size: 4 dynamic_batching { priority_levels: 2 }', /default priority level must be in range \[1, 2\]/],
    ['max_batch_size: 4 dynamic_batching { priority_levels: 99999999 default_priority_level: 1 }', /more than 1000 priority levels/],
    ['sequence_batching { control_input { name: "S" control { kind: CONTROL_SEQUENCE_START } } }', /exactly one of int32_false_true/],
    ['ensemble_scheduling { step { input_map { key: "a" value: "b" } } }', /must specify 'model_name' in step 0/],
    ['ensemble_scheduling { step { model_name: "m" input_map { key: "a" value: "b" } } }', /must specify 'output_map' in step 0/],
    ['version_policy { specific { } }', /lists no versions/],
  ])('%j is refused', (text, expected) => {
    expect(failure(() => read(text))).toMatch(expected);
  });

  test('variable sizes in reshape are compared part by part', () => {
    expect(read('input { name: "x" dims: [ 2, 4, -1, 6 ] reshape { shape: [ 8, -1, 1, 6 ] } }').config.inputs![0]!.reshape).toEqual([8, -1, 1, 6]);
    expect(failure(() => read('input { name: "x" dims: [ 2, -1 ] reshape { shape: [ -1, 2 ] } }'))).toMatch(/different size/);
  });
});

describe("the load request's JSON", () => {
  test('both name styles, enums in any case, 64-bit numbers as text', () => {
    const { config } = readTritonConfigJson({ maxBatchSize: 4, input: [{ name: 'x', data_type: 'type_fp32', dims: ['3', 4] }], parameters: { k: { string_value: 'v' } }, version_policy: { all: {} } }, 'request');
    expect(config).toEqual({ batching: { maxSize: 4 }, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 4], batchAxis: 0 }], parameters: { k: 'v' }, versions: 'all' });
  });

  test.each([
    [{ max_bach_size: 1 }, "unknown field 'max_bach_size' of ModelConfig (request): did you mean 'max_batch_size'?"],
    [{ max_batch_size: 1.5 }, "'max_batch_size' expects a whole number from -2147483648 to 2147483647, found 1.5 (request)"],
    [{ input: {} }, "'input' expects a list (request)"],
    [[], "'ModelConfig' expects an object, found [] (request)"],
    [{ dynamic_batching: {}, ensembleScheduling: {} }, "'ensemble_scheduling' and 'dynamic_batching' exclude each other (request)"],
  ])('%j is refused', (value, expected) => {
    expect(failure(() => readTritonConfigJson(value, 'request'))).toBe(expected);
  });

  test('is told from our own form', () => {
    for (const value of [{ max_batch_size: 1 }, { maxBatchSize: 1 }, { backend: 'onnxruntime' }, { parameters: { a: { string_value: '1' } } }, { input: [] }]) expect(isTritonConfigJson(value, ownKeys)).toBe(true);
    for (const value of [{}, { name: 'x' }, { parameters: { a: '1' } }, { batching: false }, { instnces: {} }, [], null, 'x']) expect(isTritonConfigJson(value, ownKeys)).toBe(false);
  });
});

describe('the config in force as Triton tells it', () => {
  const signature: Signature = {
    inputs: [{ name: 'image', datatype: 'FP32', shape: ['batch', 3, -1], batchAxis: 0 }],
    outputs: [{ name: 'text', datatype: 'BYTES', shape: ['batch', 10], batchAxis: 0 }],
    batch: { maxSize: 8, reason: '' },
  };
  const served = (config: ModelConfig, changes: Partial<Signature> = {}, verbs: Partial<Model> = {}) => ({
    name: 'm',
    platform: 'onnxruntime_onnx',
    model: { signature: { ...signature, ...changes }, [Symbol.asyncDispose]: async () => {}, ...verbs },
    config: { config, origins: [], warnings: [] },
    artifact: { format: 'onnx', directory: '/models/m/1', main: 'model.onnx', files: [], metadata: {} },
  });

  test('names, order and defaults of the protocol', () => {
    const json = tritonModelConfig(served({ inputs: [{ name: 'image', layout: 'NCHW' }], outputs: [{ name: 'text', labelsFile: 'labels.txt' }], batching: { maxSize: 8, maxQueueDelayMs: 2 }, instances: { count: 3 }, parameters: { a: 1 } }));
    expect(Object.keys(json).slice(0, 8)).toEqual(['name', 'platform', 'backend', 'runtime', 'version_policy', 'max_batch_size', 'input', 'output']);
    expect(json).toMatchObject({
      name: 'm', platform: 'onnxruntime_onnx', backend: 'onnxruntime', version_policy: { latest: { num_versions: 1 } }, max_batch_size: 8,
      input: [{ name: 'image', data_type: 'TYPE_FP32', format: 'FORMAT_NCHW', dims: [3, -1], is_shape_tensor: false, allow_ragged_batch: false, optional: false, is_non_linear_format_io: false }],
      output: [{ name: 'text', data_type: 'TYPE_STRING', dims: [10], label_filename: 'labels.txt', is_shape_tensor: false, is_non_linear_format_io: false }],
      batch_input: [], batch_output: [],
      dynamic_batching: { preferred_batch_size: [], max_queue_delay_microseconds: 2000, preserve_ordering: false, priority_levels: 0, default_priority_level: 0, priority_queue_policy: {} },
      instance_group: [{ name: 'm', kind: 'KIND_CPU', count: 3, gpus: [], secondary_devices: [], profile: [], passive: false, host_policy: '' }],
      default_model_filename: 'model.onnx', cc_model_filenames: {}, metric_tags: {}, parameters: { a: { string_value: '1' } }, model_warmup: [],
    });
    expect(json).not.toHaveProperty('sequence_batching');
    expect(json).not.toHaveProperty('model_transaction_policy');
  });

  test('a batch that Triton cannot say is told as whole shapes', () => {
    const json = tritonModelConfig(served({}, { inputs: [{ name: 'image', datatype: 'FP32', shape: [3, -1], batchAxis: 1 }] }));
    expect(json).toMatchObject({ max_batch_size: 0, input: [{ dims: [3, -1] }], output: [{ dims: [-1, 10] }] });
    expect(json).not.toHaveProperty('dynamic_batching');
  });

  test('a model that answers several times is decoupled', () => {
    expect(tritonModelConfig(served({}, {}, { stream: async function* () {} }))).toMatchObject({ model_transaction_policy: { decoupled: true } });
  });

  test('what it tells reads back as the same config', () => {
    const config: ModelConfig = {
      name: 'm', format: 'onnx', file: 'model.onnx', versions: [1, 3],
      batching: { maxSize: 8, maxQueueDelayMs: 0.5, preferredSizes: [4] },
      sequences: {
        strategy: 'oldest', idleTimeoutMs: 2000, maxSequences: 3,
        controls: [{ input: 'S', kind: 'start', datatype: 'BOOL', falseTrue: [0, 1] }, { input: 'C', kind: 'correlation-id', datatype: 'UINT64' }],
        states: [{ input: 'h', output: 'hn', datatype: 'FP32', shape: [2, 4], initialFile: 'initial_state/h0' }],
      },
      instances: { count: 2, resources: { R: 2 }, priority: 1 },
      warmup: [{ name: 'w', batchSize: 1, count: 2, inputs: { image: { datatype: 'FP32', shape: [3, 2], fill: 'random' } } }],
      cache: true, parameters: { k: 'v' },
    };
    const { config: again, warnings } = readTritonConfigJson(JSON.parse(JSON.stringify(tritonModelConfig(served(config)))), 'json');
    expect(warnings).toEqual([]);
    expect(again).toEqual({
      ...config,
      batching: { ...config.batching as object, preserveOrder: false },
      inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, -1], batchAxis: 0 }],
      outputs: [{ name: 'text', datatype: 'BYTES', shape: [-1, 10], batchAxis: 0 }],
    });
  });
});
