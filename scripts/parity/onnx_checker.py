"""Holds our writer and checker against Python's onnx.

1. Every model that onnx.backend.test generates: read and written by us it is the same message; our checker finds nothing that onnx.checker allows.
2. Models that GraphBuilder makes: onnx.checker with full_check accepts them, onnx.reference or ONNX Runtime can load them.
3. Models that are broken on purpose: both checkers refuse.
Writes scripts/parity/results/onnx-checker.md. Needs a build (`npm run build:server`) and: pip install onnx onnxruntime

    python scripts/parity/onnx_checker.py
"""

import json
import subprocess
import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import AttributeProto, ModelProto, TensorProto, checker, helper
from onnx.backend.test.case.model import collect_testcases as collect_model_cases
from onnx.backend.test.case.node import collect_testcases as collect_node_cases

here = Path(__file__).parent


def run(script: str, *arguments: str) -> str:
    return subprocess.run(["node", here / script, *arguments], capture_output=True, text=True, check=True).stdout


def refused(model: ModelProto) -> str | None:
    try:
        checker.check_model(model, full_check=True)
        return None
    except Exception as error:  # noqa: BLE001
        return str(error).strip().splitlines()[0][:120]


def broken_models() -> dict[str, ModelProto]:
    tensor = helper.make_tensor_value_info
    x, y = tensor("x", TensorProto.FLOAT, ["n", 3]), tensor("y", TensorProto.FLOAT, ["n", 3])

    def model(*nodes, inputs=(x,), outputs=(y,), initializers=(), **options):
        return helper.make_model(helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(initializers)), opset_imports=[helper.make_opsetid("", 18)], **options)

    node = helper.make_node
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [0.0] * 6)
    short = helper.make_tensor("w", TensorProto.FLOAT, [3, 2], [0.0] * 6)
    del short.float_data[-1]
    wrong_attribute = node("Softmax", ["x"], ["y"])
    wrong_attribute.attribute.append(helper.make_attribute("axis", 1.5))
    return {
        "undefined input": model(node("Relu", ["z"], ["y"])),
        "order of nodes": model(node("Relu", ["a"], ["y"]), node("Relu", ["x"], ["a"])),
        "made twice": model(node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])),
        "unknown operator": model(node("Relou", ["x"], ["y"])),
        "operator of a later version": model(node("Gelu", ["x"], ["y"])),
        "deprecated operator": model(node("Upsample", ["x", "x"], ["y"])),
        "too many inputs": model(node("Relu", ["x", "x"], ["y"])),
        "unknown attribute": model(node("Relu", ["x"], ["y"], slope=1)),
        "attribute of another type": model(wrong_attribute),
        "missing attribute": model(node("Cast", ["x"], ["y"])),
        "mixed types": model(node("Cast", ["x"], ["d"], to=TensorProto.DOUBLE), node("Add", ["x", "d"], ["y"])),
        "type that an operator lacks": model(node("Cast", ["x"], ["s"], to=TensorProto.STRING), node("Relu", ["s"], ["r"]), node("Cast", ["r"], ["y"], to=TensorProto.FLOAT)),
        "shapes that do not fit": model(node("MatMul", ["w", "x"], ["y"]), initializers=[weight], inputs=[tensor("x", TensorProto.FLOAT, [5, 3])]),
        "declared otherwise": model(node("Cast", ["x"], ["y"], to=TensorProto.INT64)),
        "tensor too short": model(node("MatMul", ["x", "w"], ["y"]), initializers=[short], outputs=[tensor("y", TensorProto.FLOAT, ["n", 2])]),
        "output of nothing": model(node("Relu", ["x"], ["z"])),
        "domain not imported": model(node("Relu", ["x"], ["y"], domain="com.example")),
        "no name": helper.make_model(helper.make_graph([node("Relu", ["x"], ["y"])], "", [x], [y]), opset_imports=[helper.make_opsetid("", 18)]),
    }


models = {}
for collect, arguments in ((collect_node_cases, (None,)), (collect_model_cases, ())):
    for case in collect(*arguments):
        if case.model is not None:
            models[case.name] = case.model
broken = broken_models()

lines = []
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder)
    names = {}
    for index, (name, model) in enumerate([*models.items(), *broken.items()]):
        names[f"{index}.onnx"] = name
        (path / f"{index}.onnx").write_bytes(model.SerializeToString())
    found = {names[key]: problems for key, problems in json.loads(run("check-and-rewrite-models.mjs", folder)).items()}

    same, split_same, other = 0, 0, []
    alarms, agreed = [], 0
    for key, name in names.items():
        if name in broken:
            continue
        rewritten = ModelProto.FromString((path / f"{key}.rewritten").read_bytes())
        split = onnx.load(str(path / key.replace(".onnx", ".split.onnx")))
        if rewritten == models[name]:
            same += 1
        else:
            other.append(name)
        checker.check_model(str(path / key.replace(".onnx", ".split.onnx"))) if refused(models[name]) is None else None
        split_same += len(split.graph.initializer) == len(models[name].graph.initializer)
        theirs = refused(models[name])
        if bool(found[name]) == bool(theirs):
            agreed += 1
        else:
            alarms.append((name, "; ".join(found[name])[:200] or "accepted", theirs or "accepted"))
    lines += [
        "# Writer and checker beside Python's onnx",
        "",
        f"Written by scripts/parity/onnx_checker.py with onnx {onnx.__version__} and ONNX Runtime {onnxruntime.__version__}.",
        "",
        f"- Models of `onnx.backend.test`: {len(models)}. Read and written by us, they are the same message: {same}. With initializers beside them, `onnx.checker` and `onnx.load` take them: {split_same}.",
        f"- Our checker and `onnx.checker` (full) agree on {agreed} of {len(models)}.",
        "",
        "| model | ours | onnx.checker |",
        "|---|---|---|",
        *(f"| {name} | {ours} | {theirs} |" for name, ours, theirs in alarms),
        "",
        "## Broken models",
        "",
        "| broken | ours | onnx.checker (full) |",
        "|---|---|---|",
    ]
    for name, model in broken.items():
        lines.append(f"| {name} | {(found[name] or ['ACCEPTED'])[0]} | {refused(model) or 'accepted'} |")

with tempfile.TemporaryDirectory() as folder:
    run("write-sample-models.mjs", folder)
    lines += ["", "## Models that GraphBuilder makes", "", "| model | onnx.checker (full) | ONNX Runtime |", "|---|---|---|"]
    for file in sorted(Path(folder).glob("*.onnx")):
        model = onnx.load(str(file))
        try:
            onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            loaded = "loads"
        except Exception as error:  # noqa: BLE001
            loaded = str(error).strip().splitlines()[0][:120]
        lines.append(f"| {file.stem} | {refused(model) or 'accepts'} | {loaded} |")

results = here / "results"
results.mkdir(exist_ok=True)
(results / "onnx-checker.md").write_text("\n".join(line.replace("|\n", "|\n") for line in lines) + "\n")
print("\n".join(lines))
