"""Adversarial training of binarized networks: one loop, whose state is a checkpoint after every epoch."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from absint._show import progress_bar
from absint.bnn.attack import accuracy, adapt, attacked_accuracy, pgd
from absint.bnn.config import Config
from absint.bnn.counterexamples import Counterexamples
from absint.bnn.network import Net

# So many images tell how strong the attack is.
SAMPLE = 500
# And so many of the test images, at every epoch.
TEST_SAMPLE = 1000
# The statistics of batch normalisation are those of so many images at the end of each epoch.
CALIBRATION = 2048


def tensors(images: Any, labels: Any, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Images as floats from 0 to 1 (bytes stand for k/255) in the network's shape, and labels."""
    x = torch.as_tensor(images)
    x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    return x.reshape(len(x), *shape), torch.as_tensor(labels).long()


def load_images(path: str | PathLike[str], shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """The images of a file."""
    import numpy as np

    import absint

    images, labels = absint.read_images(path)
    return tensors(images, labels.astype(np.int64), shape)


def network_of(config: Config) -> Net:
    """A network as it is before training."""
    surrogate = "tanh" if config.surrogate == "adaptive" else config.surrogate
    return Net(
        config.architecture,
        quantiser=config.quantiser,
        shape=config.shape,
        classes=config.classes,
        weights=config.weights,
        threshold=config.threshold,
        surrogate=surrogate,
        seed=config.seed,
    )


def shifted(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Every image moved by up to ``most`` pixels each way; what comes in is 0."""
    if most == 0:
        return x
    padded = functional.pad(x, (most, most, most, most))
    down, right = torch.randint(0, 2 * most + 1, (2, len(x)), generator=generator)
    height, width = x.shape[2:]
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    index = torch.arange(len(x))[:, None, None, None]
    return padded[index, torch.arange(x.shape[1])[None, :, None, None], rows, columns]


class Trainer:
    """A run of training: the network, its optimiser, and what was measured so far."""

    def __init__(self, config: Config, x: Tensor, labels: Tensor, test: tuple[Tensor, Tensor] | None = None) -> None:
        self.config = config
        self.x, self.labels = x, labels
        self.test = test
        self.net = network_of(config)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=config.rate)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.counterexamples = Counterexamples(config)
        self.recent: list[Tensor] = []
        # Where the attack on each image ended, where it is carried over.
        self.ends = torch.zeros_like(x) if config.carry else None

    def radius(self) -> float:
        """The attack's radius in this epoch."""
        growing = self.config.warmup * self.config.epochs
        return self.config.eps * min(1.0, (self.epoch + 1) / growing if growing > 0 else 1.0)

    def one_epoch(self) -> dict[str, Any]:
        """Every image once; returns what was measured."""
        config, start, start_cpu = self.config, time.monotonic(), time.process_time()
        # All randomness of an epoch comes from here, so that a run that is resumed goes on as if nothing had happened.
        generator = torch.Generator().manual_seed(config.seed * 100_003 + self.epoch + 1)
        eps = self.radius()
        if config.surrogate == "adaptive" and eps > 0:
            sample = torch.randperm(len(self.x), generator=generator)[:SAMPLE]
            adapt(self.net, self.x[sample], self.labels[sample], eps, config.steps, config.seed)
        is_verified = self.epoch >= config.epochs - config.verify_epochs and eps > 0
        if is_verified:
            # Threads inherit the mode, and bounds need subnormal numbers.
            torch.set_flush_denormal(False)
            self.counterexamples.begin(self.net, self.x, self.labels, generator)
            torch.set_flush_denormal(True)
        self.net.train()
        self.recent = []
        total, order = 0.0, torch.randperm(len(self.x), generator=generator)
        for i in range(0, len(order), config.batch):
            for group in self.optimiser.param_groups:
                group["lr"] = config.rate * (1 - (self.epoch + i / len(order)) / config.epochs)
            total += self.one_batch(order[i : i + config.batch], eps, generator) * len(order[i : i + config.batch])
        # What the running averages say of weights that keep changing sign is far from what the last ones give.
        self.net.calibrate(torch.cat(self.recent)[-CALIBRATION:])
        if is_verified:
            self.counterexamples.finish()
        self.epoch += 1
        measured = {"epoch": self.epoch, "loss": total / len(order), "seconds": time.monotonic() - start}
        measured["cpu_seconds"] = time.process_time() - start_cpu
        measured |= self.measure()
        self.history.append(measured)
        return measured

    def one_batch(self, index: Tensor, eps: float, generator: torch.Generator) -> float:
        """One step of the optimiser; the loss of the classes."""
        config, net = self.config, self.net
        x, labels = shifted(self.x[index], config.shift, generator), self.labels[index]
        original = x
        if eps > 0 and config.steps > 0:
            start = self.ends[index] if self.ends is not None and self.epoch > 0 else None
            x = pgd(net, x, labels, eps, config.steps, generator, start)
            if self.ends is not None:
                self.ends[index] = x - original
            x = self.counterexamples.put_in(net, x, labels, index)
        elif self.ends is not None:
            x = (x + self.ends[index].clamp(-eps, eps)).clamp(0, 1).requires_grad_()
        self.recent = [*self.recent, x.detach()][-(CALIBRATION // config.batch + 1) :]
        if config.interval > 0 and eps > 0:
            scores, worst = net.worst(x, original, eps, labels)
            loss = functional.cross_entropy(scores, labels)
            share = config.interval * eps / config.eps
            whole = (1 - share) * loss + share * functional.cross_entropy(worst, labels)
        else:
            loss = whole = functional.cross_entropy(net(x), labels)
        if config.decay > 0:
            whole = whole + config.decay * net.decay()
        if config.cbd > 0:
            whole = whole + config.cbd * net.cbd(config.tau)
        self.optimiser.zero_grad()
        whole.backward()
        self.optimiser.step()
        if self.ends is not None and x.grad is not None:
            self.ends[index] = (x.detach() - original + eps * x.grad.sign()).clamp(-eps, eps)
        if config.shrink > 0:
            for weights in net.weights():
                weights.shrink(config.shrink * self.optimiser.param_groups[0]["lr"])
        return float(loss.detach())

    def measure(self) -> dict[str, Any]:
        """Accuracies, sparsity and bounds of the network as it is."""
        with torch.no_grad():
            bounds = self.net.cardinality_bounds()
        found: dict[str, Any] = {
            "alpha": self.net.surrogate.alpha,
            "sparsity": [round(s, 3) for s in self.net.sparsity()],
            "total_sparsity": round(self.net.total_sparsity(), 4),
            "mean_bound": float(bounds.mean()),
            "max_bound": float(bounds.max()),
            "witnesses": len(self.counterexamples.found),
        }
        if self.test is not None:
            x, labels = self.test
            found["natural"] = accuracy(self.net, x, labels)
            if self.config.eps > 0:
                sample = (x[:TEST_SAMPLE], labels[:TEST_SAMPLE])
                found["pgd"] = attacked_accuracy(self.net, *sample, self.config.eps, self.config.steps)
        return found

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the state into a file, which replaces an older one at once."""
        state = {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "net": self.net.state_dict(),
            "alpha": self.net.surrogate.alpha,
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "counterexamples": self.counterexamples.found,
            "ends": self.ends,
        }
        part = Path(f"{path}.part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: str | PathLike[str]) -> None:
        """Goes on from a file."""
        state = torch.load(path, weights_only=True)
        now = asdict(self.config)
        for name, value in state["config"].items():
            if json.dumps(now[name]) != json.dumps(value) and name not in ("images", "test", "threads"):
                raise ValueError(f"{path}: was made with {name} = {value}, and not {now[name]}; begin another run")
        self.epoch = state["epoch"]
        self.net.load_state_dict(state["net"])
        self.net.surrogate.alpha = state["alpha"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = state["history"]
        self.counterexamples.found = state["counterexamples"]
        self.ends = state.get("ends")


def train(
    config: Config,
    images: Any = None,
    labels: Any = None,
    *,
    test: tuple[Any, Any] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> tuple[Net, list[dict[str, Any]]]:
    """Trains a network; the same settings, seed and number of threads give the same network.

    Args:
        config: the settings.
        images: bytes (k/255) or floats, with labels; without, the file that the settings name.
        labels: their classes.
        test: images and labels that accuracies are measured on after every epoch.
        checkpoint: a file that has the state after every epoch.
        resume: whether to go on from that file, where there is one.
        progress: whether a bar of tqdm is shown; without, where tqdm is installed.

    Returns:
        The network, in evaluation, and what was measured after every epoch.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if images is None:
        if not config.images:
            raise ValueError("neither images are passed nor does `images` name a file")
        x, y = load_images(config.images, config.shape)
    else:
        x, y = tensors(images, labels, config.shape)
    of_test = tensors(*test, config.shape) if test is not None else None
    if config.split > 0:
        of_test = of_test if of_test is not None or config.test else (x[config.split :], y[config.split :])
        x, y = x[: config.split], y[: config.split]
    if of_test is None and config.test:
        of_test = load_images(config.test, config.shape)
    trainer = Trainer(config, x, y, of_test)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        trainer.resume(checkpoint)
    bar = progress_bar(config.epochs, trainer.epoch, "epoch", progress)
    # The slope of a step far from its threshold is next to nothing, and such numbers are slow.
    torch.set_flush_denormal(True)
    try:
        while trainer.epoch < config.epochs:
            measured = trainer.one_epoch()
            if checkpoint is not None:
                trainer.save(checkpoint)
            if bar is not None:
                bar.set_postfix(_short(measured))
                bar.update(1)
    finally:
        torch.set_flush_denormal(False)
    if bar is not None:
        bar.close()
    return trainer.net.eval(), trainer.history


def load(checkpoint: str | PathLike[str]) -> Net:
    """The network of a checkpoint, in evaluation."""
    state = torch.load(checkpoint, weights_only=True)
    net = network_of(Config(**state["config"]))
    net.load_state_dict(state["net"])
    net.surrogate.alpha = state["alpha"]
    net.eval()
    return net


def _short(measured: dict[str, Any]) -> dict[str, str]:
    names = ("loss", "natural", "pgd", "mean_bound", "max_bound")
    short = {name: f"{measured[name]:.4g}" for name in names if name in measured}
    return short | {"sparsity": " ".join(f"{s:.2f}" for s in measured["sparsity"])}
