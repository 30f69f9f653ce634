/** The trees of XGBoost's gbtree and dart boosters. */
import { categoryIntervals, simplify, type DecisionTree, type Split } from '../decision-tree.ts';
import { refused, type Item } from '../model-file.ts';

interface Outputs {
  readonly featureCount: number;
  readonly outputCount: number;
}

/** `weights`: one a tree, of dart. `iterations`: how many rounds are read; undefined: all. */
export function readTrees(model: Item, outputs: Outputs, weights: Item | undefined, iterations: number | undefined): DecisionTree[] {
  const trees = model.member('trees').items();
  const targets = model.member('tree_info').numbers(trees.length);
  const dropped = weights?.numbers(trees.length);
  const count = iterations === undefined ? trees.length : Math.min(trees.length, treesOf(model, outputs, iterations));
  return trees.slice(0, count).map((tree, index) => readTree(tree, targets[index]!, outputs, dropped?.[index] ?? 1));
}

function treesOf(model: Item, { outputCount }: Outputs, iterations: number): number {
  const pointers = model.member('iteration_indptr');
  if (!pointers.isAbsent) {
    const list = pointers.numbers();
    return list[Math.min(iterations, list.length - 1)] ?? 0;
  }
  const parallel = model.member('gbtree_model_param').member('num_parallel_tree');
  return iterations * outputCount * Math.max(1, parallel.isAbsent ? 1 : parallel.integer());
}

function readTree(tree: Item, target: number, { outputCount }: Outputs, weight: number): DecisionTree {
  const lefts = tree.member('left_children').numbers();
  const count = lefts.length;
  if (count === 0) throw refused(`${tree.at} has no nodes`, tree.at);
  const rights = tree.member('right_children').numbers(count);
  const features = tree.member('split_indices').numbers(count);
  // Versions 2 and 3.0 leave garbage where a node has a set of categories or a vector.
  const conditions = tree.member('split_conditions').numbersOrMissing(count);
  const missing = tree.member('default_left').numbers(count);
  const kinds = tree.member('split_type');
  const types = kinds.isAbsent ? new Uint8Array(count) : kinds.numbers(count);
  const categories = readCategories(tree);
  const sizeOfLeaf = tree.member('tree_param').member('size_leaf_vector');
  const width = Math.max(1, sizeOfLeaf.isAbsent ? 1 : sizeOfLeaf.integer());
  if (width !== 1 && width !== outputCount) throw refused(`${tree.at} has leaves of ${width} numbers for ${outputCount} outputs`, tree.at);

  // Nodes by number become splits and leaves by number.
  const places = new Int32Array(count);
  let splitCount = 0;
  let leafCount = 0;
  for (let node = 0; node < count; node++) places[node] = lefts[node] === -1 ? -1 - leafCount++ : splitCount++;
  const leaves = new Float64Array(leafCount * width);
  const splits: Split[] = [];
  const vectors = width === 1 ? undefined : leafVectors(tree, count, width);
  for (let node = 0; node < count; node++) {
    if (lefts[node] === -1) {
      const leaf = -1 - places[node]!;
      for (let index = 0; index < width; index++) {
        const value = vectors === undefined ? conditions[node]! : vectors.values[(vectors.isByLeaf ? rights[node]! : node) * width + index];
        if (value === undefined || Number.isNaN(value)) throw refused(`${tree.at} has no weight for node ${node}, a leaf`, tree.at);
        leaves[leaf * width + index] = Math.fround(Math.fround(value) * Math.fround(weight));
      }
      continue;
    }
    const [left, right] = [places[lefts[node]!], places[rights[node]!]];
    if (left === undefined || right === undefined) throw refused(`node ${node} of ${tree.at} leads to a node that is not there`, tree.at);
    const missingLeft = missing[node] !== 0;
    if (types[node] === 0) {
      splits.push({ feature: features[node]!, bounds: [Math.fround(conditions[node]!)], goesLeft: [true, false], missingLeft, left, right });
    } else {
      const set = categories.get(node);
      if (types[node] !== 1 || set === undefined) throw refused(`node ${node} of ${tree.at} splits in a way that is not known (split_type ${types[node]})`, tree.at);
      // The set goes right; what is in no set (negative, too large) goes left.
      const { bounds, goesLeft } = categoryIntervals(set, false, (category) => category);
      splits.push({ feature: features[node]!, ...simplify(bounds, goesLeft), missingLeft, left, right });
    }
  }
  // The root is the first node, and so the first split or the only leaf.
  if (splitCount > 0 && lefts[0] === -1) throw refused(`the root of ${tree.at} is a leaf, but other nodes split`, tree.at);
  return { target: width === 1 ? target : 0, splits, leaves, width };
}

/** Since version 3.1 a row for each leaf, whose number is in place of its right child; before a row for each node. */
function leafVectors(tree: Item, count: number, width: number): { values: ArrayLike<number>; isByLeaf: boolean } {
  const byLeaf = tree.member('leaf_weights');
  return byLeaf.isAbsent ? { values: tree.member('base_weights').numbers(count * width), isByLeaf: false } : { values: byLeaf.numbers(), isByLeaf: true };
}

/** The set of categories of each node that has one. */
function readCategories(tree: Item): ReadonlyMap<number, number[]> {
  const found = new Map<number, number[]>();
  const nodesOf = tree.member('categories_nodes');
  if (nodesOf.isAbsent) return found;
  const nodes = nodesOf.numbers();
  const sizes = tree.member('categories_sizes').numbers(nodes.length);
  const starts = tree.member('categories_segments').numbers(nodes.length);
  const all = tree.member('categories').numbers();
  for (let index = 0; index < nodes.length; index++) {
    const [start, end] = [starts[index]!, starts[index]! + sizes[index]!];
    const set = Array.from({ length: Math.max(0, Math.min(end, all.length) - start) }, (_, place) => all[start + place]!);
    if (!(start >= 0) || end > all.length || set.some((category) => !Number.isInteger(category) || category < 0 || category >= 1 << 24)) throw refused(`${tree.at}.categories does not fit its segments`, tree.at);
    found.set(nodes[index]!, set);
  }
  return found;
}
