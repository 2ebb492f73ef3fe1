"""Measures what the planes of MaxPool's convex hull gain, and writes results/maxpool.csv.

python scripts/maxpool.py target/release/absint [--before OTHER] [--out results/maxpool.csv]

Needs numpy and onnx. Random networks of 12 × 12 inputs with convolutions, ReLUs and MaxPools and a hidden layer; the bound
that each method proves of the difference of two outputs over a ball, and its seconds, means over the seeds. --before names a
binary to be measured beside.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METHODS = ["interval", "deeppoly"]
# Channels, kernel, window, stride of each layer.
NETWORKS = {
    "one 2x2": [(4, 3, 2, 2)],
    "two 2x2": [(4, 3, 2, 2), (6, 2, 2, 2)],
    "one 3x3, stride 2": [(4, 3, 3, 2)],
    "3x3, stride 2, and 2x2, stride 1": [(4, 3, 3, 2), (6, 2, 2, 1)],
}
RADII, SEEDS, SIDE, OUTPUTS, FAR = [0.01, 0.03, 0.1], 4, 12, 5, 1000.0


def write(path: Path, seed: int, layers: list[tuple[int, int, int, int]]) -> None:
    """A network with random weights."""
    rng = np.random.default_rng(seed)
    nodes, parameters, last, shape = [], [], "x", [1, SIDE, SIDE]

    def weights(name: str, size: tuple[int, ...]) -> list[str]:
        weight = rng.normal(size=size) * np.sqrt(2 / np.prod(size[1:]))
        arrays = {f"w{name}": weight, f"b{name}": rng.normal(size=size[0]) * 0.1}
        parameters.extend(numpy_helper.from_array(a.astype(np.float32), key) for key, a in arrays.items())
        return list(arrays)

    for i, (channels, kernel, window, stride) in enumerate(layers):
        own = weights(f"c{i}", (channels, shape[0], kernel, kernel))
        nodes.append(helper.make_node("Conv", [last, *own], [f"c{i}"], kernel_shape=[kernel] * 2))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        pool = {"kernel_shape": [window] * 2, "strides": [stride] * 2}
        nodes.append(helper.make_node("MaxPool", [f"r{i}"], [f"p{i}"], **pool))
        side = (shape[1] - kernel + 1 - window) // stride + 1
        last, shape = f"p{i}", [channels, side, side]
    nodes.append(helper.make_node("Flatten", [last], ["f"]))
    nodes.append(helper.make_node("Gemm", ["f", *weights("h", (30, int(np.prod(shape))))], ["z"], transB=1))
    nodes.append(helper.make_node("Relu", ["z"], ["h"]))
    nodes.append(helper.make_node("Gemm", ["h", *weights("o", (OUTPUTS, 30))], ["y"], transB=1))
    ports = [("x", [1, 1, SIDE, SIDE]), ("y", [1, OUTPUTS])]
    inputs, outputs = ([helper.make_tensor_value_info(n, TensorProto.FLOAT, s)] for n, s in ports)
    model = helper.make_model(helper.make_graph(nodes, "n", inputs, outputs, parameters))
    model.opset_import[0].version, model.ir_version = 13, 8
    onnx.save(model, path)


def ask(path: Path, seed: int, radius: float) -> None:
    """A query that every method decides: output 0 is less than output 1 by a large number."""
    centre = np.random.default_rng(seed + 1000).uniform(size=SIDE * SIDE)
    lines = [f"(declare-const X_{i} Real)" for i in range(centre.size)]
    lines += [f"(declare-const Y_{i} Real)" for i in range(OUTPUTS)]
    lines += [f"(assert (<= X_{i} {x + radius}))(assert (>= X_{i} {x - radius}))" for i, x in enumerate(centre.tolist())]
    path.write_text("\n".join([*lines, f"(assert (<= (+ Y_0 {FAR}) Y_1))"]))


def bound(binary: str, folder: Path, method: str) -> tuple[float, float]:
    """The proved bound and the seconds it took."""
    command = [binary, "analyze", folder / "n.onnx", "--vnnlib", folder / "q.vnnlib", "--domain", method]
    start = time.perf_counter()
    run = subprocess.run([*command, "--threads", "1", "--format", "json"], capture_output=True, text=True, check=False)
    return json.loads(run.stdout)["margins"][0]["bound"] - FAR, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--before")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "maxpool.csv")
    arguments = parser.parse_args()
    binaries = [("before", arguments.before)] if arguments.before else []
    binaries.append(("now", arguments.binary))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network, layers in NETWORKS.items():
            for radius in RADII:
                found: dict[tuple[str, str], list[tuple[float, float]]] = {}
                for seed in range(SEEDS):
                    write(folder / "n.onnx", seed, layers)
                    ask(folder / "q.vnnlib", seed, radius)
                    for method in METHODS:
                        for when, binary in binaries:
                            found.setdefault((method, when), []).append(bound(binary, folder, method))
                for (method, when), of_seeds in found.items():
                    mean, seconds = np.mean(of_seeds, axis=0)
                    rows.append([network, radius, method, when, f"{mean:.4f}", f"{seconds:.3f}"])
                    print(*rows[-1])
    today, machine = datetime.date.today().isoformat(), platform.machine()
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {today}, {machine}, one thread, beside other work: python scripts/maxpool.py target/release/absint --before OTHER\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "radius", "method", "when", "bound", "seconds"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
