"""Binarized networks that can be verified exactly: training them with PyTorch, exporting them, and what they are worth.

After Jia and Rinard 2020 ("Efficient Exact Verification of Binarized Neural Networks"): weights of -1, 0 and 1 by BinMask,
cardinality bound decay, adversarial training with adaptive gradient cancelling, and the verifier in the loop::

    net, history = absint.bnn.train(absint.bnn.Config(eps=0.1, epochs=30), images, labels)
    absint.bnn.export(net, "net.onnx")
    absint.certify(absint.Network.load("net.onnx"), (images, labels), eps="0.1", method="exact")

Needs PyTorch and the package onnx: ``pip install absint[torch]``.
"""

from __future__ import annotations

from absint.bnn.attack import accuracy, attacked_accuracy, pgd
from absint.bnn.config import Config
from absint.bnn.ensemble import REJECTED, agreed, agreement, evaluate_ensemble
from absint.bnn.evaluation import evaluate
from absint.bnn.export import export, network_of, to_onnx
from absint.bnn.network import ARCHITECTURES, Net
from absint.bnn.training import load, train

__all__ = [
    "ARCHITECTURES",
    "Config",
    "Net",
    "REJECTED",
    "accuracy",
    "agreed",
    "agreement",
    "attacked_accuracy",
    "evaluate",
    "evaluate_ensemble",
    "export",
    "load",
    "network_of",
    "pgd",
    "to_onnx",
    "train",
]
