/** Factorizations that look for each row's factors step by step: loops in the graph. */
import { solved } from './batched-solve.ts';
import type { Converter, Converters } from './estimator.ts';
import { Frame } from './frame.ts';
import { transposed, type Fitted } from './fitted.ts';
import { DOUBLE, type Graph, type Value } from './graph.ts';

function zeros(graph: Graph, rows: Value, width: number): Value {
  return graph.repeatRows(graph.doubles(new Float64Array(width), [1, width]), rows);
}

/** components · componentsᵀ. */
function gramOf({ count, width, data }: { readonly count: number; readonly width: number; readonly data: Float64Array }): Float64Array {
  return Float64Array.from({ length: count * count }, (_, at) => {
    const [left, right] = [Math.floor(at / count), at % count];
    let sum = 0;
    for (let column = 0; column < width; column++) sum += data[left * width + column]! * data[right * width + column]!;
    return sum;
  });
}

function total(graph: Graph, value: Value): Value {
  return graph.node('ReduceSum', [value], { attributes: { keepdims: 0 } });
}

function regularizationOf(record: Fitted, width: number): { readonly l1: number; readonly l2: number } {
  if (record.get('alpha') !== undefined && typeof record.get('alpha') === 'number' && record.number('alpha') !== 0) record.refuse('alpha of versions before 1.2 is not covered; use alpha_W and alpha_H');
  const strength = width * record.number('alpha_W', 0);
  const ratio = record.number('l1_ratio', 0);
  return { l1: strength * ratio, l2: strength * (1 - ratio) };
}

/** Rows are solved together: when the sum of all their changes is small, all stop. A request gets what scikit-learn gives for its rows. */
const jointly = { joint: true } as const;

/** Coordinate descent, a component at a time. */
const nonNegative: Converter = (record) => {
  const components = record.rows('components_');
  if (record.text('solver', 'cd') !== 'cd') record.refuse("solver='mu' is not covered; 'cd' is, and MiniBatchNMF");
  if (record.flag('shuffle', false)) record.refuse('with shuffle=True it answers at random');
  const { count, width } = components;
  const { l1, l2 } = regularizationOf(record, width);
  const gram = gramOf(components);
  for (let place = 0; place < count; place++) gram[place * (count + 1)]! += l2;
  const tolerance = record.number('tol', 1e-4);
  return {
    record,
    ...jointly,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const product = graph.subtract(graph.matmul(input, graph.doubles(transposed(components.data, count, width), [width, count])), l1);
      const start = graph.scalar(-1);
      const [found] = graph.loop(record.number('max_iter', 200), [zeros(graph, input, count), start], (body, [before, first]) => {
        const columns = Array.from({ length: count }, (_, place) => body.take(before!, [place]));
        let violation: Value | undefined;
        for (let place = 0; place < count; place++) {
          const current = body.concat(columns);
          const gradient = body.subtract(body.matmul(current, body.doubles(gram.slice(place * count, (place + 1) * count), [count, 1])), body.take(product, [place]));
          const projected = body.where(body.equal(columns[place]!, 0), body.minimum(gradient, 0), gradient);
          const part = total(body, body.map('Abs', projected));
          violation = violation === undefined ? part : body.add(violation, part);
          const curvature = gram[place * (count + 1)]!;
          if (curvature !== 0) columns[place] = body.maximum(body.subtract(columns[place]!, body.divide(gradient, curvature)), 0);
        }
        const reference = body.where(body.less(first!, 0), violation!, first!);
        const goOn = body.and(body.greater(reference, 0), body.greater(body.divide(violation!, body.where(body.equal(reference, 0), 1, reference)), tolerance));
        return { carried: [body.concat(columns), reference], goOn };
      });
      return Frame.of(graph, found!, count);
    },
  };
};

