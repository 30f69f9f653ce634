"""Makes the two models that are measured with: models.py FOLDER

model/model.onnx  4 -> 16 relu -> 3 softmax, float32, any number of rows: everything but the model is what costs
conv/model.onnx   3x224x224 -> 1000 softmax, random weights (42 MB), about 30 ms an image on one thread
identity/model.onnx  150,528 numbers (600 KB) a row, given back as they are
"""
import pathlib
import sys

import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save

folder = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(7)


def write(name, nodes, weights, inner, outer):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *inner])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *outer])],
        [numpy_helper.from_array(array.astype(numpy.float32), key) for key, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    (folder / name).mkdir(parents=True, exist_ok=True)
    save(model, folder / name / "model.onnx")


dense = {"w1": random.normal(size=(4, 16)) * 0.4, "b1": random.normal(size=16) * 0.4, "w2": random.normal(size=(16, 3)) * 0.4, "b2": random.normal(size=3) * 0.4}
write(
    "model",
    [
        helper.make_node("Gemm", ["input", "w1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ],
    dense,
    [4],
    [3],
)

weights, nodes, channels, value, width = {}, [], 3, "input", 72
layers = [(width, 7, 2)]
for stage in range(4):
    layers += [(width << stage, 3, 2), (width << stage, 3, 1), (width << stage, 3, 1)]
for index, (out, kernel, stride) in enumerate(layers):
    weights[f"w{index}"] = random.normal(size=(out, channels, kernel, kernel)) * (2 / (channels * kernel * kernel)) ** 0.5
    nodes.append(helper.make_node("Conv", [value, f"w{index}"], [f"c{index}"], kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[kernel // 2] * 4))
    nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
    value, channels = f"r{index}", out
weights["dense"] = random.normal(size=(channels, 1000)) * channels**-0.5
nodes += [
    helper.make_node("GlobalAveragePool", [value], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["flat"]),
    helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["output"], axis=1),
]
write("conv", nodes, weights, [3, 224, 224], [1000])

# 600 KB a row in and out: what remains is moving bytes.
write("identity", [helper.make_node("Identity", ["input"], ["output"])], {}, [150528], [150528])
