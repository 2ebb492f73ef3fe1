"""What a trained network is worth: natural accuracy, accuracy under attack, and the accuracy that is verified."""

from __future__ import annotations

from fractions import Fraction
from os import PathLike
from statistics import mean
from time import process_time
from typing import Any

import torch

from absint.bnn.attack import accuracy, attacked_accuracy
from absint.bnn.export import network_of
from absint.bnn.network import Net
from absint.bnn.training import tensors


def evaluate(
    net: Net,
    images: Any,
    labels: Any,
    eps: float | str,
    *,
    steps: int = 20,
    timeout: float = 120,
    threads: int | None = None,
    count: int | None = None,
    timed: int = 40,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Natural accuracy and accuracy under attack of all images; of the first ``count`` (all, without) the share that is
    verified, ties being safe as in the paper, and seconds per image.

    The first ``timed`` of them are then analysed one by one: ``cpu_s`` is the mean of the processor time that an image
    takes altogether, ``build_s`` and ``solve_s`` the mean of the time to make constraints and to solve them where
    bounds do not decide, and ``solve_max_s`` the longest search.

    ``out`` keeps the verdicts as :func:`absint.certify` does, and ``resume`` continues that file.
    """
    import absint

    x, y = tensors(images, labels, net.shape)
    radius = float(Fraction(str(eps)))
    network = network_of(net)
    number = len(x) if count is None else min(count, len(x))
    rows = torch.as_tensor(images).flatten(1).numpy()
    classes = y.numpy()
    # Without attacks, which take longer on these networks than the solver.
    run = absint.certify(
        network,
        (rows, classes),
        eps,
        images=range(number),
        method="exact",
        attack=False,
        ties="safe",
        timeout=timeout,
        threads=threads,
        out=out,
        resume=resume,
        progress=progress,
    )
    verdicts = [line["verdict"] for line in run]
    timed = min(number, timed)
    start = process_time()
    built, solved = _times(network, rows, classes, eps, timeout, timed)
    each = (process_time() - start) / max(timed, 1)
    return {
        "natural": accuracy(net, x, y),
        "pgd": attacked_accuracy(net, x, y, radius, steps),
        "verified": verdicts.count("verified") / max(len(verdicts), 1),
        "falsified": verdicts.count("falsified") / max(len(verdicts), 1),
        "unknown": verdicts.count("unknown"),
        "images": len(verdicts),
        "timed": timed,
        "cpu_s": each,
        "build_s": mean(built),
        "solve_s": mean(solved),
        "solve_max_s": max(solved),
    }


def _times(
    network: Any, rows: Any, classes: Any, eps: float | str, timeout: float, count: int
) -> tuple[list[float], list[float]]:
    """Seconds that the exact engine takes to make its constraints, and to solve them, image by image."""
    import absint

    built, solved = [], []
    for image, label in zip(rows[:count], classes[:count]):
        region = absint.linf(image, eps)
        result = absint.verify(
            network, region, label=int(label), method="exact", ties="safe", timeout=timeout, threads=1, attack=False
        )
        stage = result.stages[-1]
        if "build_us" in stage:
            built.append(stage["build_us"] / 1e6)
            solved.append(stage["search_us"] / 1e6)
    return built or [0.0], solved or [0.0]
