"""Fits every estimator of scikit-learn on small suitable data and writes, for each, the pickle, new rows, and what scikit-learn answers.

    python scripts/parity/sklearn_cases.py FOLDER [NAME ...]

FOLDER/cases.json lists the cases; `npm run parity:sklearn` imports and compares them.
"""
import json
import math
import pickle
import sys
import unicodedata
import warnings
from pathlib import Path

import joblib
import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris

try:
    from sklearn.utils import all_estimators
except ImportError:  # before 0.23
    from sklearn.utils.testing import all_estimators

warnings.filterwarnings("ignore")
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
random = np.random.RandomState(7)

iris = load_iris()
species = iris.target_names[iris.target]
X3, y3 = iris.data, species
X2, y2 = iris.data[50:], iris.target[50:]
diabetes = load_diabetes()
XR, yR = diabetes.data[:150, :6] * 20, diabetes.target[:150]
YR = np.column_stack([yR, yR**0.5 + XR[:, 0]])
Y2 = np.column_stack([iris.target == 1, iris.data[:, 0] > 5.8]).astype(int)
XP = np.abs(XR)
XC = random.randint(0, 4, (120, 3))
yC = np.where(XC[:, 0] + XC[:, 1] > 3, "high", "low")
NEW3 = np.vstack([X3[::9], X3[::11] + random.normal(0, 0.7, X3[::11].shape)])
NEWR = np.vstack([XR[::9], XR[::11] + random.normal(0, 1, XR[::11].shape)])
NEWP = np.abs(NEWR)
NEWC = XC[::5]
docs = [
    "The quick brown fox jumps over the lazy dog.", "A lazy dog sleeps all day long", "Foxes are quick, and brown!",
    "Never jump over a sleeping dog", "Data about dogs: 42 dogs, 7 foxes.", "the the the quick quick data",
]


class Case:
    def __init__(self, name, estimator, X, y, new):
        self.name, self.estimator, self.X, self.y, self.new = name, estimator, X, y, new


