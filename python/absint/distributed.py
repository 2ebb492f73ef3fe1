"""Runs on many processes and machines, on engines that exist.

One protocol: an :class:`Engine` maps a function over tasks and hands back each result as it comes; a task whose worker
is lost is done again, which changes nothing, since the same task always has the same result. Results are JSON lines in
the file that ``certify`` and ``radii`` write and an interrupted run continues.

An engine is made from what is there: a number of processes, an executor of :mod:`concurrent.futures`, a ``Client`` of
Dask, or the module ``ray`` after ``ray.init()``.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from absint import _absint
from absint._absint import AbsintError, Network, Region, Task
from absint._arguments import choices_of, clip_of, contest_of, decimal_of
from absint._campaign import Run, arrays_of, begin_certify, begin_radii, images_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from absint._absint import Choices, Floats, Solver
    from absint._arguments import Decimal
    from absint._campaign import DataSet

__all__ = ["Engine", "certify", "compare", "engine", "neurons", "radii"]

#: How often a task is done again after its worker was lost, or the engine failed.
RETRIES = 5


class Engine(Protocol):
    """What runs tasks somewhere."""

    def share(self, value: bytes) -> Any:
        """Brings what many tasks need to where they run; tasks are given what this returns."""

    def map(self, function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Calls the function for every task and yields the task's number with its result, as they come."""

    def close(self) -> None:
        """Ends what this engine began itself."""


def engine(executor: object) -> Engine:
    """The engine for a number of processes, an executor, a client of Dask, or the module ``ray``."""
    if isinstance(executor, int) and not isinstance(executor, bool):
        return Processes(executor)
    module = type(executor).__module__
    if getattr(executor, "__name__", "") == "ray":
        return Ray(executor)
    if module.startswith("distributed"):
        return Dask(executor)
    if hasattr(executor, "submit"):
        return Futures(executor)
    if hasattr(executor, "map") and hasattr(executor, "share"):
        return executor  # type: ignore[return-value]
    raise AbsintError(f"a {type(executor).__name__} is no engine; give processes, an executor, a Dask client, or ray")


