"""Proves or refutes properties of neural networks by abstract interpretation, with bounds that hold in real arithmetic.

A network, a region of inputs, and what must hold there::

    network = absint.Network.load("net.onnx")
    result = absint.verify(network, absint.linf(image, eps="2/255"), label=7, timeout=60)
    result.verdict    # "verified", "falsified" with result.witness, or "unknown"

Numbers: arrays of bytes (``uint8``) stand for pixels ``k/255``, any other array for exactly the numbers that it holds.
A radius is read as the decimal that it prints as: ``eps=0.1`` is one tenth, and ``eps="2/255"`` that fraction.
"""

from __future__ import annotations

from absint import _absint
from absint._absint import (
    AbsintError,
    Comparison,
    InternalError,
    Network,
    Query,
    Region,
    Result,
    __version__,
)
from absint._arguments import (
    array_of,
    choices_of,
    clip_of,
    conjunctions_of,
    contest_of,
    decimal_of,
)

# What the module typing has; that module alone would take longer than all others.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from absint._absint import Bounds
    from absint._arguments import Decimal, Unsafe
    from absint._campaign import Run, certify, radii, read_images
    from absint._results import Attack, Radius
    from absint._torch import assert_robust

__all__ = [
    "AbsintError",
    "Attack",
    "Comparison",
    "InternalError",
    "Network",
    "Query",
    "Radius",
    "Region",
    "Result",
    "Run",
    "__version__",
    "assert_robust",
    "attack",
    "bounds",
    "box",
    "certify",
    "check",
    "compare",
    "example",
    "hamming",
    "l1",
    "l2",
    "linf",
    "methods",
    "radii",
    "radius",
    "read_images",
    "read_vnnlib",
    "verify",
]

_ELSEWHERE = {
    "Attack": "absint._results",
    "Radius": "absint._results",
    "Run": "absint._campaign",
    "certify": "absint._campaign",
    "radii": "absint._campaign",
    "read_images": "absint._campaign",
    "assert_robust": "absint._torch",
}


def __getattr__(name: str) -> object:
    """What ``import absint`` leaves to the first use, so that it takes milliseconds."""
    if name in _ELSEWHERE:
        from importlib import import_module

        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module 'absint' has no attribute {name!r}")


def linf(x: ArrayLike, eps: Decimal, clip: tuple[Decimal, Decimal] | None = (0, 1)) -> Region:
    """All inputs of which every value is within ``eps`` of that of ``x``, and in the range ``clip``."""
    return Region("linf", array_of(x), eps=decimal_of(eps), clip=clip_of(clip))


def l1(x: ArrayLike, eps: Decimal, clip: tuple[Decimal, Decimal] | None = (0, 1)) -> Region:
    """All inputs whose values differ from those of ``x`` by at most ``eps`` in sum, and are in the range ``clip``."""
    return Region("l1", array_of(x), eps=decimal_of(eps), clip=clip_of(clip))


def l2(x: ArrayLike, eps: Decimal, clip: tuple[Decimal, Decimal] | None = (0, 1)) -> Region:
    """All inputs within the Euclidean distance ``eps`` of ``x``, with values in the range ``clip``."""
    return Region("l2", array_of(x), eps=decimal_of(eps), clip=clip_of(clip))


def hamming(x: ArrayLike, flips: int, values: tuple[Decimal, Decimal] = (-1, 1)) -> Region:
    """All inputs of these two ``values`` that differ from ``x`` in at most so many places."""
    return Region("hamming", array_of(x), eps=decimal_of(flips), clip=clip_of(values))


def box(lower: ArrayLike, upper: ArrayLike) -> Region:
    """All inputs between two arrays."""
    return Region("box", array_of(lower), array_of(upper))


def read_vnnlib(path: str, network: Network) -> Query:
    """A query in the VNN-LIB format, for a network of its size; :func:`verify` takes it in place of a region."""
    return Query.read_vnnlib(path, network)


