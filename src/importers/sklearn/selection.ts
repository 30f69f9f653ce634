/** Selection of columns: which were kept is known from the scores that fitting left. */
import type { Converter, Converters } from './estimator.ts';
import { matrixOf, type Fitted } from './fitted.ts';

function selector(mask: (record: Fitted) => ArrayLike<boolean | number>): Converter {
  return (record) => {
    const chosen = Array.from(mask(record)).flatMap((kept, index) => (kept === true || kept === 1 ? [index] : []));
    if (chosen.length === 0) record.refuse('it keeps no column');
    return { record, transform: (rows) => rows.select(chosen) };
  };
}

/** Scores that are no numbers are the least. */
function clean(scores: Float64Array): Float64Array {
  return scores.map((score) => (Number.isNaN(score) ? -Number.MAX_VALUE : score));
}

/** The places of the largest; of equal ones the later, as a stable sort has them last. */
function best(scores: Float64Array, count: number): boolean[] {
  const order = Array.from(scores, (_, index) => index).sort((a, b) => scores[a]! - scores[b]! || a - b);
  const kept = new Set(count <= 0 ? [] : order.slice(-count));
  return Array.from(scores, (_, index) => kept.has(index));
}

/** Linear between the neighbours, as NumPy's percentile. */
function quantile(values: Float64Array, fraction: number): number {
  const sorted = values.slice().sort();
  const place = fraction * (sorted.length - 1);
  const below = Math.floor(place);
  const rest = place - below;
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return rest >= 0.5 ? high - (high - low) * (1 - rest) : low + (high - low) * rest;
}

function percentile(record: Fitted, percent: number): boolean[] {
  const scores = clean(record.vector('scores_'));
  if (percent === 100) return Array.from(scores, () => true);
  if (percent === 0) return Array.from(scores, () => false);
  const threshold = quantile(scores, (100 - percent) / 100);
  const mask = Array.from(scores, (score) => score > threshold);
  let room = Math.trunc((scores.length * percent) / 100) - mask.filter(Boolean).length;
  for (const [index, score] of scores.entries()) if (score === threshold && room-- > 0) mask[index] = true;
  return mask;
}

function kBest(record: Fitted, count: unknown): boolean[] {
  const scores = clean(record.vector('scores_'));
  return count === 'all' ? Array.from(scores, () => true) : best(scores, Number(count));
}

function falsePositives(record: Fitted, alpha: number): boolean[] {
  return Array.from(record.vector('pvalues_'), (value) => value < alpha);
}

function falseDiscoveries(record: Fitted, alpha: number): boolean[] {
  const values = record.vector('pvalues_');
  const sorted = values.slice().sort().filter((value, index) => value <= (alpha / values.length) * (index + 1));
  const most = sorted.length === 0 ? -1 : Math.max(...sorted);
  return Array.from(values, (value) => value <= most);
}

function familyWise(record: Fitted, alpha: number): boolean[] {
  const values = record.vector('pvalues_');
  return Array.from(values, (value) => value < alpha / values.length);
}

const generic = selector((record) => {
  const parameter = record.get('param');
  switch (record.text('mode', 'percentile')) {
    case 'percentile': return percentile(record, Number(parameter));
    case 'k_best': return kBest(record, parameter);
    case 'fpr': return falsePositives(record, Number(parameter));
    case 'fdr': return falseDiscoveries(record, Number(parameter));
    default: return familyWise(record, Number(parameter));
  }
});

/** How much a fitted estimator uses each column. */
function importances(record: Fitted): Float64Array {
  const estimator = record.has('estimator_') ? record.child('estimator_') : record.child('estimator');
  if (record.text('importance_getter', 'auto') !== 'auto') record.refuse('an importance_getter is not covered');
  if (!estimator.has('coef_')) return record.refuse(`how much its ${estimator.name} uses each column is not in the file; select with SelectKBest, RFE or SequentialFeatureSelector`);
  const { shape, data } = matrixOf(estimator.get('coef_')) ?? record.refuse('its coefficients are not numbers');
  if (shape.length < 2) return data.map(Math.abs);
  const width = shape[1]!;
  const order = record.number('norm_order', 1);
  return Float64Array.from({ length: width }, (_, column) => {
    const values = Array.from({ length: shape[0]! }, (_unused, line) => Math.abs(data[line * width + column]!));
    return order === Infinity ? Math.max(...values) : values.reduce((total, value) => total + value ** order, 0) ** (1 / order);
  });
}

const fromModel = selector((record) => {
  const scores = importances(record);
  const estimator = record.has('estimator_') ? record.child('estimator_') : record.child('estimator');
  const given = record.get('threshold');
  const sparse = estimator.get('penalty') === 'l1' || estimator.name.includes('Lasso') || (/^(?:ElasticNet|LogisticRegression)$/.test(estimator.name) && estimator.get('l1_ratio') === 1);
  const rule = typeof given === 'number' ? given : typeof given === 'string' ? given : sparse ? 1e-5 : 'mean';
  const reference = (name: string) => (name === 'median' ? quantile(scores, 0.5) : scores.reduce((total, value) => total + value, 0) / scores.length);
  const [factor, name] = typeof rule === 'string' && rule.includes('*') ? rule.split('*') : ['1', String(rule)];
  const threshold = typeof rule === 'number' ? rule : Number(factor) * reference(name!.trim());
  const most = record.has('max_features') ? record.number('max_features_', record.number('max_features')) : scores.length;
  const order = Array.from(scores, (_, index) => index).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const allowed = new Set(order.slice(0, most));
  return Array.from(scores, (score, index) => allowed.has(index) && !(score < threshold));
});

const support = selector((record) => record.vector('support_'));

/** Selects for, or is asked through, the estimator that it was fitted with. */
const eliminated: Converter = (record, convert) => {
  const chosen = Array.from(record.vector('support_')).flatMap((kept, index) => (kept === 1 ? [index] : []));
  const last = convert(record.child('estimator_'));
  const wrapped: Record<string, unknown> = { ...last, record };
  for (const [name, method] of Object.entries(last)) if (typeof method === 'function') wrapped[name] = (rows: { select(columns: readonly number[]): unknown }) => (method as (rows: unknown) => unknown)(rows.select(chosen));
  return { ...(wrapped as unknown as ReturnType<Converter>), transform: (rows) => rows.select(chosen) };
};

export const selections: Converters = {
  'sklearn.feature_selection._variance_threshold.VarianceThreshold': selector((record) => Array.from(record.vector('variances_'), (variance) => variance > record.number('threshold', 0))),
  'sklearn.feature_selection._univariate_selection.SelectKBest': selector((record) => kBest(record, record.get('k'))),
  'sklearn.feature_selection._univariate_selection.SelectPercentile': selector((record) => percentile(record, record.number('percentile'))),
  'sklearn.feature_selection._univariate_selection.SelectFpr': selector((record) => falsePositives(record, record.number('alpha'))),
  'sklearn.feature_selection._univariate_selection.SelectFdr': selector((record) => falseDiscoveries(record, record.number('alpha'))),
  'sklearn.feature_selection._univariate_selection.SelectFwe': selector((record) => familyWise(record, record.number('alpha'))),
  'sklearn.feature_selection._univariate_selection.GenericUnivariateSelect': generic,
  'sklearn.feature_selection._from_model.SelectFromModel': fromModel,
  'sklearn.feature_selection._sequential.SequentialFeatureSelector': support,
  'sklearn.feature_selection._rfe.RFE': eliminated,
  'sklearn.feature_selection._rfe.RFECV': eliminated,
};
