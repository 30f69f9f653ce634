/** The operators of ai.onnx.ml and those on texts. https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md */
import { ElementType } from '../data-type.ts';
import { multiplyDimensions, unknownDimension, type Dimension, type Shape } from '../dimension.ts';
import { sequenceType, tensorType, type ValueType } from '../value-type.ts';
import { knownTensor } from './known-value.ts';
import type { NodeContext, Rule } from './node-context.ts';

/** Rows of what has one axis or more; one row of a list. */
function rowsOf(node: NodeContext): Dimension {
  const shape = node.shape(0);
  return shape === undefined ? unknownDimension() : shape.length < 2 ? 1 : shape[0]!;
}

function classCount(node: NodeContext, ...names: string[]): number | undefined {
  for (const name of names) {
    const count = node.attributes.texts(name)?.length ?? node.attributes.integers(name)?.length;
    if (count !== undefined) return count;
  }
  return undefined;
}

const classifier: Rule = (node) => {
  const texts = ['classlabels_strings', 'classlabels_strings_', 'classlabels'].some((name) => (node.attributes.texts(name)?.length ?? 0) > 0);
  const count = classCount(node, 'classlabels_strings', 'classlabels_int64s', 'classlabels_ints');
  const rows = rowsOf(node);
  return [knownTensor(texts ? ElementType.STRING : ElementType.INT64, [rows]), knownTensor(ElementType.FLOAT, [rows, count ?? unknownDimension()])];
};

const regressor: Rule = (node) => [knownTensor(ElementType.FLOAT, [rowsOf(node), node.integer('n_targets', node.integer('targets', 1))])];

const supportVectorRegressor: Rule = (node) => [knownTensor(ElementType.FLOAT, [rowsOf(node), 1])];

const treeEnsemble: Rule = (node) => [knownTensor(node.elementType(0), [rowsOf(node), node.integer('n_targets', 1)])];

const sameShape =
  (elementType: (node: NodeContext) => number): Rule =>
  (node) => [knownTensor(elementType(node), node.shape(0))];

const labelEncoder = sameShape((node) => {
  const { attributes } = node;
  if (node.opset < 2) return node.elementType(0) === ElementType.STRING ? ElementType.INT64 : ElementType.STRING;
  if (attributes.has('values_strings')) return ElementType.STRING;
  if (attributes.has('values_int64s')) return ElementType.INT64;
  if (attributes.has('values_floats')) return ElementType.FLOAT;
  return attributes.tensor('values_tensor')?.dataType ?? 0;
});

const categoryMapper = sameShape((node) => (node.elementType(0) === ElementType.STRING ? ElementType.INT64 : ElementType.STRING));

const oneHotEncoder: Rule = (node) => {
  const count = classCount(node, 'cats_int64s', 'cats_strings');
  return [knownTensor(ElementType.FLOAT, node.shape(0) === undefined ? undefined : [...node.shape(0)!, count ?? unknownDimension()])];
};

const featureVectorizer: Rule = (node) => {
  const count = node.attributes.integers('inputdimensions')?.reduce((sum, size) => sum + size, 0);
  return [knownTensor(ElementType.FLOAT, [rowsOf(node), count ?? unknownDimension()])];
};

const arrayFeatureExtractor: Rule = (node) => {
  const shape = node.shape(0);
  const picked = node.shape(1)?.reduce<Dimension>((product, size) => multiplyDimensions(product, size), 1);
  if (shape === undefined) return [knownTensor(node.elementType(0))];
  return [knownTensor(node.elementType(0), shape.length <= 1 ? [1, picked ?? unknownDimension()] : [...shape.slice(0, -1), picked ?? unknownDimension()])];
};

const zipMap: Rule = (node) => {
  const map: ValueType = { kind: 'map', key: (node.attributes.texts('classlabels_strings')?.length ?? 0) > 0 ? ElementType.STRING : ElementType.INT64, value: tensorType(ElementType.FLOAT) };
  return [{ type: sequenceType(map) }];
};

