"""From what users write to what the library reads."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal as DecimalNumber
    from fractions import Fraction
    from typing import Any, TypeAlias

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from absint._absint import Choices, Contest

    Decimal: TypeAlias = str | float | int | DecimalNumber | Fraction
    Conjunction: TypeAlias = tuple[ArrayLike, ArrayLike]
    Unsafe: TypeAlias = Conjunction | Sequence[Conjunction]


def array_of(x: ArrayLike) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Bytes as they are, any other numbers in float64; tensors of PyTorch too. Arrays in these types are not copied."""
    import numpy as np

    values: Any = x
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.double()
        values = values.numpy()
    array = np.asarray(values)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "fiub":
        raise TypeError(f"an array of numbers is expected, not of {array.dtype}")
    exact: NDArray[np.float64] = array.astype(np.float64, copy=False)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and not (exact.astype(array.dtype) == array).all():
        raise ValueError("an integer is too large for float64")
    return exact


def decimal_of(value: Decimal) -> str:
    """The decimal or fraction that a number prints as."""
    return value.strip() if isinstance(value, str) else str(value)


def clip_of(clip: tuple[Decimal, Decimal] | None) -> tuple[str, str] | None:
    """Both ends of a range."""
    return None if clip is None else (decimal_of(clip[0]), decimal_of(clip[1]))


def conjunctions_of(unsafe: Unsafe) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A list of pairs of a matrix and a vector."""
    import numpy as np

    pairs: Sequence[Any] = [unsafe] if isinstance(unsafe, tuple) else unsafe
    return [
        (np.atleast_2d(np.asarray(a, np.float64)), np.atleast_1d(np.asarray(b, np.float64)))
        for a, b in pairs
    ]


def choices_of(
    method: str,
    timeout: float | None,
    threads: int | None,
    arithmetic: str,
    attack: bool,
    seed: int,
    certificate: bool = False,
    all_margins: bool = False,
    ties: str = "unsafe",
) -> Choices:
    """What the library reads of how something is analysed."""
    return {
        "method": method,
        "timeout": None if timeout is None else float(timeout),
        "threads": threads,
        "arithmetic": arithmetic,
        "attack": attack,
        "seed": seed,
        "certificate": certificate,
        "all_margins": all_margins,
        "ties": ties,
    }


def contest_of(methods: Sequence[str], exact: str | None, effort: str, volume: bool) -> Contest:
    """What the library reads of which methods are compared."""
    return {"methods": list(methods), "exact": exact, "effort": effort, "volume": volume}
