"""What a trained network is worth: natural accuracy, accuracy under attack, and the accuracy that is verified."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from pathlib import Path
from statistics import mean
from time import process_time
from typing import TYPE_CHECKING, Any

import torch

from absint.bnn.attack import accuracy, attacked_accuracy
from absint.bnn.export import network_of
from absint.bnn.network import Net
from absint.bnn.training import tensors

if TYPE_CHECKING:
    import absint


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
    verified, ties being safe as in the paper, or counterexamples (``verified_ties_unsafe``), and seconds per image.

    The first ``timed`` of them are then analysed one by one: ``cpu_s`` is the mean of the processor time that an image
    takes altogether, ``build_s`` and ``solve_s`` the mean of the time to make constraints and to solve them where
    bounds do not decide, and ``solve_max_s`` the longest search. An image whose time was up counts with that time.

    ``out`` keeps the verdicts with ties as counterexamples as :func:`absint.certify` does, a file beside it (``.ties``
    before its suffix) those with ties safe of the images whose verdict may be another one so; ``resume`` continues both.
    """
    x, y = tensors(images, labels, net.shape)
    radius = float(Fraction(str(eps)))
    network = network_of(net)
    number = len(x) if count is None else min(count, len(x))
    rows = torch.as_tensor(images).flatten(1).numpy()
    classes = y.numpy()
    asked: dict[str, Any] = {"timeout": timeout, "threads": threads, "out": out, "resume": resume, "progress": progress}
    strict = verdicts_of(network, rows, classes, eps, number, "unsafe", **asked)
    # What is verified although ties count needs no other question, nor has a counterexample that is no tie.
    rest = [i for i, (verdict, may_be_tie) in enumerate(strict) if verdict != "verified" and may_be_tie]
    asked["out"] = None if out is None else Path(out).with_suffix(f".ties{Path(out).suffix}")
    verdicts = [verdict for verdict, _ in strict]
    if rest:
        again = verdicts_of(network, rows[rest], classes[rest], eps, len(rest), "safe", **asked)
        for i, (verdict, _) in zip(rest, again):
            verdicts[i] = verdict
    timed = min(number, timed)
    is_open = [verdict == "unknown" for verdict in verdicts[:timed]]
    start = process_time()
    built, solved = engine_times(network, rows, classes, eps, timeout, is_open, lambda label: {"label": label})
    each = (process_time() - start + timeout * sum(is_open)) / max(timed, 1)
    return {
        "natural": accuracy(net, x, y),
        "pgd": attacked_accuracy(net, x, y, radius, steps),
        "verified": verdicts.count("verified") / max(len(verdicts), 1),
        "verified_ties_unsafe": [verdict for verdict, _ in strict].count("verified") / max(len(strict), 1),
        "falsified": verdicts.count("falsified") / max(len(verdicts), 1),
        "unknown": verdicts.count("unknown"),
        "images": len(verdicts),
        "timed": timed,
        "cpu_s": each,
        "build_s": mean(built),
        "solve_s": mean(solved),
        "solve_max_s": max(solved),
    }


def verdicts_of(
    network: absint.Network, images: Any, labels: Any, eps: float | str, number: int, ties: str, **asked: Any
) -> list[tuple[str, bool]]:
    """What the exact engine says of the first ``number`` images, and whether what speaks against one may be a mere tie; for
    further arguments of :func:`absint.certify`."""
    import absint

    # Without attacks, which take longer on these networks than the solver.
    asked |= {"method": "exact", "attack": False, "ties": ties}
    run = absint.certify(network, (images, labels), eps, images=range(number), **asked)
    by_image = {line["image"]: (line["verdict"], line.get("tie", True)) for line in run}
    return [by_image[i] for i in sorted(by_image)]


def exact_times(result: absint.Result) -> tuple[float, float] | None:
    """Seconds that the exact engine took to make its constraints, and to solve them, where it was asked."""
    stage = result.stages[-1] if result.stages else {}
    return (stage["build_us"] / 1e6, stage["search_us"] / 1e6) if "build_us" in stage else None


def engine_times(
    network: Any,
    rows: Any,
    classes: Any,
    eps: float | str,
    timeout: float,
    is_open: list[bool],
    question: Callable[[int], dict[str, Any]],
) -> tuple[list[float], list[float]]:
    """Those of every image that the engine is asked about; of one that stays open the limit, without asking again. What is
    asked about a class ``question`` says as :func:`absint.verify` takes it."""
    import absint

    built, solved = [], []
    for image, label, is_lost in zip(rows, classes, is_open):
        if is_lost:
            solved.append(timeout)
            continue
        limits: dict[str, Any] = {"method": "exact", "ties": "safe", "timeout": timeout, "threads": 1, "attack": False}
        result = absint.verify(network, absint.linf(image, eps), **question(int(label)), **limits)
        if (times := exact_times(result)) is not None:
            built.append(times[0])
            solved.append(times[1])
    return built or [0.0], solved or [0.0]
