"""Writes src/onnx/operator-table.ts from the operator schemas of the Python package onnx (its version stands in the file).

    python scripts/onnx/write_operator_table.py
"""

import json
from collections import defaultdict
from pathlib import Path

import onnx
from onnx import defs, helper

target = Path(__file__).parent.parent.parent / "src" / "onnx" / "operator-table.ts"

sets: dict[str, int] = {}


def type_set(types) -> int:
    return sets.setdefault(" ".join(sorted(types)), len(sets))


def parameter(formal, constraints) -> list:
    # Name, type variable or set of types, and how often it comes: 0 once, 1 at most once, 2 any number of times, 3 any number of one type.
    option = {defs.OpSchema.FormalParameterOption.Single: 0, defs.OpSchema.FormalParameterOption.Optional: 1}.get(formal.option)
    if option is None:
        option = 3 if formal.is_homogeneous else 2
    kind = formal.type_str if formal.type_str in constraints else type_set(formal.types)
    return [formal.name, kind, option]


def default_of(attribute):
    value = attribute.default_value
    if value is None or not value.name:
        return None
    found = helper.get_attribute_value(value)
    if isinstance(found, bytes):
        return found.decode()
    if isinstance(found, list):
        return [entry.decode() if isinstance(entry, bytes) else entry for entry in found]
    if isinstance(found, float):
        return float(f"{found:.8g}")
    return found if isinstance(found, int) else None


def row(schema) -> list:
    constraints = {constraint.type_param_str: constraint for constraint in schema.type_constraints}
    attributes = {}
    for name, attribute in sorted(schema.attributes.items()):
        entry = [int(attribute.type.value), int(attribute.required)]
        default = default_of(attribute)
        if default is not None:
            entry.append(default)
        attributes[name] = entry
    return [
        schema.since_version,
        [schema.min_input, min(schema.max_input, 2**31 - 1), schema.min_output, min(schema.max_output, 2**31 - 1)],
        [parameter(formal, constraints) for formal in schema.inputs],
        [parameter(formal, constraints) for formal in schema.outputs],
        {name: type_set(constraint.allowed_type_strs) for name, constraint in constraints.items()},
        attributes,
        int(schema.deprecated),
    ]


operators = defaultdict(list)
for schema in defs.get_all_schemas_with_history():
    operators[f"{schema.domain}:{schema.name}"].append(row(schema))

ir_versions = {}
for rows in helper.VERSION_TABLE:
    _, ir, *opsets = rows[:3]
    ir_versions.setdefault(opsets[0], ir)

lines = [
    f"// Written by scripts/onnx/write_operator_table.py from onnx {onnx.__version__}; do not edit. `operator-schema.ts` reads it.",
    "",
    "/** The newest versions of the standard domain and of ai.onnx.ml. */",
    f"export const newestOpset = {defs.onnx_opset_version()};",
    f"export const newestMachineLearningOpset = {max(schema.since_version for schema in defs.get_all_schemas_with_history() if schema.domain == 'ai.onnx.ml')};",
    "",
    "/** The oldest IR version that a file with an opset of the standard domain may have. */",
    f"export const irVersions: Readonly<Record<number, number>> = {json.dumps(ir_versions).replace(chr(34), '')};",
    "",
    "/** Sets of types, as `tensor(float)`, divided by spaces. */",
    "export const typeSets: readonly string[] = [",
]
body = []
for key in sorted(operators):
    rows = sorted(operators[key], key=lambda entry: entry[0])
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=True)
    assert "'" not in text
    body.append(f"  '{key}': '" + text.replace("\\", "\\\\") + "',")
lines += [f"  '{entry}'," for entry in sets]
lines += [
    "];",
    "",
    "/**",
    " * `domain:operator` → JSON: a row for each version of the operator, oldest first. A row is since-version; least and most inputs, least and most outputs;",
    " * inputs and outputs as [name, type variable or index into `typeSets`, 0 once | 1 optional | 2 any number | 3 any number of one type]; type variables;",
    " * attributes as [type, required, default where it is a number or text]; deprecated.",
    " */",
    "export const operatorRows: Readonly<Record<string, string>> = {",
    *body,
    "};",
    "",
]
target.write_text("\n".join(lines))
