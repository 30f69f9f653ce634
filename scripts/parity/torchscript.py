"""Save programs as TorchScript, traced and scripted, with inputs and what torch answers to them.

    OMP_NUM_THREADS=1 python torchscript.py FOLDER

Writes the list of what there is as one line of JSON, then reads keys from standard input, one a line, and answers each with one line of JSON:
{"key", "file", "samples": [...]} or {"key", "missing": REASON}. The programs are those of torch_cases.py; each is traced with a batch of two
and, where it can be, scripted. What torch answers in float64 is that of the program that was saved; where it cannot run in float64, of the original.
"""
import copy
import json
import pathlib
import sys
import warnings

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
FOLDER = pathlib.Path(sys.argv[1])
warnings.filterwarnings('ignore')


def load_cases():
    import torch_cases

    found = []
    # Older Pythons have not every framework.
    for group in (torch_cases.program_cases, torch_cases.torchvision_cases, torch_cases.transformers_cases, torch_cases.timm_cases):
        try:
            found.extend(group())
        except ImportError:
            pass
    return found


def flatten(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (bool, int, float)):
        return [torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)]
    if isinstance(value, dict):
        return [item for part in value.values() for item in flatten(part)]
    if isinstance(value, (tuple, list)):
        return [item for part in value for item in flatten(part)]
    return []


def pack(tensor, file, position):
    tensor = tensor.detach().contiguous()
    bytes_ = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() > 0 else b''
    file.write(bytes_)
    return {'shape': list(tensor.shape), 'dtype': str(tensor.dtype).removeprefix('torch.'), 'offset': position, 'bytes': len(bytes_)}, position + len(bytes_)


def double(inputs):
    return tuple(item.double() if isinstance(item, torch.Tensor) and item.is_floating_point() else item for item in inputs)


def run(module, inputs):
    with torch.no_grad():
        return flatten(module(*copy.deepcopy(inputs)))


def close(left, right):
    return len(left) == len(right) and all(a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-2, atol=1e-3 * max(1.0, float(b.double().abs().max()) if b.numel() else 1.0), equal_nan=True) for a, b in zip(left, right))


def write(key, mode, case):
    torch.manual_seed(0)
    module = case.make()
    first = case.inputs(2)
    with torch.no_grad():
        saved = torch.jit.script(module) if mode == 'scripted' else torch.jit.trace(module, copy.deepcopy(first), check_trace=False, strict=False)
        if mode == 'frozen':
            saved = torch.jit.freeze(saved.eval())
    file = FOLDER / 'model.pt'
    saved.save(str(file))
    # What the file says counts: numbers of a trace become tensors in it, which promote otherwise.
    saved = torch.jit.load(str(file))
    samples = []
    batches = [(batch, case.inputs(batch)) for batch in (2, 3)]
    singles = []
    for batch, inputs in batches:
        try:
            # Each runs once: what PyTorch does to run it fast the second time takes longer than that.
            with torch.jit.optimized_execution(False):
                own = run(saved, inputs)
        except Exception as error:
            singles.append(str(error).strip().splitlines()[-1][:300])
            continue
        singles.append(own)
    del saved
    big = sum(parameter.numel() for parameter in module.parameters()) > 150e6
    exact = module.double() if big else copy.deepcopy(module).double()
    position = 0
    with open(FOLDER / 'samples.bin', 'wb') as data:
        for (batch, inputs), single in zip(batches, singles):
            if isinstance(single, str):
                samples.append({'batch': batch, 'raises': single})
                continue
            reference = None
            try:
                reference = run(exact, double(inputs))
                # The file may do something else than the original: a trace of another batch, for one.
                if not close(reference, single):
                    reference = None
            except Exception:
                reference = None
            sample = {'batch': batch, 'inputs': [], 'outputs': [], 'exact': reference is not None}
            for tensor in flatten(inputs):
                packed, position = pack(tensor, data, position)
                sample['inputs'].append(packed)
            for index, tensor in enumerate(single):
                packed, position = pack(tensor, data, position)
                better, position = pack((reference[index] if reference is not None else tensor), data, position)
                sample['outputs'].append({'float32': packed, 'float64': better})
            samples.append(sample)
    return {'key': key, 'file': file.name, 'samples': samples, 'batchAxes': list(case.batch_axes), 'parameters': sum(parameter.numel() for parameter in module.parameters()), 'bytes': file.stat().st_size}


def main():
    torch.set_num_threads(1)
    versions = {'torch': torch.__version__}
    for name in ('torchvision', 'timm', 'transformers'):
        try:
            versions[name] = __import__(name).__version__
        except Exception:
            pass
    known = {}
    for case in load_cases():
        modes = ['scripted'] if case.data_dependent else ['traced', 'scripted'] if case.script else ['traced']
        if case.group in ('torchvision', 'segmentation', 'timm'):
            modes = ['traced', 'scripted']
        for mode in modes:
            known[f'{mode} {case.group}: {case.name}'] = (mode, case)
    print(json.dumps({'versions': versions, 'keys': [[key, case.is_large] for key, (_, case) in known.items()]}), flush=True)
    for line in sys.stdin:
        key = line.strip()
        try:
            answer = write(key, *known[key])
        except Exception as error:
            answer = {'key': key, 'missing': f'{type(error).__name__}: {str(error).strip().splitlines()[0][:300] if str(error).strip() else ""}'}
        print(json.dumps(answer), flush=True)


main()
