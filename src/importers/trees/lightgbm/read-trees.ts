/** The trees of a LightGBM model: how splits treat zero and missing values, sets of categories, linear models in leaves. */
import { categoryIntervals, nextDown, simplify, type DecisionTree, type Forest, type Split } from '../decision-tree.ts';
import { refused } from '../model-file.ts';
import type { Section } from './model-text.ts';

/** Numbers from -1e-35 to 1e-35 (in float32) are zero to LightGBM. */
const zeroThreshold = Math.fround(1e-35);
const largestLinearTable = 1 << 26;

/** Bits of `decision_type`. */
const categorical = 1;
const defaultLeft = 2;
const missingTypes = ['none', 'zero', 'nan'] as const;
type MissingType = (typeof missingTypes)[number];

export interface LinearForest {
  readonly forest: Forest;
  /** Features that leaves multiply with; empty where no leaf does. Each score then has the targets of `linearWidth`. */
  readonly linear: readonly number[];
}

/** A constant, and for each feature the sum of its positive coefficients and that of its negative ones. */
export function linearWidth(linear: readonly number[]): number {
  return linear.length === 0 ? 1 : 2 * linear.length + 1;
}

/** Tree i adds to score i modulo `scoreCount`. Throws `INVALID_MODEL`. */
export function readForest(sections: readonly Section[], featureCount: number, scoreCount: number): LinearForest {
  if (sections.length % scoreCount !== 0) throw refused(`${sections.length} trees are not the same number for each of ${scoreCount} scores`);
  const linear = linearFeatures(sections, featureCount);
  const width = linearWidth(linear);
  let size = 0;
  const trees = sections.map((section, index) => {
    const tree = readTree(section, (index % scoreCount) * width, linear);
    size += tree.leaves.length;
    if (linear.length > 0 && size > largestLinearTable) throw refused(`its linear trees have too many leaves for ${linear.length} features (linear_tree)`);
    return tree;
  });
  return { forest: { trees, comparison: 'lessOrEqual', featureCount, targetCount: scoreCount * width }, linear };
}

function linearFeatures(sections: readonly Section[], featureCount: number): number[] {
  const features = new Set<number>();
  for (const section of sections) {
    if (section.text('is_linear') !== '1') continue;
    for (const feature of section.numbers('leaf_features')) {
      if (!Number.isInteger(feature) || feature < 0 || feature >= featureCount) throw refused(`leaf_features of ${section.name} names feature ${feature} of ${featureCount}`);
      features.add(feature);
    }
  }
  return [...features].sort((a, b) => a - b);
}

function readTree(section: Section, target: number, linear: readonly number[]): DecisionTree {
  const leafCount = section.integer('num_leaves', 1, 1 << 24);
  const values = section.numbers('leaf_value', leafCount);
  const splits = leafCount === 1 ? [] : readSplits(section, leafCount);
  if (linear.length === 0) return { target, splits, leaves: values, width: 1 };
  return withLinearLeaves(section, { target, splits, leaves: values, width: 1 }, linear);
}

function readSplits(section: Section, leafCount: number): Split[] {
  const count = leafCount - 1;
  const features = section.numbers('split_feature', count);
  const thresholds = section.numbers('threshold', count);
  const decisions = section.numbers('decision_type', count);
  const lefts = section.numbers('left_child', count);
  const rights = section.numbers('right_child', count);
  const setCount = section.integer('num_cat', 0);
  const boundaries = section.numbers('cat_boundaries', setCount === 0 ? undefined : setCount + 1);
  const words = section.numbers('cat_threshold');
  return Array.from({ length: count }, (_, node): Split => {
    const decision = decisions[node]!;
    const common = { feature: features[node]!, left: lefts[node]!, right: rights[node]! };
    if ((decision & categorical) !== 0) {
      // What is missing, negative or in no set goes right.
      const { bounds, goesLeft } = categoryIntervals(readSet(section, thresholds[node]!, boundaries, words), true, (category) => (category === 0 ? -1 : nextDown(category)));
      return { ...common, ...simplify(bounds, goesLeft), missingLeft: false };
    }
    const missingType = missingTypes[(decision >> 2) & 3];
    if (missingType === undefined || decision >= 16) throw refused(`decision_type ${decision} of ${section.name} is not known`, section.name);
    return { ...common, ...numericalSplit(thresholds[node]!, missingType, (decision & defaultLeft) !== 0) };
  });
}

