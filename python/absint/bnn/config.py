"""What a training run is asked for, as it stands in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any


@dataclass
class Config:
    """All settings of :func:`absint.bnn.train`. In a file: a JSON object with some of these names."""

    images: str = ""
    """A file of images, CSV or MNIST idx; empty where the arrays are passed."""
    test: str = ""
    """Images for the figures of each epoch; empty for none."""
    split: int = 0
    """Only the first so many images are for training; the others measure accuracies where ``test`` names no file."""
    architecture: Any = "conv-small"
    """``mnist-mlp``, ``conv-small``, ``conv-large``, or a list such as ``[["conv", 8, 4, 2, 1], ["linear", 50]]``."""
    classes: int = 10
    shape: tuple[int, int, int] = (1, 28, 28)
    """Channels, height and width of an image."""
    eps: float = 0.0
    """The radius in which the attack looks for images; 0 trains without an attack."""
    quantiser: float = 0.0
    """The step of the inputs' quantiser; 0 for twice the radius, or 0.1 without one."""
    weights: str = "binmask"
    """``binmask`` or ``ternary``."""
    threshold: float = 0.01
    """Below it a ternary weight is 0."""
    decay: float = 1e-6
    """The factor of the masks' positive elements (of ternary weights' magnitudes) in the loss."""
    shrink: float = 0.0
    """What the masks' positive elements (ternary weights' magnitudes) lose at every step, in learning rates: the same in
    all layers, whatever their gradients are, so that all of them become sparse."""
    cbd: float = 0.0
    """The factor of cardinality bound decay."""
    tau: float = 5.0
    """What bounds may be without loss."""
    surrogate: str = "adaptive"
    """The straight-through gradient: ``hard_tanh``, ``tanh``, or ``adaptive`` (tanh of a strength that is chosen anew each
    epoch to make the attack strongest)."""
    steps: int = 5
    """Steps of the attack in training."""
    carry: bool = False
    """Whether the attack on an image begins where it ended an epoch before, and not at random: then few
    steps are enough. With no steps at all the gradient of the training itself moves it, which costs next to nothing."""
    interval: float = 0.0
    """The share of the loss that is of the worst scores by interval bounds, growing from 0 with the radius: it closes the
    gap between what attacks find and what is verified, and costs three epochs for one."""
    test_steps: int = 20
    """Steps of the attack that accuracies are measured with."""
    epochs: int = 30
    warmup: float = 0.5
    """The share of the epochs in which the radius grows from 0."""
    batch: int = 128
    rate: float = 2e-3
    """The learning rate at first; it falls to 0 on a line."""
    shift: int = 0
    """Images are moved by up to so many pixels at random."""
    verify_epochs: int = 0
    """In so many epochs at the end, images at which the attack fails are replaced by the exact engine's counterexamples."""
    verify_images: int = 2000
    """How many images are verified for the next epoch."""
    seed: int = 0
    threads: int | None = None
    """Threads of PyTorch and of the verifier; all cores without."""

    def __post_init__(self) -> None:
        if self.surrogate not in ("hard_tanh", "tanh", "adaptive"):
            raise ValueError(f"`{self.surrogate}` is no surrogate gradient; write hard_tanh, tanh or adaptive")
        if self.carry and self.shift > 0:
            raise ValueError("carry needs images that stay where they are; leave out shift")
        self.shape = (self.shape[0], self.shape[1], self.shape[2])
        if self.quantiser == 0:
            self.quantiser = 2 * self.eps if self.eps > 0 else 0.1

    @classmethod
    def read(cls, path: str | PathLike[str], changes: dict[str, Any] | None = None) -> Config:
        """Reads a file, with these settings in place of its own; names that no setting has are errors."""
        values = json.loads(Path(path).read_text()) | (changes or {})
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"{path}: no setting is called `{min(unknown)}`; there are {', '.join(sorted(known))}")
        return cls(**values)

    def json(self) -> str:
        """All settings, as a file has them."""
        return json.dumps(asdict(self), indent=2)
