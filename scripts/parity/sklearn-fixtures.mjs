/** Copies small cases of a parity run into the unit tests, a few for each kind of estimator. Usage: node scripts/parity/sklearn-fixtures.mjs FOLDER */
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const target = new URL('../../test/importers/sklearn/fixtures/', import.meta.url).pathname;
const mostBytes = 13_000;
const mostRows = 8;
const wanted = [
  'AdaBoostRegressor', 'BernoulliNB', 'Binarizer', 'CalibratedClassifierCV', 'ClassifierChain', 'ColumnTransformer', 'DecisionTreeClassifier', 'DecisionTreeRegressor', 'ElasticNet', 'FeatureUnion', 'GaussianMixture', 'GaussianNB',
  'GradientBoostingClassifier', 'HistGradientBoostingClassifier', 'IsolationForest', 'IsotonicRegression', 'KBinsDiscretizer', 'KMeans', 'KNeighborsRegressor', 'LinearDiscriminantAnalysis', 'LogisticRegression', 'MLPClassifier', 'MinMaxScaler',
  'MultiOutputClassifier', 'OneHotEncoder', 'OneVsRestClassifier', 'OrdinalEncoder', 'PCA', 'Pipeline', 'PolynomialFeatures', 'PowerTransformer', 'QuadraticDiscriminantAnalysis', 'QuantileTransformer', 'Ridge', 'SGDClassifier', 'SVC', 'SVR',
  'SelectKBest', 'SimpleImputer', 'CountVectorizer', 'TfidfVectorizer', 'DictVectorizer', 'SplineTransformer', 'LatentDirichletAllocation', 'NMF', 'KernelDensity', 'KNNImputer', 'XGBClassifier', 'LGBMClassifier', 'CatBoostClassifier', 'LGBMRegressor', 'GaussianProcessRegressor', 'BisectingKMeans', 'IncrementalPCA', 'StackingClassifier', 'StandardScaler', 'TargetEncoder', 'TransformedTargetRegressor', 'VotingClassifier', 
]; // prettier-ignore

const { version, cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const kept = [];
for (const row of cases) {
  const before = kept.filter(({ estimator }) => estimator === row.estimator).length;
  if (row.file === undefined || !wanted.includes(row.estimator) || before >= (row.estimator === 'Pipeline' || row.estimator === 'DecisionTreeClassifier' || row.estimator === 'OneHotEncoder' ? 3 : 1)) continue;
  if (statSync(join(folder, row.file)).size > mostBytes) continue;
  copyFileSync(join(folder, row.file), join(target, row.file));
  // Of NMF, all rows count for each.
  const whole = row.estimator === 'NMF';
  kept.push(whole ? row : { ...row, input: shortened(row.input), outputs: Object.fromEntries(Object.entries(row.outputs).map(([method, value]) => [method, shortened(value)])) });
}
writeFileSync(join(target, 'cases.json'), `${JSON.stringify({ version, cases: kept })}\n`);
console.log(`${kept.length} cases in ${target}`);

/** The first rows. */
function shortened(value) {
  if (Array.isArray(value)) return value.map(shortened);
  if (value.columns !== undefined) return { columns: Object.fromEntries(Object.entries(value.columns).map(([name, column]) => [name, shortened(column)])) };
  const rows = Math.min(mostRows, value.shape[0]);
  const width = value.shape.slice(1).reduce((product, size) => product * size, 1);
  return { ...value, shape: [rows, ...value.shape.slice(1)], data: value.data.slice(0, rows * width) };
}