def variants(name, cls):
    """One estimator or several with the parameters that change how it predicts."""
    from sklearn import linear_model as lm, tree, svm, preprocessing as pp, ensemble as en
    lr = lm.LogisticRegression(max_iter=500)
    dt = tree.DecisionTreeClassifier(max_depth=3, random_state=0)
    dr = tree.DecisionTreeRegressor(max_depth=3, random_state=0)
    ridge = lm.Ridge()
    special = {
        "AdaBoostClassifier": [dict(n_estimators=8)], "AdaBoostRegressor": [dict(n_estimators=8)],
        "BaggingClassifier": [dict(n_estimators=5), dict(estimator=lr, n_estimators=3, max_features=0.7)], "BaggingRegressor": [dict(n_estimators=5), dict(estimator=ridge, max_features=0.6)],
        "CalibratedClassifierCV": [dict(cv=3, ensemble=True), dict(method="isotonic", cv=3), dict(method="temperature", cv=3), dict(estimator=dt, cv=3), dict(estimator=lr, cv=3, ensemble=False)],
        "ClassifierChain": [dict(estimator=lr)], "RegressorChain": [dict(estimator=ridge)],
        "ColumnTransformer": [dict(transformers=[("a", pp.StandardScaler(), [0, 2]), ("b", pp.MinMaxScaler(), [1])], remainder="passthrough")],
        "FeatureUnion": [dict(transformer_list=[("a", pp.StandardScaler()), ("b", pp.MinMaxScaler())])],
        "FixedThresholdClassifier": [dict(estimator=lr, threshold=0.3)], "TunedThresholdClassifierCV": [dict(estimator=lr, cv=3)],
        "FrozenEstimator": [dict(estimator=lm.LogisticRegression(max_iter=500).fit(X3, y3))],
        "FunctionTransformer": [dict(), dict(func=np.log1p)],
        "GridSearchCV": [dict(estimator=lr, param_grid={"C": [0.1, 1]})], "RandomizedSearchCV": [dict(estimator=lr, param_distributions={"C": [0.1, 1]}, n_iter=2)],
        "HalvingGridSearchCV": [dict(estimator=lr, param_grid={"C": [0.1, 1]})], "HalvingRandomSearchCV": [dict(estimator=lr, param_distributions={"C": [0.1, 1]})],
        "MultiOutputClassifier": [dict(estimator=lr)], "MultiOutputRegressor": [dict(estimator=ridge)],
        "OneVsOneClassifier": [dict(estimator=lr), dict(estimator=svm.LinearSVC())], "OneVsRestClassifier": [dict(estimator=lr), dict(estimator=svm.SVC())], "OutputCodeClassifier": [dict(estimator=lr, random_state=0)],
        "Pipeline": [dict(steps=[("scale", pp.StandardScaler()), ("model", lr)])],
        "RFE": [dict(estimator=lr)], "RFECV": [dict(estimator=lr, cv=3)], "SelectFromModel": [dict(estimator=lr)], "SequentialFeatureSelector": [dict(estimator=lr, n_features_to_select=2, cv=3)],
        "SelfTrainingClassifier": [dict(estimator=lr)], "SparseCoder": [dict(dictionary=np.eye(4))],
        "StackingClassifier": [dict(estimators=[("lr", lr), ("dt", dt)], cv=3), dict(estimators=[("lr", lr), ("svc", svm.LinearSVC())], cv=3, passthrough=True)],
        "StackingRegressor": [dict(estimators=[("r", ridge), ("dt", dr)], cv=3)],
        "VotingClassifier": [dict(estimators=[("lr", lr), ("dt", dt)], voting="soft", weights=[2, 1]), dict(estimators=[("lr", lr), ("dt", dt), ("lda", svm.SVC())], voting="hard")],
        "VotingRegressor": [dict(estimators=[("r", ridge), ("dt", dr)])],
        "TransformedTargetRegressor": [dict(regressor=ridge, func=np.log1p, inverse_func=np.expm1), dict(regressor=ridge, transformer=pp.StandardScaler())],
        "GradientBoostingClassifier": [dict(n_estimators=8), dict(n_estimators=5, init=lr)], "GradientBoostingRegressor": [dict(n_estimators=8), dict(n_estimators=5, loss="quantile"), dict(n_estimators=5, init="zero")],
        "HistGradientBoostingClassifier": [dict(max_iter=6), dict(max_iter=6, categorical_features=[3])], "HistGradientBoostingRegressor": [dict(max_iter=8), dict(max_iter=6, loss="poisson")],
        "RandomForestClassifier": [dict(n_estimators=12)], "RandomForestRegressor": [dict(n_estimators=12)], "ExtraTreesClassifier": [dict(n_estimators=12)], "ExtraTreesRegressor": [dict(n_estimators=12)],
        "IsolationForest": [dict(n_estimators=12), dict(n_estimators=8, max_features=0.5, contamination=0.1)], "RandomTreesEmbedding": [dict(n_estimators=4, max_depth=3, sparse_output=False)],
        "LogisticRegression": [dict(max_iter=500), dict(solver="newton-cg", C=0.3)],
        "SGDClassifier": [dict(loss="hinge"), dict(loss="log_loss"), dict(loss="modified_huber")], "TweedieRegressor": [dict(power=0), dict(power=1.5)],
        "SVC": [dict(), dict(kernel="linear"), dict(kernel="poly"), dict(kernel="sigmoid"), dict(decision_function_shape="ovo"), dict(break_ties=True)], "NuSVC": [dict(), dict(kernel="poly")],
        "SVR": [dict(), dict(kernel="linear"), dict(kernel="poly")],
        "KNeighborsClassifier": [dict(), dict(weights="distance"), dict(metric="manhattan", n_neighbors=3)], "KNeighborsRegressor": [dict(), dict(weights="distance"), dict(metric="chebyshev")],
        "RadiusNeighborsClassifier": [dict(radius=3.0)], "RadiusNeighborsRegressor": [dict(radius=8.0)],
        "NearestCentroid": [dict(), dict(metric="manhattan")],
        "MLPClassifier": [dict(max_iter=60, hidden_layer_sizes=(8,)), dict(max_iter=60, hidden_layer_sizes=(6, 5), activation="tanh")], "MLPRegressor": [dict(max_iter=60, hidden_layer_sizes=(8,)), dict(max_iter=60, hidden_layer_sizes=(6, 5), activation="logistic")],
        "LinearDiscriminantAnalysis": [dict(), dict(solver="eigen"), dict(solver="lsqr")],
        "PCA": [dict(n_components=2), dict(n_components=2, whiten=True)], "KernelPCA": [dict(n_components=2), dict(n_components=2, kernel="rbf"), dict(n_components=2, kernel="poly")],
        "IncrementalPCA": [dict(n_components=2)], "TruncatedSVD": [dict(n_components=2)], "SparsePCA": [dict(n_components=2)], "MiniBatchSparsePCA": [dict(n_components=2)], "FactorAnalysis": [dict(n_components=2)], "FastICA": [dict(n_components=2)],
        "NMF": [dict(n_components=2)], "MiniBatchNMF": [dict(n_components=2)], "LatentDirichletAllocation": [dict(n_components=2)], "DictionaryLearning": [dict(n_components=2), dict(n_components=4, transform_n_nonzero_coefs=3), dict(n_components=3, transform_algorithm="threshold", transform_alpha=0.5, split_sign=True)], "MiniBatchDictionaryLearning": [dict(n_components=2)],
        "GaussianMixture": [dict(n_components=2), dict(n_components=2, covariance_type="diag"), dict(n_components=2, covariance_type="tied"), dict(n_components=2, covariance_type="spherical")], "BayesianGaussianMixture": [dict(n_components=2)],
        "GaussianProcessRegressor": [dict(alpha=0.1), *gaussian_kernels()], "GaussianProcessClassifier": [dict()],
        "KMeans": [dict(n_clusters=3, n_init=2)], "MiniBatchKMeans": [dict(n_clusters=3, n_init=2)], "BisectingKMeans": [dict(n_clusters=3)], "MeanShift": [dict()], "Birch": [dict(n_clusters=3)], "AffinityPropagation": [dict()], "FeatureAgglomeration": [dict()],
        "SplineTransformer": [dict(), dict(extrapolation="linear"), dict(extrapolation="continue"), dict(extrapolation="periodic")], "KBinsDiscretizer": [dict(encode="ordinal"), dict(encode="onehot-dense")], "PolynomialFeatures": [dict(), dict(degree=3, interaction_only=True), dict(degree=(2, 3), include_bias=False)],
        "PowerTransformer": [dict(), dict(method="box-cox")], "QuantileTransformer": [dict(n_quantiles=20), dict(n_quantiles=20, output_distribution="normal")],
        "OneHotEncoder": [dict(sparse_output=False), dict(sparse_output=False, drop="first"), dict(sparse_output=False, min_frequency=30, handle_unknown="infrequent_if_exist")], "OrdinalEncoder": [dict(), dict(handle_unknown="use_encoded_value", unknown_value=-1)], "TargetEncoder": [dict()],
        "SimpleImputer": [dict(), dict(strategy="median", add_indicator=True)], "KNNImputer": [dict(), dict(weights="distance", add_indicator=True)], "MissingIndicator": [dict()],
        "GaussianRandomProjection": [dict(n_components=2)], "SparseRandomProjection": [dict(n_components=2, dense_output=True)], "RBFSampler": [dict(n_components=10)], "Nystroem": [dict(n_components=10)], "SkewedChi2Sampler": [dict(n_components=10)], "PolynomialCountSketch": [dict(n_components=8)],
        "KernelRidge": [dict(), dict(kernel="rbf"), dict(kernel="laplacian"), dict(kernel="poly")], "KernelDensity": [dict(), *[dict(kernel=kernel, bandwidth=3.0) for kernel in ("epanechnikov", "tophat", "exponential", "linear", "cosine")]], "LocalOutlierFactor": [dict(novelty=True)],
        "CountVectorizer": [dict(), dict(binary=True, ngram_range=(1, 2), stop_words="english"), dict(ngram_range=(2, 3)), dict(analyzer="char", ngram_range=(1, 3)), dict(analyzer="char_wb", ngram_range=(2, 4)), dict(analyzer="char_wb", ngram_range=(4, 4)), dict(lowercase=False, strip_accents="unicode"), dict(strip_accents="ascii", token_pattern=r"(?u)\b\w+\b"), dict(token_pattern=r"[a-zA-Z]+"), dict(token_pattern=r"\S+", stop_words=["the", "quick"], ngram_range=(1, 2)), dict(vocabulary=["quick", "fox", "the lazy", "Dog"], ngram_range=(1, 2)), dict(max_features=8, min_df=2)],
        "TfidfVectorizer": [dict(), dict(sublinear_tf=True, norm="l1", ngram_range=(1, 2)), dict(use_idf=False, analyzer="char_wb", ngram_range=(3, 3), norm=None)],
        "HashingVectorizer": [dict(n_features=64), dict(n_features=1000, ngram_range=(1, 2), alternate_sign=False, norm="l1"), dict(n_features=128, analyzer="char", ngram_range=(2, 3), norm=None), dict(n_features=32, binary=True)], "Normalizer": [dict(), dict(norm="l1"), dict(norm="max")], "DummyClassifier": [dict(), dict(strategy="uniform", random_state=0)],
        "SelectKBest": [dict(k=2)], "SelectPercentile": [dict(percentile=50)], "GenericUnivariateSelect": [dict(mode="k_best", param=2)], "IsotonicRegression": [dict(out_of_bounds="clip")],
        "PassiveAggressiveClassifier": [dict()], "LabelPropagation": [dict()], "LabelSpreading": [dict(kernel="knn")], "NeighborhoodComponentsAnalysis": [dict(n_components=2)],
        "TheilSenRegressor": [dict(max_subpopulation=200)], "RANSACRegressor": [dict(random_state=0)], "MultiTaskElasticNet": [dict()], "BernoulliRBM": [dict(n_components=3)],
        "LocallyLinearEmbedding": [dict()], "Isomap": [dict()], "Birch": [dict(n_clusters=3)], "EllipticEnvelope": [dict(random_state=0)], "OneClassSVM": [dict(), dict(kernel="linear")], "SGDOneClassSVM": [dict()],
    }
    for parameters in special.get(name, [dict()]):
        try:
            try:
                instance = cls(**parameters)
            except (TypeError, ValueError):  # names of before 1.2
                instance = cls(**{{"estimator": "base_estimator", "sparse_output": "sparse"}.get(key, key): "log" if value == "log_loss" else value for key, value in parameters.items()})
        except (TypeError, ValueError) as error:
            print(f"{name}: cannot be made: {error}", file=sys.stderr)
            continue
        if "random_state" in instance.get_params():
            instance.set_params(random_state=0)
        yield ", ".join(f"{key}={short(value)}" for key, value in parameters.items() if key != "random_state"), instance


