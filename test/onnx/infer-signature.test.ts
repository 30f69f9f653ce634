import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inferBatchAxes, type Shaped } from '../../src/onnx/batch-axis.ts';
import { inferSignature } from '../../src/onnx/infer-signature.ts';
import { readModelFile } from '../../src/onnx/read-model.ts';
import { stateCandidates } from '../../src/onnx/state-tensors.ts';
import { fixture, realModels } from './fixtures.ts';

describe('the signature of a graph', () => {
  it('has names, datatypes, sizes and the batch axis', () => {
    expect(inferSignature(fixture('mlp')).signature).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4], batchAxis: 0 }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', 3], batchAxis: 0 }],
      batch: { maxSize: 64, reason: "can batch: the axis 'batch' is in input and output, always first (up to 64 rows, the default)" },
    });
  });

  it('has the Open Inference datatype of every element type that has one', () => {
    expect(inferSignature(fixture('datatypes')).signature.inputs.map((input) => [input.name, input.datatype])).toEqual([
      ['in_bool', 'BOOL'], ['in_uint8', 'UINT8'], ['in_uint16', 'UINT16'], ['in_uint32', 'UINT32'], ['in_uint64', 'UINT64'], ['in_int8', 'INT8'], ['in_int16', 'INT16'],
      ['in_int32', 'INT32'], ['in_int64', 'INT64'], ['in_fp16', 'FP16'], ['in_bf16', 'BF16'], ['in_fp32', 'FP32'], ['in_fp64', 'FP64'], ['in_bytes', 'BYTES'],
    ]);
  });

  it('tells weights from inputs with a default', () => {
    expect(inferSignature(fixture('listed-weights')).signature.inputs.map((input) => input.name)).toEqual(['x']);
    expect(inferSignature(fixture('optional')).signature.inputs).toEqual([
      { name: 'x', datatype: 'FP32', shape: ['batch', 2], batchAxis: 0 },
      { name: 'factor', datatype: 'FP32', shape: [1], optional: true },
    ]);
  });

  it.each([['zip-map', ['setosa', 'versicolor', 'virginica'], 'BYTES'], ['zip-map-integers', ['10', '20', '30'], 'INT64']])('shows the dictionaries of %s as a matrix with labels', (name, labels, labelType) => {
    const { signature, zipMaps } = inferSignature(fixture(name));
    expect(signature.outputs).toEqual([
      { name: 'label', datatype: labelType, shape: [-1], batchAxis: 0 },
      { name: 'output_probability', datatype: 'FP32', shape: [-1, 3], batchAxis: 0, labels },
    ]);
    expect(zipMaps).toMatchObject([{ output: 'output_probability', source: 'probabilities', labels }]);
  });

  it('finds the classes of a classifier without ZipMap', () => {
    expect(inferSignature(fixture('tree')).signature.outputs[1]).toEqual({ name: 'probabilities', datatype: 'FP32', shape: ['n', 3], batchAxis: 0, labels: ['low', 'middle', 'high'] });
  });

  it('names what cannot be sent, and why', () => {
    expect(inferSignature(fixture('sequence-output'))).toMatchObject({
      signature: { outputs: [{ name: 'y' }] },
      leftOut: [{ name: 'parts', kind: 'output', reason: 'it is seq(tensor(float)); only tensors can be sent and received' }],
    });
    expect(inferSignature(fixture('sequence-input')).leftOut).toMatchObject([{ name: 'parts', kind: 'required input' }]);
    expect(inferSignature(fixture('float8-output'))).toMatchObject({ leftOut: [{ name: 'y', reason: expect.stringContaining('tensor(float8e4m3fn)') as string }] });
  });

  it('says when a shape is not declared', () => {
    const model = fixture('mlp');
    delete model.graph!.input[0]!.type!.tensorType!.shape;
    const { signature, warnings } = inferSignature(model);
    expect(signature.batch).toEqual({ maxSize: 0, reason: "cannot batch: input 'x' has no declared shape" });
    expect(warnings).toEqual([expect.stringContaining("input 'x' declares no shape")]);
  });

  it('takes negative sizes, question marks and made-up names for "any size"', () => {
    const model = fixture('add');
    model.graph!.input[0]!.type!.tensorType!.shape = { dim: [{ dimValue: -1 }, { dimParam: '?' }] };
    model.graph!.input[1]!.type!.tensorType!.shape = { dim: [{ dimParam: 'unk__1' }, {}] };
    model.graph!.output[0]!.type!.tensorType!.shape = { dim: [{ dimParam: 'unk__2' }, { dimParam: 'Addsum_dim_1' }] };
    const { signature } = inferSignature(model);
    expect([...signature.inputs, ...signature.outputs].map((spec) => [spec.shape, spec.batchAxis])).toEqual([[[-1, -1], 0], [[-1, -1], 0], [[-1, -1], 0]]);
    expect(signature.batch.reason).toMatch(/the first axis of all inputs and outputs is free, though it has no common name/);
  });
});

