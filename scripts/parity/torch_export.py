"""Exports the cases with the real torch.export and writes what torch answers, in float32 and in float64, at two batch sizes.

Usage: python torch_export.py FOLDER [--only GROUP/NAME-PATTERN] [--skip FILE]; a JSON line for each case; goes on when a line comes on the standard input.
"""
from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
import warnings

warnings.filterwarnings('ignore')
logging.disable(logging.WARNING)
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import torch
from safetensors.torch import save_file

import torch_cases

torch.set_num_threads(1)
batches = (2, 3)


def flat(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in flat(item)]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in flat(item)]
    return []


def double(value):
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


@torch.no_grad()
def make(case, folder: str) -> dict:
    begin = time.time()
    module = case.make()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    inputs = {batch: case.inputs(batch) for batch in batches}
    facts: dict = {}
    tensors: dict[str, torch.Tensor] = {}
    outputs = {batch: flat(module(*inputs[batch])) for batch in batches}
    dynamic = []
    for index, axis in enumerate(case.batch_axes):
        axes = {} if axis is None else {axis: torch.export.Dim.AUTO}
        for other in case.dynamic.get(index, {}):
            axes[other] = torch.export.Dim.AUTO
        dynamic.append(axes or None)
    program = torch.export.export(module, inputs[batches[0]], dynamic_shapes=tuple(dynamic), strict=False)
    path = os.path.join(folder, 'model.pt2')
    torch.export.save(program, path)
    placeholder = next((node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs), None)
    axis = case.batch_axes[0] if case.batch_axes else None
    shape = placeholder.meta['val'].shape if placeholder is not None and axis is not None else ()
    facts['dynamic'] = bool(axis is not None and not str(shape[axis]).isdigit())
    del program
    used = batches if facts['dynamic'] else batches[:1]
    try:
        wide = module.double()
        outputs64 = {batch: flat(wide(*[double(item) for item in inputs[batch]])) for batch in used}
        for batch in used:
            for index, output in enumerate(outputs64[batch]):
                tensors[f'out64.{batch}.{index}'] = output.detach().contiguous().clone()
        facts['float64'] = True
    except Exception as error:
        facts['float64'] = False
        tensors = {}
        facts['why'] = repr(error)[:200]
    for batch in used:
        for index, item in enumerate(inputs[batch]):
            tensors[f'in.{batch}.{index}'] = item.contiguous().clone()
        for index, output in enumerate(outputs[batch]):
            tensors[f'out32.{batch}.{index}'] = output.detach().contiguous().clone()
    save_file(tensors, os.path.join(folder, 'case.safetensors'))
    return {**facts, 'file': path, 'batches': list(used), 'bytes': os.path.getsize(path), 'seconds': round(time.time() - begin, 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    parser.add_argument('--only', default='')
    parser.add_argument('--skip', default='')
    options = parser.parse_args()
    skipped = set(json.load(open(options.skip))) if options.skip else set()
    os.makedirs(options.folder, exist_ok=True)
    for case in torch_cases.cases():
        name = f'{case.group}/{case.name}'
        if name in skipped or not re.search(options.only, name):
            continue
        print(json.dumps({'begin': name}), flush=True)
        try:
            row = {'case': name, **make(case, options.folder)}
        except Exception as error:
            row = {'case': name, 'error': re.sub(r'\s+', ' ', f'{type(error).__name__}: {error}')[:300]}
        print(json.dumps(row), flush=True)
        sys.stdin.readline()


main()
