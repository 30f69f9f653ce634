/** Transformers that treat each column, or each row, by a formula. */
import { PickledGlobal, PickledObject, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters } from './estimator.ts';
import { Frame } from './frame.ts';
import type { Fitted } from './fitted.ts';
import { matrixOf } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';

/** A transformer that keeps the number of columns. */
function columnwise(apply: (graph: Graph, rows: Value, record: Fitted) => Value): Converter {
  return (record) => ({ record, transform: (rows) => Frame.of(rows.graph, apply(rows.graph, rows.numbers(), record), rows.width) });
}

/** An attribute of one number a column, as a row. */
function row(graph: Graph, record: Fitted, name: string): Value {
  const data = record.vector(name);
  return graph.doubles(data, [1, data.length]);
}

const standardScaler = columnwise((graph, rows, record) => {
  const centred = record.flag('with_mean', true) && record.has('mean_') ? graph.subtract(rows, row(graph, record, 'mean_')) : rows;
  return record.flag('with_std', true) && record.has('scale_') ? graph.divide(centred, row(graph, record, 'scale_')) : centred;
});

const minMaxScaler = columnwise((graph, rows, record) => {
  const scaled = graph.add(graph.multiply(rows, row(graph, record, 'scale_')), row(graph, record, 'min_'));
  if (!record.flag('clip', false)) return scaled;
  const [low, high] = matrixOf(record.get('feature_range'))?.data ?? [0, 1];
  return graph.minimum(graph.maximum(scaled, low!), high!);
});

const maxAbsScaler = columnwise((graph, rows, record) => {
  const scaled = graph.divide(rows, row(graph, record, 'scale_'));
  return record.flag('clip', false) ? graph.minimum(graph.maximum(scaled, -1), 1) : scaled;
});

const robustScaler = columnwise((graph, rows, record) => {
  const centred = record.flag('with_centering', true) && record.has('center_') ? graph.subtract(rows, row(graph, record, 'center_')) : rows;
  return record.flag('with_scaling', true) && record.has('scale_') ? graph.divide(centred, row(graph, record, 'scale_')) : centred;
});

const normalizer = columnwise((graph, rows, record) => {
  const kind = record.text('norm', 'l2');
  const norm = kind === 'l1' ? graph.reduce('ReduceL1', rows) : kind === 'max' ? graph.reduce('ReduceMax', graph.map('Abs', rows)) : graph.map('Sqrt', graph.reduce('ReduceSumSquare', rows));
  return graph.divide(rows, graph.where(graph.equal(norm, 0), 1, norm));
});

const binarizer = columnwise((graph, rows, record) => graph.cast(graph.greater(rows, record.number('threshold', 0)), DOUBLE));

/** Yeo and Johnson's powers, or Box and Cox's; https://en.wikipedia.org/wiki/Power_transform */
const powerTransformer = columnwise((graph, rows, record) => {
  const powers = record.vector('lambdas_');
  const boxCox = record.text('method', 'yeo-johnson') === 'box-cox';
  const columns = Array.from(powers, (power, index) => {
    const column = graph.take(rows, [index]);
    if (boxCox) return Math.abs(power) < 1e-12 ? graph.map('Log', column) : raised(graph, column, power);
    const positive = Math.abs(power) < 2 ** -52 ? graph.map('Log', graph.add(graph.maximum(column, 0), 1)) : raised(graph, graph.add(graph.maximum(column, 0), 1), power);
    const mirrored = graph.subtract(1, graph.minimum(column, 0));
    const negative = Math.abs(power - 2) < 2 ** -52 ? graph.map('Neg', graph.map('Log', mirrored)) : graph.map('Neg', raised(graph, mirrored, 2 - power));
    return graph.where(graph.atLeast(column, 0), positive, negative);
  });
  const transformed = graph.concat(columns);
  if (!record.flag('standardize', true)) return transformed;
  const scaler = record.child('_scaler');
  const centred = scaler.has('mean_') ? graph.subtract(transformed, row(graph, scaler, 'mean_')) : transformed;
  return scaler.has('scale_') ? graph.divide(centred, row(graph, scaler, 'scale_')) : centred;
});

/** (xᵖ - 1) / p */
function raised(graph: Graph, value: Value, power: number): Value {
  return graph.divide(graph.subtract(graph.power(value, power), 1), power);
}