class Futures:
    """Any executor of :mod:`concurrent.futures`, whose processes must be able to import absint."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    def share(self, value: bytes) -> bytes:
        return value

    def map(self, function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        from concurrent.futures import as_completed

        futures = {self.executor.submit(function, *task): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        pass


class Processes:
    """So many processes of this machine. When one is lost, all begin anew with the tasks that are open.

    They import the script that makes them: what it does beyond definitions belongs under ``if __name__ == "__main__":``.
    """

    def __init__(self, count: int) -> None:
        import tempfile

        self.count = count
        self.folder = tempfile.TemporaryDirectory(prefix="absint-")
        self.pool: Any = None

    def share(self, value: bytes) -> Shared:
        import os

        path = os.path.join(self.folder.name, hashlib.sha256(value).hexdigest())
        with open(path, "wb") as file:
            file.write(value)
        return Shared(path)

    def map(self, function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        open_tasks = dict(enumerate(tasks))
        for attempt in range(RETRIES + 1):
            if self.pool is None:
                # A fork of a process with threads would be no sound start.
                self.pool = ProcessPoolExecutor(self.count, mp_context=get_context("spawn"))
            numbers = list(open_tasks)
            try:
                for place, result in Futures(self.pool).map(function, [open_tasks[n] for n in numbers]):
                    del open_tasks[numbers[place]]
                    yield numbers[place], result
                return
            except BrokenProcessPool:
                self.pool.shutdown(wait=False, cancel_futures=True)
                self.pool = None
                if attempt == RETRIES:
                    raise

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.folder.cleanup()


class Dask:
    """A cluster of Dask, through its client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def share(self, value: bytes) -> Any:
        # A task, and not data of one worker: what is lost with a worker is made again.
        return self.client.submit(_same, value)

    def map(self, function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        import distributed

        as_completed: Any = distributed.as_completed
        futures = {self._submit(function, task): number for number, task in enumerate(tasks)}
        completed = as_completed(list(futures))
        lost: dict[int, int] = {}
        for future in completed:
            number = futures[future]
            if future.status == "error" and type(future.exception()).__name__ in {"KilledWorker", "FutureCancelledError"}:
                lost[number] = lost.get(number, 0) + 1
                if lost[number] <= RETRIES:
                    again = self._submit(function, tasks[number])
                    futures[again] = number
                    completed.add(again)
                    continue
            yield number, future.result()

    def _submit(self, function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
        return self.client.submit(function, *task, pure=False, retries=RETRIES)

    def close(self) -> None:
        pass


def _same(value: bytes) -> bytes:
    """A value as a task's result."""
    return value


class Ray:
    """A cluster of Ray, which ``ray.init()`` has joined."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray

    def share(self, value: bytes) -> Any:
        return self.ray.put(value)

    def map(self, function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        remote = self.ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        numbers = {remote.remote(*task): number for number, task in enumerate(tasks)}
        waiting = list(numbers)
        while waiting:
            done, waiting = self.ray.wait(waiting, num_returns=1)
            for reference in done:
                yield numbers[reference], self.ray.get(reference)

    def close(self) -> None:
        pass


class Shared:
    """A file that every process of this machine reads."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __bytes__(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()


_KEPT: dict[str, Any] = {}


def _unpickled(shared: Any) -> Any:
    """What was shared, read once in each process."""
    key = shared.path if isinstance(shared, Shared) else hashlib.sha256(shared).hexdigest()
    if key not in _KEPT:
        while len(_KEPT) >= 4:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = pickle.loads(bytes(shared))
    return _KEPT[key]


@contextmanager
def _opened(executor: object) -> Iterator[Engine]:
    """The engine, closed where it was made here."""
    made = engine(executor)
    try:
        yield made
    finally:
        if made is not executor:
            made.close()


def _line(shared: Any, image: int, threads: int) -> str:
    """The line of one image: a task."""
    task: Task = _unpickled(shared)
    return task.line(image, threads)


def _gathered(task: Task, campaign: _absint.Campaign, executor: object, threads: int) -> Iterator[str]:
    """The lines of the open images, made by an engine and kept here."""
    images = campaign.open
    with _opened(executor) as run:
        shared = run.share(pickle.dumps(task))
        for number, line in run.map(_line, [(shared, image, threads) for image in images]):
            assert images[number] >= 0
            campaign.append(line)
            yield line


def certify(
    network: Network,
    dataset: DataSet,
    eps: Decimal,
    *,
    executor: object,
    norm: str = "linf",
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    images: Iterable[int] | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    witnesses: bool = False,
    method: str = "auto",
    timeout: float | None = None,
    threads: int = 1,
    arithmetic: str = "real",
    attack: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Run:
    """:func:`absint.certify` on an engine: the same lines, each made by ``threads`` threads of a worker."""
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed)
    task, campaign, total = begin_certify(
        network, dataset, eps, choices, norm, clip, images, None, out, resume, witnesses
    )
    return Run("certify", _gathered(task, campaign, executor, threads), campaign.done, total, progress)


def radii(
    network: Network,
    dataset: DataSet,
    *,
    executor: object,
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
    threads: int = 1,
    arithmetic: str = "real",
    attack: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Run:
    """:func:`absint.radii` on an engine: the same lines, each made by ``threads`` threads of a worker."""
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed)
    task, campaign, total = begin_radii(network, dataset, (lo, hi, tol), choices, norm, clip, images, out, resume)
    return Run("radius", _gathered(task, campaign, executor, threads), campaign.done, total, progress)


def compare(
    network: Network,
    dataset: DataSet,
    eps: Decimal,
    methods: Sequence[str] = ("interval", "zonotope", "deeppoly", "kpoly"),
    *,
    executor: object,
    norm: str = "linf",
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    images: Iterable[int] | None = None,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    exact: str | None = None,
    effort: str = "short",
    volume: bool = True,
    timeout: float | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: bool | None = None,
) -> Run:
    """:func:`absint.compare` for every image of a data set on an engine: a line for each image, which has of each method
    what ``absint compare --format json`` has."""
    choices = choices_of("auto", timeout, threads, "real", True, seed)
    rows, labels, name = arrays_of(dataset)
    contest = contest_of(methods, exact, effort, volume)
    clipped, radius = clip_of(clip), decimal_of(eps)
    task = Task("compare", network, rows, labels, norm, clipped, choices, eps=radius, contest=contest, data=name)
    chosen, header = images_of(len(task), images, None)
    campaign = task.begin(chosen, out, resume, list(header.items()))
    return Run("compare", _gathered(task, campaign, executor, threads), campaign.done, len(chosen), progress)


def _solved(shared: Any, layer: Any, node: int, session: list[int]) -> tuple[list[tuple[int, float, float]], int]:
    """The programs of a few neurons: a task."""
    network, region, choices = _unpickled(shared)
    return _absint.solve_programs(network, region, choices, node, [session], _unpickled(layer))


@contextmanager
def neurons(network: Network, region: Region, choices: Choices, executor: object) -> Iterator[Solver]:
    """What solves the neurons' programs of ``lp-all`` on an engine: a layer's programs are tasks, and the bounds of all
    layers before go to all workers before it."""
    with _opened(executor) as run:
        shared = run.share(pickle.dumps((network, region, {**choices, "threads": 1, "timeout": None})))

        def solve(
            node: int, sessions: list[list[int]], bounds: list[tuple[Floats, Floats]]
        ) -> tuple[list[tuple[int, float, float]], int]:
            layer = run.share(pickle.dumps(bounds))
            found: list[tuple[int, float, float]] = []
            programs = 0
            for _, (some, count) in run.map(_solved, [(shared, layer, node, session) for session in sessions]):
                found.extend(some)
                programs += count
            return found, programs

        yield solve
