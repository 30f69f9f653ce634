/** Multilayer perceptrons. */
import type { Converter, Converters, Estimator } from './estimator.ts';
import type { Frame } from './frame.ts';
import { matrixOf, type Fitted } from './fitted.ts';
import { INT64, type Graph, type Value } from './graph.ts';
import { bothClasses } from './results.ts';

function activated(graph: Graph, value: Value, name: string, record: Fitted): Value {
  switch (name) {
    case 'identity': return value;
    case 'relu': return graph.maximum(value, 0);
    case 'logistic': return graph.map('Sigmoid', value);
    case 'tanh': return graph.map('Tanh', value);
    case 'softmax': return graph.softmax(value);
    case 'exp': return graph.map('Exp', value);
    default: return record.refuse(`its activation '${name}' is not covered`);
  }
}

function forward(record: Fitted): (rows: Frame) => Value {
  const layers = record.list('coefs_').map((value) => matrixOf(value) ?? record.refuse('its coefs_ are not matrices'));
  const intercepts = record.list('intercepts_').map((value) => matrixOf(value)?.data ?? record.refuse('its intercepts_ are not numbers'));
  const hidden = record.text('activation', 'relu');
  const last = record.text('out_activation_');
  return (rows) => {
    const { graph } = rows;
    return layers.reduce((value, { shape, data }, index) => {
      const sum = graph.add(graph.matmul(value, graph.doubles(data, shape)), graph.doubles(intercepts[index]!, [1, intercepts[index]!.length]));
      return activated(graph, sum, index === layers.length - 1 ? last : hidden, record);
    }, rows.numbers());
  };
}

const classifier: Converter = (record): Estimator => {
  const output = forward(record);
  const binarizer = record.child('_label_binarizer');
  const count = record.number('n_outputs_');
  if (binarizer.text('y_type_', 'multiclass').startsWith('multilabel')) {
    return { record, targets: count, multilabel: (rows) => rows.graph.cast(rows.graph.greater(output(rows), 0.5), INT64), probabilities: output };
  }
  const classes = binarizer.labels('classes_');
  if (count === 1) return { record, classes, classIndex: (rows) => rows.graph.cast(rows.graph.greater(output(rows), 0.5), INT64), probabilities: (rows) => bothClasses(rows.graph, output(rows)) };
  return { record, classes, classIndex: (rows) => rows.graph.argmax(output(rows)), probabilities: output };
};

const regressor: Converter = (record) => {
  const count = record.number('n_outputs_');
  return { record, targets: count, flat: count === 1, predict: forward(record) };
};

export const networks: Converters = {
  'sklearn.neural_network._multilayer_perceptron.MLPClassifier': classifier,
  'sklearn.neural_network._multilayer_perceptron.MLPRegressor': regressor,
};