def gaussian_kernels():
    from sklearn.gaussian_process import kernels as k
    return [dict(kernel=kernel, alpha=0.1, optimizer=None, normalize_y=True) for kernel in (2.0 * k.Matern(3.0, nu=0.5), k.Matern(5.0, nu=1.5) + k.WhiteKernel(0.3), k.Matern([3.0] * 6, nu=2.5), k.RationalQuadratic(3.0, 0.7) * k.ConstantKernel(1.5), k.ExpSineSquared(2.0, 9.0) + k.WhiteKernel(3.0), k.DotProduct(0.5) ** 2 + k.RBF([2.0, 3, 4, 5, 6, 7]))]


def short(value):
    if isinstance(value, (list, dict)) and len(str(value)) > 40:
        return "..."
    return value.__name__ if callable(value) and hasattr(value, "__name__") else " ".join(str(value).split())[:40]


def datasets(name, instance, label):
    """Suitable data: the training rows, the targets and the new rows."""
    missing = X3.copy()
    missing[::5, 1] = np.nan
    missing[::7, 3] = np.nan
    if name in ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical"):
        yield "two targets", XR, YR, NEWR
    elif name in ("MultiOutputClassifier", "ClassifierChain"):
        yield "two targets", X3, Y2, NEW3
    elif name == "PLSSVD":
        yield "", XR, YR, NEWR
    elif name == "PLSRegression":
        yield "", XR, yR, NEWR
        yield "two targets", XR, YR, NEWR
    elif name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        yield "binary", X2, y2, NEW3
    elif name in ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"):
        yield "documents", docs, None, docs[::-1] + ["brown new words", "", "x", "  quick\t\tfox ", "ΣΑΣ' ΟΔΥΣΣΕΥΣ", "École e\u0301cole \u1e9e ǅ fox's İ"]
        characters = np.random.RandomState(11)
        ranges = [(33, 127), (0xA0, 0x250), (0x300, 0x530), (0x530, 0x1200), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3100), (0xAC00, 0xAD00), (0xF900, 0xFB00), (0xFF00, 0xFFF0), (0x10400, 0x10500), (0x1D400, 0x1D800), (0x391, 0x3C9)]
        # Python's versions know different characters; those that this one does not know are left aside.
        known = [[chr(code) for code in range(*bounds) if unicodedata.category(chr(code)) != "Cn"] for bounds in ranges]
        strange = ["".join(characters.choice(known[characters.randint(len(known))]) if characters.rand() > 0.25 else " Σ'. -"[characters.randint(6)] for _ in range(60)) for _ in range(40)]
        yield "any characters", strange + docs, None, strange + docs
    elif name in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        text = np.array([["red", "green", "blue"][i] for i in random.randint(0, 3, 120)], dtype=object)
        table = np.column_stack([text, XC[:, 0].astype(object)])
        known = table[:20]
        yield "numbers", XC, (None if name != "TargetEncoder" else yC == "high"), NEWC
        yield "texts", text.reshape(-1, 1), (None if name != "TargetEncoder" else np.linspace(0, 1, 120)), text[:10].reshape(-1, 1)
        yield "texts and numbers", table, (None if name != "TargetEncoder" else y3[:120]), known
    elif name == "CategoricalNB":
        yield "", XC, yC, NEWC
    elif name in ("MultinomialNB", "ComplementNB", "BernoulliNB"):
        yield "", X3, y3, np.abs(NEW3)
        yield "binary", X2, y2, np.abs(NEW3)
    elif name in ("SimpleImputer", "MissingIndicator"):
        new = missing[1::4] if name == "MissingIndicator" else missing[::4]
        yield "", missing, None, new
    elif name == "IsotonicRegression":
        yield "", XR[:, 0], yR, NEWR[:, 0]
    elif name == "KernelCenterer":
        kernel = X3[:20] @ X3[:20].T
        yield "", kernel, None, NEW3[:10] @ X3[:20].T
    elif name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor"):
        yield "", XR / 20, yR, NEWR / 20
    elif name == "SkewedChi2Sampler" or "box-cox" in label or name in ("NMF", "MiniBatchNMF", "LatentDirichletAllocation", "AdditiveChi2Sampler"):
        yield "", XP + 0.1, None, NEWP + 0.1
    elif name == "FunctionTransformer":
        yield "", XP, None, NEWP
    elif name == "BernoulliRBM":
        yield "", (X3 > X3.mean(0)).astype(float), None, (NEW3 > X3.mean(0)).astype(float)
    elif name in ("DictVectorizer", "FeatureHasher"):
        yield "", [{"a": 1, "city": "Rome"}, {"b": 2.5, "city": "Paris"}, {"a": 3, "b": 1}], None, [{"a": 3}, {"a": 1.5, "b": 2, "city": "Rome"}, {"city": "Ulm"}]
    elif name in ("LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"):
        return  # They encode targets, not rows.
    elif name == "KNNImputer":
        noisy = missing + np.random.RandomState(3).normal(0, 0.05, missing.shape)
        yield "", noisy, None, np.vstack([noisy[::4], np.full((1, 4), np.nan)])
    elif name in ("KNeighborsTransformer", "RadiusNeighborsTransformer", "LocallyLinearEmbedding", "Isomap"):
        yield "", X3 + np.random.RandomState(3).normal(0, 0.05, X3.shape), None, NEW3 + 0.01
    elif name == "LocalOutlierFactor" or "chebyshev" in label:
        # Of equally near neighbours scikit-learn takes any, so there are none here.
        noise = np.random.RandomState(3)
        yield "", (X3 if name == "LocalOutlierFactor" else XR) + noise.normal(0, 0.05, (X3 if name == "LocalOutlierFactor" else XR).shape), yR, (NEW3 if name == "LocalOutlierFactor" else NEWR) + 0.01
    elif is_regressor(instance):
        yield "", XR, yR, NEWR
        if name in ("LinearRegression", "Ridge", "RandomForestRegressor", "DecisionTreeRegressor", "KNeighborsRegressor", "MLPRegressor", "ExtraTreesRegressor", "KernelRidge", "DummyRegressor", "RadiusNeighborsRegressor", "GaussianProcessRegressor"):
            yield "two targets", XR, YR, NEWR
        if name in ("DecisionTreeRegressor", "RandomForestRegressor", "HistGradientBoostingRegressor"):
            gaps = XR.copy()
            gaps[::4, 2] = np.nan
            yield "missing values", gaps, yR, gaps[1::5]
    elif is_classifier(instance):
        yield "three classes", X3, y3, NEW3
        yield "binary", X2, y2, NEW3
        if name in ("LogisticRegression", "RandomForestClassifier", "SVC"):
            yield "texts, binary", X2, np.where(y2 == 1, "no", "yes"), NEW3
            yield "true or false", X2, y2 == 2, NEW3
        if name in ("RandomForestClassifier", "DecisionTreeClassifier", "ExtraTreesClassifier", "KNeighborsClassifier", "MLPClassifier", "RidgeClassifier", "OneVsRestClassifier", "DummyClassifier"):
            yield "two targets", X3, Y2, NEW3
        if name in ("DecisionTreeClassifier", "RandomForestClassifier", "HistGradientBoostingClassifier", "ExtraTreeClassifier"):
            yield "missing values", missing, y3, missing[1::5]
    else:
        yield "", X3, iris.target if name not in ("FrozenEstimator",) else y3, NEW3


