"""Trains examples/models/fuel: how far does a car of the seventies go on a gallon of petrol?

Data: the Auto MPG cars (UCI, 1983) that the Python package mlxtend carries (BSD-3-Clause): 392 models of 1970 to 1982. Every fourth car is
held out; training never sees it.

    pip install scikit-learn==1.9.1 pandas==3.1.1 joblib==1.6.0 mlxtend==0.25.0
    python fuel.py [path of autompg.csv.gz]

Writes model.joblib, a pipeline with named columns, and expected/fuel.json, scikit-learn's own answers to a few held-out cars, which a test
compares. Prints the mean error on the held-out cars. A second.
"""
import json
import pathlib
import sys

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

OUT = pathlib.Path(__file__).resolve().parent.parent / "models" / "fuel"
COLUMNS = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin", "name", "mpg"]
NUMBERS = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year"]
ORIGINS = {1: "USA", 2: "Europe", 3: "Japan"}


def load(path):
    cars = pd.read_csv(path, names=COLUMNS)
    cars["origin"] = cars["origin"].map(ORIGINS)
    cars[NUMBERS] = cars[NUMBERS].astype(float)
    held_out = cars.index % 4 == 3
    return cars[~held_out], cars[held_out]


def main():
    if len(sys.argv) > 1:
        path = sys.argv[1]
    else:
        import mlxtend.data
        path = pathlib.Path(mlxtend.data.__file__).parent / "data" / "autompg.csv.gz"
    training, held_out = load(path)
    columns = ColumnTransformer([
        ("numbers", make_pipeline(StandardScaler(), SplineTransformer(n_knots=4, degree=3, extrapolation="linear")), NUMBERS),
        ("origin", OneHotEncoder(), ["origin"]),
    ])
    model = make_pipeline(columns, RidgeCV(alphas=[0.01, 0.1, 1, 10, 100]))
    model.fit(training[NUMBERS + ["origin"]], training["mpg"])
    answers = model.predict(held_out)
    print(f"{len(training)} cars, {len(held_out)} held out: mean error {mean_absolute_error(held_out['mpg'], answers):.2f} miles per gallon, R² {r2_score(held_out['mpg'], answers):.3f}")
    OUT.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, OUT / "model.joblib", compress=3)
    some = held_out.iloc[::12]
    rows = [{**{name: row[name] for name in NUMBERS + ["origin"]}, "mpg": row["mpg"], "answer": float(answer)} for (_, row), answer in zip(some.iterrows(), model.predict(some))]
    expected = pathlib.Path(__file__).resolve().parent / "expected" / "fuel.json"
    expected.parent.mkdir(exist_ok=True)
    expected.write_text(json.dumps(rows, indent=1) + "\n")


main()
