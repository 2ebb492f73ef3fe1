"""What all tests share: the digits that ship with the project."""

from pathlib import Path

import pytest

import absint

NETWORKS = Path(__file__).resolve().parents[2] / "networks"


@pytest.fixture(scope="session")
def networks():
    return NETWORKS


@pytest.fixture(scope="session")
def network():
    return absint.Network.load(NETWORKS / "digits_mlp.onnx")


@pytest.fixture(scope="session")
def digits():
    return absint.read_images(NETWORKS / "digits.csv")


@pytest.fixture(scope="session")
def slow_query(network, digits):
    """A query that a search has much to do with."""
    images, labels = digits
    return absint.linf(images[1313], eps="0.115"), int(labels[1313])
