"""Binarized networks: layers in a row, as the paper's three architectures or as a list says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from absint.bnn.layers import EPSILON, MOMENTUM, BinMask, Quantiser, Scores, Surrogate, Ternary, Threshold, step

# A convolution is ("conv", channels, kernel, stride, padding), a layer of all inputs ("linear", units). The layer of
# the classes comes behind by itself (EEV, section 7).
Spec = tuple[Any, ...]
ARCHITECTURES: dict[str, list[Spec]] = {
    "mnist-mlp": [("linear", 500), ("linear", 300), ("linear", 200), ("linear", 100)],
    "conv-small": [("conv", 16, 4, 2, 1), ("conv", 32, 4, 2, 1), ("linear", 100)],
    "conv-large": [
        ("conv", 32, 3, 1, 1),
        ("conv", 32, 4, 2, 1),
        ("conv", 64, 3, 1, 1),
        ("conv", 64, 4, 2, 1),
        ("linear", 512),
        ("linear", 512),
    ],
}


class Sums(nn.Module):
    """Sums of inputs with weights of -1, 0 and 1."""

    def __init__(self, weights: nn.Module) -> None:
        super().__init__()
        self.weights = weights
        self.fixed: Tensor | None = None

    def current(self) -> Tensor:
        """The weights as they are, or as they were when they were fixed."""
        weights: Tensor = self.weights() if self.fixed is None else self.fixed
        return weights


class Linear(Sums):
    """Sums of all inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_to(x, self.current())

    def apply_to(self, x: Tensor, weights: Tensor, terms: Tensor | None = None) -> Tensor:
        """The sums with these weights and terms."""
        return functional.linear(x.flatten(1), weights, terms)


class Conv(Sums):
    """A convolution; what it pads with is 0."""

    def __init__(self, weights: nn.Module, stride: int, padding: int) -> None:
        super().__init__(weights)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_to(x, self.current())

    def apply_to(self, x: Tensor, weights: Tensor, terms: Tensor | None = None) -> Tensor:
        """The sums with these weights and terms."""
        return functional.conv2d(x, weights, terms, stride=self.stride, padding=self.padding)


