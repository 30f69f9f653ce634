/** A small system of linear equations for each row, written out step by step. */
import type { Graph, Value } from './graph.ts';

/** Gauss and Jordan without pivots, for symmetric positive definite matrices: [rows, size, size] and [rows, size] to [rows, size]. */
export function solved(graph: Graph, matrix: Value, right: Value, size: number): Value {
  let left = matrix;
  let values = graph.unsqueeze(right, 2);
  for (let step = 0; step < size; step++) {
    const line = graph.gather(left, graph.integers([step]), 1);
    const pivot = graph.gather(line, graph.integers([step]), 2);
    const others = graph.doubles(Float64Array.from({ length: size }, (_, row) => (row === step ? 0 : 1)), [1, size, 1]);
    const factors = graph.multiply(graph.divide(graph.gather(left, graph.integers([step]), 2), pivot), others);
    left = graph.subtract(left, graph.multiply(factors, line));
    values = graph.subtract(values, graph.multiply(factors, graph.gather(values, graph.integers([step]), 1)));
  }
  const identity = graph.doubles(Float64Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? 1 : 0)), [1, size, size]);
  return graph.divide(graph.squeeze(values, 2), graph.reduce('ReduceSum', graph.multiply(left, identity), 2, false));
}
