/** CatBoost's trees: oblivious ones, which ask the same question everywhere on a level, and others. */
import type { DecisionTree, Forest, Split } from '../decision-tree.ts';
import { refused, type Item } from '../model-file.ts';
import type { FloatFeature } from './read-catboost.ts';

const mostSplits = 1 << 25;
const mostLevels = 16;

/** `dimensionCount`: of the bias, where it says. Throws `INVALID_MODEL`. */
export function readForest(document: Item, features: readonly FloatFeature[], featureCount: number, dimensionCount: number): Forest {
  const oblivious = document.member('oblivious_trees');
  const others = document.member('trees');
  if (oblivious.isAbsent && others.isAbsent) throw refused('it has neither oblivious_trees nor trees');
  const trees = oblivious.isAbsent ? others.items().map((tree) => readTree(tree, features)) : obliviousTrees(oblivious, features);
  const width = trees[0]?.width ?? dimensionCount;
  if (trees.some((tree) => tree.width !== width) || (dimensionCount !== 1 && dimensionCount !== width)) throw refused('its trees have leaves of different sizes');
  return { trees, comparison: 'lessOrEqual', featureCount, targetCount: width };
}

function obliviousTrees(list: Item, features: readonly FloatFeature[]): DecisionTree[] {
  let splitCount = 0;
  return list.items().map((tree) => {
    const questions = tree.member('splits').isAbsent ? [] : tree.member('splits').items().map((split) => readQuestion(split, features));
    if (questions.length > mostLevels) throw refused(`${tree.at} has ${questions.length} levels; ${mostLevels} are the most`, tree.at);
    splitCount += 2 ** questions.length - 1;
    if (splitCount > mostSplits) throw refused(`its trees have more than ${mostSplits} splits`);
    const leaves = Float64Array.from(tree.member('leaf_values').numbers());
    const leafCount = 2 ** questions.length;
    if (leaves.length === 0 || leaves.length % leafCount !== 0) throw refused(`${tree.at} has ${leaves.length} leaf values for ${leafCount} leaves`, tree.at);
    // Splits lie in the order of a heap: the children of i are 2i+1 and 2i+2. The answer to question l is bit l of the leaf.
    const splits: Split[] = [];
    for (const [level, question] of questions.entries()) {
      const isLast = level === questions.length - 1;
      for (let path = 0; path < 2 ** level; path++) {
        // `path` holds the first answer in its highest bit.
        const index = 2 ** level - 1 + path;
        const leafOf = (last: number): number => -1 - reverseBits(path * 2 + last, level + 1);
        splits.push({ ...question, left: isLast ? leafOf(0) : 2 * index + 1, right: isLast ? leafOf(1) : 2 * index + 2 });
      }
    }
    return { target: 0, splits, leaves, width: leaves.length / leafCount };
  });
}

function reverseBits(value: number, count: number): number {
  let reversed = 0;
  for (let bit = 0; bit < count; bit++) reversed |= ((value >> bit) & 1) << (count - 1 - bit);
  return reversed;
}

/** Above its border a number goes right. */
function readQuestion(split: Item, features: readonly FloatFeature[]): Omit<Split, 'left' | 'right'> {
  const kind = split.member('split_type').isAbsent ? 'FloatFeature' : split.member('split_type').text();
  if (kind !== 'FloatFeature') throw refused(`splits of the type ${kind} are not covered (numerical features are)`, split.at);
  const feature = features[split.member('float_feature_index').integer()];
  if (feature === undefined) throw refused('a split asks for a feature that is not there', split.at);
  return { feature: feature.column, bounds: [Math.fround(split.member('border').number())], goesLeft: [true, false], missingLeft: !feature.missingAbove };
}

/** A tree of objects inside each other: `split`, `left`, `right`, or `value`. */
function readTree(root: Item, features: readonly FloatFeature[]): DecisionTree {
  const splits: { -readonly [Key in keyof Split]: Split[Key] }[] = [];
  const values: number[] = [];
  let width = 0;
  const read = (node: Item): number => {
    const value = node.member('value');
    if (!value.isAbsent) {
      const numbers = Array.isArray(value.value) ? Array.from(value.numbers()) : [value.number()];
      if (width === 0) width = numbers.length;
      if (numbers.length !== width || width === 0) throw refused('leaves have different sizes', node.at);
      values.push(...numbers);
      return -(values.length / width);
    }
    const place = splits.push({ ...readQuestion(node.member('split'), features), left: 0, right: 0 }) - 1;
    open.push([node.member('right'), place, 'right'], [node.member('left'), place, 'left']);
    return place;
  };
  const open: [Item, number, 'left' | 'right'][] = [];
  read(root);
  for (let next = open.pop(); next !== undefined; next = open.pop()) splits[next[1]]![next[2]] = read(next[0]);
  return { target: 0, splits, leaves: Float64Array.from(values), width };
}
