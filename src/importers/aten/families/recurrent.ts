/** LSTM, GRU and plain recurrent layers: torch.nn's weights in the order of gates that ONNX has. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { weightOfConstant } from '../weight.ts';
import { PackedSequences } from './packed-sequences.ts';
import { linear } from './products.ts';

type Kind = 'LSTM' | 'GRU' | 'RNN';

/** Where ONNX's gates stand in torch's: input, output, forget, cell of i f g o; update, reset, new of r z n. */
const gateOrders: Readonly<Record<Kind, readonly number[]>> = { LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0] };

/** Rows by gates, put in ONNX's order, one matrix or vector for each direction; of weights, stored so. */
function gates(context: LoweringContext, parts: readonly (readonly Value[])[], order: readonly number[]): Value {
  const { op } = context.graph;
  const sources = parts.map((list) => list.map((value) => context.weightOf(value)));
  if (sources.every((list) => list.every((source) => source?.elementType === 1))) {
    const key = sources.flat().map((source) => source!.name).join(' ');
    const first = sources[0]![0]!;
    const stored = context.derived({ ...first, name: key }, 'gates', () => {
      const rest = first.shape.slice(1);
      const width = rest.reduce((product, size) => product * size, 1);
      const rows = first.shape[0]! / order.length;
      const each = first.shape[0]! * width;
      const data = new Float32Array(parts.length * parts[0]!.length * each);
      for (const [place, source] of sources.flat().entries()) {
        const elements = source!.read().data as Float32Array;
        for (const [to, from] of order.entries()) data.set(elements.subarray(from * rows * width, (from + 1) * rows * width), place * each + to * rows * width);
      }
      return weightOfConstant(`${first.name}.gates`, constantTensor(1, data, [parts.length, parts[0]!.length * first.shape[0]!, ...rest]));
    });
    if (stored !== undefined) return stored;
  }
  const ordered = (value: Value): Value => {
    const rows = context.shape(value)[0];
    if (typeof rows !== 'number') throw context.refuse('the size of its weights depends on the input');
    const pieces = op.split(value, 0, new Array<number>(order.length).fill(rows / order.length));
    return order.length === 1 ? value : op.concat(order.map((from) => pieces[from]!), 0);
  };
  return op.stack(parts.map((list) => op.concat(list.map(ordered), 0)), 0);
}

interface Layers {
  readonly kind: Kind;
  readonly activation?: 'Tanh' | 'Relu';
}

/** input: [time, batch, features], or batch first, or without a batch. Gives the outputs, and the last states: [layers * directions, batch, hidden]. */
function run(context: LoweringContext, given: AtenArguments, layers: Layers): Value[] {
  const { op } = context.graph;
  const source = given.value('input');
  const states = statesOf(context, given, layers);
  const isBatchFirst = given.boolean('batch_first');
  if (isProjected(given)) return projected(context, given, given.tensors('params').map((tensor) => context.read(tensor)), states);
  const hasBatch = context.shape(source).length === 3;
  const x = !hasBatch ? op.unsqueeze(source, 1) : isBatchFirst ? op.transpose(source, [1, 0, 2]) : source;
  const [y, ...last] = follow(context, given, layers, x, hasBatch ? states : states.map((state) => op.unsqueeze(state, 1)));
  const result = !hasBatch ? op.squeeze(y!, 1) : isBatchFirst ? op.transpose(y!, [1, 0, 2]) : y!;
  return [result, ...last.map((state) => (hasBatch ? state : op.squeeze(state, 1)))];
}

/** Sequences of different lengths, packed: those that end do so at their own last step, and backward ones begin there. */
function runPacked(context: LoweringContext, given: AtenArguments, layers: Layers): Value[] {
  if (isProjected(given)) throw context.refuse('it projects its state (proj_size), which is not covered for packed sequences');
  const packed = new PackedSequences(context, given.value('batch_sizes'));
  const x = packed.pad(given.value('data'), 0);
  const [y, ...last] = follow(context, given, layers, x, statesOf(context, given, layers), packed.lengths());
  return [packed.pack(y!), ...last];
}

