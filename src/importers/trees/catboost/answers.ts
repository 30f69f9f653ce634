/** What `predict` and `predict_proba` of CatBoost's estimators make of the sums of the trees, by loss function. https://catboost.ai/docs/en/concepts/loss-functions */
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { parseJson, refused, type Item } from '../model-file.ts';
import { softmaxClasses, twoClasses, type Answer } from '../tabular-model.ts';

interface Answering {
  readonly loss: string;
  /** From scores, [rows, dimensions]. */
  write(graph: GraphBuilder, scores: Value): Answer;
}

const identities = new Set([
  'RMSE', 'MAE', 'Quantile', 'MultiQuantile', 'LogLinQuantile', 'Lq', 'Huber', 'LogCosh', 'Expectile', 'MAPE', 'RMSPE', 'MSLE', 'MultiRMSE', 'MultiRMSEWithMissingValues', 'SurvivalAft', 'Cox',
  'GroupQuantile', 'YetiRank', 'YetiRankPairwise', 'PairLogit', 'PairLogitPairwise', 'QueryRMSE', 'QuerySoftMax', 'StochasticRank', 'StochasticFilter', 'LambdaMart',
]); // prettier-ignore
const exponentials = new Set(['Poisson', 'Tweedie']);
const binary = new Set(['Logloss', 'CrossEntropy', 'Focal']);
const multiple = new Set(['MultiClass', 'MultiClassOneVsAll']);
const multilabel = new Set(['MultiLogloss', 'MultiCrossEntropy']);

/** Throws `INVALID_MODEL` naming a loss function that is not covered. */
export function answerOf(information: Item, dimensionCount: number): Answering {
  const loss = lossOf(information);
  const wanted = (count: boolean): void => {
    if (!count) throw refused(`the loss function ${loss} does not go with ${dimensionCount} scores a row`);
  };
  if (identities.has(loss)) return { loss, write: (_, scores) => ({ kind: 'numbers', values: scores }) };
  if (exponentials.has(loss)) return { loss, write: (graph, scores) => ({ kind: 'numbers', values: graph.op.exp(scores) }) };
  if (loss === 'RMSEWithUncertainty') {
    wanted(dimensionCount === 2);
    // The mean, and the variance, which is learned as the logarithm of the standard deviation.
    return {
      loss,
      write(graph, scores) {
        const [mean, deviation] = [graph.op.slice(scores, { axis: 1, start: 0, end: 1 }), graph.op.slice(scores, { axis: 1, start: 1, end: 2 })];
        return { kind: 'numbers', values: graph.op.concat([mean, graph.op.exp(graph.op.mul(deviation, 2))], 1) };
      },
    };
  }
  if (binary.has(loss)) {
    wanted(dimensionCount === 1);
    const labels = labelsOf(information, 2);
    return { loss, write: (graph, scores) => twoClasses(graph, graph.op.sigmoid(scores), labels) };
  }
  if (multiple.has(loss)) {
    wanted(dimensionCount > 1);
    const labels = labelsOf(information, dimensionCount);
    if (loss === 'MultiClass') return { loss, write: (graph, scores) => softmaxClasses(graph, scores, labels) };
    return { loss, write: (graph, scores) => ({ kind: 'classes', probabilities: graph.op.sigmoid(scores), place: graph.op.argMax(scores, 1), labels }) };
  }
  if (multilabel.has(loss)) {
    const labels = labelsOf(information, dimensionCount);
    return {
      loss,
      write(graph, scores) {
        const probabilities = graph.op.sigmoid(scores);
        return { kind: 'labels', probabilities, given: graph.op.cast(graph.op.greater(probabilities, 0.5), ElementType.INT64), labels };
      },
    };
  }
  throw refused(`the loss function '${loss}' is not covered (covered: ${[...identities, ...exponentials, 'RMSEWithUncertainty', ...binary, ...multiple, ...multilabel].join(', ')})`, 'model_info.params.loss_function');
}

/** `model_info.params` is an object, in older versions the text of one. */
function lossOf(information: Item): string {
  const given = information.member('params');
  if (given.isAbsent) throw refused('it does not say its loss function', 'model_info.params');
  const parameters = typeof given.value === 'string' ? parseJson(Buffer.from(given.value)) : given;
  return parameters.member('loss_function').member('type').text();
}

/** Whole numbers where the training data had them, else texts. */
function labelsOf(information: Item, count: number): (string | number)[] {
  const given = information.member('class_params');
  const parameters = typeof given.value === 'string' ? parseJson(Buffer.from(given.value)) : given;
  const names = parameters.isAbsent ? undefined : parameters.member('class_names');
  if (names === undefined || names.isAbsent || names.items().length === 0) return Array.from({ length: count }, (_, index) => index);
  const kind = parameters.member('class_label_type').isAbsent ? '' : parameters.member('class_label_type').text();
  const labels = names.items().map(({ value, at }): string | number => {
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (typeof value === 'string') return value;
    if (typeof value !== 'number') throw refused('a class is neither a text nor a number', at);
    // Python says 1.0 where JavaScript says 1.
    return Number.isInteger(value) && kind !== 'Float' ? value : Number.isInteger(value) ? `${value}.0` : String(value);
  });
  if (labels.length !== count) throw refused(`it has ${labels.length} class names for ${count} classes`, 'model_info.class_params');
  const texts = labels.some((label) => typeof label === 'string');
  return texts ? labels.map(String) : labels;
}