def as_json(value):
    if isinstance(value, list):
        value = [as_json(part) for part in value]
        return value
    if sp.issparse(value):
        value = value.toarray()
    value = np.asarray(value)
    return {"shape": list(value.shape), "kind": value.dtype.kind, "data": [plain(element) for element in value.ravel().tolist()]}


def plain(element):
    if isinstance(element, float) and not math.isfinite(element):
        return "NaN" if math.isnan(element) else "Infinity" if element > 0 else "-Infinity"
    return element


def frame_cases():
    """Pipelines on a data frame, as most people write them."""
    import pandas as pd
    from sklearn import compose, ensemble, feature_selection, impute, linear_model, pipeline, preprocessing
    count = 160
    frame = pd.DataFrame({
        "age": random.randint(18, 80, count).astype(float), "income": random.gamma(3, 1000, count), "city": random.choice(["Paris", "Rome", "Ulm"], count), "plan": random.choice(["a", "b"], count), "visits": random.randint(0, 30, count),
    })
    frame.loc[::11, "age"] = np.nan
    target = np.where((frame.age.fillna(40) > 45) ^ (frame.city == "Rome"), "stays", "leaves")
    columns = compose.ColumnTransformer([
        ("numbers", pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler()), ["age", "income", "visits"]),
        ("texts", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
    ])
    new = frame.iloc[::7].copy()
    new.iloc[0, 2] = "Oslo"
    for name, model in {
        "logistic regression": linear_model.LogisticRegression(max_iter=500), "random forest": ensemble.RandomForestClassifier(20, random_state=0), "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
    }.items():
        yield Case(f"Pipeline (frame: {name})", pipeline.make_pipeline(columns, model), frame, target, new)
    amount = frame.income.to_numpy() + 100 * (frame.city == "Ulm").to_numpy()
    yield Case("Pipeline (frame: ridge)", pipeline.make_pipeline(columns, feature_selection.SelectKBest(k=4), linear_model.Ridge()), frame, amount, new)
    try:
        ordinal = compose.make_column_transformer((preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["city", "plan"]), remainder="passthrough")
        yield Case("Pipeline (frame: ordinal, histogram boosting)", pipeline.make_pipeline(ordinal, ensemble.HistGradientBoostingClassifier(max_iter=10)), frame, target, new)
    except (TypeError, AttributeError):  # before 0.24
        return
    categories = frame.copy()
    categories["city"], categories["plan"] = categories.city.astype("category"), categories.plan.astype("category")
    yield Case("HistGradientBoostingClassifier (frame: categories)", ensemble.HistGradientBoostingClassifier(max_iter=10), categories, target, categories.iloc[::7])


