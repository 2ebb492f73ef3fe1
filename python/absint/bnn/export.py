"""Trained networks as ONNX files: sums of integers, compared with thresholds between integers, so that whoever executes the
file computes the same as PyTorch, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from absint.bnn.layers import NUDGE
from absint.bnn.network import Conv, Net

if TYPE_CHECKING:
    import absint


class _Graph:
    """Nodes in a row, and the constants that they read."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "x"

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weights(self, weights: Any) -> str:
        """Weights of -1, 0 and 1, as bytes that the file turns into floats."""
        from onnx import TensorProto, helper

        name = f"w{len(self.constants)}"
        self.nodes.append(helper.make_node("Cast", [self.constant(weights)], [name], to=TensorProto.FLOAT))
        return name

    def node(self, operator: str, *constants: Any, output: str | None = None, **attributes: Any) -> None:
        """``operator`` on the last result and these constants, or what has these names."""
        from onnx import helper

        names = [value if isinstance(value, str) else self.constant(value) for value in constants]
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self.last, *names], [output], **attributes))
        self.last = output


def to_onnx(net: Net | Sequence[Net]) -> bytes:
    """The network as it computes in evaluation: input ``x`` of shape [1, channels, height, width] from 0 to 1, output
    ``scores``. Of several networks, which must read the same steps, the scores one after another."""
    import numpy as np
    from onnx import TensorProto, helper

    members = [net] if isinstance(net, Net) else list(net)
    quantiser, shape = members[0].quantiser, members[0].shape
    if any((member.quantiser.scale, member.shape) != (quantiser.scale, shape) for member in members):
        raise ValueError("networks side by side need inputs of one shape and quantisers of one step")
    graph = _Graph()
    graph.node("Mul", np.float32(quantiser.scale))
    graph.node("Add", np.float32(NUDGE))
    graph.node("Clip", np.float32(0), np.float32(quantiser.highest))
    graph.node("Floor")
    steps, scores = graph.last, []
    for number, member in enumerate(members, 1):
        graph.last = steps
        scores.append("scores" if len(members) == 1 else f"scores{number}")
        with torch.no_grad():
            _layers(graph, member, scores[-1])
    if len(members) > 1:
        graph.nodes.append(helper.make_node("Concat", scores, ["scores"], axis=1))
    classes = sum(member.last.weights().shape[0] for member in members)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bnn",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, classes])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="absint.bnn",
    )
    model.ir_version = 8
    content: bytes = model.SerializeToString()
    return content


def _layers(graph: _Graph, net: Net, output: str) -> None:
    """What a network makes of the steps that the graph ends in."""
    import numpy as np
    from onnx import TensorProto

    is_flat = False
    for sums, threshold in zip(net.sums, net.thresholds):
        k, c = threshold.slope_and_threshold()
        # k (u - c) > 0 with the sign of k in the weights: an integer sum from a threshold up.
        signs = torch.where(k > 0, 1.0, -1.0)
        weights = sums.weights()
        weights = (weights * signs.view(-1, *([1] * (weights.dim() - 1)))).numpy().astype(np.int8)
        at = (signs * c + 0.5).numpy().astype(np.float32)
        if isinstance(sums, Conv):
            graph.node(
                "Conv",
                graph.weights(weights),
                kernel_shape=list(weights.shape[2:]),
                strides=[sums.stride] * 2,
                pads=[sums.padding] * 4,
            )
            at = at.reshape(-1, 1, 1)
        else:
            if not is_flat:
                graph.node("Flatten")
                is_flat = True
            graph.node("MatMul", graph.weights(np.ascontiguousarray(weights.T)))
        graph.node("GreaterOrEqual", at)
        graph.node("Cast", to=TensorProto.FLOAT)
    if not is_flat:
        graph.node("Flatten")
    last = net.last.weights().numpy().astype(np.int8)
    graph.node("MatMul", graph.weights(np.ascontiguousarray(last.T)))
    graph.node("Mul", np.float32(net.scores.scale().item()), output=output)


def export(net: Net | Sequence[Net], path: str | PathLike[str]) -> None:
    """Writes :func:`to_onnx` into a file."""
    Path(path).write_bytes(to_onnx(net))


def network_of(net: Net | Sequence[Net], name: str = "bnn") -> absint.Network:
    """The network as absint reads it, without a file."""
    import absint

    return absint.Network.from_bytes(to_onnx(net), name)