/** Multiplicative updates. */
const nonNegativeInBatches: Converter = (record) => {
  const components = record.rows('components_');
  const { count, width } = components;
  const loss = record.get('beta_loss');
  if (loss !== undefined && loss !== 'frobenius' && loss !== 2) record.refuse("only beta_loss='frobenius' is covered");
  const { l1, l2 } = regularizationOf(record, width);
  const tolerance = record.number('tol', 1e-4);
  const rounds = record.number('transform_max_iter', record.number('max_iter', 200));
  const epsilon = Math.fround(2 ** -23);
  return {
    record,
    ...jointly,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const mean = graph.node('ReduceMean', [input], { attributes: { keepdims: 0 } });
      const start = graph.add(zeros(graph, input, count), graph.map('Sqrt', graph.divide(mean, count)));
      const numerator = graph.matmul(input, graph.doubles(transposed(components.data, count, width), [width, count]));
      const gram = graph.doubles(gramOf(components), [count, count]);
      const norm = (body: Graph, value: Value) => body.map('Sqrt', total(body, body.multiply(value, value)));
      const [found] = graph.loop(rounds, [start], (body, [before]) => {
        const plain = body.add(body.matmul(before!, gram), l1);
        const denominator = l2 === 0 ? plain : body.add(plain, body.multiply(before!, l2));
        const after = body.multiply(before!, body.divide(numerator, body.where(body.equal(denominator, 0), epsilon, denominator)));
        const change = body.divide(norm(body, body.subtract(after, before!)), norm(body, after));
        return { carried: [after], ...(tolerance > 0 ? { goOn: body.greater(change, tolerance) } : {}) };
      });
      return Frame.of(graph, found!, count);
    },
  };
};

/** The derivative of the logarithm of Γ, for positive numbers: six steps up, and the asymptotic series there (Abramowitz and Stegun 6.3.18). */
function digamma(graph: Graph, value: Value): Value {
  let sum: Value | undefined;
  for (let step = 0; step < 8; step++) {
    const part = graph.divide(1, graph.add(value, step));
    sum = sum === undefined ? part : graph.add(sum, part);
  }
  const at = graph.add(value, 8);
  const inverse = graph.divide(1, at);
  const square = graph.multiply(inverse, inverse);
  let series = graph.multiply(square, -1 / 132);
  for (const term of [1 / 240, -1 / 252, 1 / 120, -1 / 12]) series = graph.multiply(square, graph.add(series, term));
  return graph.subtract(graph.add(graph.subtract(graph.map('Log', at), graph.multiply(inverse, 0.5)), series), sum!);
}

/** Each document's topics, until they change by little: each row stops by itself. */
const latentDirichlet: Converter = (record) => {
  const words = record.rows('exp_dirichlet_component_');
  const { count, width } = words;
  const prior = record.number('doc_topic_prior_');
  const tolerance = record.number('mean_change_tol', 1e-3);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const table = graph.doubles(words.data, [count, width]);
      const across = graph.doubles(transposed(words.data, count, width), [width, count]);
      const expectation = (at: Graph, topics: Value) => at.map('Exp', at.subtract(digamma(at, topics), digamma(at, at.sum(topics))));
      const ones = graph.add(zeros(graph, input, count), 1);
      const active = graph.doubles([1], [1, 1]);
      const [topics] = graph.loop(record.number('max_doc_update_iter', 100), [ones, expectation(graph, ones), graph.repeatRows(active, input)], (body, [before, weights, open]) => {
        const norm = body.add(body.matmul(weights!, table), 2 ** -52);
        const next = body.add(body.multiply(weights!, body.matmul(body.divide(input, norm), across)), prior);
        const change = body.reduce('ReduceMean', body.map('Abs', body.subtract(next, before!)));
        const going = body.greater(open!, 0);
        const stillOpen = body.cast(body.and(going, body.not(body.less(change, tolerance))), DOUBLE);
        const goOn = body.greater(body.node('ReduceMax', [stillOpen], { attributes: { keepdims: 0 } }), 0);
        return { carried: [body.where(going, next, before!), body.where(going, expectation(body, next), weights!), stillOpen], goOn };
      });
      return Frame.of(graph, graph.divide(topics!, graph.sum(topics!)), count);
    },
  };
};

