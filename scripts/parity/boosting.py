"""
Trains small models of XGBoost, LightGBM and CatBoost for every objective, with missing values, categories, DART and so on, and
writes each with rows and what the framework answers to them: OUT/<case>.<ext> and OUT/cases.json.

    python scripts/parity/boosting.py OUT
    python scripts/parity/boosting.py test/importers --fixtures

The rows hold NaN, huge and infinite numbers, and numbers that lie on a threshold or one step beside it. With --fixtures the models and
the rows are few and small: OUT/<framework>/fixtures/<case>.<ext> and cases.json there. Numbers are base64 of little-endian float64.
"""
import base64, json, os, re, sys, warnings
import numpy as np, pandas as pd
import xgboost as xgb, lightgbm as lgb, catboost as cb

warnings.filterwarnings('ignore')
out, fixtures = sys.argv[1], '--fixtures' in sys.argv
os.makedirs(out, exist_ok=True)
cases = []
N = 400
ROUNDS = 3 if fixtures else 12
TEST = 12 if fixtures else 250


def pack(array):
    array = np.asarray(array)
    if array.dtype.kind in 'OUSb':
        return {'shape': list(array.shape), 'texts': [str(v) for v in array.reshape(-1)]}
    return {'shape': list(array.shape), 'base64': base64.b64encode(np.ascontiguousarray(array, '<f8').tobytes()).decode()}


def data(seed, features=5, missing=True, categories=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, features))
    X[:, 1] = np.round(X[:, 1] * 3)
    X[:, 2] *= rng.random(N) < 0.5
    signal = 2 * X[:, 0] + X[:, 1] ** 2 / 3 - X[:, 2] * X[:, 0] + np.sin(3 * X[:, 3])
    for i in range(categories):
        codes = rng.integers(0, [9, 40, 3][i], N)
        X[:, features - 1 - i] = codes
        signal = signal + rng.normal(size=64)[codes] * 2
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X, signal + rng.normal(size=N) * 0.1, rng


