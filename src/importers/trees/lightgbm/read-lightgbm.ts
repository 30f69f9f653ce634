/** LightGBM models as `Booster.save_model` and `model_to_string` write them: texts. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { refused } from '../model-file.ts';
import type { TabularModel } from '../tabular-model.ts';
import { machineLearningOpsetOf, sumOfTrees } from '../tree-ensemble.ts';
import { readModelText, type ModelText } from './model-text.ts';
import { objectiveOf } from './objectives.ts';
import { linearWidth, readForest } from './read-trees.ts';

/** The model of a text. `rounds`: how many iterations answer; default: all. Throws `INVALID_MODEL`. */
export function readLightgbm(text: string, rounds?: number): TabularModel {
  const model = readModelText(text);
  const { header } = model;
  const scoreCount = header.integer('num_tree_per_iteration', 1, 100_000);
  const trees = rounds === undefined ? model.trees : model.trees.slice(0, rounds * scoreCount);
  const featureCount = header.integer('max_feature_idx', 0) + 1;
  const classCount = header.integer('num_class', 1, 100_000);
  const objective = objectiveOf(header.text('objective') ?? '', scoreCount, classCount);
  const forest = readForest(trees, featureCount, scoreCount);
  const names = featureNames(model, featureCount);
  return {
    producer: { name: 'LightGBM', version: `model format ${header.text('version') ?? ''}` },
    description: `${header.text('objective') ?? 'no objective'}, ${trees.length} trees`,
    elementType: ElementType.DOUBLE,
    featureCount,
    featureNames: names,
    machineLearningOpset: machineLearningOpsetOf(forest.forest),
    answer(graph, rows) {
      const sums = sumOfTrees(graph, rows, forest.forest);
      const scores = forest.linear.length === 0 ? sums : linearSums(graph, rows, sums, forest.linear, scoreCount);
      const iterations = Math.max(1, Math.floor(trees.length / scoreCount));
      return objective(graph, header.has('average_output') ? graph.op.div(scores, iterations) : scores);
    },
  };
}

/** Names that LightGBM made up say nothing. */
function featureNames({ header }: ModelText, featureCount: number): string[] | undefined {
  const names = (header.text('feature_names') ?? '').split(' ').filter((name) => name !== '');
  if (names.length === 0 || names.every((name, index) => name === `Column_${index}`)) return undefined;
  if (names.length !== featureCount) throw refused(`feature_names has ${names.length} names for ${featureCount} features`);
  return names;
}

/**
 * The sum of the constants, plus each feature times its positive coefficients, minus each times its negative ones. What no tree multiplies with counts nothing,
 * even if infinite.
 */
function linearSums(graph: GraphBuilder, rows: Value, sums: Value, linear: readonly number[], scoreCount: number): Value {
  const { op } = graph;
  const width = linearWidth(linear);
  const columns = op.gather(op.where(op.isNaN(rows), 0, rows), linear, 1);
  const zero = graph.constant(constantTensor(rows.elementType, [0]));
  const part = (start: number, end: number): Value => op.slice(sums, { axis: 1, start, end });
  const products = (coefficients: Value): Value => op.reduceSum(op.where(op.equal(coefficients, zero), 0, op.mul(coefficients, columns)), { axes: 1, keepAxes: true });
  const scores = Array.from({ length: scoreCount }, (_, score) => {
    const first = score * width + 1;
    const middle = first + linear.length;
    return op.add(part(first - 1, first), op.sub(products(part(first, middle)), products(part(middle, first - 1 + width))));
  });
  return op.concat(scores, 1);
}
