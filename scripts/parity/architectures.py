"""Write state dicts of torchvision's architectures with random weights, pictures, and what torch answers to them.

    echo resnet18 | OMP_NUM_THREADS=1 python architectures.py FOLDER

Reads names from standard input, one a line, and answers each with one line of JSON: {"name", "file", "samples": [...]} or {"name", "missing": REASON}.
Every parameter and every running statistic is random, so that one that is left out is seen; activations are kept near one by a pass in training mode.
EfficientNet-Lite comes from the package efficientnet-lite-pytorch, where it is installed.
"""
import base64
import copy
import json
import pathlib
import sys

import torch
import torchvision

FOLDER = pathlib.Path(sys.argv[1])


def make(name):
    if name.startswith("efficientnet_lite"):
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name(name.replace("_", "-"))
    return torchvision.models.get_model(name, weights=None)


def randomize(model, size, calm):
    """Random everything; running statistics of real activations, each moved a little.

    Deep networks of random weights can double the smallest difference with every block, until torch in float32 agrees with torch in float64 no more;
    `calm` lets constants weigh more in them.
    """
    least, most, offset = (0.2, 0.5, 0.6) if calm else (0.6, 1.4, 0.1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() <= 1 or float(parameter.std()) == 0 or "layer_scale" in name:
                # Scales and biases, and what starts at zero or one.
                if "logit_scale" in name:
                    parameter += torch.randn_like(parameter) * 0.5
                elif parameter.dim() == 1 and name.endswith("weight") or "layer_scale" in name:
                    parameter.uniform_(least, most)
                else:
                    parameter.normal_(0, offset)
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        if norms:
            for norm in norms:
                norm.momentum = None
                norm.reset_running_stats()
            model.train()
            for module in model.modules():
                if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
                    module.eval()
            for name in ("_global_params",):
                if hasattr(model, name):
                    setattr(model, name, getattr(model, name)._replace(drop_connect_rate=0.0))
            model(torch.rand(4, 3, *size) * 2 - 1)
            for norm in norms:
                norm.running_mean += torch.randn_like(norm.running_mean) * 0.2 * norm.running_var.sqrt()
                norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)
    return model.eval()


def packed(tensor):
    tensor = tensor.detach().contiguous()
    return {"shape": list(tensor.shape), "base64": base64.b64encode(tensor.numpy().tobytes()).decode()}


def sizes_of(name):
    """Two batches; of two sizes where the architecture takes any."""
    if name.startswith("vit_h"):
        return [(1, 224, 224), (2, 224, 224)]
    if name.startswith("efficientnet_lite"):
        side = {"0": 224, "1": 240, "2": 260, "3": 280, "4": 300}[name[-1]]
        return [(1, side, side), (3, side, side)]
    if name.startswith("swin_v2"):
        return [(1, 256, 256), (2, 256, 256)]
    if name.startswith(("vgg", "alexnet", "vit", "swin", "maxvit")):
        return [(1, 224, 224), (2, 224, 224)]
    if name == "inception_v3":
        return [(1, 299, 299), (2, 299, 299)]
    return [(1, 160, 128), (3, 96, 112)]


def write(name):
    torch.manual_seed(sum(map(ord, name)))
    model = make(name)
    sizes = sizes_of(name)
    randomize(model, sizes[0][1:], calm=name.startswith(("efficientnet_b", "efficientnet_v2")))
    file = FOLDER / f"{name}.pth"
    torch.save(model.state_dict(), file)
    pictures = [torch.rand(batch, 3, height, width) * 2 - 1 for batch, height, width in sizes]
    with torch.no_grad():
        single = [model(picture) for picture in pictures]
        count = sum(parameter.numel() for parameter in model.parameters())
        model = model.double() if count > 200e6 else copy.deepcopy(model).double()
        double = [model(picture.double()) for picture in pictures]
    samples = [{"input": packed(picture), "float32": packed(one), "float64": packed(two)} for picture, one, two in zip(pictures, single, double)]
    return {"name": name, "file": file.name, "parameters": count, "samples": samples}


def main():
    torch.set_num_threads(1)
    print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__}), flush=True)
    for line in sys.stdin:
        name = line.strip()
        try:
            answer = write(name)
        except ImportError as error:
            answer = {"name": name, "missing": str(error)}
        except Exception as error:
            answer = {"name": name, "missing": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