/** LightGBM's decision, asked at the end of each interval. Rows reach it with zeros where numbers are next to zero. */
function numericalSplit(threshold: number, missingType: MissingType, missingGoesLeft: boolean): Pick<Split, 'bounds' | 'goesLeft' | 'missingLeft'> {
  const goesLeft = (given: number): boolean => {
    const value = Math.abs(given) <= zeroThreshold ? 0 : given;
    return missingType === 'zero' && value === 0 ? missingGoesLeft : value <= threshold;
  };
  const nearZero = missingType === 'zero' || Math.abs(threshold) <= zeroThreshold;
  const bounds = nearZero ? [...new Set([threshold, nextDown(-zeroThreshold), zeroThreshold])].sort((a, b) => a - b) : [threshold];
  const simplified = simplify(bounds, [...bounds.map(goesLeft), goesLeft(Infinity)]);
  return { ...simplified, missingLeft: missingType === 'none' ? goesLeft(0) : missingGoesLeft };
}

/** A set of categories is bits of 32-bit words. */
function readSet(section: Section, index: number, boundaries: Float64Array, words: Float64Array): number[] {
  const [start, end] = [boundaries[index], boundaries[index + 1]];
  if (start === undefined || end === undefined || !(start >= 0) || end > words.length || start > end) throw refused(`a split of ${section.name} asks for set ${index} of categories, which is not there`, section.name);
  const categories: number[] = [];
  for (let word = start; word < end; word++) {
    for (let bit = 0; bit < 32; bit++) if (((words[word]! >>> bit) & 1) === 1) categories.push((word - start) * 32 + bit);
  }
  return categories;
}

/**
 * Each leaf becomes a row: its constant, and its coefficients by sign, since infinite numbers times one of each kind are no number. Where a value that the leaf would multiply with is missing, its plain value is the
 * answer: a chain of splits in front of the leaf asks for that.
 */
function withLinearLeaves(section: Section, { target, splits, leaves: plain }: DecisionTree, linear: readonly number[]): DecisionTree {
  const width = linearWidth(linear);
  const isLinear = section.text('is_linear') === '1';
  const counts = isLinear ? section.numbers('num_features', plain.length) : new Float64Array(plain.length);
  const features = isLinear ? section.numbers('leaf_features') : new Float64Array();
  const coefficients = isLinear ? section.numbers('leaf_coeff', features.length) : new Float64Array();
  const constants = isLinear ? section.numbers('leaf_const', plain.length) : plain;
  const places = new Map(linear.map((feature, index) => [feature, index]));
  const rows: { readonly constant: number; readonly terms: readonly (readonly [place: number, coefficient: number])[] }[] = [];
  const addLeaf = (constant: number, terms: readonly (readonly [number, number])[]): number => -rows.push({ constant, terms });
  const added: Split[] = [];
  const entries: number[] = [];
  let next = 0;
  for (let leaf = 0; leaf < plain.length; leaf++) {
    const count = counts[leaf]!;
    const used = features.subarray(next, next + count);
    const terms = Array.from(used, (feature, index) => [places.get(feature)!, coefficients[next + index]!] as const);
    next += count;
    let entry = addLeaf(constants[leaf]!, terms);
    for (const feature of new Set(used)) {
      added.push({ feature, bounds: [], goesLeft: [true], missingLeft: false, left: entry, right: addLeaf(plain[leaf]!, []) });
      entry = splits.length + added.length - 1;
    }
    entries.push(entry);
  }
  if (next !== features.length) throw refused(`leaf_features of ${section.name} do not fit num_features`, section.name);
  const leaves = new Float64Array(rows.length * width);
  for (const [row, { constant, terms }] of rows.entries()) {
    leaves[row * width] = constant;
    for (const [place, coefficient] of terms) {
      const [positive, negative] = [row * width + 1 + place, row * width + 1 + linear.length + place];
      if (coefficient >= 0) leaves[positive]! += coefficient === 0 ? Number.MIN_VALUE : coefficient;
      if (coefficient <= 0) leaves[negative]! -= coefficient === 0 ? Number.MIN_VALUE : coefficient;
    }
  }
  const entryOf = (child: number): number => (child < 0 ? (entries[-1 - child] ?? Number.NaN) : child);
  const moved = splits.map((split) => ({ ...split, left: entryOf(split.left), right: entryOf(split.right) }));
  if (moved.some(({ left, right }) => Number.isNaN(left + right))) throw refused(`a split of ${section.name} leads to a leaf that is not there`, section.name);
  if (splits.length === 0 && added.length > 0) {
    // The only leaf: its chain is the tree, and its last split the root.
    const order = added.toReversed();
    const renumbered = order.map((split) => ({ ...split, left: split.left < 0 ? split.left : order.indexOf(added[split.left]!) }));
    return { target, splits: renumbered, leaves, width };
  }
  return { target, splits: [...moved, ...added], leaves, width };
}