const castMap: Rule = (node) => {
  const to = { TO_FLOAT: ElementType.FLOAT, TO_STRING: ElementType.STRING, TO_INT64: ElementType.INT64 }[node.attributes.text('cast_to') ?? 'TO_FLOAT'] ?? 0;
  return [knownTensor(to, [1, node.attributes.text('map_form') === 'SPARSE' ? node.integer('max_map', 1) : unknownDimension()])];
};

const dictionaryVectorizer: Rule = (node) => {
  const type = node.type(0);
  const value = type?.kind === 'map' && type.value?.kind === 'tensor' ? type.value.elementType : 0;
  return [knownTensor(value, [1, classCount(node, 'string_vocabulary', 'int64_vocabulary') ?? unknownDimension()])];
};

const tfIdf: Rule = (node) => {
  const shape = node.shape(0);
  const indexes = node.attributes.integers('ngram_indexes');
  const width = indexes === undefined ? unknownDimension() : indexes.reduce((most, index) => Math.max(most, index), -1) + 1;
  return [knownTensor(ElementType.FLOAT, shape === undefined ? undefined : [...shape.slice(0, -1), width])];
};

const normalizeText: Rule = (node) => {
  const shape = node.shape(0);
  const stops = (node.attributes.texts('stopwords')?.length ?? 0) > 0;
  return [knownTensor(ElementType.STRING, !stops ? shape : shape?.map((size, axis) => (axis === shape.length - 1 ? unknownDimension() : size)))];
};

const splitText: Rule = (node) => [
  knownTensor(ElementType.STRING, node.shape(0) === undefined ? undefined : [...node.shape(0)!, unknownDimension()]),
  knownTensor(ElementType.INT64, node.shape(0)),
];

const concatText: Rule = (node) => {
  const [a, b] = [node.shape(0), node.shape(1)];
  const widen = (from: Shape, to: Shape): Shape => [...new Array<Dimension>(Math.max(0, to.length - from.length)).fill(1), ...from];
  if (a === undefined || b === undefined) return [knownTensor(ElementType.STRING)];
  const left = widen(a, b);
  const right = widen(b, a);
  return [knownTensor(ElementType.STRING, left.map((size, axis) => (size === right[axis] || right[axis] === 1 ? size : size === 1 || typeof right[axis] === 'number' ? right[axis]! : typeof size === 'number' ? size : unknownDimension())))];
};

const tokenizer: Rule = (node) => [knownTensor(ElementType.STRING, node.shape(0) === undefined ? undefined : [...node.shape(0)!, unknownDimension()])];

const float = sameShape(() => ElementType.FLOAT);
const likeInput = sameShape((node) => node.elementType(0));

export const machineLearningRules: Readonly<Record<string, Rule>> = {
  LinearClassifier: classifier,
  SVMClassifier: classifier,
  TreeEnsembleClassifier: classifier,
  LinearRegressor: regressor,
  TreeEnsembleRegressor: regressor,
  SVMRegressor: supportVectorRegressor,
  TreeEnsemble: treeEnsemble,
  LabelEncoder: labelEncoder,
  CategoryMapper: categoryMapper,
  OneHotEncoder: oneHotEncoder,
  FeatureVectorizer: featureVectorizer,
  ArrayFeatureExtractor: arrayFeatureExtractor,
  ZipMap: zipMap,
  CastMap: castMap,
  DictVectorizer: dictionaryVectorizer,
  Scaler: float,
  Normalizer: float,
  Imputer: likeInput,
  Binarizer: likeInput,
};

export const textRules: Readonly<Record<string, Rule>> = {
  TfIdfVectorizer: tfIdf,
  StringNormalizer: normalizeText,
  StringSplit: splitText,
  StringConcat: concatText,
  RegexFullMatch: sameShape(() => ElementType.BOOL),
  Tokenizer: tokenizer,
};
