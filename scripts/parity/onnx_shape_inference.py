"""Compares our shape inference with that of Python's onnx on the models that onnx.backend.test generates.

Each model is stripped of the types of its outputs; small inputs become constants in a second round, so that shapes that depend on values are compared too.
Writes scripts/parity/results/onnx-shape-inference.md. Needs a build (`npm run build:server`) and: pip install onnx

    python scripts/parity/onnx_shape_inference.py
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference
from onnx.backend.test.case.node import collect_testcases as collect_node_cases
from onnx.backend.test.case.model import collect_testcases as collect_model_cases

here = Path(__file__).parent
results = here / "results"


def plain(kind) -> list | None:
    which = kind.WhichOneof("value")
    if which in ("tensor_type", "sparse_tensor_type"):
        tensor = getattr(kind, which)
        shape = None
        if tensor.HasField("shape"):
            shape = [d.dim_value if d.HasField("dim_value") else (None if d.dim_param.startswith("unk__") else d.dim_param or None) for d in tensor.shape.dim]
        return ["tensor" if which == "tensor_type" else "sparse", tensor.elem_type, shape]
    if which in ("sequence_type", "optional_type"):
        return [which[:-5], plain(getattr(kind, which).elem_type)]
    if which == "map_type":
        return ["map", kind.map_type.key_type, plain(kind.map_type.value_type)]
    return None


def strip(model: ModelProto) -> ModelProto:
    stripped = ModelProto()
    stripped.CopyFrom(model)
    del stripped.graph.value_info[:]
    for output in stripped.graph.output:
        output.ClearField("type")
    return stripped


def with_constants(model: ModelProto, data: list) -> ModelProto | None:
    """Small integer inputs, and those that operators read shapes from, become initializers."""
    changed = strip(model)
    names = []
    for value, array in zip(model.graph.input, data):
        if isinstance(array, numpy.ndarray) and array.size <= 64 and value.type.WhichOneof("value") == "tensor_type" and array.dtype in (numpy.int64, numpy.int32, numpy.float32, numpy.bool_):
            changed.graph.initializer.append(numpy_helper.from_array(array, value.name))
            names.append(value.name)
    kept = [value for value in changed.graph.input if value.name not in names]
    if not names:
        return None
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    return changed


def exactness(types: list | None) -> int:
    """How much a type says."""
    if types is None:
        return 0
    if types[0] in ("tensor", "sparse"):
        return 1 + (types[1] != 0) + (0 if types[2] is None else 1 + sum(1 for size in types[2] if size is not None))
    return 1 + exactness(types[-1])


def contradicts(ours, theirs) -> bool:
    if ours is None or theirs is None:
        return False
    if ours[0] != theirs[0]:
        return True
    if ours[0] in ("tensor", "sparse"):
        if ours[1] and theirs[1] and ours[1] != theirs[1]:
            return True
        if ours[2] is None or theirs[2] is None:
            return False
        return len(ours[2]) != len(theirs[2]) or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(ours[2], theirs[2]))
    return contradicts(ours[-1], theirs[-1])


def compare(ours, theirs) -> str:
    if contradicts(ours, theirs):
        return "contradicts"
    left, right = exactness(ours), exactness(theirs)
    return "equal" if left == right else "more exact" if left > right else "less exact"


cases = {}
truth = {}
for collect in (collect_node_cases, collect_model_cases):
    argument = (None,) if collect is collect_node_cases else ()
    for case in collect(*argument):
        if case.model is None:
            continue
        declared = [plain(output.type) for output in case.model.graph.output]
        cases[case.name] = strip(case.model)
        truth[case.name] = declared
        if case.data_sets:
            constant = with_constants(case.model, case.data_sets[0][0])
            if constant is not None:
                cases[f"{case.name} (constant inputs)"] = constant
                truth[f"{case.name} (constant inputs)"] = declared

with tempfile.TemporaryDirectory() as folder:
    names = {}
    for index, (name, model) in enumerate(cases.items()):
        names[f"{index}.onnx"] = name
        (Path(folder) / f"{index}.onnx").write_bytes(model.SerializeToString())
    output = subprocess.run(["node", here / "print-inferred-types.mjs", folder], capture_output=True, text=True, check=True).stdout
    ours = {names[key]: value for key, value in json.loads(output).items()}

counts = Counter()
against_truth = Counter()
rows = []
for name, model in cases.items():
    mine = ours[name]
    if "error" in mine:
        counts["failed"] += 1
        rows.append((name, "failed", mine["error"].splitlines()[0], "", ""))
        continue
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        theirs = [plain(value.type) for value in inferred.graph.output]
        problem = None
    except Exception as error:  # noqa: BLE001
        theirs = [None] * len(model.graph.output)
        problem = str(error).splitlines()[0][:100]
    for mine_type, their_type, true_type in zip(mine["outputs"], theirs, truth[name]):
        verdict = compare(mine_type, their_type)
        if contradicts(mine_type, true_type):
            against_truth["contradicts"] += 1
            verdict = "WRONG" if verdict != "contradicts" else "contradicts, WRONG"
        counts[verdict] += 1
        if verdict not in ("equal", "more exact"):
            rows.append((name, verdict, mine_type, their_type, true_type))
    if mine["problems"]:
        counts["refused by us"] += 1
        rows.append((name, "refused by us", mine["problems"][0], problem or "", ""))

results.mkdir(exist_ok=True)
with (results / "onnx-shape-inference.md").open("w") as file:
    file.write("# Shape inference beside Python's onnx\n\n")
    file.write(f"Written by scripts/parity/onnx_shape_inference.py: the outputs of the {len(cases)} models that onnx {onnx.__version__} makes with `onnx.backend.test`,\n")
    file.write("their declared types taken away; Python runs with `strict_mode` and `data_prop`. *constant inputs*: small inputs are initializers.\n\n")
    file.write("| verdict | outputs |\n|---|---|\n")
    for verdict, count in counts.most_common():
        file.write(f"| {verdict} | {count} |\n")
    file.write(f"\nOutputs where ours contradicts the type that the test declares: {against_truth['contradicts']}.\n")
    file.write("\n## Where ours is not equal and not more exact\n\n| model | verdict | ours | Python's | declared |\n|---|---|---|---|---|\n")
    for row in rows:
        file.write("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |\n")
print(dict(counts), dict(against_truth))
for row in rows[: int(sys.argv[1]) if len(sys.argv) > 1 else 0]:
    print(*row, sep=" | ")
