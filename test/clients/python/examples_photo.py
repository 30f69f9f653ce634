"""The clients of examples/photo, as they are written there, against a server whose weights came from the package index."""
import ast
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest
from PIL import Image

FOLDER = pathlib.Path(os.environ["MODELPORT_TEST_EXAMPLE"])
URL = os.environ["MODELPORT_TEST_URL"]
PICTURES = pathlib.Path(os.environ["MODELPORT_TEST_PICTURES"])
EXPECTED = json.loads((pathlib.Path(__file__).parents[2] / "fixtures/real-models/efficientnet-lite0.json").read_text())["pictures"]
LABELS = (FOLDER / "photo/labels.txt").read_text().splitlines()


def ask(client, picture, tmp_path):
    """Runs the client as it is, but for the address."""
    text = (FOLDER / client).read_text()
    assert "http://127.0.0.1:8000" in text
    program = tmp_path / client
    program.write_text(text.replace("http://127.0.0.1:8000", URL))
    done = subprocess.run([sys.executable, program, picture], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png"])
def test_upload_finds_what_torch_finds(name, tmp_path):
    best, *_ = EXPECTED[f"pictures/{name}"]
    answer = ask("upload.py", PICTURES / name, tmp_path)
    assert len(answer["labels"]) == 5
    assert answer["label"] == answer["labels"][0]["label"] == LABELS[best[0]]
    assert answer["score"] == pytest.approx(best[2], abs=0.02)


def test_pixels_find_the_same(tmp_path):
    """Squeezed to a square instead of cut: the cup stays a cup of coffee."""
    answer = ask("post_pixels.py", PICTURES / "coffee.png", tmp_path)
    assert answer["label"] == "espresso"
    scores = [one["score"] for one in answer["labels"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5


def test_equal_pixels_get_equal_answers_both_ways(tmp_path):
    """A picture of 256 x 256 of which the middle is what /model is given."""
    random = numpy.random.default_rng(5)
    pixels = numpy.kron(random.integers(0, 256, (16, 16, 3)), numpy.ones((16, 16, 1))).astype(numpy.uint8)
    whole, middle = tmp_path / "whole.png", tmp_path / "middle.png"
    Image.fromarray(pixels).save(whole)
    Image.fromarray(pixels[16:240, 16:240]).save(middle)
    uploaded, posted = ask("upload.py", whole, tmp_path), ask("post_pixels.py", middle, tmp_path)
    assert [one["label"] for one in uploaded["labels"]] == [one["label"] for one in posted["labels"]]
    for one, other in zip(uploaded["labels"], posted["labels"]):
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
