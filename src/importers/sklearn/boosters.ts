/** Estimators of XGBoost, LightGBM and CatBoost in pickles: each carries its model as its library saves it. */
import { PickledGlobal, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import { readCatboost } from '../trees/catboost/read-catboost.ts';
import { readLightgbm } from '../trees/lightgbm/read-lightgbm.ts';
import { inFloat32, type Answer, type TabularModel } from '../trees/tabular-model.ts';
import { readXgboost } from '../trees/xgboost/read-xgboost.ts';
import type { Convert, Converter, Converters, Estimator } from './estimator.ts';
import type { Frame } from './frame.ts';
import { labelsOf, numberOf, type Fitted, type Labels } from './fitted.ts';
import { DOUBLE, type Graph } from './graph.ts';

interface Settings {
  /** Of the training data, where the model itself knows only their places. */
  readonly labels?: Labels | undefined;
  /** The number that stands for a missing one, beside NaN. */
  readonly missing?: number | undefined;
}

function estimatorOf(record: Fitted, convert: Convert, model: TabularModel, { labels, missing = Number.NaN }: Settings = {}): Estimator {
  convert.import.columns.set(record.object, { count: model.featureCount, names: model.featureNames });
  if (model.machineLearningOpset === 3) convert.import.needsOlderTrees = true;
  // What kind of answer it is, an answer tells.
  const scratch = new GraphBuilder({ opset: 21, machineLearningOpset: model.machineLearningOpset });
  const kind = model.answer(scratch, scratch.input('X', model.elementType, ['rows', model.featureCount]));
  const answers = new WeakMap<Graph, Map<string, Answer>>();
  const answer = (rows: Frame): Answer => {
    const { graph } = rows;
    const numbers = rows.numbers();
    const known = answers.get(graph) ?? new Map<string, Answer>();
    answers.set(graph, known);
    let found = known.get(numbers.name);
    if (found === undefined) {
      const present = Number.isNaN(missing) ? numbers : graph.where(graph.equal(numbers, missing), Number.NaN, numbers);
      const written = graph.numberType === DOUBLE ? model : inFloat32(model);
      found = written.answer(graph.builder, graph.builder.op.cast(present, written.elementType));
      known.set(numbers.name, found);
    }
    return found;
  };
  const toNumbers = (graph: Graph, value: Value): Value => graph.cast(value, DOUBLE);
  if (kind.kind === 'numbers') {
    const targets = kind.values.shape?.[1];
    return { record, targets: typeof targets === 'number' ? targets : 1, flat: targets === 1, predict: (rows) => toNumbers(rows.graph, (answer(rows) as typeof kind).values) };
  }
  const probabilities = (rows: Frame) => toNumbers(rows.graph, (answer(rows) as typeof kind).probabilities);
  if (kind.kind === 'labels') return { record, targets: kind.labels.length, multilabel: (rows) => (answer(rows) as typeof kind).given, probabilities };
  const classes = labels ?? labelsOf([...kind.labels])!;
  if (classes.values.length !== kind.labels.length) record.refuse(`it knows ${classes.values.length} classes, but its model ${kind.labels.length}`);
  return { record, classes, probabilities, classIndex: (rows) => rows.graph.unsqueeze((answer(rows) as typeof kind).place, 1) };
}

/** Reading says what is wrong by the name of the estimator. */
function reading(record: Fitted, read: () => TabularModel): TabularModel {
  try {
    return read();
  } catch (error) {
    return record.refuse((error as Error).message);
  }
}

function bytesOf(record: Fitted, name: string): Buffer {
  const value = record.get(name);
  if (value === undefined) return record.refuse('it holds no model; is it fitted?');
  if (!(value instanceof Uint8Array)) return record.refuse(`its ${name} is not the bytes of a model`);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** Earlier versions numbered the classes themselves, and kept their names. */
function encodedLabels(record: Fitted): Labels | undefined {
  if (record.has('_le')) return record.child('_le').labels('classes_');
  return labelsOf(record.get('classes_') ?? record.get('_classes'));
}

const xgboostEstimator: Converter = (record, convert) => {
  const booster = record.has('_Booster') ? record.child('_Booster') : record.refuse('it holds no model; is it fitted?');
  const model = reading(record, () => readXgboost(bytesOf(booster, 'handle'), 'best'));
  const missing = record.get('missing');
  return estimatorOf(record, convert, model, { labels: record.name.endsWith('Classifier') ? encodedLabels(record) : undefined, missing: numberOf(missing) });
};

const xgboostBooster: Converter = (record, convert) => estimatorOf(record, convert, reading(record, () => readXgboost(bytesOf(record, 'handle'), 'all')));

function lightgbmText(booster: Fitted): string {
  const text = booster.get('_handle') ?? booster.get('handle');
  return typeof text === 'string' ? text : booster.refuse('it holds no model; is it fitted?');
}

/** After early stopping, LightGBM predicts with the iterations up to the best one. */
function readBooster(record: Fitted, booster: Fitted): TabularModel {
  const best = booster.number('best_iteration', 0);
  return reading(record, () => readLightgbm(lightgbmText(booster), best > 0 ? best : undefined));
}

const lightgbmEstimator: Converter = (record, convert) => {
  const booster = record.has('_Booster') ? record.child('_Booster') : record.refuse('it holds no model; is it fitted?');
  if (isFunction(record.get('_objective')) || isFunction(record.get('objective'))) record.refuse('its objective is a function of its own');
  const estimator = estimatorOf(record, convert, readBooster(record, booster), { labels: record.name.endsWith('Classifier') ? encodedLabels(record) : undefined });
  // Newer versions have a decision_function, and the file does not say which version wrote it.
  return estimator.classes === undefined ? estimator : { ...estimator, unknownDecision: "what is around it learned from its scores or from its probabilities, by LightGBM's version, which the file does not say: save the LightGBM model by itself" };
};

function isFunction(value: PickleValue | undefined): boolean {
  return value instanceof PickledGlobal;
}

const lightgbmBooster: Converter = (record, convert) => estimatorOf(record, convert, readBooster(record, record));

const catboostEstimator: Converter = (record, convert) => estimatorOf(record, convert, reading(record, () => readCatboost(bytesOf(record, '__model'))));

export const boosters: Converters = {
  'xgboost.sklearn.XGBClassifier': xgboostEstimator,
  'xgboost.sklearn.XGBRegressor': xgboostEstimator,
  'xgboost.sklearn.XGBRanker': xgboostEstimator,
  'xgboost.sklearn.XGBRFClassifier': xgboostEstimator,
  'xgboost.sklearn.XGBRFRegressor': xgboostEstimator,
  'xgboost.core.Booster': xgboostBooster,
  'lightgbm.sklearn.LGBMClassifier': lightgbmEstimator,
  'lightgbm.sklearn.LGBMRegressor': lightgbmEstimator,
  'lightgbm.sklearn.LGBMRanker': lightgbmEstimator,
  'lightgbm.basic.Booster': lightgbmBooster,
  'catboost.core.CatBoostClassifier': catboostEstimator,
  'catboost.core.CatBoostRegressor': catboostEstimator,
  'catboost.core.CatBoostRanker': catboostEstimator,
  'catboost.core.CatBoost': (record) => record.refuse("what its predict gives depends on how it is called: save it with model.save_model('model.cbm'), or train CatBoostClassifier, CatBoostRegressor or CatBoostRanker"),
};