class Net(nn.Module):
    """A quantiser, layers of sums and thresholds, and the scores of the classes."""

    def __init__(
        self,
        architecture: str | list[Spec],
        *,
        quantiser: float,
        shape: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        weights: str = "binmask",
        threshold: float = 0.01,
        surrogate: str = "tanh",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if isinstance(architecture, str):
            if architecture not in ARCHITECTURES:
                raise ValueError(f"`{architecture}` is no architecture; there are {', '.join(ARCHITECTURES)}")
            architecture = ARCHITECTURES[architecture]
        if weights not in ("binmask", "ternary"):
            raise ValueError(f"`{weights}` makes no weights; write binmask or ternary")
        generator = torch.Generator().manual_seed(seed)

        def make(*size: int) -> nn.Module:
            return BinMask(size, generator) if weights == "binmask" else Ternary(size, generator, threshold)

        self.shape = shape
        self.surrogate = Surrogate(surrogate)
        self.quantiser = Quantiser(quantiser)
        self.sums = nn.ModuleList()
        self.thresholds = nn.ModuleList()
        channels, height, width = shape
        for kind, outputs, *geometry in architecture:
            if kind == "conv":
                kernel, stride, padding = geometry
                self.sums.append(Conv(make(outputs, channels, kernel, kernel), stride, padding))
                height = (height + 2 * padding - kernel) // stride + 1
                width = (width + 2 * padding - kernel) // stride + 1
            elif kind == "linear":
                self.sums.append(Linear(make(outputs, channels * height * width)))
                height = width = 1
            else:
                raise ValueError(f"`{kind}` is no layer; write conv or linear")
            channels = outputs
            self.thresholds.append(Threshold(outputs, self.surrogate))
        self.last = Linear(make(classes, channels * height * width))
        self.scores = Scores()

    def forward(self, x: Tensor) -> Tensor:
        x = self.quantiser(x)
        for sums, threshold in zip(self.sums, self.thresholds):
            x = threshold(sums(x))
        scores: Tensor = self.scores(self.last(x))
        return scores

    def worst(self, x: Tensor, centre: Tensor, eps: float, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of ``x``, and by how much each class surpasses the label at most within ``eps`` of ``centre``, as far
        as an interval for every neuron tells. For training: statistics are those of the batch ``x``."""
        x = self.quantiser(x)
        with torch.no_grad():
            low, high = self.quantiser(centre - eps), self.quantiser(centre + eps)
        for sums, threshold in zip(self.sums, self.thresholds):
            weights = sums.current()
            u = sums.apply_to(x, weights)
            k, b = threshold.normalisation(u)
            channels = (-1, *([1] * (u.dim() - 2)))
            x = step(k.view(channels) * u + b.view(channels), self.surrogate)
            # Of half the sum of both ends, and of half their difference.
            halved = weights * (k / 2).view(-1, *([1] * (weights.dim() - 1)))
            middle = sums.apply_to(low + high, halved, b)
            radius = sums.apply_to(high - low, halved.abs())
            low, high = step(middle - radius, self.surrogate), step(middle + radius, self.surrogate)
        u = self.last(x)
        scale = self.scores.gamma * (u.var(correction=0) + EPSILON).rsqrt()
        # What a class leads by is one sum, in which a neuron's value is the same for both classes.
        weights = self.last.current() * scale / 2
        leads = weights - weights[labels][:, None]
        both, between = (low + high).flatten(1)[:, :, None], (high - low).flatten(1)[:, :, None]
        return self.scores(u), (leads @ both + leads.abs() @ between).squeeze(2)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """In evaluation, with weights that are made once and have no gradients: for many passes in a row."""
        was_training = self.training
        layers = [*self.sums, self.last]
        self.eval()
        with torch.no_grad():
            for layer in layers:
                layer.fixed = layer.weights()
        try:
            yield
        finally:
            for layer in layers:
                layer.fixed = None
            self.train(was_training)

    def calibrate(self, x: Tensor) -> None:
        """Makes the statistics of batch normalisation those of these images."""
        was_training = self.training
        norms = [*self.thresholds, self.scores]
        self.train()
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            self(x)
        for norm in norms:
            norm.momentum = MOMENTUM
        self.train(was_training)

    def weights(self) -> list[nn.Module]:
        """What makes the weights of each layer, the last one included."""
        return [layer.weights for layer in (*self.sums, self.last)]

    def sparsity(self) -> list[float]:
        """The share of weights that are 0, per layer."""
        with torch.no_grad():
            return [(w() == 0).float().mean().item() for w in self.weights()]

    def total_sparsity(self) -> float:
        """The share of weights that are 0 in the whole network."""
        with torch.no_grad():
            return float(torch.cat([(w() == 0).float().flatten() for w in self.weights()]).mean())

    def cardinality_bounds(self) -> Tensor:
        """The bounds of all channels in a row (EEV, section 5.2)."""
        bounds = []
        for i, (sums, threshold) in enumerate(zip(self.sums, self.thresholds)):
            highest = self.quantiser.highest if i == 0 else 1
            bounds.append(threshold.bounds(sums.weights(), highest))
        return torch.cat(bounds)

    def decay(self) -> Tensor:
        """What the weights' decay reduces: the positive masks, or the magnitudes of ternary weights."""
        return sum((w.penalty() for w in self.weights()), torch.zeros(()))

    def cbd(self, tau: float) -> Tensor:
        """The loss of cardinality bound decay without its factor: what the bounds exceed ``tau`` by (EEV, eq. 7)."""
        return (self.cardinality_bounds() - tau).clamp(min=0).sum()