def frame_json(frame):
    return {"columns": {name: as_json(frame[name].to_numpy(dtype=object if frame[name].dtype.kind not in "fiub" else None)) for name in frame.columns}}


def booster_cases():
    """Estimators of boosting libraries in pickles, alone and inside of others, and imbalanced-learn's, where they are installed."""
    from sklearn import calibration, compose, ensemble, linear_model, model_selection, pipeline, preprocessing
    gaps = X3.copy()
    gaps[::5, 1] = np.nan
    gaps[::7, 3] = np.nan
    kinds = {}
    try:
        import xgboost as xgb
        kinds["XGB"] = (lambda **k: xgb.XGBClassifier(n_estimators=6, max_depth=3, **k), lambda **k: xgb.XGBRegressor(n_estimators=6, max_depth=3, **k))
        yield Case("XGBClassifier (missing=-1)", xgb.XGBClassifier(n_estimators=5, missing=-1.0), np.where(np.isnan(gaps), -1, gaps), iris.target, np.where(np.isnan(gaps), -1, gaps)[1::5])
        yield Case("XGBRegressor (dart)", xgb.XGBRegressor(n_estimators=5, booster="dart"), XR, yR, NEWR)
        yield Case("XGBRegressor (two targets)", xgb.XGBRegressor(n_estimators=5), XR, YR, NEWR)
        yield Case("XGBRFClassifier (default)", xgb.XGBRFClassifier(n_estimators=5), X3, iris.target, NEW3)
        yield Case("XGBRegressor (stopped early)", Stopped(xgb.XGBRegressor(n_estimators=60, learning_rate=0.9, early_stopping_rounds=2)), XR, yR, NEWR)
    except ImportError:
        pass
    try:
        import lightgbm as lgb
        kinds["LGBM"] = (lambda **k: lgb.LGBMClassifier(n_estimators=6, verbose=-1, **k), lambda **k: lgb.LGBMRegressor(n_estimators=6, verbose=-1, **k))
        yield Case("LGBMRegressor (stopped early)", Stopped(lgb.LGBMRegressor(n_estimators=60, learning_rate=0.9, verbose=-1, early_stopping_round=2)), XR, yR, NEWR)
        yield Case("LGBMRegressor (poisson)", lgb.LGBMRegressor(n_estimators=6, verbose=-1, objective="poisson"), XR, yR, NEWR)
        yield Case("LGBMClassifier (random forest)", lgb.LGBMClassifier(n_estimators=6, verbose=-1, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7), X3, species, NEW3)
    except ImportError:
        pass
    try:
        import catboost as cb
        kinds["CatBoost"] = (lambda **k: cb.CatBoostClassifier(iterations=6, depth=3, verbose=0, allow_writing_files=False, **k), lambda **k: cb.CatBoostRegressor(iterations=6, depth=3, verbose=0, allow_writing_files=False, **k))
        yield Case("CatBoostClassifier (Lossguide)", cb.CatBoostClassifier(iterations=6, verbose=0, grow_policy="Lossguide", allow_writing_files=False), X3, species, NEW3)
    except ImportError:
        pass
    for name, (classifier, regressor) in kinds.items():
        y = iris.target if name == "XGB" else species
        yield Case(f"{name}Classifier (three classes)", classifier(), X3, y, NEW3)
        yield Case(f"{name}Classifier (two classes, missing values)", classifier(), gaps[50:], iris.target[50:] - 1 if name == "XGB" else species[50:], gaps[1::5])
        yield Case(f"{name}Regressor (default)", regressor(), XR, yR, NEWR)
        yield Case(f"Pipeline ({name})", pipeline.make_pipeline(preprocessing.StandardScaler(), classifier()), X3, y, NEW3)
        if name != "CatBoost":
            # CatBoost's estimators are not those that scikit-learn's newer versions expect inside of others.
            yield Case(f"CalibratedClassifierCV ({name})", calibration.CalibratedClassifierCV(classifier(), cv=3), X3, y, NEW3)
            yield Case(f"VotingClassifier ({name})", ensemble.VotingClassifier([("a", classifier()), ("b", ensemble.RandomForestClassifier(n_estimators=5, random_state=0))], voting="soft"), X3, species, NEW3)
            yield Case(f"StackingClassifier ({name})", ensemble.StackingClassifier([("a", classifier()), ("b", linear_model.LogisticRegression(max_iter=500))], cv=3), X3, species, NEW3)
            yield Case(f"StackingRegressor ({name})", ensemble.StackingRegressor([("a", regressor()), ("b", linear_model.Ridge())], cv=3), XR, yR, NEWR)
            yield Case(f"GridSearchCV ({name})", model_selection.GridSearchCV(classifier(), {"max_depth": [2, 3]}, cv=3), X3, y, NEW3)
            yield Case(f"TransformedTargetRegressor ({name})", compose.TransformedTargetRegressor(regressor(), func=np.log1p, inverse_func=np.expm1), XR, yR, NEWR)
    try:
        from imblearn import ensemble as ie, over_sampling, pipeline as ip, under_sampling
        yield Case("imblearn Pipeline (SMOTE)", ip.make_pipeline(preprocessing.StandardScaler(), over_sampling.SMOTE(random_state=0), linear_model.LogisticRegression()), X3[:130], species[:130], NEW3)
        yield Case("imblearn Pipeline (undersampling)", ip.make_pipeline(under_sampling.RandomUnderSampler(random_state=0), ensemble.RandomForestClassifier(n_estimators=5, random_state=0)), X3[:130], species[:130], NEW3)
        yield Case("BalancedRandomForestClassifier (default)", ie.BalancedRandomForestClassifier(n_estimators=6, random_state=0), X3[:130], species[:130], NEW3)
        yield Case("BalancedBaggingClassifier (default)", ie.BalancedBaggingClassifier(n_estimators=4, random_state=0), X3[:130], species[:130], NEW3)
        yield Case("EasyEnsembleClassifier (default)", ie.EasyEnsembleClassifier(n_estimators=3, random_state=0), X3[:130], species[:130], NEW3)
        yield Case("RUSBoostClassifier (default)", ie.RUSBoostClassifier(n_estimators=5, random_state=0), X3[:130], species[:130], NEW3)
    except ImportError:
        pass


