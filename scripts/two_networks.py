"""Measures what is proved of two networks over one region, and writes results/two_networks.csv.

python scripts/two_networks.py target/release/absint [--before OTHER] [--only NAME] [--out results/two_networks.csv]

Needs numpy and onnx, and for some cases public networks in a folder that ABSINT_DATA names. Equivalence: by how much the outputs of a network and of its copy with rounded weights can differ,
the least bound that each method proves, to 5 %, and the largest difference that sampling finds. Monotonicity: how fast the
output of a network may fall while one input rises, the rest being equal. --before names a binary to be measured beside.
Rows that are not measured again stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]
METHODS = ["deeppoly", "kpoly(k=2)", "auto"]
TIMEOUT = 3


def write(layers: list[tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Dense layers with ReLUs between them."""
    nodes, parameters, last = [], [], "x"
    for i, (weight, bias) in enumerate(layers):
        parameters += [numpy_helper.from_array(weight, f"w{i}"), numpy_helper.from_array(bias, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"], transB=1))
        last = f"z{i}"
        if i + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [last], [f"y{i}"]))
            last = f"y{i}"
    ports = [(["x"], layers[0][0].shape[1]), ([last], layers[-1][0].shape[0])]
    inputs, outputs = ([helper.make_tensor_value_info(n[0], TensorProto.FLOAT, [1, s])] for n, s in ports)
    model = helper.make_model(helper.make_graph(nodes, "n", inputs, outputs, parameters))
    model.opset_import[0].version, model.ir_version = 13, 8
    onnx.save(model, path)


