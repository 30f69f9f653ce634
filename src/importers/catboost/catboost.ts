/** CatBoost models as `save_model(path, format='json')` writes them. The binary format is recognized and refused. */
import type { Artifact } from '../../artifact.ts';
import type { Importer } from '../../importer.ts';
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import { naming, parseJson, readWhole, refused, type Item } from '../trees/model-file.ts';
import { writeTabularModel, type TabularModel } from '../trees/tabular-model.ts';
import { machineLearningOpsetOf, sumOfTrees } from '../trees/tree-ensemble.ts';
import { answerOf } from './answers.ts';
import { readForest } from './read-trees.ts';

export const catboost: Importer = { name: 'catboost', version: 1, accepts, import: importModel };

/** The keys of the document come in the order of the alphabet, and the first may be longer than what is read here. */
function looksLikeJson(text: string): boolean {
  return /^\s*\{\s*"(?:ctr_data|features_info|model_info|oblivious_trees)"\s*:/.test(text) && /"(?:float_features|categorical_features|hash_stride|catboost_version_info|leaf_values|text_features|embedding_features)"\s*:/.test(text);
}

function accepts(start: Uint8Array): boolean {
  const text = Buffer.from(start).toString('latin1');
  return text.startsWith('CBM1') || looksLikeJson(text);
}

/** The model of a file's bytes. Throws `INVALID_MODEL`. */
export function readCatboost(bytes: Uint8Array): TabularModel {
  if (Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'CBM1') throw refused("it is in CatBoost's binary format: save it with model.save_model('model.json', format='json')");
  const document = parseJson(bytes);
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
    answer(graph, rows) {
      // Borders are float32 and compared as such, weights are float64.
      const sums = sumOfTrees(graph, graph.op.cast(rows, ElementType.DOUBLE), forest);
      const scaled = scale === 1 ? sums : graph.op.mul(sums, scale);
      const scores = bias.every((value) => value === 0) ? scaled : graph.op.add(scaled, graph.constant(constantTensor(ElementType.DOUBLE, Array.from({ length: forest.targetCount }, (_, index) => bias[index] ?? 0), [1, forest.targetCount])));
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

async function importModel(artifact: Artifact, directory: string): Promise<Artifact> {
  return await Promise.resolve(naming(artifact, () => writeTabularModel(readCatboost(readWhole(artifact)), directory)));
}
