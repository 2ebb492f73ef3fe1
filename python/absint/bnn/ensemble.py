"""Several networks that reject an input unless all of them give it the same class (EEV, section 7): an attack succeeds only
where all agree on the same wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from absint.bnn.evaluation import engine_times, verdicts_of
from absint.bnn.export import network_of
from absint.bnn.network import Net
from absint.bnn.training import tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REJECTED = -1


def agreed(members: Sequence[Net], x: Tensor, batch: int = 1000) -> Tensor:
    """The class of each image that all members, in evaluation, give it, or ``REJECTED``."""
    classes = []
    for i in range(0, len(x), batch):
        with torch.no_grad():
            given = torch.stack([member(x[i : i + batch]).argmax(1) for member in members])
        classes.append(torch.where((given == given[0]).all(0), given[0], REJECTED))
    return torch.cat(classes)


def agreement(members: int, classes: int, label: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The unsafe set, for :func:`absint.verify`, of members whose scores stand one after another: they agree on another
    class than ``label``. One pair ``(A, b)`` for each such class: no other class of any member is above it."""
    import numpy as np

    pairs = []
    for winner in range(classes):
        if winner != label:
            rows = np.delete(np.eye(classes) - np.eye(classes)[winner], winner, axis=0)
            pairs.append((np.kron(np.eye(members), rows), np.zeros(members * (classes - 1))))
    return pairs


def evaluate_ensemble(
    members: Sequence[Net],
    images: Any,
    labels: Any,
    eps: float | str,
    *,
    count: int | None = None,
    timeout: float = 120,
    timed: int = 40,
    threads: int | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Of all images the share that is classified rightly (``natural``) and that is ``rejected``; of the first ``count`` (all,
    without) the share that an attack within ``eps`` gets a wrong class for, decided by the exact engine. Ties are safe, as in
    the paper: an image that is wrong by itself counts as attacked, one that is rejected does not by that.

    ``timed``, ``build_s`` and ``solve_s``, and what ``out`` and ``resume`` mean are as in :func:`absint.bnn.evaluate`.
    """
    x, y = tensors(images, labels, members[0].shape)
    given = agreed(members, x)
    network = network_of(members, "ensemble")
    number = len(x) if count is None else min(count, len(x))
    rows, classes = torch.as_tensor(images).flatten(1).numpy(), y.numpy()
    asked: dict[str, Any] = {"timeout": timeout, "threads": threads, "out": out, "resume": resume, "progress": progress}
    decided = verdicts_of(network, rows, classes, eps, number, "safe", members=len(members), **asked)
    verdicts = [verdict for verdict, _ in decided]
    each = members[0].last.weights().shape[0]

    def question(label: int) -> dict[str, Any]:
        return {"unsafe": agreement(len(members), each, label)}

    is_open = [verdict == "unknown" for verdict in verdicts[:timed]]
    built, solved = engine_times(network, rows, classes, eps, timeout, is_open, question)
    return {
        "natural": float((given == y).float().mean()),
        "rejected": float((given == REJECTED).float().mean()),
        "attacked": (verdicts.count("falsified") + verdicts.count("misclassified")) / max(number, 1),
        "unknown": verdicts.count("unknown"),
        "images": number,
        "build_s": mean(built),
        "solve_s": mean(solved),
        "solve_max_s": max(solved),
    }
