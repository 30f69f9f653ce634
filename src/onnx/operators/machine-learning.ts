/** The operators of ai.onnx.ml, and those on texts. */
import type { AttributeValues } from '../attributes.ts';
import { constantTensor, type ConstantTensor } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';

/** A key or value of a label encoder. */
export type Label = string | number | bigint;

export interface LabelEncoderOptions {
  readonly keys: readonly Label[];
  readonly values: readonly Label[];
  /** Of keys that are numbers: float or int64 (default: int64 where all are whole). */
  readonly keyType?: number;
  readonly valueType?: number;
  /** For what is not a key. */
  readonly fallback?: Label;
}

export interface MachineLearningFunctions {
  /** From labels to labels. A key that is missing becomes `fallback`. Doubles take operator set 4 of ai.onnx.ml. */
  labelEncoder(x: Value, options: LabelEncoderOptions): Value;
  /** Rows divided by their norm. float32 results: for other types see `reduceL2`. */
  normalizer(x: Value, norm: 'MAX' | 'L1' | 'L2'): Value;
  /** Labels and scores; the attributes are those of the standard. */
  treeEnsembleClassifier(x: Value, attributes: AttributeValues): [labels: Value, scores: Value];
  treeEnsembleRegressor(x: Value, attributes: AttributeValues): Value;
  /** Version 5 of ai.onnx.ml; computes in the input's type, float64 included. */
  treeEnsemble(x: Value, attributes: AttributeValues): Value;
  svmClassifier(x: Value, attributes: AttributeValues): [labels: Value, scores: Value];
  svmRegressor(x: Value, attributes: AttributeValues): Value;
  arrayFeatureExtractor(x: Value, columns: readonly number[]): Value;
  stringNormalizer(x: Value, options: { readonly case?: 'LOWER' | 'UPPER' | 'NONE'; readonly stopwords?: readonly string[]; readonly caseSensitive?: boolean; readonly locale?: string }): Value;
  /** Texts one after the other. Takes operator set 20. */
  stringConcat(a: Value, b: Value): Value;
  /** Parts and how many each text has. Takes operator set 20. */
  stringSplit(x: Value, delimiter?: string, mostSplits?: number): [parts: Value, counts: Value];
  /** Whether the whole text matches (RE2 syntax). Takes operator set 20. */
  regexFullMatch(x: Value, pattern: string): Value;
  tfIdfVectorizer(x: Value, attributes: AttributeValues): Value;
}

const domain = 'ai.onnx.ml';

export function machineLearning(graph: GraphBuilder): MachineLearningFunctions {
  return {
    labelEncoder(x, { keys, values, keyType = typeOf(keys), valueType = typeOf(values), fallback }) {
      if (keyType === ElementType.DOUBLE || valueType === ElementType.DOUBLE || (keyType !== valueType && (keyType === ElementType.INT32 || valueType === ElementType.INT32))) {
        const tensor = (type: number, list: readonly Label[]): ConstantTensor => constantTensor(type, list);
        return graph.node(
          'LabelEncoder',
          [x],
          { keys_tensor: tensor(keyType, keys), values_tensor: tensor(valueType, values), default_tensor: fallback === undefined ? undefined : tensor(valueType, [fallback]) },
          { domain },
        );
      }
      const name = (type: number) => (type === ElementType.STRING ? 'strings' : type === ElementType.INT64 ? 'int64s' : 'floats');
      const list = (labels: readonly Label[]) => (labels.some((label) => typeof label === 'string') ? labels.map(String) : (labels as readonly number[]));
      const single = { strings: 'default_string', int64s: 'default_int64', floats: 'default_float' }[name(valueType)];
      return graph.node('LabelEncoder', [x], { [`keys_${name(keyType)}`]: list(keys), [`values_${name(valueType)}`]: list(values), [single]: fallback }, { domain });
    },
    normalizer: (x, norm) => graph.node('Normalizer', [x], { norm }, { domain }),
    treeEnsembleClassifier: (x, attributes) => graph.node('TreeEnsembleClassifier', [x], attributes, { domain, outputs: 2 }) as [Value, Value],
    treeEnsembleRegressor: (x, attributes) => graph.node('TreeEnsembleRegressor', [x], attributes, { domain }),
    treeEnsemble: (x, attributes) => graph.node('TreeEnsemble', [x], attributes, { domain }),
    svmClassifier: (x, attributes) => graph.node('SVMClassifier', [x], attributes, { domain, outputs: 2 }) as [Value, Value],
    svmRegressor: (x, attributes) => graph.node('SVMRegressor', [x], attributes, { domain }),
    arrayFeatureExtractor: (x, columns) => graph.node('ArrayFeatureExtractor', [x, graph.constant(constantTensor(ElementType.INT64, columns))], {}, { domain }),
    stringNormalizer: (x, options) =>
      graph.node('StringNormalizer', [x], {
        case_change_action: options.case,
        stopwords: options.stopwords,
        is_case_sensitive: options.caseSensitive === undefined ? undefined : Number(options.caseSensitive),
        locale: options.locale,
      }),
    stringConcat: (a, b) => graph.node('StringConcat', [a, b]),
    stringSplit: (x, delimiter, mostSplits) => graph.node('StringSplit', [x], { delimiter, maxsplit: mostSplits }, { outputs: 2 }) as [Value, Value],
    regexFullMatch: (x, pattern) => graph.node('RegexFullMatch', [x], { pattern }),
    tfIdfVectorizer: (x, attributes) => graph.node('TfIdfVectorizer', [x], attributes),
  };
}

function typeOf(labels: readonly Label[]): number {
  if (labels.some((label) => typeof label === 'string')) return ElementType.STRING;
  return labels.every((label) => typeof label === 'bigint' || Number.isInteger(label)) ? ElementType.INT64 : ElementType.FLOAT;
}
