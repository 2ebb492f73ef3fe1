"""Runs over data sets: results as they come, a bar, and a file that an interrupted run continues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from absint import _absint
from absint._absint import AbsintError, Network, Task
from absint._arguments import array_of, choices_of, clip_of, decimal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from absint._absint import Choices
    from absint._arguments import Decimal

    Line: TypeAlias = dict[str, Any]
    DataSet: TypeAlias = str | PathLike[str] | tuple[Any, Any] | Sequence[tuple[Any, int]]


def read_images(path: str | PathLike[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """The images of a file, a CSV file ``label,px…`` or MNIST idx: bytes row by row, and labels."""
    return _absint.read_images(path)


def arrays_of(dataset: DataSet) -> tuple[Any, NDArray[np.uint32], str | None]:
    """Rows of images, labels, and the name of their file."""
    import os

    import numpy as np

    name: str | None = None
    images: Any
    labels: Any
    if isinstance(dataset, (str, os.PathLike)):
        name = os.path.basename(dataset)
        images, labels = _absint.read_images(dataset)
    elif isinstance(dataset, tuple) and len(dataset) == 2:
        images, labels = (array_of(part) for part in dataset)
    else:
        pairs = [dataset[i] for i in range(len(dataset))]
        images = np.stack([array_of(x) for x, _ in pairs])
        labels = np.array([int(label) for _, label in pairs], np.uint32)
    # What is changed later is not part of the run.
    rows = np.array(images, order="C").reshape(len(images), -1)
    return rows, np.asarray(labels).astype(np.uint32), name


def images_of(count: int, images: Iterable[int] | None, shard: str | None) -> tuple[list[int], dict[str, Any]]:
    """Which images are worked on, and how a header says so."""
    chosen = list(range(count) if images is None else images)
    if chosen != list(range(chosen[0], chosen[-1] + 1) if chosen else []):
        raise AbsintError("images= takes a range with step 1, such as range(0, 100)")
    whole = (chosen[0], chosen[-1] + 1) if chosen else (0, 0)
    part = None
    if shard is not None:
        index, _, of = shard.partition("/")
        if not (index.isdecimal() and of.isdecimal() and 1 <= int(index) <= int(of)):
            raise AbsintError(f"`{shard}` is no shard; write `1/4`, `2/4`, `3/4` and `4/4` for four parts")
        part = (int(index), int(of))
        chosen = chosen[part[0] - 1 :: part[1]]
    return chosen, {"range": whole, "shard": part}


class Run(Iterator["dict[str, Any]"]):
    """A run over a data set: iterate over it for the results, each a dictionary, in the order in which they are done.

    Results of an earlier run that is continued come first. Stopping early stops the work; a file keeps what is done.
    """

    def __init__(self, command: str, lines: Iterator[str], done: list[str], total: int, progress: bool | None) -> None:
        self._command = command
        self._new = lines
        self._before = iter(done)
        self._seen: list[str] = []
        from absint._show import progress_bar

        self._bar = progress_bar(total, len(done), "image", progress)

    def __next__(self) -> Line:
        line = next(self._before, None)
        if line is None:
            line = next(self._new, None)
            if line is not None and self._bar is not None:
                self._bar.update(1)
        if line is None:
            if self._bar is not None:
                self._bar.close()
            raise StopIteration
        self._seen.append(line)
        result: Line = json.loads(line)
        return result

    @property
    def tally(self) -> dict[str, Any]:
        """What the results so far amount to: counts and accuracies; of a comparison, verdicts by method."""
        if self._command == "compare":
            return self._verdicts()
        counts: dict[str, Any] = json.loads(_absint.tally(self._command, self._seen)[1])
        return counts

    def _verdicts(self) -> dict[str, Any]:
        """How often each method of a comparison had which verdict."""
        counts: dict[str, dict[str, int]] = {}
        for line in self._seen:
            for measured in json.loads(line).get("domains", []):
                of_method = counts.setdefault(measured["domain"], {})
                of_method[measured["verdict"]] = of_method.get(measured["verdict"], 0) + 1
        return counts

    def __str__(self) -> str:
        if self._command == "compare":
            rows = [f"{name:20} {counts}" for name, counts in self._verdicts().items()]
            return "\n".join([f"images {len(self._seen)}", *rows])
        return _absint.tally(self._command, self._seen)[0]

    def __repr__(self) -> str:
        return f"<{self._command} of {len(self._seen)} images so far>"

    def _repr_html_(self) -> str:
        from absint._show import text_html

        return text_html(str(self))


def local_lines(campaign: _absint.Campaign, threads: int, jobs: int | None) -> Iterator[str]:
    """The lines of the open images, made by this process."""
    campaign.start(threads, jobs)
    try:
        while (line := campaign.next()) is not None:
            yield line
    finally:
        campaign.stop()


def threads_of(threads: int | None) -> int:
    """As many as there are cores where nothing is said."""
    import os

    return threads or os.cpu_count() or 1


def begin_certify(
    network: Network,
    dataset: DataSet,
    eps: Decimal,
    choices: Choices,
    norm: str,
    clip: tuple[Decimal, Decimal] | None,
    images: Iterable[int] | None,
    shard: str | None,
    out: str | PathLike[str] | None,
    resume: bool,
    witnesses: bool,
    members: int = 1,
) -> tuple[Task, _absint.Campaign, int]:
    """What :func:`certify` does wherever it runs: the task, its results so far, and how many images are asked for."""
    rows, labels, name = arrays_of(dataset)
    given: Any = {"eps": decimal_of(eps), "data": name, "witnesses": witnesses, "members": members}
    task = Task("certify", network, rows, labels, norm, clip_of(clip), choices, **given)
    chosen, header = images_of(len(task), images, shard)
    return task, task.begin(chosen, out, resume, list(header.items())), len(chosen)


def begin_radii(
    network: Network,
    dataset: DataSet,
    search: tuple[Decimal, Decimal, Decimal | None],
    choices: Choices,
    norm: str,
    clip: tuple[Decimal, Decimal] | None,
    images: Iterable[int] | None,
    out: str | PathLike[str] | None,
    resume: bool,
) -> tuple[Task, _absint.Campaign, int]:
    """The same of :func:`radii`, which searches between two radii up to a tolerance."""
    rows, labels, name = arrays_of(dataset)
    lo, hi, tol = search
    between = (decimal_of(lo), decimal_of(hi), None if tol is None else decimal_of(tol))
    task = Task("radius", network, rows, labels, norm, clip_of(clip), choices, search=between, data=name)
    chosen, _ = images_of(len(task), images, None)
    return task, task.begin(chosen, out, resume), len(chosen)


def certify(
    network: Network,
    dataset: DataSet,
    eps: Decimal,
    *,
    norm: str = "linf",
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    images: Iterable[int] | None = None,
    shard: str | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    witnesses: bool = False,
    method: str = "auto",
    timeout: float | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    arithmetic: str = "real",
    attack: bool = True,
    seed: int = 0,
    ties: str = "unsafe",
    members: int = 1,
    progress: bool | None = None,
) -> Run:
    """The neighbourhoods of all images of a data set, several side by side; iterate over the result.

    Args:
        network: the network.
        dataset: a file of images, a pair of arrays ``(images, labels)``, or a sequence of pairs such as a data set of
            PyTorch. Bytes stand for pixels ``k/255``.
        eps: the radius.
        norm: ``linf``, ``l1``, ``l2`` or ``hamming``.
        clip: the range of inputs (for ``hamming`` their two values).
        images: only these, a range.
        shard: only every n-th image, ``"1/4"`` to ``"4/4"``, for several machines.
        out: a file of results, the same as that of ``absint certify --out``, one JSON line per image.
        resume: continue that file.
        witnesses: whether counterexamples are part of the results.
        method: a name from :func:`absint.methods`.
        timeout: seconds for each image.
        threads: threads in all; ``jobs`` images share them.
        ties: whether another class that only equals the label is ``unsafe`` or ``safe``.
        members: as how many networks' scores, one after another, the outputs are read: an ensemble that rejects an
            image unless all give it the same class, as by :func:`absint.bnn.to_onnx` of several. An image is verified
            where they never agree on a wrong class; ``rejected`` in its result says that they reject it as it is.
        progress: whether a bar of tqdm is shown; without, where tqdm is installed.
    """
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed, ties=ties)
    _, campaign, total = begin_certify(
        network, dataset, eps, choices, norm, clip, images, shard, out, resume, witnesses, members
    )
    return Run("certify", local_lines(campaign, threads_of(threads), jobs), campaign.done, total, progress)


def radii(
    network: Network,
    dataset: DataSet,
    *,
    norm: str = "linf",
    lo: Decimal = 0,
    hi: Decimal = 1,
    tol: Decimal | None = None,
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    images: Iterable[int] | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    method: str = "auto",
    timeout: float | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    arithmetic: str = "real",
    attack: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Run:
    """:func:`absint.radius` for every image of a data set, as ``absint radius`` writes it; see :func:`certify`."""
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed)
    _, campaign, total = begin_radii(network, dataset, (lo, hi, tol), choices, norm, clip, images, out, resume)
    return Run("radius", local_lines(campaign, threads_of(threads), jobs), campaign.done, total, progress)