class Stopped:
    """Fits with rows apart that tell when to stop."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        return self.estimator.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], **({} if type(self.estimator).__module__.startswith("lightgbm") else {"verbose": False}))


def dicts_json(rows):
    """Columns of what rows of dicts hold."""
    names = sorted({name for row in rows for name in row})
    return {"columns": {name: as_json(np.array([row.get(name, float("nan")) for row in rows], dtype=object)) for name in names}}


def main(folder, wanted):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []

    def add(name, label, instance, X, y, new):
        row = {"estimator": name, "label": label}
        rows.append(row)
        try:
            fitted = instance.fit(X) if y is None else instance.fit(X, y)
            instance = fitted if isinstance(instance, Stopped) else instance
        except Exception as error:
            row["skipped"] = f"cannot be fitted here: {str(error).splitlines()[0][:100]}"
            return
        outputs = {}
        for method in METHODS:
            try:
                offered = hasattr(instance, method)
            except ValueError:  # a property that objects
                offered = False
            if offered:
                try:
                    answer = getattr(instance, method)(new)
                    # CatBoost gives labels of three and more classes as a column.
                    outputs[method] = as_json(answer.ravel() if "CatBoost" in name + label and method == "predict" else answer)
                except Exception as error:
                    row.setdefault("failed", {})[method] = str(error).splitlines()[0][:100]
        if not outputs:
            row["skipped"] = "has no method for new rows"
            return
        file = f"{len(rows):03d}-{name.split(' ')[0]}"
        if len(rows) % 3 == 0:
            row["file"] = f"{file}.joblib"
            joblib.dump(instance, folder / row["file"], compress=3 if len(rows) % 2 else 0)
        else:
            row["file"] = f"{file}.pkl"
            (folder / row["file"]).write_bytes(pickle.dumps(instance, protocol=min(2 + len(rows) % 4, pickle.HIGHEST_PROTOCOL)))
        row["input"] = dicts_json(new) if isinstance(new, list) and isinstance(new[0], dict) else frame_json(new) if hasattr(new, "columns") else as_json(np.asarray(new, dtype=object) if isinstance(new, list) and new and isinstance(new[0], str) else new)
        row["outputs"] = outputs

    for name, cls in all_estimators():
        if wanted and name not in wanted:
            continue
        for label, instance in variants(name, cls):
            for kind, X, y, new in datasets(name, instance, label):
                from sklearn.base import clone
                add(name, "; ".join(part for part in (label, kind) if part), clone(instance) if name != "FrozenEstimator" else instance, X, y, new)
    if not wanted or "frames" in wanted:
        for case in frame_cases():
            name, _, label = case.name.partition(" (")
            add(name, label.rstrip(")"), case.estimator, case.X, case.y, case.new)
    if not wanted or "boosters" in wanted:
        for case in booster_cases():
            name, _, label = case.name.partition(" (")
            add(name, label.rstrip(")"), case.estimator, case.X, case.y, case.new)
    (folder / "cases.json").write_text(json.dumps({"version": sklearn.__version__, "cases": rows}))
    print(f"scikit-learn {sklearn.__version__}: {sum('file' in row for row in rows)} cases of {len(set(row['estimator'] for row in rows))} estimators in {folder}; {sum('skipped' in row for row in rows)} cases skipped")


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
