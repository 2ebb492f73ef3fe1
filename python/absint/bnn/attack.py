"""Projected gradient descent on binarized networks, and the surrogate gradient that makes it strongest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from absint.bnn.network import Net

# What the strength of the surrogate gradient is multiplied by, to see whether the attack becomes stronger.
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)
WEAKEST, STRONGEST = 0.1, 10.0


def pgd(
    net: Net,
    x: Tensor,
    labels: Tensor,
    eps: float,
    steps: int,
    generator: torch.Generator,
    start: Tensor | None = None,
) -> Tensor:
    """Images within ``eps`` of ``x`` (and 0 to 1) that the network, in evaluation, classifies as badly as steps of
    projected gradient descent can make it: of each image the first that is misclassified. They begin at random, or at
    ``x`` plus ``start``."""
    delta = (torch.rand(x.shape, generator=generator) * 2 - 1) * eps if start is None else start.clamp(-eps, eps)
    found = x.clone()
    is_open = torch.ones(len(x), dtype=torch.bool)
    with net.evaluating():
        for i in range(steps + 1):
            moved = (x + delta).clamp(0, 1).requires_grad_()
            found[is_open] = moved.detach()[is_open]
            if i == steps:
                break
            scores = net(moved)
            is_open &= scores.argmax(1) == labels
            if not is_open.any():
                break
            (gradient,) = torch.autograd.grad(functional.cross_entropy(scores, labels), moved)
            delta = (moved.detach() - x + 2.5 * eps / steps * gradient.sign()).clamp(-eps, eps)
    return found


def accuracy(net: Net, x: Tensor, labels: Tensor, batch: int = 1000) -> float:
    """The share of images that the network, in evaluation, classifies as their labels."""
    with net.evaluating(), torch.no_grad():
        right = sum(int((net(x[i : i + batch]).argmax(1) == labels[i : i + batch]).sum()) for i in range(0, len(x), batch))
    return right / max(len(x), 1)


def attacked_accuracy(
    net: Net, x: Tensor, labels: Tensor, eps: float, steps: int, seed: int = 0, batch: int = 1000
) -> float:
    """The share of images that stay classified as their labels under :func:`pgd`."""
    generator = torch.Generator().manual_seed(seed)
    right = 0.0
    for i in range(0, len(x), batch):
        part, of_part = x[i : i + batch], labels[i : i + batch]
        right += accuracy(net, pgd(net, part, of_part, eps, steps, generator), of_part) * len(part)
    return right / max(len(x), 1)


def adapt(net: Net, x: Tensor, labels: Tensor, eps: float, steps: int, seed: int) -> float:
    """Sets the strength of the surrogate gradient to that among its neighbours with which the attack succeeds most
    often (EEV, section 6: adaptive gradient cancelling), the nearest of them in a tie; returns it."""
    now = net.surrogate.alpha
    found = (2.0, 0.0, now)
    for factor in sorted(FACTORS, key=lambda f: abs(f - 1)):
        net.surrogate.alpha = min(max(now * factor, WEAKEST), STRONGEST)
        left = attacked_accuracy(net, x, labels, eps, steps, seed)
        found = min(found, (left, abs(factor - 1), net.surrogate.alpha))
    net.surrogate.alpha = found[2]
    return net.surrogate.alpha