function statesOf(context: LoweringContext, given: AtenArguments, { kind }: Layers): Value[] {
  return (kind === 'LSTM' ? given.tensors('hx') : [given.tensor('hx')]).map((tensor) => context.read(tensor));
}

function isProjected(given: AtenArguments): boolean {
  return given.tensors('params').length === given.integer('num_layers') * (given.boolean('bidirectional') ? 2 : 1) * (given.boolean('has_biases') ? 5 : 3);
}

/** x: [time, batch, features]; initial: [layers * directions, batch, hidden]; lengths: [batch]. Gives [time, batch, directions * hidden], and the last states. */
function follow(context: LoweringContext, given: AtenArguments, { kind, activation }: Layers, source: Value, initial: readonly Value[], lengths?: Value): Value[] {
  const { op } = context.graph;
  const params = given.tensors('params').map((tensor) => context.read(tensor));
  const [layers, hasBiases, directions] = [given.integer('num_layers'), given.boolean('has_biases'), given.boolean('bidirectional') ? 2 : 1];
  if (given.boolean('train') && given.number('dropout') > 0) throw context.refuse('it drops at random, as in training: call model.eval() before it is saved');
  const perLayer = hasBiases ? 4 : 2;
  if (params.length !== layers * directions * perLayer) throw context.refuse(`it has ${params.length} weights for ${layers} layers`);
  const hidden = context.shape(params[1]!)[1];
  if (typeof hidden !== 'number') throw context.refuse('the size of its weights depends on the input');
  let x = source;
  const last: Value[][] = initial.map(() => []);
  for (let layer = 0; layer < layers; layer++) {
    const own = Array.from({ length: directions }, (_, direction) => params.slice((layer * directions + direction) * perLayer, (layer * directions + direction + 1) * perLayer));
    const order = gateOrders[kind];
    const weight = gates(context, own.map((list) => [list[0]!]), order);
    const recurrence = gates(context, own.map((list) => [list[1]!]), order);
    const bias = hasBiases ? gates(context, own.map((list) => [list[2]!, list[3]!]), order) : undefined;
    const begin = initial.map((state) => (layers === 1 ? state : op.slice(state, { axis: 0, start: layer * directions, end: (layer + 1) * directions })));
    const outputs = context.graph.node(
      kind,
      [x, weight, recurrence, bias, lengths, ...begin],
      {
        hidden_size: hidden,
        direction: directions === 2 ? 'bidirectional' : 'forward',
        linear_before_reset: kind === 'GRU' ? 1 : undefined,
        activations: activation === 'Relu' ? new Array<string>(directions).fill('Relu') : undefined,
      },
      { outputs: kind === 'LSTM' ? 3 : 2 },
    );
    for (const [index, state] of last.entries()) state.push(outputs[index + 1]!);
    // [time, directions, batch, hidden]
    x = directions === 1 ? op.squeeze(outputs[0]!, 1) : context.graph.node('Reshape', [op.transpose(outputs[0]!, [0, 2, 1, 3]), op.int64s([0, 0, directions * hidden])]);
  }
  return [x, ...last.map((list) => op.concat(list, 0))];
}

