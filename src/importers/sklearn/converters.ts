/** Every estimator that is covered: one table, `module.Class` → converter. */
import { nearest } from '../../lib/nearest.ts';
import { boosters } from './boosters.ts';
import { boosting } from './boosting.ts';
import { clusters } from './clusters.ts';
import { compositions } from './compose.ts';
import { decompositions } from './decomposition.ts';
import { encoders } from './encoders.ts';
import { ensembles } from './ensembles.ts';
import type { Convert, Converter, Converters, Estimator } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { factorizations } from './factorizations.ts';
import { gaussianProcesses } from './gaussian-processes.ts';
import { linear } from './linear.ts';
import { multiple } from './multiple.ts';
import { neighborGraphs } from './neighbor-graphs.ts';
import { neighbors } from './neighbors.ts';
import { networks } from './networks.ts';
import { probabilistic } from './probabilistic.ts';
import { scalers } from './scalers.ts';
import { selections } from './selection.ts';
import { splines } from './splines.ts';
import { supportVectors } from './support-vectors.ts';
import { trees } from './trees.ts';
import { vectorizers } from './vectorizers.ts';

export const converters: Converters = { ...linear, ...trees, ...boosting, ...boosters, ...ensembles, ...multiple, ...supportVectors, ...neighbors, ...networks, ...probabilistic, ...scalers, ...encoders, ...selections, ...decompositions, ...vectorizers, ...clusters, ...factorizations, ...gaussianProcesses, ...neighborGraphs, ...splines, ...compositions };

/** Modules moved over the years; a class is also found by its package and name. */
const byPackage = new Map<string, Converter>(Object.entries(converters).map(([path, converter]) => [shortPath(path), converter]));

/** `sklearn.linear_model._base.LinearRegression` → `sklearn.linear_model.LinearRegression`. */
function shortPath(path: string): string {
  const parts = path.split('.');
  return [...parts.slice(0, 2), parts.at(-1)!].join('.');
}

/** What converts the parts of one file. It throws `INVALID_MODEL` where a class is not covered. */
export function converterOf(note: (sentence: string) => void = () => undefined): Convert {
  const convert = (record: Fitted): Estimator => {
    const converter = converters[record.path] ?? byPackage.get(shortPath(record.path));
    if (converter === undefined) return record.refuse(reasonFor(record.path));
    refuseOtherMeaning(record);
    return converter(record, whole);
  };
  const whole: Convert = Object.assign(convert, { import: { note, needsOlderTrees: false, columns: new Map() } });
  return whole;
}

/** What has the same attributes before 0.24, and answers otherwise with them. */
const otherBefore024 = new Set(['LinearDiscriminantAnalysis', 'IsolationForest', 'QuantileTransformer']);

function refuseOtherMeaning(record: Fitted): void {
  if (!record.isBefore(0, 24)) return;
  if (record.isBefore(0, 20)) record.refuse('files of scikit-learn before 0.20 are not read; load it, fit it with a newer one, and save that');
  const sigmoid = /^(?:Nu)?SV[CR]$/.test(record.name) && record.get('kernel') === 'sigmoid';
  if (sigmoid || otherBefore024.has(record.name)) record.refuse(`${sigmoid ? 'with a sigmoid kernel it' : 'it'} answers otherwise before scikit-learn 0.24; fit it with a newer one, and save that`);
}

function reasonFor(path: string): string {
  if (!path.startsWith('sklearn.')) return 'it is not a class of scikit-learn, XGBoost, LightGBM or CatBoost. Do its work before the model, or replace it with an estimator of scikit-learn';
  const near = nearest(path.split('.').at(-1)!, [...byPackage.keys()].map((known) => known.split('.').at(-1)!));
  return `it is not covered${near === undefined ? '' : ` (${near} is)`}. Serve it in Python, or convert it with skl2onnx and serve the .onnx file`;
}
