/** Spline features: what each basis function is between two knots is a polynomial, worked out here. */
import type { Converter, Converters } from './estimator.ts';
import { Frame } from './frame.ts';
import type { Fitted } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';

interface Piecewise {
  /** Where the pieces begin; the first also holds below, the last above. */
  readonly starts: readonly number[];
  /** [pieces][columns][degree + 1], in powers of the distance from the piece's beginning. */
  readonly coefficients: readonly (readonly (readonly number[])[])[];
}

/** The basis functions of `knots` as polynomials from `start` on, by the recurrence of de Boor, Cox and Mansfield. */
function basisOn(knots: ArrayLike<number>, degree: number, interval: number): number[][] {
  const start = knots[interval]!;
  const count = knots.length - degree - 1;
  let pieces = Array.from({ length: knots.length - 1 }, (_, index) => (index === interval ? [1] : [0]));
  const along = (polynomial: readonly number[], from: number, span: number, sign: number): number[] => {
    // Times sign · (x - from) / span, where x = start + t.
    const result = new Array<number>(polynomial.length + 1).fill(0);
    if (span === 0) return result;
    for (const [power, value] of polynomial.entries()) {
      result[power]! += (sign * value * (start - from)) / span;
      result[power + 1]! += (sign * value) / span;
    }
    return result;
  };
  for (let order = 1; order <= degree; order++) {
    pieces = Array.from({ length: knots.length - 1 - order }, (_, index) => {
      const rising = along(pieces[index]!, knots[index]!, knots[index + order]! - knots[index]!, 1);
      const falling = along(pieces[index + 1]!, knots[index + order + 1]!, knots[index + order + 1]! - knots[index + 1]!, -1);
      return rising.map((value, power) => value + falling[power]!);
    });
  }
  return pieces.slice(0, count);
}

function piecewiseOf(record: Fitted, spline: Fitted): Piecewise & { readonly low: number; readonly high: number } {
  const knots = spline.has('_t') ? spline.vector('_t') : spline.vector('t');
  const degree = spline.number('k');
  const { count, width, data } = spline.rows(spline.has('_c') ? '_c' : 'c');
  if (!(degree >= 0 && degree < 20 && knots.length > 2 * degree + 1)) record.refuse('its bsplines_ are malformed');
  const intervals: number[] = [];
  for (let index = degree; index < knots.length - degree - 1; index++) if (knots[index + 1]! > knots[index]!) intervals.push(index);
  if (intervals.length === 0) record.refuse('its knots are all the same');
  const coefficients = intervals.map((interval) => {
    const basis = basisOn(knots, degree, interval);
    return Array.from({ length: width }, (_, column) =>
      Array.from({ length: degree + 1 }, (_unused, power) => {
        let sum = 0;
        for (let index = Math.max(0, interval - degree); index <= interval && index < Math.min(count, basis.length); index++) sum += data[index * width + column]! * (basis[index]![power] ?? 0);
        return sum;
      }),
    );
  });
  return { starts: intervals.map((interval) => knots[interval]!), coefficients, low: knots[degree]!, high: knots[knots.length - degree - 1]! };
}

/** The pieces' values, and their derivatives: [rows, columns]. */
function evaluated(graph: Graph, column: Value, { starts, coefficients }: Piecewise, derivative = false): Value {
  const inner = starts.slice(1);
  const piece = inner.length === 0 ? graph.cast(graph.multiply(graph.cast(graph.equal(column, column), DOUBLE), 0), INT64) : graph.cast(graph.sum(graph.cast(graph.atLeast(column, graph.doubles(inner, [1, inner.length])), DOUBLE)), INT64);
  const flat = graph.reshape(piece, [-1]);
  const offset = graph.subtract(column, graph.gather(graph.doubles(starts, [starts.length, 1]), flat));
  const width = coefficients[0]!.length;
  const degree = coefficients[0]![0]!.length - 1;
  const table = (power: number) => graph.gather(graph.doubles(coefficients.flatMap((columns) => columns.map((powers) => powers[power]! * (derivative ? power : 1))), [starts.length, width]), flat);
  const least = derivative ? 1 : 0;
  if (degree < least) return graph.multiply(table(0), 0);
  let value = table(degree);
  for (let power = degree - 1; power >= least; power--) value = graph.add(graph.multiply(value, offset), table(power));
  // What is not a number is no number in every column.
  return graph.add(value, graph.multiply(graph.where(graph.node('IsNaN', [column]), Number.NaN, 0), 1));
}

const splineTransformer: Converter = (record) => {
  const splines = record.list('bsplines_').map((value) => piecewiseOf(record, record.of(value) ?? record.refuse('its bsplines_ are not splines')));
  const mode = record.text('extrapolation', 'constant');
  if (!['constant', 'linear', 'continue', 'periodic', 'error'].includes(mode)) record.refuse(`extrapolation='${mode}' is not covered`);
  const bias = record.flag('include_bias', true);
  const missingAsZeros = record.text('handle_missing', 'error') === 'zeros';
  const widthOf = (spline: Piecewise) => spline.coefficients[0]!.length - (bias ? 0 : 1);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      return new Frame(graph, splines.map((spline, index) => {
        const column = graph.take(input, [index]);
        const clamped = graph.minimum(graph.maximum(column, spline.low), spline.high);
        let value: Value;
        switch (mode) {
          case 'constant': value = evaluated(graph, clamped, spline); break;
          case 'linear': value = graph.add(evaluated(graph, clamped, spline), graph.multiply(evaluated(graph, clamped, spline, true), graph.subtract(column, clamped))); break;
          case 'periodic': {
            const period = spline.high - spline.low;
            const shifted = graph.subtract(column, spline.low);
            value = evaluated(graph, graph.add(graph.subtract(shifted, graph.multiply(graph.map('Floor', graph.divide(shifted, period)), period)), spline.low), spline);
            break;
          }
          // Where scikit-learn refuses a row, this answers that it is no number.
          case 'error': value = graph.where(graph.equal(column, clamped), evaluated(graph, clamped, spline), Number.NaN); break;
          default: value = evaluated(graph, column, spline);
        }
        const whole = missingAsZeros ? graph.where(graph.node('IsNaN', [column]), 0, value) : value;
        const width = widthOf(spline);
        return { value: bias ? whole : graph.take(whole, Array.from({ length: width }, (_, place) => place)), width };
      }));
    },
  };
};

export const splines: Converters = { 'sklearn.preprocessing._polynomial.SplineTransformer': splineTransformer };
