"""Small results that are tuples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray


class Attack(NamedTuple):
    """What an attack found."""

    witness: NDArray[Any] | None
    """The counterexample, replayed exactly."""
    closest: dict[int, float]
    """For each disjunct of the unsafe set the smallest margin of all points tried: an estimate, not a bound."""
    points: int
    """Points evaluated."""


class Radius(NamedTuple):
    """What is known of the distance to the nearest counterexample, which lies between the two."""

    certified: Fraction | None
    """The largest radius that was certified."""
    attacked: Fraction | None
    """The smallest radius at which a counterexample was found."""
    witness: NDArray[Any] | None
    """That counterexample."""
    analyses: int
    """Analyses that were run."""
    attacks: int
    """Attacks that were run."""
    out_of_time: bool
    """Whether the time was up before the search was over."""
    because: list[str]
    """Why no larger radius is certified; empty where a counterexample says that it would be too large."""
    may_help: list[str]
    """What may help, in the words of the command line."""

    @classmethod
    def of(cls, certified: str | None, attacked: str | None, *rest: Any) -> Radius:
        """From radii as they are written."""
        from fractions import Fraction

        def number(text: str | None) -> Fraction | None:
            return None if text is None else Fraction(text)

        return cls(number(certified), number(attacked), *rest)
