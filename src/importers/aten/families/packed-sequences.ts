/**
 * Sequences of different lengths without padding, as `torch.nn.utils.rnn` packs them: rows by time and then by sequence, the longest sequence first;
 * `batchSizes[t]` says how many sequences reach time t.
 */
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';

const { INT32, INT64 } = ElementType;

export class PackedSequences {
  readonly #context: LoweringContext;
  /** Whether a sequence reaches a time: [time, batch]. */
  readonly #reaches: Value;
  /** [rows, 2]: the time and the sequence of each row. */
  readonly #places: Value;

  /** batchSizes: int64 [time]. */
  constructor(context: LoweringContext, batchSizes: Value) {
    const { op } = context.graph;
    this.#context = context;
    this.#reaches = op.less(upTo(context, op.reduceMax(batchSizes, { axes: [0], keepAxes: false })), op.unsqueeze(batchSizes, 1));
    this.#places = placesOf(context, this.#reaches);
  }

  /** [rows, …] → [time, batch, …], filled up. `times`: int64, at least so many. */
  pad(data: Value, filler: number, times?: Value): Value {
    const { op } = this.#context.graph;
    const sizes = op.shapeOf(this.#reaches);
    const own = op.slice(sizes, { axis: 0, start: 0, end: 1 });
    const time = times === undefined ? own : op.max(own, times);
    const rest = op.slice(op.shapeOf(data), { axis: 0, start: 1 });
    const all = op.concat([time, op.slice(sizes, { axis: 0, start: 1, end: 2 }), rest], 0);
    return op.scatterND(op.expand(this.#context.operand(filler, data.elementType), all), this.#places, data);
  }

  /** [time, batch, …] → [rows, …] */
  pack(padded: Value): Value {
    return this.#context.graph.node('GatherND', [padded, this.#places]);
  }

  /** [batch], as recurrent layers of ONNX take them, or counted in another type. */
  lengths(elementType: number = INT32): Value {
    const { op } = this.#context.graph;
    return op.reduceSum(op.cast(this.#reaches, elementType), { axes: [0], keepAxes: false });
  }
}

/** 0, 1, 2 … below a number of the graph. */
function upTo(context: LoweringContext, count: Value): Value {
  return context.graph.op.range(context.operand(0n, INT64), count, context.operand(1n, INT64));
}

function placesOf(context: LoweringContext, mask: Value): Value {
  return context.graph.op.transpose(context.graph.op.nonZero(mask), [1, 0]);
}

const pack: Lowering = (context, given) => {
  const { op } = context.graph;
  const source = given.value('input');
  const rank = context.shape(source).length;
  const x = given.boolean('batch_first') ? op.transpose(source, [1, 0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2)]) : source;
  const lengths = context.cast(given.value('lengths'), INT64);
  context.note('Lengths of sequences are taken to be as PyTorch demands them: positive, no longer than the input, and in decreasing order where the program does not sort them. That is not checked.');
  const reaches = op.less(op.unsqueeze(upTo(context, op.sizeOf(x, 0)), 1), lengths);
  const counts = op.reduceSum(op.cast(reaches, INT64), { axes: [1], keepAxes: false });
  return [context.graph.node('GatherND', [x, placesOf(context, reaches)]), op.slice(counts, { axis: 0, start: 0, end: op.reduceMax(lengths, { axes: [0], keepAxes: false }) })];
};

const pad: Lowering = (context, given) => {
  const { op } = context.graph;
  const packed = new PackedSequences(context, given.value('batch_sizes'));
  const data = given.value('data');
  const total = given.index('total_length');
  const padded = packed.pad(data, given.number('padding_value'), typeof total === 'number' ? (total > 0 ? op.int64s([total]) : undefined) : op.reshape(total, [1]));
  const rank = context.shape(data).length + 1;
  return [given.boolean('batch_first') ? op.transpose(padded, [1, 0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2)]) : padded, packed.lengths(INT64)];
};

export const packedSequences: Lowerings = {
  '_pack_padded_sequence': pack,
  '_pad_packed_sequence': pad,
};
