"""Layers of binarized networks: weights of -1, 0 and 1, activations of 0 and 1, and their straight-through gradients.

After Jia and Rinard 2020 ("Efficient Exact Verification of Binarized Neural Networks", EEV), sections 3, 5 and 6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of batch normalisation, as in the paper.
EPSILON = 1e-5
# Of its running averages, while training.
MOMENTUM = 0.1
# No sum of integers comes near this threshold, so that a neuron that has it is constant.
NEVER = float(1 << 20)
# Added to an input in steps before it is rounded down, so that the pixel k/255 that is a multiple of the step belongs
# to that multiple whatever float arithmetic makes of it. Two pixels are farther apart than this for all steps.
NUDGE = 2.0**-10


class Surrogate:
    """What stands for the derivative of a step function: ``hard_tanh``, 1 where ``|z| <= 1``, or ``tanh``,
    ``1 - tanh(alpha z)^2``. All layers of a network share one, so that its strength ``alpha`` can be adapted."""

    def __init__(self, kind: str, alpha: float = 1.0) -> None:
        if kind not in ("hard_tanh", "tanh"):
            raise ValueError(f"`{kind}` is no surrogate gradient; write hard_tanh or tanh")
        self.kind = kind
        self.alpha = alpha

    def slope(self, z: Tensor) -> Tensor:
        """The derivative's stand-in at ``z``."""
        if self.kind == "hard_tanh":
            return (z.abs() <= 1).to(z.dtype)
        return 1 - torch.tanh(self.alpha * z) ** 2


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(z)
        ctx.surrogate = surrogate
        return (z >= 0).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        surrogate = ctx.surrogate
        if surrogate.kind == "tanh":
            # The same product in one pass.
            return torch.ops.aten.tanh_backward(gradient, torch.tanh(surrogate.alpha * z)), None
        return gradient * surrogate.slope(z), None


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        return torch.where(w >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, threshold: float) -> Tensor:
        return torch.where(w.abs() < threshold, 0.0, torch.where(w >= 0, 1.0, -1.0))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def step(z: Tensor, surrogate: Surrogate) -> Tensor:
    """1 where ``z >= 0``, else 0; its gradient is that of the next layer times the surrogate's slope."""
    result: Tensor = _Step.apply(z, surrogate)
    return result


def sign(w: Tensor) -> Tensor:
    """1 where ``w >= 0``, else -1; straight through: its gradient is that of the identity."""
    result: Tensor = _Sign.apply(w)
    return result


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, highest: int) -> Tensor:
        ctx.scale = scale
        return (x * scale + NUDGE).clamp(0, highest).floor()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.scale, None, None


class BinMask(nn.Module):
    """Weights ``sign(W) (sign(M) + 1) / 2`` (EEV, eq. 6): a mask M of its own decides which weights are 0. It begins as
    a folded normal, so that training starts dense, and its positive elements decay."""

    def __init__(self, shape: tuple[int, ...], generator: torch.Generator, deviation: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape, generator=generator) * deviation)
        self.mask = nn.Parameter((torch.randn(shape, generator=generator) * deviation).abs())

    def forward(self) -> Tensor:
        return sign(self.weight) * (sign(self.mask) + 1) / 2

    def penalty(self) -> Tensor:
        """What decays: the sum of the mask's positive elements."""
        return self.mask.clamp(min=0).sum()

    def shrink(self, by: float) -> None:
        """Takes ``by`` from the mask's positive elements."""
        with torch.no_grad():
            self.mask.sub_(by * (self.mask >= 0))


class Ternary(nn.Module):
    """Weights that are 0 where ``|W| < T``, else their sign, for comparison; ``|W|`` is what decays."""

    def __init__(self, shape: tuple[int, ...], generator: torch.Generator, threshold: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape, generator=generator) * 0.1)
        self.threshold = threshold

    def forward(self) -> Tensor:
        result: Tensor = _Ternary.apply(self.weight, self.threshold)
        return result

    def penalty(self) -> Tensor:
        """What decays: the sum of all magnitudes."""
        return self.weight.abs().sum()

    def shrink(self, by: float) -> None:
        """Takes ``by`` from all magnitudes, down to 0."""
        with torch.no_grad():
            self.weight.copy_(functional.softshrink(self.weight, by))