/** Orthogonal matching pursuit: the atom that fits the rest best is added, and all weights are found again. */
function matchingPursuit(graph: Graph, input: Value, gram: Float64Array, atoms: number, fits: Value, size: number): Value {
  const table = graph.doubles(gram, [atoms, atoms]);
  const numbers = graph.integers(Array.from({ length: atoms }, (_, index) => index), [1, atoms]);
  const picked: Value[] = [];
  let weights: Value | undefined;
  let rest = fits;
  for (let step = 0; step < size; step++) {
    const size1 = step + 1;
    const strength = graph.map('Abs', rest);
    const free = picked.reduce<Value>((value, place) => graph.where(graph.equal(place, numbers), -1, value), strength);
    picked.push(graph.argmax(free));
    const places = graph.concat(picked);
    const lines = graph.gather(table, places);
    const own = graph.node('GatherElements', [lines, graph.node('Expand', [graph.unsqueeze(places, 1), graph.integers([1, size1, 1])])], { attributes: { axis: 2 } });
    weights = solved(graph, own, graph.node('GatherElements', [fits, places], { attributes: { axis: 1 } }), size1);
    rest = graph.subtract(fits, graph.squeeze(graph.matmul(graph.unsqueeze(weights, 1), lines), 1));
  }
  return graph.node('ScatterElements', [zeros(graph, input, atoms), graph.concat(picked), weights!], { attributes: { axis: 1 } });
}

const mostAtoms = 30;

/** Rows as mixtures of few atoms of a dictionary. */
const sparseCode: Converter = (record, convert) => {
  const dictionary = record.has('components_') ? record.rows('components_') : record.rows('dictionary');
  convert.import.columns.set(record.object, { count: dictionary.width, names: undefined });
  const { count, width } = dictionary;
  const algorithm = record.text('transform_algorithm', 'omp');
  const split = record.flag('split_sign', false);
  const gram = gramOf(dictionary);
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const input = rows.numbers();
      const fits = graph.matmul(input, graph.doubles(transposed(dictionary.data, count, width), [width, count]));
      let code: Value;
      if (algorithm === 'omp') {
        if (record.has('transform_alpha')) record.refuse('transform_alpha with omp is not covered; say transform_n_nonzero_coefs');
        const size = Math.min(record.number('transform_n_nonzero_coefs', Math.max(Math.floor(width / 10), 1)), count);
        if (size > mostAtoms) record.refuse(`it mixes ${size} atoms; up to ${mostAtoms} are covered`);
        code = matchingPursuit(graph, input, gram, count, fits, size);
      } else if (algorithm === 'threshold') {
        const least = record.number('transform_alpha', record.number('alpha', 1));
        code = graph.multiply(graph.map('Sign', fits), graph.maximum(graph.subtract(graph.map('Abs', fits), least), 0));
      } else return record.refuse(`transform_algorithm='${algorithm}' is not covered; 'omp' and 'threshold' are`);
      if (!split) return Frame.of(graph, code, count);
      return Frame.of(graph, graph.concat([graph.maximum(code, 0), graph.map('Neg', graph.minimum(code, 0))]), 2 * count);
    },
  };
};

export const factorizations: Converters = {
  'sklearn.decomposition._nmf.NMF': nonNegative,
  'sklearn.decomposition._nmf.MiniBatchNMF': nonNegativeInBatches,
  'sklearn.decomposition._lda.LatentDirichletAllocation': latentDirichlet,
  'sklearn.decomposition._dict_learning.DictionaryLearning': sparseCode,
  'sklearn.decomposition._dict_learning.MiniBatchDictionaryLearning': sparseCode,
  'sklearn.decomposition._dict_learning.SparseCoder': sparseCode,
};