def example() -> tuple[Network, NDArray[np.uint8], int]:
    """The built-in example: a network of digits, the image of a 6 (8 × 8 pixels), and its label."""
    import numpy as np

    network, pixels, label = Network.example()
    return network, np.frombuffer(pixels, np.uint8).reshape(8, 8).copy(), label


def methods() -> dict[str, str]:
    """The names of all methods, each with what it does."""
    return dict(_absint.methods())


def _query(network: Network, region: Region | Query, label: int | None, unsafe: Unsafe | None) -> Query:
    if isinstance(region, Query):
        if label is not None or unsafe is not None:
            raise AbsintError("the query says what is unsafe; leave out label= and unsafe=")
        return region
    label = None if label is None else int(label)
    return Query(network, region, label, None if unsafe is None else conjunctions_of(unsafe))


def verify(
    network: Network,
    region: Region | Query,
    *,
    label: int | None = None,
    unsafe: Unsafe | None = None,
    method: str = "auto",
    timeout: float | None = None,
    threads: int | None = None,
    arithmetic: str = "real",
    attack: bool = True,
    all_margins: bool = False,
    certificate: bool = False,
    proof: str | PathLike[str] | None = None,
    seed: int = 0,
    ties: str = "unsafe",
    executor: object = None,
) -> Result:
    """Proves that no input of the region is classified otherwise than ``label``, or that none reaches ``unsafe``.

    Args:
        network: the network.
        region: the inputs: :func:`linf`, :func:`l1`, :func:`l2`, :func:`hamming`, :func:`box`; or a whole query
            from :func:`read_vnnlib`.
        label: the class that must win strictly.
        unsafe: in place of a label, a pair ``(A, b)``: unsafe where ``A @ y <= b`` in every row; or a list of such
            pairs, unsafe where one of them holds.
        method: a name from :func:`methods`, with parameters such as ``kpoly(k=3,refine)``.
        timeout: seconds, after which what is known is the answer.
        threads: threads to use; one per core without.
        arithmetic: ``real``, or ``float32`` for every float32 execution of the operators in the file, where functions such as
            exp are assumed to be within 4 units in the last place (``assumed_ulps`` of the result).
        attack: whether counterexamples are looked for.
        all_margins: bound every margin as well as the method can, even where the verdict no longer depends on it.
        certificate: keep a proof of what is verified, for :meth:`Result.write_certificate`. Every method but
            ``milp`` can have one, of a signum network ``exact`` and ``auto``.
        proof: write that into this folder, which has none yet, for :func:`check`.
        seed: of everything random.
        ties: whether another class that only equals the label is ``unsafe`` or ``safe``.
        executor: with ``method="lp-all"``, who solves the neurons' programs (see :mod:`absint.distributed`).

    Returns:
        The verdict, with a witness, margins, bounds of all neurons, and how it came about. Ctrl-C ends the call
        within a second.
    """
    query = _query(network, region, label, unsafe)
    if proof is not None:
        _absint.refuse_certificates(proof)
        certificate = True
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed, certificate, all_margins, ties)
    if executor is None:
        result = _absint.verify(network, query, choices)
        if proof is not None and result.verdict == "verified":
            result.write_certificate(proof)
        return result
    if certificate:
        raise AbsintError("what an executor solves elsewhere has no certificate; leave out one of the two")
    from absint.distributed import neurons

    if not isinstance(region, Region):
        raise AbsintError("an executor takes a region, not a whole query")
    with neurons(network, region, choices, executor) as solve:
        return _absint.verify(network, query, choices, solve)


def check(
    folder: str | PathLike[str],
    network: Network | None = None,
    region: Region | Query | None = None,
    *,
    label: int | None = None,
    unsafe: Unsafe | None = None,
    ties: str = "unsafe",
) -> str:
    """Checks the certificate that ``verify(..., proof=folder)`` or ``absint analyze --proof`` wrote, with a checker that
    shares no code with what proves.

    With a network and a query (as :func:`verify` takes them) also that it is about these; without, it is about what the
    folder says.

    Returns:
        What was checked, in words. :class:`AbsintError` says why a certificate is refused.
    """
    if (network is None) != (region is None):
        raise AbsintError("a certificate is about a network and a query: give both or none")
    about = None if network is None or region is None else (network, _query(network, region, label, unsafe))
    counts, lemmas = _absint.check(folder, about, ties)
    resting = f"; accepted if {lemmas} lemmas about real inputs hold: give the network and the query" if lemmas else ""
    return "; ".join(f"{line}: no input is unsafe" for line in counts) + resting