/** Products of columns, as `powers_` would list them. */
const polynomialFeatures: Converter = (record) => {
  const degrees = matrixOf(record.get('degree'))?.data ?? record.refuse('its degree is not known');
  const least = degrees.length === 2 ? degrees[0]! : record.number('_min_degree', 0);
  const most = record.number('_max_degree', degrees.length === 2 ? degrees[1]! : degrees[0]!);
  const interactionOnly = record.flag('interaction_only', false);
  const combinations: number[][] = record.flag('include_bias', true) ? [[]] : [];
  const width = record.number('n_features_in_');
  const extend = (chosen: readonly number[], degree: number): void => {
    if (chosen.length === degree) {
      combinations.push([...chosen]);
      if (combinations.length > mostProducts) record.refuse(`it makes more than ${mostProducts} columns`);
      return;
    }
    const first = chosen.length === 0 ? 0 : chosen.at(-1)! + (interactionOnly ? 1 : 0);
    for (let index = first; index < width; index++) extend([...chosen, index], degree);
  };
  for (let degree = Math.max(1, least); degree <= most; degree++) extend([], degree);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      // One more column of ones stands for absent factors.
      const padded = graph.concat([input, graph.repeatRows(graph.doubles([1], [1, 1]), input)]);
      let product: Value | undefined;
      for (let factor = 0; factor < Math.max(1, most); factor++) {
        const columns = graph.take(padded, combinations.map((chosen) => chosen[factor] ?? width));
        product = product === undefined ? columns : graph.multiply(product, columns);
      }
      return Frame.of(graph, product!, combinations.length);
    },
  };
};

const mostProducts = 100_000;

/** Functions whose meaning is known from their name. */
const functions: Readonly<Record<string, (graph: Graph, value: Value) => Value>> = {
  log1p: (graph, value) => graph.map('Log', graph.add(value, 1)),
  expm1: (graph, value) => graph.subtract(graph.map('Exp', value), 1),
  log: (graph, value) => graph.map('Log', value),
  log2: (graph, value) => graph.divide(graph.map('Log', value), Math.LN2),
  log10: (graph, value) => graph.divide(graph.map('Log', value), Math.LN10),
  exp: (graph, value) => graph.map('Exp', value),
  sqrt: (graph, value) => graph.map('Sqrt', value),
  square: (graph, value) => graph.multiply(value, value),
  abs: (graph, value) => graph.map('Abs', value),
  absolute: (graph, value) => graph.map('Abs', value),
  fabs: (graph, value) => graph.map('Abs', value),
  negative: (graph, value) => graph.map('Neg', value),
  reciprocal: (graph, value) => graph.divide(1, value),
  sin: (graph, value) => graph.map('Sin', value),
  cos: (graph, value) => graph.map('Cos', value),
  tanh: (graph, value) => graph.map('Tanh', value),
  sign: (graph, value) => graph.map('Sign', value),
  floor: (graph, value) => graph.map('Floor', value),
  ceil: (graph, value) => graph.map('Ceil', value),
  rint: (graph, value) => graph.map('Round', value),
};

/** The function that `func` names; undefined where it is the identity. */
export function knownFunction(record: Fitted, attribute: string): ((graph: Graph, value: Value) => Value) | undefined {
  const func = record.get(attribute);
  if (func === undefined || onlyChecks(func)) return undefined;
  const found = func instanceof PickledGlobal && /^numpy(?:$|\.)/.test(func.module) ? functions[func.name] : undefined;
  return found ?? record.refuse(`its ${attribute} is a function of its own; only NumPy's ${Object.keys(functions).join(', ')} are known. Do that step before the model, or replace it with a transformer of scikit-learn`);
}

/** `partial(check_array, …)`, by which histogram boosting passes numbers on. */
function onlyChecks(func: PickleValue): boolean {
  const inner = func instanceof PickledObject && func.path === 'functools.partial' ? func.args[0] : undefined;
  return inner instanceof PickledGlobal && inner.path === 'sklearn.utils.validation.check_array';
}

const functionTransformer: Converter = (record) => {
  const keywords = record.get('kw_args');
  if (keywords instanceof Map && keywords.size > 0) record.refuse('its function is given kw_args');
  const apply = knownFunction(record, 'func');
  return { record, transform: (rows) => (apply === undefined ? rows : Frame.of(rows.graph, apply(rows.graph, rows.numbers()), rows.width)) };
};

/** The number of edges that are not larger. */
const discretizer: Converter = (record, convert) => {
  const edges = record.list('bin_edges_').map((value) => matrixOf(value)?.data ?? record.refuse('its bin_edges_ are not numbers'));
  const encode = record.text('encode', 'onehot');
  const encoder = encode === 'ordinal' ? undefined : convert(record.child('_encoder'));
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const bins = edges.map((edge, index) => {
        const inner = edge.slice(1, -1);
        const column = graph.take(input, [index]);
        if (inner.length === 0) return graph.multiply(column, 0);
        return graph.sum(graph.cast(graph.atLeast(column, graph.doubles(inner, [1, inner.length])), DOUBLE));
      });
      const binned = Frame.of(graph, graph.concat(bins), edges.length);
      return encoder === undefined ? binned : encoder.transform!(binned);
    },
  };
};

