"""Holds constant folding against the expected results of onnx.backend.test: every input is made a constant, and what folding leaves is compared.

Writes scripts/parity/results/onnx-folding.md. Needs a build (`npm run build:server`) and: pip install onnx

    python scripts/parity/onnx_folding.py
"""

import subprocess
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy
import onnx
from onnx import ModelProto, checker, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.filterwarnings("ignore")
here = Path(__file__).parent

cases = {}
for case in collect_testcases(None):
    if case.model is None or not case.data_sets or any(not isinstance(value, numpy.ndarray) for value in case.data_sets[0][0]):
        continue
    model = ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    for value, array in zip(graph.input, case.data_sets[0][0]):
        graph.initializer.append(numpy_helper.from_array(array, value.name))
    del graph.input[:]
    # Outputs are left to nodes; what comes before them can be folded.
    for output in graph.output:
        graph.node.append(helper.make_node("Identity", [output.name], [f"{output.name}_copy"]))
        output.name += "_copy"
    cases[case.name] = (model, case.data_sets[0][1])

folded, wrong, invalid, operators = 0, [], [], Counter()
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder)
    for index, (model, _) in enumerate(cases.values()):
        (path / f"{index}.onnx").write_bytes(model.SerializeToString())
    subprocess.run(["node", here / "fold-models.mjs", folder], check=True)
    for index, (name, (model, expected)) in enumerate(cases.items()):
        result = onnx.load(path / f"{index}.folded")
        try:
            checker.check_model(result, full_check=True)
        except Exception as error:  # noqa: BLE001
            try:
                checker.check_model(model, full_check=True)
                invalid.append((name, str(error).splitlines()[0]))
            except Exception:  # noqa: BLE001
                pass
        constants = {tensor.name: tensor for tensor in result.graph.initializer}
        sources = {node.output[0]: node.input[0] for node in result.graph.node if node.op_type == "Identity"}
        complete = True
        for output, array in zip(result.graph.output, expected):
            source = constants.get(sources.get(output.name, output.name))
            if source is None or not isinstance(array, numpy.ndarray):
                complete = False
                continue
            found = numpy_helper.to_array(source)
            same = found.shape == array.shape and found.dtype == array.dtype
            if not same or not numpy.array_equal(found, array, equal_nan=array.dtype.kind == "f"):
                wrong.append((name, output.name, found.dtype, found.shape, array.dtype, array.shape))
        if complete:
            folded += 1
            operators[model.graph.node[0].op_type] += 1

lines = [
    "# Constant folding beside onnx.backend.test",
    "",
    f"Written by scripts/parity/onnx_folding.py with onnx {onnx.__version__}: {len(cases)} node tests whose inputs are made constants.",
    "",
    f"Folded whole: {folded}. Different from the expected result to the last bit: {len(wrong)}. No longer valid for `onnx.checker`: {len(invalid)}.",
    "",
    "Operators: " + ", ".join(f"{name} ({count})" for name, count in sorted(operators.items())) + ".",
    "",
    *(f"- different: {row}" for row in wrong),
    *(f"- invalid: {row}" for row in invalid),
]
(here / "results" / "onnx-folding.md").write_text("\n".join(lines).rstrip() + "\n")
print("\n".join(lines))
