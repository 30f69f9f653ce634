"""Tells the outcome of each test as a line of JSON, and where the server is."""
import json
import os

import pytest

HTTP = os.environ.get("MODELPORT_TEST_HTTP", "")
GRPC = os.environ.get("MODELPORT_TEST_GRPC", "")


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        name = report.nodeid.split("::")[-1].split("[")[0]
        with open(os.environ["MODELPORT_OUTCOMES"], "a") as file:
            file.write(json.dumps({"test": name, "outcome": report.outcome, "text": str(report.longreprtext)[-4000:]}) + "\n")


@pytest.fixture
def http_url():
    return HTTP


@pytest.fixture
def grpc_url():
    return GRPC


@pytest.fixture
def models():
    from pathlib import Path

    return Path(__file__).resolve().parents[1] / "models"