describe('whether a model can batch, and why', () => {
  const reason = (name: string) => inferSignature(fixture(name)).signature.batch;

  it.each([
    ['fixed', /^cannot batch: the first axis of 'x' is fixed at 1$/],
    ['scalar', /^cannot batch: 'total' is a scalar, so its rows cannot be told apart$/],
    ['sequence-length', /^cannot batch: the free first axis of 'tokens' is called 'sequence', which is not a number of rows$/],
    ['no-shapes', /^cannot batch: 'reshaped' has no declared shape, so its rows cannot be told apart$/],
  ])('%s cannot', (name, text) => {
    expect(reason(name)).toMatchObject({ maxSize: 0, reason: expect.stringMatching(text) as string });
  });

  it('tells scalars from rows', () => {
    const { signature } = inferSignature(fixture('scaled'));
    expect(signature.inputs.map((input) => [input.name, input.batchAxis])).toEqual([['x', 0], ['scale', undefined]]);
    expect(signature.batch.reason).toContain("'scale' has no rows: only requests where it is equal can be joined");
  });

  it('finds a batch axis that is not the first', () => {
    const { signature } = inferSignature(fixture('time-major'));
    expect([...signature.inputs, ...signature.outputs].map((spec) => spec.batchAxis)).toEqual([1, 1]);
  });

  it('tells state tensors from rows, and their batch axis', () => {
    const { signature, stateCandidates: states } = inferSignature(fixture('running-sum'));
    expect(states).toEqual([{ input: 'state', output: 'stateN' }]);
    expect([...signature.inputs, ...signature.outputs].map((spec) => [spec.name, spec.batchAxis])).toEqual([['x', 0], ['state', 1], ['sum', 0], ['stateN', 1]]);
    expect(signature.states).toBeUndefined();
  });

  const shaped = (name: string, ...shape: (number | string)[]): Shaped => ({ name, shape });

  it('does not take the length of one input for the rows of another', () => {
    const axes = inferBatchAxes([shaped('ids', 'batch', 'sequence'), shaped('positions', 'sequence')], [shaped('logits', 'batch', 'sequence', 100)], []);
    expect(Object.fromEntries(axes.inputs)).toEqual({ ids: 0 });
    expect(axes.batch.reason).toContain("'positions' has no rows");
    const made = inferBatchAxes([shaped('ids', 's0', 's1'), shaped('positions', 's1')], [shaped('logits', 's0', 's1', 100)], []);
    expect(Object.fromEntries(made.inputs)).toEqual({ ids: 0 });
  });

  it('refuses outputs whose number of rows is another', () => {
    expect(inferBatchAxes([shaped('image', 'batch', 3, 8, 8)], [shaped('boxes', 'detections', 4)], []).batch.reason).toBe(
      "cannot batch: the first axis of 'boxes' is 'detections', not a number of rows, so its rows cannot be told apart",
    );
    expect(inferBatchAxes([shaped('image', 'batch', 3, 8, 8)], [shaped('boxes', 100, 4)], []).batch.reason).toMatch(/fixed at 100/);
  });

  it('needs an input, and a state with a row for each request', () => {
    expect(inferBatchAxes([], [shaped('y', 'batch')], []).batch.reason).toMatch(/no inputs/);
    expect(inferBatchAxes([shaped('x')], [shaped('y')], []).batch.reason).toMatch(/'?x'? is a scalar|all inputs are scalars/);
    const states = [{ input: 'h', output: 'hn' }];
    expect(inferBatchAxes([shaped('x', 'batch', 2), shaped('h', 1, 1, 8)], [shaped('y', 'batch', 2), shaped('hn', 1, 1, 8)], states).batch.reason).toMatch(/the state 'h' has no free axis/);
    expect(inferBatchAxes([shaped('h', 'batch', 8)], [shaped('hn', 'batch', 8)], states).batch.reason).toMatch(/all inputs are states/);
  });
});