def bounds(
    network: Network,
    region: Region,
    method: str = "deeppoly",
    *,
    timeout: float | None = None,
    threads: int | None = None,
    arithmetic: str = "real",
    executor: object = None,
) -> Bounds:
    """Certified bounds of every neuron over a region: by the name of each node its lower and its upper bounds.

    The bounds of the outputs are the method's own minima and maxima. What is not known within the time has none.
    """
    choices = choices_of(method, timeout, threads, arithmetic, False, 0, False, True)
    if executor is None:
        return _absint.bounds(network, region, choices)
    from absint.distributed import neurons

    with neurons(network, region, choices, executor) as solve:
        return _absint.bounds(network, region, choices, solve)


def attack(
    network: Network,
    region: Region | Query,
    *,
    label: int | None = None,
    unsafe: Unsafe | None = None,
    restarts: int | None = None,
    steps: int | None = None,
    timeout: float | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> Attack:
    """Looks for a counterexample by projected gradient descent. One that is found was replayed exactly; finding none
    proves nothing."""
    query = _query(network, region, label, unsafe)
    choices = choices_of("auto", timeout, threads, "real", True, seed)
    from absint._results import Attack

    witness, closest, points = _absint.attack(network, query, choices, restarts, steps)
    return Attack(witness, dict(closest), points)


def radius(
    network: Network,
    x: ArrayLike,
    label: int,
    *,
    norm: str = "linf",
    lo: Decimal = 0,
    hi: Decimal = 1,
    tol: Decimal | None = None,
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    method: str = "auto",
    timeout: float | None = None,
    threads: int | None = None,
    arithmetic: str = "real",
    attack: bool = True,
    seed: int = 0,
) -> Radius:
    """The largest radius of a ball around ``x`` that the method certifies, and the smallest at which an attack succeeds.

    ``norm`` is ``linf``, ``l1`` or ``l2``; ``tol`` an absolute difference, or a percentage such as ``"5%"`` of what the
    cheap domain certifies.
    """
    choices = choices_of(method, timeout, threads, arithmetic, attack, seed)
    ends = (decimal_of(lo), decimal_of(hi))
    tolerance = None if tol is None else decimal_of(tol)
    from absint._results import Radius

    found = _absint.radius(network, array_of(x), int(label), norm, ends, choices, tolerance, clip_of(clip))
    return Radius.of(*found)


def compare(
    network: Network,
    queries: Region | Query | Sequence[Query | tuple[Region, int]],
    methods: Sequence[str] = ("interval", "zonotope", "deeppoly", "kpoly"),
    *,
    label: int | None = None,
    unsafe: Unsafe | None = None,
    exact: str | None = None,
    effort: str = "short",
    volume: bool = True,
    timeout: float | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Several methods on the same queries: margins, gap to the exact minimum, time, bound widths.

    ``queries`` is one region with ``label`` or ``unsafe``, or a list of queries and pairs of a region with its label.
    ``exact`` names a method that decides, as the reference; ``effort`` (``none``, ``short``, ``long``) is that of the
    attack that looks for the smallest margin. The result shows itself as the page of ``absint compare --report``.
    """
    several: Sequence[Query | tuple[Region, int]]
    several = [_query(network, queries, label, unsafe)] if isinstance(queries, (Region, Query)) else queries
    asked = [q if isinstance(q, Query) else _query(network, q[0], q[1], None) for q in several]
    choices = choices_of("auto", timeout, threads, "real", True, seed)
    return _absint.compare(network, asked, contest_of(methods, exact, effort, volume), choices)
