/** Estimators that make several of simpler ones: several classes of two, several targets of one. */
import type { Convert, Converter, Converters, Estimator } from './estimator.ts';
import { squaredEuclidean } from './distances.ts';
import { classIndexOf, classNumber, predictionOf, probabilitiesOf } from './ensembles.ts';
import { Frame } from './frame.ts';
import type { Fitted } from './fitted.ts';
import { INT64, type Value } from './graph.ts';
import { bothClasses, normalizedRows } from './results.ts';
import { oneVersusRestScores } from './support-vectors.ts';

/** How sure a part is of its second class: [rows, 1]. */
function binaryScore(part: Estimator, rows: Frame): Value {
  if (part.decision !== undefined) return part.decision(rows);
  return part.predict === undefined ? rows.graph.take(probabilitiesOf(part, rows), [1]) : part.predict(rows);
}

const oneVersusRest: Converter = (record, convert): Estimator => {
  const parts = record.children('estimators_').map(convert);
  const labels = record.child('label_binarizer_').labels('classes_');
  const count = parts.length;
  const multilabel = record.child('label_binarizer_').text('y_type_', 'multiclass').startsWith('multilabel');
  const scores = (rows: Frame) => rows.graph.concat(parts.map((part) => binaryScore(part, rows)));
  const threshold = parts[0]?.decision === undefined ? 0.5 : 0;
  const offers = {
    ...(parts.every((part) => part.probabilities !== undefined)
      ? {
          probabilities: (rows: Frame) => {
            const all = rows.graph.concat(parts.map((part) => rows.graph.take(part.probabilities!(rows), [1])));
            const both = count === 1 ? bothClasses(rows.graph, all) : all;
            return multilabel ? both : normalizedRows(rows.graph, both);
          },
        }
      : {}),
    ...(parts.every((part) => part.decision !== undefined) ? { decision: scores, decisionWidth: count } : {}),
  };
  if (multilabel) return { record, targets: count, ...offers, multilabel: (rows) => rows.graph.cast(rows.graph.greater(scores(rows), threshold), INT64) };
  return { record, classes: labels, ...offers, classIndex: (rows) => (count === 1 ? rows.graph.cast(rows.graph.greater(scores(rows), threshold), INT64) : rows.graph.argmax(scores(rows))) };
};

const oneVersusOne: Converter = (record, convert) => {
  if (record.has('pairwise_indices_')) record.refuse('precomputed kernels are not covered');
  const parts = record.children('estimators_').map(convert);
  const labels = record.labels('classes_');
  const count = labels.values.length;
  const scores = (rows: Frame) => {
    const { graph } = rows;
    for (const part of parts) if (part.unknownDecision !== undefined) part.record.refuse(part.unknownDecision);
    const second = graph.concat(parts.map((part) => graph.equal(classIndexOf(part, rows), 1)));
    return oneVersusRestScores(graph, graph.concat(parts.map((part) => binaryScore(part, rows))), second, count);
  };
  const decision = (rows: Frame) => (count === 2 ? rows.graph.take(scores(rows), [1]) : scores(rows));
  const threshold = parts[0]?.decision === undefined ? 0.5 : 0;
  return {
    record,
    classes: labels,
    decision,
    decisionWidth: count === 2 ? 1 : count,
    classIndex: (rows) => (count === 2 ? rows.graph.cast(rows.graph.greater(decision(rows), threshold), INT64) : rows.graph.argmax(decision(rows))),
  };
};

/** The class whose code is nearest to the answers. */
const outputCode: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  for (const part of parts) if (part.unknownDecision !== undefined) part.record.refuse(part.unknownDecision);
  return {
    record,
    classes: record.labels('classes_'),
    classIndex: (rows) => rows.graph.argmin(squaredEuclidean(rows.graph, rows.graph.concat(parts.map((part) => binaryScore(part, rows))), record.rows('code_book_'))),
  };
};

/** What scikit-learn puts where all rows of the training were of one class. */
const constantPredictor: Converter = (record) => {
  const constant = (rows: Frame) => rows.graph.repeatRows(rows.graph.doubles([record.vector('y_')[0]!], [1, 1]), rows.blocks[0]!.value);
  return {
    record,
    classes: { kind: 'integer', values: [0, 1] },
    classIndex: (rows) => rows.graph.cast(constant(rows), INT64),
    decision: constant,
    decisionWidth: 1,
    probabilities: (rows) => bothClasses(rows.graph, constant(rows)),
  };
};

const multiOutputClassifier: Converter = (record, convert) => ({ record, classifiers: record.children('estimators_').map(convert) });

const multiOutputRegressor: Converter = (record, convert) => {
  const parts = record.children('estimators_').map(convert);
  return { record, targets: parts.length, flat: false, predict: (rows) => rows.graph.concat(parts.map((part) => predictionOf(part, rows))) };
};

/** Each part sees the answers of those before it. */
function chainOf(record: Fitted, convert: Convert): { readonly parts: readonly Estimator[]; readonly ordered: (rows: Frame, answer: (part: Estimator, rows: Frame) => Value) => Value } {
  const parts = record.children('estimators_').map(convert);
  const order = Array.from(record.vector('order_'));
  const method = record.text('chain_method_', 'predict');
  const pass = (part: Estimator, rows: Frame): Value => {
    if (part.predict !== undefined) return part.predict(rows);
    if (method === 'predict_proba') return rows.graph.take(probabilitiesOf(part, rows), [1]);
    return method === 'decision_function' ? part.decision!(rows) : classNumber(part, rows);
  };
  return {
    parts,
    ordered: (rows, answer) => {
      let seen = rows;
      const answers: Value[] = [];
      for (const [index, part] of parts.entries()) {
        answers[order[index]!] = answer(part, seen);
        seen = Frame.join(rows.graph, [seen, Frame.of(rows.graph, pass(part, seen), 1)]);
      }
      return rows.graph.concat(answers);
    },
  };
}

const regressorChain: Converter = (record, convert) => {
  const { parts, ordered } = chainOf(record, convert);
  return { record, targets: parts.length, flat: false, predict: (rows) => ordered(rows, predictionOf) };
};

/** scikit-learn gives the labels of chains as floats. */
const classifierChain: Converter = (record, convert) => {
  const { parts, ordered } = chainOf(record, convert);
  return {
    record,
    targets: parts.length,
    multilabel: (rows) => ordered(rows, classNumber),
    ...(parts.every((part) => part.probabilities !== undefined) ? { probabilities: (rows: Frame) => ordered(rows, (part, seen) => seen.graph.take(part.probabilities!(seen), [1])) } : {}),
    ...(parts.every((part) => part.decision !== undefined) ? { decision: (rows: Frame) => ordered(rows, (part, seen) => part.decision!(seen)), decisionWidth: parts.length } : {}),
  };
};

export const multiple: Converters = {
  'sklearn.multiclass.OneVsRestClassifier': oneVersusRest,
  'sklearn.multiclass.OneVsOneClassifier': oneVersusOne,
  'sklearn.multiclass.OutputCodeClassifier': outputCode,
  'sklearn.multiclass._ConstantPredictor': constantPredictor,
  'sklearn.multioutput.MultiOutputClassifier': multiOutputClassifier,
  'sklearn.multioutput.MultiOutputRegressor': multiOutputRegressor,
  'sklearn.multioutput.RegressorChain': regressorChain,
  'sklearn.multioutput.ClassifierChain': classifierChain,
};