class Quantiser(nn.Module):
    """``floor(x / s)``, the integers that the network reads in place of pixels (EEV, eq. 2; the factor s belongs to the
    batch normalisation behind). Straight through: the gradient is that of ``x / s``."""

    def __init__(self, size: float) -> None:
        super().__init__()
        if not 0 < size <= 1:
            raise ValueError(f"the quantisation step must be above 0 and at most 1, not {size}")
        # Both are floats of single precision, so that the exported network has the same numbers.
        self.scale = float(torch.tensor(1 / size, dtype=torch.float32))
        self.highest = int(self.scale + NUDGE)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _Quantise.apply(x, self.scale, self.highest)
        return result


class Threshold(nn.Module):
    """Batch normalisation and a step. In evaluation it compares the integer sum ``u`` with a threshold between two
    integers, so that no rounding has a say: ``z = k (u - c)`` is positive exactly where the normalised sum is not
    negative, the statistics being what they are in double precision."""

    def __init__(self, channels: int, surrogate: Surrogate) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.surrogate = surrogate
        self.momentum = MOMENTUM

    def forward(self, u: Tensor) -> Tensor:
        if self.training:
            z = functional.batch_norm(u, self.mean, self.var, self.gamma, self.beta, True, self.momentum, EPSILON)
        else:
            k, c = self.slope_and_threshold()
            shape = (-1, *([1] * (u.dim() - 2)))
            z = k.view(shape) * (u - c.view(shape))
        return step(z, self.surrogate)

    def normalisation(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The factor and the term of every channel that normalise these sums, a batch in training."""
        variance, mean = torch.var_mean(u, [i for i in range(u.dim()) if i != 1], correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.var.lerp_(variance, self.momentum)
        k = self.gamma * (variance + EPSILON).rsqrt()
        return k, self.beta - k * mean

    def slope_and_threshold(self) -> tuple[Tensor, Tensor]:
        """``k`` and ``c`` per channel: the neuron is on where ``k (u - c) > 0``; ``c`` is half an odd integer."""
        with torch.no_grad():
            deviation = (self.var.double() + EPSILON).sqrt()
            k = self.gamma.double() / deviation
            is_flat = k.abs() < 1e-12
            ratio = torch.where(is_flat, torch.zeros_like(k), self.mean.double() - self.beta.double() / k)
            # On from the next integer up, or from the last one down.
            c = torch.where(k > 0, ratio.ceil() - 0.5, ratio.floor() + 0.5)
            constant = torch.where(self.beta.double() >= 0, -NEVER + 0.5, NEVER - 0.5)
            c = torch.where(is_flat, constant, c).clamp(-NEVER + 0.5, NEVER - 0.5)
            k = torch.where(is_flat, torch.ones_like(k), k)
            return k.float(), c.float()

    def bounds(self, weight: Tensor, highest: int) -> Tensor:
        """The bound of every channel as a sum of literals, ``y = (sum of l >= b)`` or ``<=`` (EEV, eq. 4): with a
        weight of -1 the literal is negated, which moves the bound by what such an input is at most."""
        negative = (-weight).clamp(min=0).flatten(1).sum(1) * highest
        deviation = (self.var + EPSILON).sqrt()
        small = torch.where(self.gamma >= 0, 1e-3, -1e-3)
        gamma = torch.where(self.gamma.abs() < 1e-3, small, self.gamma)
        bound: Tensor = negative + self.mean - self.beta * deviation / gamma
        return bound


class Scores(nn.Module):
    """The last batch normalisation, of the whole layer at once: one scale, and a shift that keeps the order of classes
    and is left out. In evaluation the scores are the integer sums times one number."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("var", torch.ones(1))
        self.momentum = MOMENTUM

    def forward(self, u: Tensor) -> Tensor:
        if self.training:
            flat = u.reshape(-1, 1)
            z = functional.batch_norm(flat, self.mean, self.var, self.gamma, None, True, self.momentum, EPSILON)
            return z.view(u.shape)
        return u * self.scale()

    def scale(self) -> Tensor:
        """The factor of the sums."""
        with torch.no_grad():
            return (self.gamma.double() / (self.var.double() + EPSILON).sqrt()).float()
