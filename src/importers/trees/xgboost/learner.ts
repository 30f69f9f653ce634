/**
 * The learner of an XGBoost model: parameters, objective and booster, by the schema of
 * https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
 */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import type { DecisionTree, Forest } from '../decision-tree.ts';
import { refused, type Item } from '../model-file.ts';
import type { TabularModel } from '../tabular-model.ts';
import { machineLearningOpsetOf, sumOfTrees } from '../tree-ensemble.ts';
import { objectiveOf, type Objective } from './objectives.ts';
import { readTrees } from './read-trees.ts';

interface Parameters {
  readonly featureCount: number;
  /** Scores of a row. */
  readonly outputCount: number;
  readonly classCount: number;
  readonly baseScores: readonly number[];
}

/** Throws `INVALID_MODEL` naming what is not covered. */
export function readLearner(document: Item, rounds?: 'best' | 'all'): TabularModel {
  const learner = document.member('learner');
  const objectiveName = learner.member('objective').member('name').text();
  const objective = objectiveOf(objectiveName);
  const versionItem = document.member('version');
  const version = versionItem.isAbsent ? [] : Array.from(versionItem.numbers());
  const parameters = readParameters(learner.member('learner_model_param'));
  const booster = learner.member('gradient_booster');
  const kind = booster.member('name').text();
  const scores = readBooster(booster, kind, parameters, treeLimit(learner, rounds));
  const base = baseMargins(objective, objectiveName, parameters);
  if (!base.every((margin) => margin === base[0]) && kind === 'gblinear') {
    // A flaw of that version, and its answer nevertheless.
    if (!isVersion(version, 3, 2)) throw refused('the booster gblinear with a base_score for each output is covered as XGBoost 3.2 answers, and this file is of another version', 'learner.learner_model_param.base_score');
    base.fill(base[0]!);
  }
  const names = learner.member('feature_names');
  const featureNames = names.isAbsent ? [] : names.items().map((name) => name.text());
  if (featureNames.length > 0 && featureNames.length !== parameters.featureCount) throw refused(`learner.feature_names has ${featureNames.length} names for ${parameters.featureCount} features`);
  return {
    producer: { name: 'XGBoost', version: version.join('.') },
    description: `${objectiveName}, ${kind}, ${scores.description}`,
    elementType: ElementType.FLOAT,
    featureCount: parameters.featureCount,
    featureNames: featureNames.length === 0 ? undefined : featureNames,
    machineLearningOpset: scores.machineLearningOpset,
    answer(graph, rows) {
      const sums = scores.write(graph, rows);
      const margins = base.every((margin) => margin === 0) ? sums : graph.op.add(sums, graph.constant(constantTensor(ElementType.FLOAT, base, [1, base.length])));
      return objective.answer(graph, margins, parameters.classCount);
    },
  };
}

function readParameters(parameters: Item): Parameters {
  const optional = (name: string): number => (parameters.member(name).isAbsent ? 0 : parameters.member(name).integer(0, 100_000));
  const classCount = optional('num_class');
  const targetCount = Math.max(1, optional('num_target'));
  const featureCount = parameters.member('num_feature').integer(1);
  return { featureCount, classCount, outputCount: Math.max(1, classCount, targetCount), baseScores: readBaseScores(parameters.member('base_score')) };
}

function isVersion([major, minor]: readonly number[], wantedMajor: number, wantedMinor: number): boolean {
  return major === wantedMajor && minor === wantedMinor;
}

/** A number in a text, since version 3.1 a list of them in a text. */
function readBaseScores(item: Item): readonly number[] {
  const text = item.text();
  const numbers = (text.startsWith('[') ? text.slice(1, text.lastIndexOf(']')) : text).split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (numbers.some(Number.isNaN)) throw item.wrong('a number or a list of numbers');
  return numbers;
}

function baseMargins(objective: Objective, name: string, { baseScores, outputCount }: Parameters): number[] {
  if (baseScores.length !== 1 && baseScores.length !== outputCount) throw refused(`base_score has ${baseScores.length} numbers for ${outputCount} outputs`);
  return Array.from({ length: outputCount }, (_, index) => {
    const margin = Math.fround(objective.toMargin(baseScores[baseScores.length === 1 ? 0 : index]!));
    if (!Number.isFinite(margin)) throw refused(`base_score ${baseScores.join(', ')} is none that ${name} can have`);
    return margin;
  });
}

/**
 * The scikit-learn estimators predict with the trees up to the best iteration where training stopped early, and mark the files that they write;
 * a Booster predicts with all. Undefined: all.
 */
function treeLimit(learner: Item, rounds: 'best' | 'all' | undefined): number | undefined {
  const attributes = learner.member('attributes');
  if (rounds === 'all' || attributes.isAbsent || (rounds === undefined && attributes.member('scikit_learn').isAbsent) || attributes.member('best_iteration').isAbsent) return undefined;
  return attributes.member('best_iteration').integer() + 1;
}

interface Scores {
  readonly description: string;
  readonly machineLearningOpset: number;
  write(graph: GraphBuilder, rows: Value): Value;
}

function readBooster(booster: Item, kind: string, parameters: Parameters, iterations: number | undefined): Scores {
  switch (kind) {
    case 'gbtree':
      return forestOf(readTrees(booster.member('model'), parameters, undefined, iterations), parameters);
    case 'dart':
      return forestOf(readTrees(booster.member('gbtree').member('model'), parameters, booster.member('weight_drop'), iterations), parameters);
    case 'gblinear':
      return linearScores(booster.member('model').member('weights'), parameters);
    default:
      throw refused(`the booster '${kind}' is not covered (gbtree, dart and gblinear are)`);
  }
}

function forestOf(trees: readonly DecisionTree[], { featureCount, outputCount }: Parameters): Scores {
  // XGBoost answers in another way where it has not been trained: base_score is not transformed.
  if (trees.length === 0) throw refused('it has no trees: it was saved before it was trained');
  const forest: Forest = { trees, comparison: 'less', featureCount, targetCount: outputCount };
  return {
    description: `${trees.length} trees`,
    machineLearningOpset: machineLearningOpsetOf(forest),
    write: (graph, rows) => sumOfTrees(graph, rows, forest),
  };
}

/** A row of weights for each feature, then one of intercepts. A value that is missing counts as zero. */
function linearScores(weights: Item, { featureCount, outputCount }: Parameters): Scores {
  const numbers = Float32Array.from(weights.numbers((featureCount + 1) * outputCount));
  return {
    description: 'linear',
    machineLearningOpset: 3,
    write(graph, rows) {
      const present = graph.op.where(graph.op.isNaN(rows), 0, rows);
      const product = graph.op.matMul(present, graph.constant(constantTensor(ElementType.FLOAT, numbers.slice(0, featureCount * outputCount), [featureCount, outputCount]), 'weights'));
      return graph.op.add(product, graph.constant(constantTensor(ElementType.FLOAT, numbers.slice(featureCount * outputCount), [1, outputCount])));
    },
  };
}
