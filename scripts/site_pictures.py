"""Pictures of the domains, drawn from what the package certifies."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import absint

METHODS = {
    "interval": "#9aa0a6",
    "zonotope": "#e69f00",
    "deeppoly": "#56b4e9",
    "kpoly(k=1)": "#cc79a7",
    "kpoly(k=2)": "#009e73",
    "exact": "#000000",
}


def onnx_of(layers: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Affine layers with ReLU between, as an ONNX file."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, parameters, value = [], [], "x"
    for i, (weights, bias) in enumerate(layers):
        parameters += [numpy_helper.from_array(a.astype(np.float32), f"{n}{i}") for n, a in (("w", weights), ("b", bias))]
        nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], [f"z{i}"], transB=1, name=f"affine{i}"))
        value = f"z{i}"
        if i + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [value], [f"a{i}"], name=f"relu{i}"))
            value = f"a{i}"
    shape = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n])
    inputs, outputs = shape("x", layers[0][0].shape[1]), shape(value, layers[-1][0].shape[0])
    graph = helper.make_graph(nodes, "small", [inputs], [outputs], parameters)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def support(network, region, method: str, directions: np.ndarray) -> np.ndarray:
    """For each direction a certified upper bound of the outputs in it."""
    if method == "exact":
        return np.array([largest(network, region, d) for d in directions])
    result = absint.verify(
        network, region, unsafe=[(-d, -1e6) for d in directions], method=method, attack=False, all_margins=True
    )
    # The margin of -d·y ≤ -c is c − d·y, of which a lower bound is certified.
    return 1e6 - result.margins


def largest(network, region, direction: np.ndarray) -> float:
    """The largest value of a linear function of the outputs, by bisection with the exact search."""
    low, high = -20.0, 20.0
    while high - low > 0.01:
        middle = (low + high) / 2
        verdict = absint.verify(network, region, unsafe=(-direction, -middle), method="exact").verdict
        low, high = (low, middle) if verdict == "verified" else (middle, high)
    return high


def polygon(directions: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The corners of the intersection of half-planes whose normals go round in order."""
    corners = []
    for i, (d, h) in enumerate(zip(directions, heights)):
        for e, g in zip(np.roll(directions, -i - 1, 0), np.roll(heights, -i - 1)):
            matrix = np.array([d, e])
            if abs(np.linalg.det(matrix)) > 1e-9:
                corner = np.linalg.solve(matrix, [h, g])
                if (directions @ corner <= heights + 1e-6).all():
                    corners.append(corner)
    corners = np.array(corners)
    middle = corners.mean(0)
    return corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]))]


def outputs(path: Path) -> None:
    """What each method leaves of the plane of outputs."""
    dice = np.random.default_rng(7)
    sizes = [2, 8, 8, 2]
    layers = [(dice.normal(size=(m, n)) / n**0.5, 0.3 * dice.normal(size=m)) for n, m in zip(sizes, sizes[1:])]
    network = absint.Network.from_bytes(onnx_of(layers), "small")
    region = absint.box([-1, -1], [1, 1])
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    points = np.array([network.evaluate(x) for x in dice.uniform(-1, 1, (4000, 2))])
    figure, axes = plt.subplots(figsize=(7.5, 5.5))
    axes.scatter(*points.T, s=2, color="#c0c0c0", linewidth=0, rasterized=True)
    for method, colour in METHODS.items():
        chosen = directions[::4] if method == "exact" else directions
        corners = polygon(chosen, support(network, region, method, chosen))
        axes.fill(*corners.T, fill=False, edgecolor=colour, linewidth=1.6, label=method)
    axes.set(xlabel="output 0", ylabel="output 1")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def relu(path: Path) -> None:
    """Relaxations of one ReLU between its bounds."""
    low, high = -1.0, 1.6
    slope = high / (high - low)
    z = np.linspace(low, high, 200)
    shapes = {
        "interval": [(low, 0), (high, 0), (high, high), (low, high)],
        "zonotope": [(low, 0), (high, high), (high, slope * high), (low, slope * low)],
        "deeppoly": [(low, low), (high, high), (low, 0)],
        "triangle": [(low, 0), (0, 0), (high, high)],
    }
    figure, all_axes = plt.subplots(1, 4, figsize=(11, 2.6), sharey=True)
    for axes, (name, corners) in zip(all_axes, shapes.items()):
        axes.fill(*np.array(corners).T, color="#009e73", alpha=0.25)
        axes.plot(z, np.maximum(z, 0), color="black")
        axes.set(title=name, xlabel="z")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("relu(z)")
    figure.savefig(path, dpi=130, bbox_inches="tight")


def draw(folder: Path) -> None:
    """All pictures."""
    outputs(folder / "domains.png")
    relu(folder / "relu.png")