def probe(X, thresholds, rng, dtype, infinite=True, categorical=()):
    """Rows of the training data, some of whose numbers are thresholds, their neighbours, and what is odd."""
    rows = X[rng.integers(0, len(X), TEST)].astype(dtype)
    for row in rows[len(rows) // 4:]:
        for f in range(X.shape[1]):
            kind = rng.random()
            if f in categorical:
                if kind < 0.3: row[f] = rng.choice([-1, 0, 1, 5, 31, 32, 63, 64, 100, 1e5, 2.5, 0.5, 3.999, np.nan, -0.5] if infinite is not None else [0])
            elif kind < 0.5 and thresholds.get(f):
                t = dtype(thresholds[f][rng.integers(0, len(thresholds[f]))])
                row[f] = [t, np.nextafter(t, dtype(np.inf)), np.nextafter(t, dtype(-np.inf))][rng.integers(0, 3)]
            elif kind < 0.65:
                row[f] = rng.choice(np.array([np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 3e38, -3e38, 1e-30] + ([np.inf, -np.inf] if infinite else []), dtype))
    return rows


def case(framework, name, file, rows, **expected):
    cases.append({'framework': framework, 'name': name, 'file': os.path.basename(file), 'rows': pack(rows), **{k: pack(v) for k, v in expected.items()}})


def refusal(framework, name, file, message):
    cases.append({'framework': framework, 'name': name, 'file': os.path.basename(file), 'refused': message})


# ---- XGBoost

def xgb_thresholds(path):
    found = {}
    model = json.load(open(path))['learner']['gradient_booster']
    for tree in (model.get('gbtree') or model)['model'].get('trees', []):
        for left, f, t, kind in zip(tree['left_children'], tree['split_indices'], tree['split_conditions'], tree['split_type']):
            if left != -1 and not kind: found.setdefault(f, []).append(t)
    return found


def xgb_case(name, objective, label, seed=1, params={}, X=None, extension='json', rounds=ROUNDS, dmatrix={}, categorical=(), kind=None, names=False):
    rng = np.random.default_rng(seed)
    types = ['c' if f in categorical else 'float' for f in range(X.shape[1])]
    column_names = [f'column {f}' for f in range(X.shape[1])] if names else None
    make = lambda rows, **more: xgb.DMatrix(rows.astype('f4'), feature_types=types, feature_names=column_names, enable_categorical=True, **more)
    train = make(X, **({'label': label} if label is not None else {}), **dmatrix)
    if 'group' in params: train.set_group(params['group'])
    booster = xgb.train({'objective': objective, 'max_depth': 3 if fixtures else 4, 'nthread': 1, 'eta': 0.4, 'seed': seed, **{k: v for k, v in params.items() if k != 'group'}}, train, rounds)
    base = f'{out}/xgboost-{name}'
    booster.save_model(base + '.json')
    thresholds = xgb_thresholds(base + '.json')
    if extension != 'json':
        os.remove(base + '.json')
        booster.save_model(base + '.' + extension)
    rows = probe(X, thresholds, rng, np.float32, infinite=False, categorical=categorical)
    # The loaded model answers: what is in the file counts.
    loaded = xgb.Booster(model_file=f'{base}.{extension}'); loaded.set_param({'nthread': 1})
    answer = loaded.predict(make(rows))
    kind = kind or ('binary' if objective in ('binary:logistic', 'binary:hinge') else 'softmax' if objective == 'multi:softmax' else 'classes' if objective == 'multi:softprob' else 'numbers')
    if kind == 'binary': expected = {'probabilities': np.c_[1 - answer, answer], 'label': (answer > 0.5).astype(int)}
    elif kind == 'labels': expected = {'probabilities': answer, 'label': (answer > 0.5).astype(int)}
    elif kind == 'softmax':
        margin = loaded.predict(make(rows), output_margin=True)
        e = np.exp(margin - margin.max(1, keepdims=True)); expected = {'probabilities': e / e.sum(1, keepdims=True), 'label': answer}
    elif kind == 'classes': expected = {'probabilities': answer, 'label': answer.argmax(1)}
    else: expected = {'prediction': answer}
    case('xgboost', name, f'{base}.{extension}', rows, **expected)


X, y, rng = data(1)
positive = np.exp(np.clip(y / 4, -3, 3)); unit = 1 / (1 + np.exp(-y)); binary = (y > y.mean()).astype(int); three = np.digitize(y, np.quantile(y, [.3, .7]))
counts = rng.poisson(positive)
targets = {'reg:squarederror': y, 'reg:squaredlogerror': positive, 'reg:logistic': unit, 'reg:pseudohubererror': y, 'reg:absoluteerror': y, 'reg:gamma': positive, 'reg:tweedie': positive, 'count:poisson': counts,
           'binary:logistic': binary, 'binary:logitraw': binary, 'binary:hinge': binary, 'survival:cox': np.where(rng.random(N) < .2, -positive, positive)}
for objective, label in targets.items():
    xgb_case(objective.replace(':', '-'), objective, label, X=X)
xgb_case('reg-quantileerror', 'reg:quantileerror', y, X=X, params={'quantile_alpha': 0.7})
xgb_case('reg-quantileerror-3', 'reg:quantileerror', y, X=X, params={'quantile_alpha': [0.1, 0.5, 0.9]})
for objective in ('multi:softmax', 'multi:softprob'): xgb_case(objective.replace(':', '-'), objective, three, X=X, params={'num_class': 3})
group = [20] * (N // 20)
for objective in ('rank:pairwise', 'rank:ndcg', 'rank:map'):
    xgb_case(objective.replace(':', '-'), objective, binary if objective == 'rank:map' else three, X=X, params={'group': group})
for distribution in ('normal', 'logistic', 'extreme'):
    xgb_case(f'survival-aft-{distribution}', 'survival:aft', None, X=X, params={'aft_loss_distribution': distribution}, dmatrix={'label_lower_bound': positive, 'label_upper_bound': np.where(rng.random(N) < .3, np.inf, positive * 1.2)})
for objective, label, more in (('reg:squarederror', y, {}), ('binary:logistic', binary, {}), ('multi:softprob', three, {'num_class': 3})):
    short = objective.replace(':', '-')
    xgb_case(f'dart-{short}', objective, label, X=X, params={'booster': 'dart', 'rate_drop': 0.4, 'one_drop': 1, **more})
    xgb_case(f'gblinear-{short}', objective, label, X=X, params={'booster': 'gblinear', **more})
    xgb_case(f'forest-{short}', objective, label, X=X, params={'num_parallel_tree': 3, 'subsample': 0.6, **more}, rounds=2)
    xgb_case(f'ubj-{short}', objective, label, X=X, params=more, extension='ubj')
    xgb_case(f'lossguide-{short}', objective, label, X=X, params={'grow_policy': 'lossguide', 'max_leaves': 9, 'max_depth': 0, **more})
    xgb_case(f'base-score-{short}', objective, label, X=X, params={'base_score': 0.3, **more})
    xgb_case(f'exact-{short}', objective, label, X=X, params={'tree_method': 'exact', **more})
    for cat_name, onehot in (('one-hot', 100), ('partition', 1), ('mixed', 8)):
        Xc, yc, _ = data(7, features=6, categories=3)
        lc = yc if label is y else (yc > np.median(yc)).astype(int) if label is binary else np.digitize(yc, np.quantile(yc, [.3, .7]))
        xgb_case(f'categorical-{cat_name}-{short}', objective, lc, X=Xc, params={'max_cat_to_onehot': onehot, 'max_cat_threshold': 64, **more}, categorical=(3, 4, 5), extension='ubj' if cat_name == 'mixed' else 'json')
Y = np.c_[y, -2 * y + 1, unit]
for strategy in ('one_output_per_tree', 'multi_output_tree'):
    xgb_case(f'targets-{strategy}', 'reg:squarederror', Y, X=X, params={'multi_strategy': strategy, 'tree_method': 'hist'})
    xgb_case(f'labels-{strategy}', 'binary:logistic', (Y > np.median(Y, 0)).astype(int), X=X, params={'multi_strategy': strategy, 'tree_method': 'hist'}, kind='labels')
    xgb_case(f'classes-{strategy}', 'multi:softprob', three, X=X, params={'num_class': 3, 'multi_strategy': strategy, 'tree_method': 'hist'})
xgb_case('targets-ubj', 'reg:squarederror', Y, X=X, params={'multi_strategy': 'multi_output_tree', 'tree_method': 'hist'}, extension='ubj')
xgb_case('large-target', 'reg:squarederror', y * 1e6 + 3e7, X=X)
xgb_case('names', 'reg:squarederror', y, X=X, names=True)
xgb_case('constant', 'reg:squarederror', np.full(N, 4.25), X=X)
xgb_case('deep', 'reg:squarederror', y, X=X, params={'max_depth': 12})
for method in ('exact', 'hist', 'approx'):
    xgb_case(f'pruned-{method}', 'reg:squarederror', y, X=X, params={'tree_method': method, 'gamma': 25, 'max_depth': 7})
    Xc, yc, _ = data(7, features=6, categories=3)
    if method != 'exact': xgb_case(f'pruned-categorical-{method}', 'reg:squarederror', yc, X=Xc, params={'tree_method': method, 'gamma': 25, 'max_depth': 7, 'max_cat_to_onehot': 1}, categorical=(3, 4, 5))
xgb_case('no-missing', 'reg:squarederror', y, X=np.nan_to_num(X))
if not fixtures:
    xgb_case('many', 'binary:logistic', binary, X=X, rounds=300)
    xgb_case('wide-classes', 'multi:softprob', np.arange(N) % 20, X=X, params={'num_class': 20})
# Written by the scikit-learn estimator, early stopping: it predicts with the best iteration.
for booster in ('gbtree', 'dart'):
    estimator = xgb.XGBClassifier(n_estimators=40, max_depth=3, learning_rate=0.9, early_stopping_rounds=3, n_jobs=1, booster=booster).fit(X[:200], binary[:200], eval_set=[(X[200:], binary[200:])], verbose=False)
    path = f'{out}/xgboost-early-stopping-{booster}.json'; estimator.save_model(path)
    rows = probe(X, xgb_thresholds(path), rng, np.float32, infinite=False)
    loaded = xgb.XGBClassifier(); loaded.load_model(path)
    assert estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    case('xgboost', f'early-stopping-{booster}', path, rows, probabilities=loaded.predict_proba(rows), label=loaded.predict(rows))

# ---- LightGBM

def lgb_thresholds(text):
    found = {}
    for tree in text.split('\nTree=')[1:]:
        get = lambda key: (re.search(rf'^{key}=(.*)$', tree, re.M) or [None, ''])[1].split()
        for f, t, d in zip(get('split_feature'), get('threshold'), get('decision_type')):
            if not int(d) & 1: found.setdefault(int(f), []).append(float(t))
    return found


def lgb_case(name, objective, label, seed=1, params={}, X=None, rounds=ROUNDS, group=None, categorical=(), kind=None, fobj=None, names='auto'):
    rng = np.random.default_rng(seed)
    settings = {'objective': fobj or objective, 'num_leaves': 6 if fixtures else 15, 'learning_rate': 0.3, 'num_threads': 1, 'verbose': -1, 'seed': seed, 'min_data_in_leaf': 5, 'deterministic': True, **params}
    train = lgb.Dataset(X, label, group=group, categorical_feature=list(categorical) or 'auto', params=settings, feature_name=names)
    path = f'{out}/lightgbm-{name}.txt'
    lgb.train(settings, train, rounds).save_model(path)
    text = open(path).read()
    if fixtures:
        # The parameters of the training are half of a small file, and nothing reads them but LightGBM.
        text = re.sub(r'\nparameters:\n.*?end of parameters\n', '\n', text, flags=re.S); open(path, 'w').write(text)
    loaded = lgb.Booster(model_file=path)
    rows = probe(X, lgb_thresholds(text), rng, np.float64, categorical=categorical)
    answer = loaded.predict(rows, num_threads=1)
    kind = kind or ('binary' if objective == 'binary' else 'classes' if objective in ('multiclass', 'multiclassova') else 'numbers')
    if kind == 'binary': expected = {'probabilities': np.c_[1 - answer, answer], 'label': (answer > 0.5).astype(int)}
    elif kind == 'classes': expected = {'probabilities': answer, 'label': answer.argmax(1)}
    else: expected = {'prediction': answer}
    case('lightgbm', name, path, rows, **expected)


objectives = {'regression': y, 'regression_l1': y, 'huber': y, 'fair': y, 'quantile': y, 'mape': y + 20, 'poisson': counts, 'gamma': positive, 'tweedie': positive, 'binary': binary, 'cross_entropy': unit, 'cross_entropy_lambda': unit}
for objective, label in objectives.items(): lgb_case(objective, objective, label, X=X)
for objective in ('multiclass', 'multiclassova'): lgb_case(objective, objective, three, X=X, params={'num_class': 3})
for objective in ('lambdarank', 'rank_xendcg'): lgb_case(objective, objective, three, X=X, group=group)
lgb_case('regression-sqrt', 'regression', positive, X=X, params={'reg_sqrt': True})
lgb_case('regression_l1-sqrt', 'regression_l1', positive, X=X, params={'reg_sqrt': True})
lgb_case('binary-sigmoid', 'binary', binary, X=X, params={'sigmoid': 2.5})
lgb_case('multiclassova-sigmoid', 'multiclassova', three, X=X, params={'num_class': 3, 'sigmoid': 0.7})
def custom(predictions, dataset): return predictions - dataset.get_label(), np.ones_like(predictions)
lgb_case('custom', 'none', y, X=X, fobj=custom)
def custom3(predictions, dataset): return predictions - np.eye(3)[dataset.get_label().astype(int)], np.ones_like(predictions)
lgb_case('custom-3', 'none', three, X=X, fobj=custom3, params={'num_class': 3}, kind='numbers')
for objective, label, more in (('regression', y, {}), ('binary', binary, {}), ('multiclass', three, {'num_class': 3})):
    lgb_case(f'dart-{objective}', objective, label, X=X, params={'boosting': 'dart', 'drop_rate': 0.5, **more})
    lgb_case(f'rf-{objective}', objective, label, X=X, params={'boosting': 'rf', 'bagging_freq': 1, 'bagging_fraction': 0.6, **more})
    lgb_case(f'goss-{objective}', objective, label, X=X, params={'data_sample_strategy': 'goss', **more})
    lgb_case(f'no-missing-{objective}', objective, label, X=X, params={'use_missing': False, **more})
    lgb_case(f'no-nan-{objective}', objective, label, X=np.nan_to_num(X, nan=0.5), params=more)
    lgb_case(f'zero-as-missing-{objective}', objective, label, X=X, params={'zero_as_missing': True, **more})
    lgb_case(f'linear-{objective}', objective, label, X=X, params={'linear_tree': True, **more})
    for cat_name, extra in (('one-hot', {'max_cat_to_onehot': 100}), ('sets', {'max_cat_to_onehot': 1, 'min_data_per_group': 5, 'cat_smooth': 1, 'max_cat_threshold': 64}), ('linear', {'linear_tree': True, 'min_data_per_group': 5})):
        Xc, yc, _ = data(7, features=6, categories=3)
        lc = yc if label is y else (yc > np.median(yc)).astype(int) if label is binary else np.digitize(yc, np.quantile(yc, [.3, .7]))
        lgb_case(f'categorical-{cat_name}-{objective}', objective, lc, X=Xc, params={**extra, **more}, categorical=(3, 4, 5))
lgb_case('rf-poisson', 'poisson', counts, X=X, params={'boosting': 'rf', 'bagging_freq': 1, 'bagging_fraction': 0.6})
tiny = X.copy(); tiny[:, 2] = np.where(rng.random(N) < .5, 0, rng.choice([-1e-34, 1e-34, 2e-35, -1e-30], N)); tiny[:, 0] = rng.choice([-1.0, 0.0, 1.0], N)
lgb_case('tiny-numbers', 'regression', tiny[:, 2] * 1e34 + tiny[:, 0], X=tiny)
lgb_case('tiny-zero-as-missing', 'regression', tiny[:, 2] * 1e34 + tiny[:, 0], X=tiny, params={'zero_as_missing': True})
lgb_case('names', 'regression', y, X=X, names=[f'size_{i}' for i in range(X.shape[1])])
lgb_case('constant', 'regression', np.full(N, 4.25), X=X)
lgb_case('linear-constant', 'regression', np.full(N, 4.25), X=X, params={'linear_tree': True})
lgb_case('large-target', 'regression', y * 1e6 + 3e7, X=X)
lgb_case('huge-features', 'regression', y, X=X * 1e38)
if not fixtures:
    lgb_case('many', 'binary', binary, X=X, rounds=300)
    lgb_case('wide-classes', 'multiclass', np.arange(N) % 20, X=X, params={'num_class': 20})

# ---- CatBoost

def cat_thresholds(path):
    return {f['flat_feature_index']: f['borders'] for f in json.load(open(path))['features_info']['float_features'] if f.get('borders')}


def cat_case(name, loss, label, seed=1, params={}, X=None, rounds=ROUNDS, group=None, kind=None, estimator=None, names=False, rows_nan=True):
    rng = np.random.default_rng(seed)
    settings = {'loss_function': loss, 'iterations': rounds, 'depth': 3 if fixtures else 5, 'learning_rate': 0.4, 'thread_count': 1, 'random_seed': seed, 'verbose': 0, 'allow_writing_files': False, 'border_count': 12 if fixtures else 60, **params}
    kind = kind or 'numbers'
    make = estimator or (cb.CatBoostClassifier if kind in ('classes', 'labels') else cb.CatBoostRegressor)
    pool = cb.Pool(X, label, group_id=None if group is None else np.repeat(np.arange(len(group)), group), feature_names=[f'column {f}' for f in range(X.shape[1])] if names else None)
    model = (make(settings) if make is cb.CatBoost else make(**settings)).fit(pool)
    path = f'{out}/catboost-{name}.json'
    model.save_model(path, format='json')
    rows = probe(X, cat_thresholds(path), rng, np.float32)
    if not rows_nan: rows = np.nan_to_num(rows, nan=0.25, posinf=3e38, neginf=-3e38)
    if fixtures:
        # Settings of the training are most of a small file. What says how the answer is made stays.
        document = json.load(open(path)); information = document['model_info']
        document['model_info'] = {k: information[k] for k in ('catboost_version_info', 'class_params') if k in information}
        document['model_info']['params'] = {'loss_function': information['params']['loss_function']}
        document['features_info'] = {k: [{**f, 'borders': (f.get('borders') or [])[:3]} for f in v] if k == 'float_features' else v for k, v in document['features_info'].items()}
        for tree in document.get('oblivious_trees', []): del tree['leaf_weights']
        json.dump(document, open(path, 'w'), separators=(',', ':'))
    if kind == 'classes': expected = {'probabilities': model.predict_proba(rows), 'label': model.predict(rows).reshape(-1)}
    elif kind == 'labels': expected = {'probabilities': model.predict_proba(rows), 'label': model.predict(rows)}
    else: expected = {'prediction': model.predict(rows)}
    case('catboost', name, path, rows, **expected)
    if not fixtures or name in ('RMSE', 'Lossguide-MultiClass'):
        binary_path = f'{out}/catboost-{name}-binary.cbm'
        model.save_model(binary_path)
        case('catboost', f'{name}-binary', binary_path, rows, **expected)


quantity = np.abs(y) + 1
for loss, label in {'RMSE': y, 'MAE': y, 'Quantile:alpha=0.7': y, 'LogLinQuantile:alpha=0.6': quantity, 'Lq:q=3': y, 'Huber:delta=1.5': y, 'LogCosh': y, 'Expectile:alpha=0.3': y, 'MAPE': quantity, 'Poisson': counts, 'Tweedie:variance_power=1.4': positive, 'RMSEWithUncertainty': y,
                    'MultiRMSE': Y, 'MultiQuantile:alpha=0.1,0.5,0.9': y, 'Cox': np.where(rng.random(N) < .2, -positive, positive)}.items():
    cat_case(loss.split(':')[0], loss, label, X=X)
Ym = Y.copy(); Ym[::7, 1] = np.nan
cat_case('MultiRMSEWithMissingValues', 'MultiRMSEWithMissingValues', Ym, X=X)
for dist in ('Normal', 'Logistic', 'Extreme'): cat_case(f'SurvivalAft-{dist}', f'SurvivalAft:dist={dist}', np.c_[positive, np.where(rng.random(N) < .3, -1, positive * 1.2)], X=X)
for loss in ('YetiRank', 'YetiRankPairwise', 'PairLogit', 'PairLogitPairwise', 'QueryRMSE', 'QuerySoftMax', 'StochasticRank:metric=DCG', 'LambdaMart', 'GroupQuantile'):
    cat_case(loss.split(':')[0], loss, three if loss != 'QuerySoftMax' else binary, X=X, group=group, estimator=cb.CatBoost)
texts = np.array(['low', 'middle', 'high'])
for loss in ('Logloss', 'Focal:focal_alpha=0.4;focal_gamma=2.0'):
    cat_case(loss.split(':')[0], loss, binary, X=X, kind='classes')
cat_case('CrossEntropy', 'CrossEntropy', unit, X=X, kind='classes')
cat_case('Logloss-texts', 'Logloss', texts[binary], X=X, kind='classes')
cat_case('Logloss-numbers', 'Logloss', binary * 4 + 3, X=X, kind='classes')
cat_case('Logloss-floats', 'Logloss', binary * 0.5 + 1, X=X, kind='classes')
cat_case('Logloss-booleans', 'Logloss', binary == 1, X=X, kind='classes')
for loss in ('MultiClass', 'MultiClassOneVsAll'):
    cat_case(loss, loss, three, X=X, kind='classes'); cat_case(f'{loss}-texts', loss, texts[three], X=X, kind='classes')
    cat_case(f'{loss}-numbers', loss, three * 10 - 5, X=X, kind='classes')
for loss in ('MultiLogloss', 'MultiCrossEntropy'): cat_case(loss, loss, (Y > np.median(Y, 0)).astype(int), X=X, kind='labels')
for mode in ('Min', 'Max'): cat_case(f'nan-{mode}', 'RMSE', y, X=X, params={'nan_mode': mode})
cat_case('nan-unseen', 'RMSE', y, X=np.nan_to_num(X, nan=0.5))
for policy in ('Depthwise', 'Lossguide'):
    cat_case(policy, 'RMSE', y, X=X, params={'grow_policy': policy}); cat_case(f'{policy}-MultiClass', 'MultiClass', three, X=X, params={'grow_policy': policy}, kind='classes')
cat_case('Ordered', 'RMSE', y, X=X, params={'boosting_type': 'Ordered'})
cat_case('names', 'RMSE', y, X=X, names=True)
cat_case('large-target', 'RMSE', y * 1e6 + 3e7, X=X)
cat_case('constant', 'RMSE', y, X=X, params={'l2_leaf_reg': 1e9})
if not fixtures: cat_case('many', 'Logloss', binary, X=X, rounds=300, kind='classes')

# ---- What is refused

frame = pd.DataFrame({'number': X[:, 0], 'kind': rng.choice(['a', 'b', 'c', 'd', 'e'], N)})
for name, one_hot in (('one-hot', 10), ('ctr', 0)):
    cb.CatBoostRegressor(iterations=3, verbose=0, allow_writing_files=False, one_hot_max_size=max(one_hot, 2), cat_features=['kind'], thread_count=1).fit(frame, y).save_model(f'{out}/catboost-refused-{name}.json', format='json', pool=cb.Pool(frame, y, cat_features=['kind']))
    if not fixtures: refusal('catboost', f'refused-{name}', f'{out}/catboost-refused-{name}.json', 'categorical features are not covered')
    else: os.remove(f'{out}/catboost-refused-{name}.json')
if not fixtures:
    xgb.train({'objective': 'reg:squarederror'}, xgb.DMatrix(X, y), 0).save_model(f'{out}/xgboost-refused-no-trees.json')
    refusal('xgboost', 'refused-no-trees', f'{out}/xgboost-refused-no-trees.json', 'no trees')

versions = {'xgboost': xgb.__version__, 'lightgbm': lgb.__version__, 'catboost': cb.__version__}
KEPT = {
    'xgboost': 'reg-squarederror reg-gamma count-poisson binary-logistic binary-logitraw binary-hinge reg-quantileerror-3 multi-softmax multi-softprob survival-aft-normal rank-ndcg dart-binary-logistic gblinear-multi-softprob '
               'forest-reg-squarederror ubj-binary-logistic categorical-one-hot-reg-squarederror categorical-partition-binary-logistic categorical-mixed-reg-squarederror targets-multi_output_tree targets-ubj labels-multi_output_tree names early-stopping-gbtree',
    'lightgbm': 'regression regression-sqrt tweedie binary-sigmoid cross_entropy_lambda multiclass multiclassova lambdarank custom-3 dart-binary rf-regression no-missing-regression no-nan-binary zero-as-missing-regression linear-regression linear-binary '
                'categorical-one-hot-regression categorical-sets-binary categorical-linear-regression tiny-numbers tiny-zero-as-missing names constant linear-constant huge-features',
    'catboost': 'RMSE Poisson RMSEWithUncertainty MultiRMSE Logloss Logloss-texts Logloss-numbers Logloss-floats Logloss-booleans MultiClass MultiClassOneVsAll-texts MultiLogloss nan-Min nan-Max nan-unseen Depthwise Lossguide-MultiClass names YetiRank RMSE-binary Lossguide-MultiClass-binary',
}
if fixtures:
    for framework, names in KEPT.items():
        folder = f'{out}/{framework}/fixtures'; os.makedirs(folder, exist_ok=True)
        kept = [c for c in cases if c['framework'] == framework and c['name'] in names.split()]
        assert len(kept) == len(names.split()), set(names.split()) - {c['name'] for c in kept}
        for c in kept: os.replace(f"{out}/{c['file']}", f"{folder}/{c['file']}")
        with open(f'{folder}/cases.json', 'w') as file: file.write('{"version": "%s", "cases": [\n%s\n]}\n' % (versions[framework], ',\n'.join(json.dumps(c, separators=(',', ':')) for c in kept)))
    for c in cases:
        if os.path.exists(f"{out}/{c['file']}"): os.remove(f"{out}/{c['file']}")
else:
    json.dump({'versions': versions, 'cases': cases}, open(f'{out}/cases.json', 'w'))
print(len(cases), 'cases')