describe('candidates for states', () => {
  const value = (name: string, ...shape: (number | string)[]) => ({ name, datatype: 'FP32', shape });
  it.each([
    ['state', 'stateN'], ['h0', 'hn'], ['c0', 'cn'], ['h_in', 'h_out'], ['in_cache0', 'out_cache0'], ['prev_state', 'next_state'], ['hidden', 'hidden_out'],
    ['past_key_values.0.key', 'present.0.key'], ['past_key_values.0.value', 'present_key_values.0.value'], ['initial_h', 'final_h'], ['lstm_state', 'new_lstm_state'], ['cache', 'cache_out'],
  ])('%s → %s', (input, output) => {
    expect(stateCandidates([value('x', 'N', 4), value(input, 2, 'N', 8)], [value('y', 'N', 2), value(output, 2, -1, 8)])).toEqual([{ input, output }]);
  });

  it.each([
    ['input', 'output'], ['x', 'xn'], ['image_input', 'image_output'], ['state', 'y'], ['tokens', 'tokens_out'],
  ])('not %s → %s', (input, output) => {
    expect(stateCandidates([value(input, 'N', 8)], [value(output, 'N', 8)])).toEqual([]);
  });

  it('not where datatype or shape differ', () => {
    expect(stateCandidates([value('state', 2, 8)], [value('stateN', 2, 9)])).toEqual([]);
    expect(stateCandidates([value('state', 2, 8)], [{ ...value('stateN', 2, 8), datatype: 'INT64' }])).toEqual([]);
    expect(stateCandidates([value('state', 2, 8)], [value('stateN', 2, 8, 1)])).toEqual([]);
  });
});

describe.skipIf(realModels === undefined)('real models (skipped: MODELPORT_REAL_MODELS names no folder with them)', () => {
  const read = (path: string) => inferSignature(readModelFile(join(realModels!, path)));

  it('magika', () => {
    const { signature } = read('magika/model.onnx');
    expect(signature.inputs).toEqual([{ name: 'bytes', datatype: 'INT32', shape: [-1, 2048], batchAxis: 0 }]);
    expect(signature.outputs).toEqual([{ name: 'target_label', datatype: 'FP32', shape: [-1, 214], batchAxis: 0 }]);
    expect(signature.batch.maxSize).toBe(64);
  });

  it('silero', () => {
    const { signature, stateCandidates: states } = read('silero/silero_vad.onnx');
    expect(states).toEqual([{ input: 'state', output: 'stateN' }]);
    expect([...signature.inputs, ...signature.outputs].map((spec) => [spec.name, spec.batchAxis])).toEqual([['input', 0], ['state', 1], ['sr', undefined], ['output', 0], ['stateN', 1]]);
  });

  it.each(['ch_PP-OCRv4_det_infer', 'ch_PP-OCRv4_rec_infer', 'ch_ppocr_mobile_v2.0_cls_infer'])('rapidocr %s', (name) => {
    const { signature } = read(`rapidocr/${name}.onnx`);
    expect(signature.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 3, -1, -1], batchAxis: 0 }]);
    expect(signature.batch.maxSize).toBe(64);
  });
});