def read(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The dense layers of a file, in order."""
    found = [numpy_helper.to_array(t).astype(np.float32) for t in onnx.load(path).graph.initializer]
    weights, biases = ([t for t in found if t.ndim == n] for n in (2, 1))
    transposed = [w if w.shape[0] == b.size else w.T for w, b in zip(weights, biases, strict=True)]
    return list(zip(transposed, biases, strict=True))


def evaluate(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T.astype(float) + bias
        x = np.maximum(x, 0) if i + 1 < len(layers) else x
    return x


def random_layers(rng: np.random.Generator, sizes: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = zip(sizes, sizes[1:], strict=False)
    return [
        ((rng.normal(size=(m, n)) * (2 / n) ** 0.5).astype(np.float32), (rng.normal(size=m) * 0.1).astype(np.float32))
        for n, m in pairs
    ]


def growing_layers(rng: np.random.Generator, sizes: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The output rises with the first input: no weight is negative on the way from it."""
    layers = random_layers(rng, sizes)
    layers[0][0][:, 0] = np.abs(layers[0][0][:, 0])
    return [layers[0], *((np.abs(w) / len(w[0]) ** 0.5, b) for w, b in layers[1:])]


class Case:
    """Two networks, a box, and a query with one number."""

    def __init__(self, folder: Path, name: str, f: list, g: list, lower: np.ndarray, upper: np.ndarray) -> None:
        self.folder, self.name, self.f, self.g, self.lower, self.upper = folder, name, f, g, lower, upper
        write(f, folder / "f.onnx")
        write(g, folder / "g.onnx")
        self.n, self.m = f[0][0].shape[1], f[-1][0].shape[0]

    def points(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(self.lower, self.upper, size=(200_000 // self.n, self.n))

    def declared(self, relation: str = "") -> list[str]:
        n, m = self.n, self.m
        box = [
            f"(assert (and (<= {lo!r} X[0,{i}] {hi!r}) (<= {lo!r} A[0,{i}] {hi!r})))"
            for i, (lo, hi) in enumerate(zip(self.lower.tolist(), self.upper.tolist(), strict=True))
        ]
        f = f"(declare-network f (declare-input X real [1,{n}]) (declare-output Y real [1,{m}]))"
        g = f"(declare-network g {relation} (declare-input A real [1,{n}]) (declare-output B real [1,{m}]))"
        return ["(vnnlib-version <2.0>)", f, g, *box]

    def proved(self, binary: str, method: str, delta: float) -> bool:
        (self.folder / "q.vnnlib").write_text("\n".join(self.query(delta)))
        networks = ["--network", f"f={self.folder}/f.onnx", "--network", f"g={self.folder}/g.onnx"]
        command = [binary, "verify", f"{self.folder}/q.vnnlib", *networks, "--domain", method, "--timeout", str(TIMEOUT)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
        return answer == "unsat"

    def query(self, delta: float) -> list[str]:
        raise NotImplementedError

    def sampled(self, rng: np.random.Generator) -> float:
        raise NotImplementedError


class Equivalence(Case):
    """Whether some output differs by `delta`."""

    def query(self, delta: float) -> list[str]:
        same = [f"(assert (== X[0,{i}] A[0,{i}]))" for i in range(self.n)]
        either = [f"(>= (- Y[0,{j}] B[0,{j}]) {delta!r}) (>= (- B[0,{j}] Y[0,{j}]) {delta!r})" for j in range(self.m)]
        return [*self.declared(), *same, f"(assert (or {' '.join(either)}))"]

    def sampled(self, rng: np.random.Generator) -> float:
        x = self.points(rng)
        return float(np.abs(evaluate(self.f, x) - evaluate(self.g, x)).max())


class Monotonicity(Case):
    """Whether the output falls by `delta` while the first input rises, the others being equal."""

    def query(self, delta: float) -> list[str]:
        same = [f"(assert (== X[0,{i}] A[0,{i}]))" for i in range(1, self.n)]
        rises = "(assert (>= A[0,0] X[0,0]))"
        return [*self.declared("(isomorphic-to f)"), *same, rises, f"(assert (>= (- Y[0,0] B[0,0]) {delta!r}))"]

    def sampled(self, rng: np.random.Generator) -> float:
        x = self.points(rng)
        a = x.copy()
        a[:, 0] = rng.uniform(x[:, 0], self.upper[0])
        return float((evaluate(self.f, x) - evaluate(self.g, a)).max())


def least(case: Case, binary: str, method: str, start: float) -> tuple[float, float]:
    """The least number that is proved, to 5 %, and the seconds that the last proof took."""
    low, high, seconds = start, None, float("nan")
    while high is None or high - low > 0.05 * high:
        delta = 2 * low if high is None else (low + high) / 2
        if high is None and delta > 1e3 * start:
            return float("inf"), float("nan")
        begin = time.perf_counter()
        if case.proved(binary, method, delta):
            high, seconds = delta, time.perf_counter() - begin
        else:
            low = delta
    return high, seconds


def cases(folder: Path) -> list[Case]:
    rng = np.random.default_rng(1)
    half = lambda layers: [(w.astype(np.float16).astype(np.float32), b) for w, b in layers]
    pruned = lambda layers: [(np.where(np.abs(w) < 0.02, 0, w).astype(np.float32), b) for w, b in layers]
    moved = lambda layers: [((w + rng.normal(size=w.shape) * 1e-3).astype(np.float32), b) for w, b in layers]
    found: list[Case] = []

    def add(kind: type[Case], name: str, f: list, g: list, lower: np.ndarray, upper: np.ndarray) -> None:
        place = folder / str(len(found))
        place.mkdir()
        found.append(kind(place, name, f, g, lower, upper))

    digits = read(ROOT / "networks" / "digits_mlp.onnx")
    table = np.loadtxt(ROOT / "networks" / "digits.csv", delimiter=",", skiprows=1298, max_rows=1)
    image = table[1:] / 255
    for eps in (0.02, 0.1):
        lower, upper = np.clip(image - eps, 0, 1), np.clip(image + eps, 0, 1)
        add(Equivalence, f"digits_mlp, weights in float16, eps {eps}", digits, half(digits), lower, upper)
        add(Equivalence, f"digits_mlp, weights below 0.02 pruned, eps {eps}", digits, pruned(digits), lower, upper)
    small = random_layers(rng, [4, 20, 20, 20, 1])
    add(Equivalence, "random 4-20-20-20-1, weights moved by 1e-3", small, moved(small), -np.ones(4), np.ones(4))
    deep = random_layers(rng, [10, 50, 50, 50, 50, 2])
    add(Equivalence, "random 10-50-50-50-50-2, weights moved by 1e-3", deep, moved(deep), -np.ones(10), np.ones(10))
    rising = growing_layers(rng, [4, 20, 20, 1])
    add(Monotonicity, "rising 4-20-20-1", rising, rising, -np.ones(4), np.ones(4))
    free = random_layers(rng, [4, 20, 20, 1])
    add(Monotonicity, "random 4-20-20-1", free, free, -np.ones(4), np.ones(4))
    wide = random_layers(rng, [30, 40, 40, 40, 2])
    add(Equivalence, "random 30-40-40-40-2, weights moved by 1e-3", wide, moved(wide), -np.ones(30) / 10, np.ones(30) / 10)
    if data := os.environ.get("ABSINT_DATA"):
        trained = read(Path(data, "kpoly_nets", "mnist_6_100.onnx"))
        pixels = np.loadtxt(Path(data, "images", "mnist_test_1000.csv"), delimiter=",", max_rows=1)[1:] / 255
        for eps in (0.01, 0.02):
            lower, upper = np.clip(pixels - eps, 0, 1), np.clip(pixels + eps, 0, 1)
            add(Equivalence, f"mnist_6_100, weights in float16, eps {eps}", trained, half(trained), lower, upper)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--before")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "two_networks.csv")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    arguments = parser.parse_args()
    binaries = [("now", arguments.binary)] + ([("before", arguments.before)] if arguments.before else [])
    rows = {}
    if arguments.out.exists():
        lines = (line for line in arguments.out.read_text().splitlines() if not line.startswith("#"))
        rows = {tuple(row[:3]): row for row in list(csv.reader(lines))[1:]}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(Path(folder)):
            if arguments.only not in case.name:
                continue
            sampled = case.sampled(np.random.default_rng(2))
            start = max(sampled, 1e-6) / 2
            for method in METHODS:
                for when, binary in binaries:
                    bound, seconds = least(case, binary, method, start)
                    row = [case.name, method, when, f"{sampled:.6g}", f"{bound:.6g}", f"{seconds:.2f}"]
                    rows[tuple(row[:3])] = row
                    print(*row, sep=", ", file=sys.stderr, flush=True)
                    save(list(rows.values()), arguments.out)


def save(rows: list[list[str]], out: Path) -> None:
    with out.open("w", newline="") as file:
        command = "python scripts/two_networks.py target/release/absint [--before OTHER]"
        file.write(f"# {datetime.date.today()}, {platform.machine()}, beside other work, {TIMEOUT} s a query: {command}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["networks", "method", "when", "sampled", "proved", "seconds"])
        writer.writerows(sorted(rows))


if __name__ == "__main__":
    main()
