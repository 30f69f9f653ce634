/** CatBoost models as `save_model` writes them: JSON, or its binary format, of which the same document is made. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import { Item, parseJson, refused } from '../model-file.ts';
import type { TabularModel } from '../tabular-model.ts';
import { machineLearningOpsetOf, sumOfTrees } from '../tree-ensemble.ts';
import { answerOf } from './answers.ts';
import { isBinary, readBinary } from './read-binary.ts';
import { readForest } from './read-trees.ts';

/** The model of a file's bytes. Throws `INVALID_MODEL`. */
export function readCatboost(bytes: Uint8Array): TabularModel {
  const document = isBinary(bytes) ? new Item(readBinary(bytes), '') : parseJson(bytes);
  const information = document.member('features_info');
  for (const [key, what] of [['categorical_features', 'categorical'], ['text_features', 'text'], ['embedding_features', 'embedding']] as const) {
    const features = information.member(key);
    if (!features.isAbsent && features.items().length > 0) throw refused(`its ${features.items().length} ${what} features are not covered (CatBoost looks them up in tables by hash): train with numerical features, encoded beforehand`, `features_info.${key}`);
  }
  const ctrs = document.member('ctr_data');
  if (!ctrs.isAbsent && ctrs.keys().length > 0) throw refused('its statistics of categorical features (ctr_data) are not covered', 'ctr_data');
  const features = readFeatures(information.member('float_features'));
  const featureCount = Math.max(0, ...features.map((feature) => feature.column + 1));
  if (featureCount === 0) throw refused('it has no numerical features', 'features_info.float_features');
  const [scale, bias] = readScaleAndBias(document.member('scale_and_bias'));
  const forest = readForest(document, features, featureCount, bias.length);
  const parameters = document.member('model_info');
  const answer = answerOf(parameters, forest.targetCount);
  const namesByColumn = new Map(features.map((feature) => [feature.column, feature.name]));
  const names = Array.from({ length: featureCount }, (_, column) => namesByColumn.get(column) ?? '');
  return {
    producer: { name: 'CatBoost', version: versionOf(parameters) },
    description: `${answer.loss}, ${forest.trees.length} trees`,
    elementType: ElementType.FLOAT,
    featureCount,
    featureNames: names.every((name) => name !== '') ? names : undefined,
    machineLearningOpset: machineLearningOpsetOf(forest),
    sumType: ElementType.DOUBLE,
    answer(graph, rows, type = ElementType.DOUBLE) {
      // Borders are float32 and compared as such, weights are float64.
      const sums = sumOfTrees(graph, graph.op.cast(rows, type), forest);
      const scaled = scale === 1 ? sums : graph.op.mul(sums, scale);
      const scores = bias.every((value) => value === 0) ? scaled : graph.op.add(scaled, graph.constant(constantTensor(type, Array.from({ length: forest.targetCount }, (_, index) => bias[index] ?? 0), [1, forest.targetCount])));
      return answer.write(graph, scores);
    },
  };
}

export interface FloatFeature {
  readonly column: number;
  readonly name: string;
  /** Which side of a border a missing value takes. */
  readonly missingAbove: boolean;
}

function readFeatures(list: Item): FloatFeature[] {
  if (list.isAbsent) return [];
  const features: FloatFeature[] = [];
  for (const item of list.items()) {
    const place = item.member('feature_index').integer(0, 1 << 24);
    const treatment = item.member('nan_value_treatment').isAbsent ? 'AsIs' : item.member('nan_value_treatment').text();
    if (!['AsIs', 'AsFalse', 'AsTrue'].includes(treatment)) throw refused(`nan_value_treatment '${treatment}' is not known`, item.at);
    const name = [item.member('feature_id'), item.member('feature_name')].find((candidate) => !candidate.isAbsent)?.text() ?? '';
    features[place] = { column: item.member('flat_feature_index').integer(0, 1 << 20), name, missingAbove: treatment === 'AsTrue' };
  }
  // A hole is an index that no feature has.
  for (let index = 0; index < features.length; index++) if (features[index] === undefined) throw refused(`float feature ${index} is missing`, list.at);
  return features;
}

/** `[scale, [bias of each dimension]]`; older versions write one number for the bias. */
function readScaleAndBias(item: Item): readonly [number, readonly number[]] {
  if (item.isAbsent) return [1, [0]];
  const [scale, bias] = item.items();
  if (scale === undefined || bias === undefined) throw item.wrong('a scale and a bias');
  return [scale.number(), Array.isArray(bias.value) ? Array.from(bias.numbers()) : [bias.number()]];
}

function versionOf(information: Item): string {
  const text = information.member('catboost_version_info');
  return text.isAbsent ? '' : (/(?:tags\/v|CatBoost release )(\d+(?:\.\d+)*)/.exec(text.text())?.[1] ?? '');
}
