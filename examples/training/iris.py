"""Trains the iris examples: which of three irises is a flower, by the size of its leaves?

Data: Fisher's 150 irises (public domain) that scikit-learn carries. Every third flower is held out; training never sees it.

    pip install scikit-learn==1.9.1 numpy==2.4.6 onnx==1.23.2
    python iris.py

Writes ../models/iris (scaler and logistic regression in one graph), and the same as two models, iris-scale and iris-classify,
which the ensemble iris-ensemble joins. Prints the accuracy on the held-out flowers.
"""
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"


def scaler_nodes(scaler, source, target):
    """(x - mean) / scale, as two nodes and their constants."""
    constants = [numpy_helper.from_array(scaler.mean_.astype(np.float32), "mean"), numpy_helper.from_array(scaler.scale_.astype(np.float32), "scale")]
    nodes = [helper.make_node("Sub", [source, "mean"], ["centered"]), helper.make_node("Div", ["centered", "scale"], [target])]
    return nodes, constants


def classifier_nodes(classifier, source):
    """The multinomial logistic regression: a matrix, a softmax, and the place of the largest."""
    constants = [
        numpy_helper.from_array(classifier.coef_.astype(np.float32), "coefficients"),
        numpy_helper.from_array(classifier.intercept_.astype(np.float32), "intercept"),
    ]
    nodes = [
        helper.make_node("Gemm", [source, "coefficients", "intercept"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    return nodes, constants


def write(name, input_name, output_name, columns, nodes, constants):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["batch", columns])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="modelport-examples")
    onnx.checker.check_model(model)
    (MODELS / name).mkdir(parents=True, exist_ok=True)
    onnx.save(model, MODELS / name / "model.onnx")


def main():
    iris = load_iris()
    held_out = np.arange(len(iris.target)) % 3 == 2
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000))
    pipeline.fit(iris.data[~held_out], iris.target[~held_out])
    print(f"held-out accuracy: {pipeline.score(iris.data[held_out], iris.target[held_out]):.4f} ({held_out.sum()} flowers)")
    scaler, classifier = pipeline
    scaling, scaling_constants = scaler_nodes(scaler, "measurements", "scaled")
    classifying, classifying_constants = classifier_nodes(classifier, "scaled")
    write("iris", "measurements", "probabilities", 3, scaling + classifying, scaling_constants + classifying_constants)
    write("iris-scale", "measurements", "scaled", 4, scaling, scaling_constants)
    write("iris-classify", "scaled", "probabilities", 3, classifying, classifying_constants)
    for name, low, high in zip(iris.feature_names, iris.data.min(0), iris.data.max(0)):
        print(f"{name}: {low} to {high}")
    # One held-out flower of each kind, with what scikit-learn says of it.
    rows = [int(np.flatnonzero(held_out & (iris.target == kind))[4]) for kind in range(3)]
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    sample = [dict(zip(names, iris.data[row].tolist())) for row in rows]
    for model in ("iris", "iris-ensemble"):
        (MODELS / model).mkdir(parents=True, exist_ok=True)
        (MODELS / model / "sample.json").write_text(json.dumps(sample[1], indent=2) + "\n")
    expected = [dict(zip(iris.target_names.tolist(), map(float, p))) for p in pipeline.predict_proba(iris.data[rows])]
    print(json.dumps([{"input": i, "probabilities": p} for i, p in zip(sample, expected)], indent=2))


if __name__ == "__main__":
    main()
