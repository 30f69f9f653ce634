/**
 * CatBoost's binary format, `.cbm`, as the document that its JSON format would be. Magic, length, and a table of FlatBuffers whose schema is
 * https://github.com/catboost/catboost/blob/master/catboost/libs/model/flatbuffers/model.fbs; fields have their numbers of there.
 */
import { FlatTable } from '../../../formats/flatbuffer.ts';
import { refused } from '../model-file.ts';

export function isBinary(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'CBM1';
}

/** Fields of TModelTrees. */
const trees = { dimension: 0, splits: 1, sizes: 2, starts: 3, categorical: 4, floats: 5, oneHot: 6, statistics: 7, leafValues: 8, steps: 10, leafOfNode: 11, text: 12, estimated: 13, scale: 14, bias: 15, biases: 16, embedding: 18 } as const;
const nanTreatments = ['AsIs', 'AsFalse', 'AsTrue'] as const;
/** A tree of objects inside each other is made, and walked, without recursion; this bounds the splits of all trees. */
const mostNodes = 1 << 25;

interface Question {
  readonly split_type: 'FloatFeature';
  readonly float_feature_index: number;
  readonly border: number;
}

/** Throws `INVALID_MODEL` where the file is damaged, or has what the JSON document could not say. */
export function readBinary(bytes: Uint8Array): unknown {
  const size = bytes.length < 8 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (size === 0 || 8 + size > bytes.length) throw refused('the file ends early: it is no whole CatBoost model');
  const core = FlatTable.root(bytes.subarray(8, 8 + size));
  const model = core.table(1) ?? refuse('it has no trees');
  const floats = model.tables(trees.floats);
  const features = floats.map((feature) => ({
    feature_index: feature.int32(1, -1),
    flat_feature_index: feature.int32(2, -1),
    feature_id: feature.text(4) ?? '',
    nan_value_treatment: nanTreatments[feature.int8(5)] ?? 'unknown',
  }));
  const others = { categorical_features: model.tables(trees.categorical), text_features: model.tables(trees.text), embedding_features: model.tables(trees.embedding) };
  const information: Record<string, unknown> = { float_features: features };
  for (const [name, list] of Object.entries(others)) information[name] = list.map((_, index) => index);
  const hasOthers = Object.values(others).some((list) => list.length > 0);
  // Splits are numbered through the borders of all features.
  const questions = floats.flatMap((feature, index) => Array.from(feature.float32s(3), (border): Question => ({ split_type: 'FloatFeature', float_feature_index: features[index]!.feature_index, border })));
  const biases = model.float64s(trees.biases);
  const document: Record<string, unknown> = {
    features_info: information,
    scale_and_bias: [model.float64(trees.scale, 1), biases.length > 0 ? Array.from(biases) : [model.float64(trees.bias, 0)]],
    model_info: Object.fromEntries(core.tables(2).map((entry) => [entry.text(0) ?? '', entry.text(1) ?? ''])),
  };
  // Of other kinds of features the reader of the document says that they are not covered.
  if (!hasOthers) Object.assign(document, model.uint16s(trees.steps, 2).length > 0 ? { trees: otherTrees(model, questions) } : { oblivious_trees: obliviousTrees(model, questions) });
  return document;
}

function refuse(what: string): never {
  throw refused(what);
}

function obliviousTrees(model: FlatTable, questions: readonly Question[]): unknown[] {
  const splits = model.int32s(trees.splits);
  const values = model.float64s(trees.leafValues);
  const dimension = model.int32(trees.dimension, 1);
  let nextSplit = 0;
  let nextValue = 0;
  return Array.from(model.int32s(trees.sizes), (depth) => {
    if (!(depth >= 0 && depth <= 16)) throw refused(`a tree has ${depth} levels`);
    const asked = Array.from(splits.subarray(nextSplit, nextSplit + depth), (split) => questions[split] ?? refuse(`a tree asks question ${split} of ${questions.length}`));
    const count = 2 ** depth * dimension;
    if (asked.length !== depth || nextValue + count > values.length) throw refused('its trees are longer than its lists of splits and leaf values');
    const tree = { splits: asked, leaf_values: Array.from(values.subarray(nextValue, nextValue + count)) };
    nextSplit += depth;
    nextValue += count;
    return tree;
  });
}

/** A node tells how far its children lie behind it; where that is 0, the answer is its own leaf. */
function otherTrees(model: FlatTable, questions: readonly Question[]): unknown[] {
  const splits = model.int32s(trees.splits);
  const steps = model.uint16s(trees.steps, 2);
  const leafOfNode = model.int32s(trees.leafOfNode);
  const values = model.float64s(trees.leafValues);
  const dimension = model.int32(trees.dimension, 1);
  const leafAt = (node: number): unknown => {
    const start = leafOfNode[node] ?? refuse('a node has no leaf');
    if (start < 0 || start + dimension > values.length) throw refused('a leaf lies outside of the list of leaf values');
    return { value: Array.from(values.subarray(start, start + dimension)) };
  };
  const sizes = model.int32s(trees.sizes);
  let first = 0;
  let nodeCount = 0;
  return Array.from(sizes, (size) => {
    const start = first;
    first += size;
    if (size < 1 || first > splits.length || first * 2 > steps.length) throw refused('its trees are longer than its list of nodes');
    const made: { tree: Record<string, unknown>; node: number }[] = [];
    const make = (node: number): Record<string, unknown> => {
      if (++nodeCount > mostNodes) throw refused(`its trees have more than ${mostNodes} nodes`);
      const [left, right] = [steps[2 * node]!, steps[2 * node + 1]!];
      if (left === 0 && right === 0) return leafAt(node) as Record<string, unknown>;
      const tree: Record<string, unknown> = { split: questions[splits[node]!] ?? refuse('a tree asks a question that is not there') };
      made.push({ tree, node });
      return tree;
    };
    const root = make(start);
    for (let next = made.pop(); next !== undefined; next = made.pop()) {
      const { tree, node } = next;
      for (const [side, step] of [['left', steps[2 * node]!], ['right', steps[2 * node + 1]!]] as const) {
        if (node + step >= first) throw refused('a node leads out of its tree');
        tree[side] = step === 0 ? leafAt(node) : make(node + step);
      }
    }
    return root;
  });
}
