"""The half of the package in Rust."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

Floats: TypeAlias = NDArray[np.float64]
Bounds: TypeAlias = dict[str, tuple[Floats, Floats]]
Solver: TypeAlias = Callable[
    [int, list[list[int]], list[tuple[Floats, Floats]]], tuple[list[tuple[int, float, float]], int]
]

class Choices(TypedDict):
    method: str
    arithmetic: str
    seed: int
    attack: bool
    timeout: float | None
    threads: int | None
    certificate: bool
    all_margins: bool
    ties: str

class Contest(TypedDict):
    methods: list[str]
    exact: str | None
    effort: str
    volume: bool

class AbsintError(ValueError):
    """What cannot be read, is asked wrongly or does not fit together. It names the file, the place and the mend."""

class InternalError(AbsintError):
    """A bug of absint; please report it."""

class Network:
    """A network, read from an ONNX file or taken from PyTorch. It can be pickled."""

    @staticmethod
    def load(path: str | PathLike[str]) -> Network:
        """Reads an ONNX file, compressed or not."""
    @staticmethod
    def from_bytes(bytes: bytes, name: str = ...) -> Network:
        """Reads the bytes of an ONNX file; errors and reports call it ``name``."""
    @staticmethod
    def from_torch(module: Any, example_input: Any, name: str | None = None) -> Network:
        """The module of PyTorch as its own exporter writes it, in memory and for evaluation.

        ``example_input`` is an input with a batch of one, such as ``x[None]``.
        """
    @staticmethod
    def example() -> tuple[Network, bytes, int]: ...
    @property
    def name(self) -> str:
        """How errors and reports call it."""
    @property
    def input_shape(self) -> list[int]:
        """The shape of the input tensor, without the batch."""
    @property
    def output_shape(self) -> list[int]:
        """The shape of the output tensor, without the batch."""
    @property
    def parameters(self) -> int:
        """How many parameters it has."""
    def evaluate(self, x: ArrayLike) -> Floats:
        """The outputs at ``x`` (the logits, where the model ends in a Softmax), in floats."""
    def info(self) -> str:
        """What ``absint info`` says."""
    def info_json(self) -> str:
        """The same as JSON."""

class Region:
    """A region of inputs: see :func:`absint.linf` and its relatives. It can be pickled."""

    def __init__(
        self,
        kind: str,
        values: NDArray[Any] | list[str],
        more: NDArray[Any] | list[str] | None = None,
        eps: str | None = None,
        clip: tuple[str, str] | None = None,
        shape: Sequence[int] | None = None,
    ) -> None: ...
    @property
    def kind(self) -> str:
        """``linf``, ``l1``, ``l2``, ``hamming`` or ``box``."""
    @property
    def eps(self) -> str | None:
        """The radius as it was written; ``None`` for a box."""
    @property
    def shape(self) -> list[int]:
        """The shape in which inputs were given; witnesses have it, too."""
    def __len__(self) -> int: ...

class Query:
    """A region of inputs and an unsafe set of outputs, for one network."""

    def __init__(
        self,
        network: Network,
        region: Region,
        label: int | None = None,
        unsafe_set: list[tuple[Floats, Floats]] | None = None,
    ) -> None: ...
    @staticmethod
    def read_vnnlib(path: str | PathLike[str], network: Network) -> Query:
        """Reads a file in the VNN-LIB format, for a network of its size."""
    @property
    def name(self) -> str:
        """What is asked, in a few words."""
    @property
    def shape(self) -> list[int]:
        """The shape of inputs."""
    @property
    def label(self) -> int | None:
        """The class that must win, where that is what is asked."""
    @property
    def disjuncts(self) -> int:
        """How many disjuncts the unsafe set has."""

class Result:
    """The answer to a query, and how it came about. ``print`` shows what ``absint analyze`` says."""

    @property
    def verdict(self) -> str:
        """``verified``, ``falsified`` or ``unknown``."""
    @property
    def out_of_time(self) -> bool:
        """Whether it is unknown because the time was up."""
    @property
    def assumed_ulps(self) -> int | None:
        """In float32 by how many units in the last place functions such as exp are assumed to be off at most, where the answer
        rests on that."""
    @property
    def because(self) -> list[str]:
        """Why it is unknown, in the words of the command line."""
    @property
    def may_help(self) -> list[str]:
        """What may help, in the words of the command line: the options have the same names here."""
    @property
    def decided_by(self) -> str | None:
        """The stage that decided."""
    @property
    def label(self) -> int | None:
        """The class that must win, where that was asked."""
    @property
    def witness(self) -> NDArray[Any] | None:
        """The counterexample in the shape of the region's input: float32 where that holds it exactly, else float64."""
    @property
    def witness_exact(self) -> list[str] | None:
        """Every value of the counterexample as the fraction that it is."""
    @property
    def witness_output(self) -> tuple[Floats, Floats] | None:
        """Lower and upper bounds of the outputs at the counterexample."""
    @property
    def witness_disjunct(self) -> int | None:
        """The disjunct of the unsafe set that the counterexample satisfies."""
    @property
    def adversarial(self) -> int | None:
        """The class that reaches the label at the counterexample."""
    @property
    def margins(self) -> Floats:
        """A certified lower bound of each atom's margin, in order; −∞ where there is none."""
    @property
    def disjuncts(self) -> Floats:
        """A certified lower bound of each disjunct's largest margin: it is refuted where that is positive."""
    @property
    def bounds(self) -> Bounds:
        """By the name of each node certified lower and upper bounds of its neurons, as tight as the verdict needed.

        Those of neurons on one piece of their activation may be tighter in `absint.bounds`.
        """
    def bounds_of(self, i: int) -> Bounds:
        """The bounds over the i-th region of a query with several."""
    @property
    def stages(self) -> list[dict[str, Any]]:
        """The stages that ran: name, time, margins, unstable neurons, programs, and what else they counted."""
    @property
    def certificate(self) -> list[tuple[str, bytes]] | None:
        """Of a signum network formula and proof of each region, where they were asked for."""
    def write_certificate(self, folder: str | PathLike[str]) -> None:
        """Writes the certificates into a folder, for ``absint check``."""
    def json(self) -> str:
        """What ``absint analyze --format json`` says."""
    def plot(self, ax: Any = None) -> Any:
        """Margins as bars and the counterexample as a picture, with matplotlib; returns the axes."""

