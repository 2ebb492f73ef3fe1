"""From modules of PyTorch, and back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from absint._absint import Network, Result
    from absint._arguments import Decimal


def to_onnx(module: Any, example_input: Any) -> bytes:
    """The module as ONNX, as it computes in evaluation; nothing is written to disk, and the module is left as it was."""
    import torch

    was_training = module.training
    module.eval()
    buffer = io.BytesIO()
    try:
        import warnings

        with torch.no_grad(), warnings.catch_warnings():
            # The exporter that needs nothing but PyTorch is called deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            export: Any = torch.onnx.export
            export(module, (example_input,), buffer, dynamo=False)
    finally:
        module.train(was_training)
    return buffer.getvalue()


def assert_robust(
    module: Any,
    x: ArrayLike,
    eps: Decimal,
    *,
    label: int | None = None,
    norm: str = "linf",
    clip: tuple[Decimal, Decimal] | None = (0, 1),
    timeout: float | None = 60,
    method: str = "auto",
) -> Result:
    """Fails, as ``assert`` does, unless the module is proved to keep its class in the ball of radius ``eps`` around ``x``.

    ``module`` is a module of PyTorch or a :class:`absint.Network`; the class is ``label``, or that which it gives to ``x``
    itself. For tests: the message has the counterexample's class, or what was left open.
    """
    import absint

    network = module
    if not isinstance(module, absint.Network):
        network = absint.Network.from_torch(module, x)
    ball = {"linf": absint.linf, "l1": absint.l1, "l2": absint.l2}[norm]
    if label is None:
        label = int(network.evaluate(x).argmax())
    result = absint.verify(network, ball(x, eps, clip), label=label, timeout=timeout, method=method)
    if result.verdict == "falsified":
        raise AssertionError(f"class {result.adversarial} reaches class {label} within {norm} distance {eps}:\n{result}")
    if result.verdict == "unknown":
        raise AssertionError(f"class {label} is not proved within {norm} distance {eps}:\n{result}")
    return result
