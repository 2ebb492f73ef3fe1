"""Several networks that reject an input unless all of them give it the same class (EEV, section 7): an attack succeeds only
where all agree on the same wrong one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from absint.bnn.evaluation import exact_times
from absint.bnn.export import to_onnx
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
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Of all images the share that is classified rightly (``natural``) and that is ``rejected``; of the first ``count`` (all,
    without) the share that an attack within ``eps`` gets a wrong class for, decided by the exact engine on one thread. Ties are
    safe, as in the paper: an image that is wrong by itself counts as attacked, one that is rejected does not by that.

    ``build_s`` and ``solve_s`` are means over the images that bounds do not decide, as in :func:`absint.bnn.evaluate`.
    ``out`` keeps one JSON line per image, below one that says what was asked; ``resume`` continues that file.
    """
    import absint
    from absint._show import progress_bar

    x, y = tensors(images, labels, members[0].shape)
    given = agreed(members, x)
    content = to_onnx(members)
    network = absint.Network.from_bytes(content, "ensemble")
    number = len(x) if count is None else min(count, len(x))
    asked = {"networks": hashlib.sha256(content).hexdigest(), "eps": str(eps), "timeout": timeout}
    lines = _kept(out, asked) if resume else []
    file = _opened(out, asked, lines)
    bar = progress_bar(number, len(lines), "image", progress)
    rows = torch.as_tensor(images).flatten(1).numpy()
    classes = members[0].last.weights().shape[0]
    for i in range(len(lines), number):
        result = absint.verify(
            network,
            absint.linf(rows[i], eps),
            unsafe=agreement(len(members), classes, int(y[i])),
            method="exact",
            ties="safe",
            attack=False,
            timeout=timeout,
            threads=1,
        )
        lines.append({"image": i, "label": int(y[i]), "verdict": result.verdict, "times": exact_times(result)})
        if file is not None:
            file.write(json.dumps(lines[-1]) + "\n")
            file.flush()
        if bar is not None:
            bar.update(1)
    if file is not None:
        file.close()
    verdicts = [line["verdict"] for line in lines[:number]]
    times = [line["times"] for line in lines[:number] if line["times"]] or [(0.0, 0.0)]
    return {
        "natural": float((given == y).float().mean()),
        "rejected": float((given == REJECTED).float().mean()),
        "attacked": verdicts.count("falsified") / max(number, 1),
        "unknown": verdicts.count("unknown"),
        "images": number,
        "build_s": mean(build for build, _ in times),
        "solve_s": mean(solve for _, solve in times),
        "solve_max_s": max(solve for _, solve in times),
    }


def _kept(out: str | PathLike[str] | None, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The results that a file has, which must be of the same question; a last line that was cut off does not count."""
    if out is None or not Path(out).exists():
        return []
    header, *lines = [json.loads(line) for line in Path(out).read_text().splitlines(True) if line.endswith("\n")] or [asked]
    for name, value in asked.items():
        if header.get(name) != value:
            raise ValueError(f"{out}: was made with {name} = {header.get(name)}, and not {value}; name another file")
    return lines


def _opened(out: str | PathLike[str] | None, asked: dict[str, Any], lines: list[dict[str, Any]]) -> Any:
    """The file, with what is known already."""
    if out is None:
        return None
    file = open(out, "w")
    file.writelines(json.dumps(line) + "\n" for line in [asked, *lines])
    file.flush()
    return file