/** An LSTM whose state is projected (`proj_size`), step by step: ONNX's own has no projection. */
function projected(context: LoweringContext, given: AtenArguments, params: readonly Value[], states: readonly Value[]): Value[] {
  const [layers, hasBiases, directions] = [given.integer('num_layers'), given.boolean('has_biases'), given.boolean('bidirectional') ? 2 : 1];
  const { op } = context.graph;
  const source = given.value('input');
  if (context.shape(source).length !== 3) throw context.refuse('it projects its state (proj_size), which is covered with a batch');
  const isBatchFirst = given.boolean('batch_first');
  const perLayer = hasBiases ? 5 : 3;
  let x = isBatchFirst ? op.transpose(source, [1, 0, 2]) : source;
  const last: [Value[], Value[]] = [[], []];
  for (let layer = 0; layer < layers; layer++) {
    const outputs: Value[] = [];
    for (let direction = 0; direction < directions; direction++) {
      const place = layer * directions + direction;
      const own = params.slice(place * perLayer, (place + 1) * perLayer);
      const [inputWeight, stateWeight, inputBias, stateBias] = hasBiases ? own : [own[0]!, own[1]!, undefined, undefined];
      const projection = own.at(-1)!;
      const begin = states.map((state) => op.gather(state, place, 0));
      const inputs = linear(context, x, inputWeight!, inputBias);
      const [h, c, all] = op.scan(
        begin,
        [inputs],
        (body, [state, cell], [step]) =>
          context.inside(body, () => {
            const [i, f, g, o] = splitGates(context, body.op.add(step!, linear(context, state!, stateWeight!, stateBias)), 4);
            const next = body.op.add(body.op.mul(body.op.sigmoid(f!), cell!), body.op.mul(body.op.sigmoid(i!), body.op.tanh(g!)));
            const output = linear(context, body.op.mul(body.op.sigmoid(o!), body.op.tanh(next)), projection, undefined);
            return { states: [output, next], scanned: [output] };
          }),
        { reverse: direction === 1 },
      );
      last[0].push(op.unsqueeze(h!, 0));
      last[1].push(op.unsqueeze(c!, 0));
      outputs.push(all!);
    }
    x = op.concat(outputs, 2);
  }
  return [isBatchFirst ? op.transpose(x, [1, 0, 2]) : x, ...last.map((list) => op.concat(list, 0))];
}

const layer =
  (layers: Layers): Lowering =>
  (context, given) =>
    given.values.has('batch_sizes') ? runPacked(context, given, layers) : run(context, given, layers);

/** Both products of a cell, in torch's order of gates. */
function cellParts(context: LoweringContext, given: AtenArguments, state: Value): [Value, Value] {
  return [linear(context, given.value('input'), given.value('w_ih'), given.optionalValue('b_ih')), linear(context, state, given.value('w_hh'), given.optionalValue('b_hh'))];
}

function splitGates(context: LoweringContext, value: Value, count: number): Value[] {
  const size = context.shape(value).at(-1);
  if (typeof size !== 'number') throw context.refuse('the size of its weights depends on the input');
  return context.graph.op.split(value, value.shape!.length - 1, new Array<number>(count).fill(size / count));
}

const lstmCell: Lowering = (context, given) => {
  const { op } = context.graph;
  const [state, cell] = given.tensors('hx').map((tensor) => context.read(tensor));
  const [a, b] = cellParts(context, given, state!);
  const [i, f, g, o] = splitGates(context, op.add(a, b), 4);
  const next = op.add(op.mul(op.sigmoid(f!), cell!), op.mul(op.sigmoid(i!), op.tanh(g!)));
  return [op.mul(op.sigmoid(o!), op.tanh(next)), next];
};

const gruCell: Lowering = (context, given) => {
  const { op } = context.graph;
  const state = given.value('hx');
  const [a, b] = cellParts(context, given, state);
  const [ra, za, na] = splitGates(context, a, 3);
  const [rb, zb, nb] = splitGates(context, b, 3);
  const reset = op.sigmoid(op.add(ra!, rb!));
  const update = op.sigmoid(op.add(za!, zb!));
  const fresh = op.tanh(op.add(na!, op.mul(reset, nb!)));
  return op.add(fresh, op.mul(update, op.sub(state, fresh)));
};

const plainCell =
  (activation: 'tanh' | 'relu'): Lowering =>
  (context, given) => {
    const [a, b] = cellParts(context, given, given.value('hx'));
    return context.graph.op[activation](context.graph.op.add(a, b));
  };

export const recurrent: Lowerings = {
  'lstm': layer({ kind: 'LSTM' }),
  'gru': layer({ kind: 'GRU' }),
  'rnn_tanh': layer({ kind: 'RNN' }),
  'rnn_relu': layer({ kind: 'RNN', activation: 'Relu' }),
  'lstm_cell': lstmCell,
  'gru_cell': gruCell,
  'rnn_tanh_cell': plainCell('tanh'),
  'rnn_relu_cell': plainCell('relu'),
};
