"""Programs of one operator each, with the sample arguments that PyTorch tests its operators with (`torch.testing`'s OpInfo).

Usage as torch_export.py, whose protocol it speaks: python torch_operators.py FOLDER [--only PATTERN] [--skip FILE]
"""
from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import warnings

warnings.filterwarnings('ignore')
logging.disable(logging.WARNING)

import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_unflatten

torch.set_num_threads(1)
types = (torch.float32, torch.int64, torch.bool)
samples_each = 3


class Operator(nn.Module):
    def __init__(self, function, spec, fixed):
        super().__init__()
        self.function = function
        self.spec = spec
        self.fixed = fixed

    def forward(self, *tensors):
        given = iter(tensors)
        leaves = [next(given) if leaf is Operator else leaf for leaf in self.fixed]
        arguments, keywords = tree_unflatten(leaves, self.spec)
        return self.function(*arguments, **keywords)


def flat(value) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, torch.Tensor)]


@torch.no_grad()
def make(operator, sample, folder: str) -> dict:
    leaves, spec = tree_flatten(((sample.input, *sample.args), sample.kwargs))
    tensors = [leaf.detach().clone() for leaf in leaves if isinstance(leaf, torch.Tensor)]
    if any(tensor.numel() == 0 for tensor in tensors):
        return {'error': 'a sample without elements'}
    module = Operator(operator.op, spec, [Operator if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]).eval()
    outputs = flat(module(*[tensor.clone() for tensor in tensors]))
    if not outputs or any(output.is_complex() for output in outputs):
        return {'error': 'no tensors, or complex ones'}
    program = torch.export.export(module, tuple(tensors), strict=False)
    path = os.path.join(folder, 'model.pt2')
    torch.export.save(program, path)
    stored = {f'in.1.{index}': tensor.contiguous() for index, tensor in enumerate(tensors)}
    stored |= {f'out32.1.{index}': output.contiguous().clone() for index, output in enumerate(outputs)}
    try:
        wide = flat(module(*[tensor.double() if tensor.is_floating_point() else tensor.clone() for tensor in tensors]))
        stored |= {f'out64.1.{index}': output.contiguous().clone() for index, output in enumerate(wide)}
    except Exception:
        pass
    save_file(stored, os.path.join(folder, 'case.safetensors'))
    return {'file': path, 'batches': [1], 'bytes': os.path.getsize(path)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    parser.add_argument('--only', default='')
    parser.add_argument('--skip', default='')
    options = parser.parse_args()
    skipped = set(json.load(open(options.skip))) if options.skip else set()
    os.makedirs(options.folder, exist_ok=True)
    for operator in op_db:
        for dtype in types:
            if not operator.supports_dtype(dtype, 'cpu'):
                continue
            label = f'operators/{operator.formatted_name} {str(dtype).removeprefix("torch.")}'
            if not re.search(options.only, label) or f'{label} 0' in skipped:
                continue
            torch.manual_seed(0)
            try:
                samples = list(operator.sample_inputs('cpu', dtype))
            except Exception:
                continue
            # The first are the plain ones, the last the odd ones.
            chosen = sorted({0, len(samples) // 2, len(samples) - 1})[:samples_each] if samples else []
            for place in chosen:
                name = f'{label} {chosen.index(place)}'
                print(json.dumps({'begin': name}), flush=True)
                try:
                    row = {'case': name, **make(operator, samples[place], options.folder)}
                except Exception as error:
                    row = {'case': name, 'error': re.sub(r'\s+', ' ', f'{type(error).__name__}: {error}')[:200]}
                print(json.dumps(row), flush=True)
                sys.stdin.readline()


main()