/** Straight lines between points; level beyond them. Points ascend. */
export function interpolated(graph: Graph, column: Value, points: ArrayLike<number>, heights: ArrayLike<number>): Value {
  const count = points.length;
  const slopes = new Float64Array(count + 1);
  for (let index = 1; index < count; index++) slopes[index] = points[index]! > points[index - 1]! ? (heights[index]! - heights[index - 1]!) / (points[index]! - points[index - 1]!) : 0;
  // Segment 0 lies below the first point, segment `count` above the last.
  const starts = Float64Array.from({ length: count + 1 }, (_, index) => (index === 0 ? points[0]! : points[index - 1]!));
  const levels = Float64Array.from({ length: count + 1 }, (_, index) => (index === 0 ? heights[0]! : heights[index - 1]!));
  const segment = graph.cast(graph.sum(graph.cast(graph.atLeast(column, graph.doubles(points, [1, count])), DOUBLE)), INT64);
  const at = (values: ArrayLike<number>) => graph.gather(graph.doubles(values), segment);
  return graph.add(graph.multiply(at(slopes), graph.subtract(column, at(starts))), at(levels));
}

/** Coefficients of Wichura's algorithm AS 241 (Applied Statistics 37, 1988), from the highest power down. */
const central = {
  above: [2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608],
  below: [5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1],
};
const tail = {
  above: [7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
  below: [1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1],
};
/** As scikit-learn, which keeps clear of the ends by 1e-7. */
const leastProbability = 1e-7;

/** The number below which a standard normal variable lies with this probability. */
function normalQuantile(graph: Graph, probability: Value): Value {
  const kept = graph.minimum(graph.maximum(probability, leastProbability), 1 - leastProbability);
  const ratio = ({ above, below }: typeof central, at: Value) => {
    const [top, bottom] = [above, below].map((powers) => powers.slice(1).reduce<Value>((value, power) => graph.add(graph.multiply(value, at), power), graph.doubles([powers[0]!], [1, 1])));
    return graph.divide(top!, bottom!);
  };
  const centred = graph.subtract(kept, 0.5);
  const near = graph.multiply(centred, ratio(central, graph.subtract(0.180625, graph.multiply(centred, centred))));
  const depth = graph.map('Sqrt', graph.map('Neg', graph.map('Log', graph.minimum(kept, graph.subtract(1, kept)))));
  const far = graph.multiply(ratio(tail, graph.subtract(depth, 1.6)), graph.map('Sign', centred));
  return graph.where(graph.atMost(graph.map('Abs', centred), 0.425), near, far);
}

const quantileTransformer: Converter = (record) => {
  const normal = record.text('output_distribution', 'uniform') === 'normal';
  const { count, width, data } = record.rows('quantiles_');
  const references = record.vector('references_');
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const columns = Array.from({ length: width }, (_, index) => {
        const column = graph.take(input, [index]);
        const quantiles = Float64Array.from({ length: count }, (_unused, place) => data[place * width + index]!);
        const upward = interpolated(graph, column, quantiles, references);
        const downward = interpolated(graph, graph.map('Neg', column), quantiles.map((value) => -value).reverse(), references.map((value) => -value).reverse());
        const mean = graph.multiply(graph.subtract(upward, downward), 0.5);
        const upper = graph.where(graph.equal(column, quantiles[count - 1]!), 1, mean);
        const place = graph.where(graph.equal(column, quantiles[0]!), 0, upper);
        return normal ? normalQuantile(graph, place) : place;
      });
      return Frame.of(graph, graph.concat(columns), width);
    },
  };
};

const kernelCenterer = columnwise((graph, rows, record) => {
  const columns = record.vector('K_fit_rows_');
  const means = graph.divide(graph.sum(rows), columns.length);
  return graph.add(graph.subtract(graph.subtract(rows, graph.doubles(columns, [1, columns.length])), means), record.number('K_fit_all_'));
});

export const scalers: Converters = {
  'sklearn.preprocessing._data.StandardScaler': standardScaler,
  'sklearn.preprocessing._data.MinMaxScaler': minMaxScaler,
  'sklearn.preprocessing._data.MaxAbsScaler': maxAbsScaler,
  'sklearn.preprocessing._data.RobustScaler': robustScaler,
  'sklearn.preprocessing._data.Normalizer': normalizer,
  'sklearn.preprocessing._data.Binarizer': binarizer,
  'sklearn.preprocessing._data.PowerTransformer': powerTransformer,
  'sklearn.preprocessing._data.QuantileTransformer': quantileTransformer,
  'sklearn.preprocessing._data.KernelCenterer': kernelCenterer,
  'sklearn.preprocessing._polynomial.PolynomialFeatures': polynomialFeatures,
  'sklearn.preprocessing._function_transformer.FunctionTransformer': functionTransformer,
  'sklearn.preprocessing._discretization.KBinsDiscretizer': discretizer,
};
