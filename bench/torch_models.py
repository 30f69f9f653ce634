"""Torch's side of torch.mjs: saves torchvision's models, then runs them as it is told.

    python torch_models.py FOLDER NAME...

Answers each line "NAME THREADS BATCH SECONDS" of standard input with the pictures a second.
"""
import pathlib
import sys
import time

import torch
import torchvision
from safetensors.torch import save_file

folder = pathlib.Path(sys.argv[1])
models = {}
for name in sys.argv[2:]:
    torch.manual_seed(1)
    models[name] = torchvision.models.get_model(name, weights=None).eval()
    torch.save(models[name].state_dict(), folder / f"{name}.pth")
    if name == "resnet152":
        torch.save(models[name].state_dict(), folder / f"{name}-legacy.pth", _use_new_zipfile_serialization=False)
        save_file(models[name].state_dict(), folder / f"{name}.safetensors")
        torch.jit.trace(models[name], torch.zeros(2, 3, 64, 64), check_trace=False).save(folder / f"{name}-traced.pt")
        torch.jit.script(models[name]).save(folder / f"{name}-scripted.pt")
        program = torch.export.export(models[name], (torch.rand(2, 3, 224, 224),), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, folder / f"{name}.pt2")
        del program
        del models[name]
print(f"torch {torch.__version__}, torchvision {torchvision.__version__}", flush=True)
for line in sys.stdin:
    name, threads, batch, seconds = line.split()
    torch.set_num_threads(int(threads))
    pictures = torch.rand(int(batch), 3, 224, 224)
    runs = 0
    with torch.inference_mode():
        models[name](pictures)
        start = time.perf_counter()
        while time.perf_counter() - start < float(seconds):
            models[name](pictures)
            runs += 1
    print(runs * int(batch) / (time.perf_counter() - start), flush=True)