class Comparison:
    """Several methods on the same queries. ``print`` shows the table of ``absint compare``."""

    def html(self) -> str:
        """The page that ``absint compare --report`` writes."""
    def json(self) -> str:
        """Everything as one JSON object."""
    def csv(self) -> str:
        """One line per query and method."""

class Task:
    def __init__(
        self,
        what: str,
        network: Network,
        rows: NDArray[Any],
        labels: NDArray[np.uint32],
        norm: str,
        clip: tuple[str, str] | None,
        choices: Choices,
        eps: str | None = None,
        search: tuple[str, str, str | None] | None = None,
        contest: Contest | None = None,
        data: str | None = None,
        witnesses: bool = False,
        members: int = 1,
    ) -> None: ...
    def __len__(self) -> int: ...
    def line(self, index: int, threads: int) -> str: ...
    def begin(
        self,
        images: list[int],
        out: str | PathLike[str] | None = None,
        resume: bool = False,
        header: list[tuple[str, tuple[int, int] | None]] | None = None,
    ) -> Campaign: ...

class Campaign:
    @property
    def open(self) -> list[int]: ...
    @property
    def done(self) -> list[str]: ...
    def append(self, line: str) -> None: ...
    def start(self, threads: int, jobs: int | None = None) -> None: ...
    def next(self) -> str | None: ...
    def stop(self) -> None: ...

def verify(network: Network, query: Query, choices: Choices, neurons: Solver | None = None) -> Result: ...
def check(
    folder: str | PathLike[str], about: tuple[Network, Query] | None = None, ties: str = "unsafe"
) -> tuple[list[str], int]: ...
def refuse_certificates(folder: str | PathLike[str]) -> None: ...
def bounds(network: Network, region: Region, choices: Choices, neurons: Solver | None = None) -> Bounds: ...
def attack(
    network: Network, query: Query, choices: Choices, restarts: int | None = None, steps: int | None = None
) -> tuple[NDArray[Any] | None, list[tuple[int, float]], int]: ...
def radius(
    network: Network,
    values: NDArray[Any],
    label: int,
    norm: str,
    ends_of_search: tuple[str, str],
    choices: Choices,
    tolerance: str | None = None,
    clip: tuple[str, str] | None = None,
) -> tuple[str | None, str | None, NDArray[Any] | None, int, int, bool]: ...
def compare(network: Network, queries: list[Query], contest: Contest, choices: Choices) -> Comparison: ...
def solve_programs(
    network: Network,
    region: Region,
    choices: Choices,
    node: int,
    sessions: list[list[int]],
    bounds: list[tuple[Floats, Floats]],
) -> tuple[list[tuple[int, float, float]], int]: ...
def read_images(path: str | PathLike[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]: ...
def tally(command: str, lines: list[str]) -> tuple[str, str]: ...
def methods() -> list[tuple[str, str]]: ...
def run_cli(arguments: list[str]) -> int: ...

