"""The tables of Jia and Rinard 2020 on MNIST, beside what networks trained here reach: results/eev_table1.csv and so on.

python scripts/eev.py TABLE IMAGES [--epochs N] [--rows A,B] [--count N] [--timeout S] [--threads N] [--work FOLDER]

IMAGES holds train10k-images.idx3-ubyte, t10k-images.idx3-ubyte and their labels. Trained networks and verdicts stay in the
working folder, and what is there is not made again. Needs the package with PyTorch: pip install absint[torch].
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import sys
from pathlib import Path

import absint
from absint import bnn
from absint.bnn.training import tensors

RESULTS = Path(__file__).resolve().parents[1] / "results"

# The paper's natural, PGD and verifiable accuracy, seconds to build and to solve.
PAPER = {
    ("1", "ternary"): ["0.9759", "", "", "", "756.288"],
    ("1", "binmask"): ["0.9735", "", "", "", "0.002"],
    ("2", "cbd 0"): ["0.9888", "0.8923", "", "", "2442.698"],
    ("2", "cbd 1e-5"): ["0.9737", "0.8760", "", "", "32.776"],
    ("2", "cbd 1e-4"): ["0.9697", "0.8782", "0.6904", "", "0.009"],
    ("2", "cbd 5e-4"): ["0.9626", "0.8782", "0.7248", "", "0.005"],
    ("3", "hard_tanh"): ["0.3542", "0.2279", "0.1113", "", ""],
    ("3", "tanh"): ["0.3879", "0.2498", "0.1470", "", ""],
    ("3", "adaptive"): ["0.3517", "0.2469", "0.2008", "", ""],
    ("4", "conv-small eps 0.1"): ["0.9744", "0.9347", "0.8929", "0.0158", "0.0004"],
    ("4", "conv-small eps 0.3"): ["0.9431", "0.8070", "0.6642", "0.0140", "0.0006"],
}

# By table the settings of every row, and what differs from the paper besides the number of training images. The step of
# the quantiser is that of the authors' own runs: one threshold, so that few pixels can change.
CHEAP = {"architecture": "conv-small", "quantiser": 0.61, "decay": 0.0, "surrogate": "tanh", "steps": 0}
# Attacks go on where they ended an epoch before, moved by the training's own gradients.
CARRIED = CHEAP | {"carry": True, "shrink": 0.03, "rate": 1.5e-2}
BOUNDED = CHEAP | {"interval": 0.2, "rate": 6e-3}
PLAIN = CHEAP | {"shrink": 0.3, "rate": 3e-3, "eps": 0.0}
ROWS = {
    "1": {
        "ternary": PLAIN | {"weights": "ternary", "threshold": 0.05},
        "binmask": PLAIN,
    },
    "2": {f"cbd {eta}": BOUNDED | {"eps": 0.3, "cbd": float(eta)} for eta in ("0", "1e-5", "1e-4", "5e-4")},
    "3": {name: CARRIED | {"eps": 0.1, "steps": 1, "surrogate": name} for name in ("hard_tanh", "tanh", "adaptive")},
    "4": {
        "conv-small eps 0.1": CARRIED | {"eps": 0.1, "interval": 0.1},
        "conv-small eps 0.3": CARRIED | {"eps": 0.3, "interval": 0.2},
    },
}
BOUNDS = "tanh in place of adaptive cancelling; trained on interval bounds in place of PGD"
DIFFERS = {
    "1": "solved at eps 0.1, ties safe",
    "2": f"conv-small in place of conv-large; {BOUNDS}",
    "3": "conv-small on MNIST at eps 0.1 in place of conv-large on CIFAR10 at eps 8/255; attacks go on where they ended",
    "4": f"{BOUNDS}, at eps 0.1 on attacks by the training's own gradients as well",
}
MEASURED = ["natural", "pgd", "verified", "build_s", "solve_s"]


def made(work: Path, name: str, settings: dict, images: Path, asked: argparse.Namespace) -> tuple[bnn.Net, float, list]:
    """The trained network of a row, the seconds that it took, and its history."""
    config = bnn.Config(
        images=str(images / "train10k-images.idx3-ubyte"),
        test=str(images / "t10k-images.idx3-ubyte"),
        epochs=asked.epochs,
        threads=asked.threads,
        **settings,
    )
    net, history = bnn.train(config, checkpoint=work / f"{name}.checkpoint", resume=True)
    bnn.export(net, work / f"{name}.onnx")
    return net, sum(line["seconds"] for line in history), history


def row(table: str, name: str, settings: dict, asked: argparse.Namespace) -> dict:
    """Trains and measures one row."""
    work = Path(asked.work) / f"table{table}"
    work.mkdir(parents=True, exist_ok=True)
    label = name.replace(" ", "_")
    net, seconds, history = made(work, label, settings, Path(asked.images), asked)
    images, labels = absint.read_images(Path(asked.images) / "t10k-images.idx3-ubyte")
    natural = bnn.accuracy(net, *tensors(images, labels, net.shape))
    found = bnn.evaluate(
        net,
        images[: asked.count],
        labels[: asked.count],
        str(settings["eps"] or 0.1),
        timeout=asked.timeout,
        threads=asked.threads,
        out=work / f"{label}.jsonl",
        resume=True,
    )
    found["natural"] = natural
    last = history[-1]
    line = {"row": name}
    for column, paper in zip(MEASURED, PAPER[table, name]):
        line[column] = f"{found[column]:.4f}"
        line[f"{column}_paper"] = paper
    return line | {
        "solve_max_s": f"{found['solve_max_s']:.4f}",
        "falsified": f"{found['falsified']:.4f}",
        "unknown": found["unknown"],
        "images": found["images"],
        "sparsity": " ".join(f"{s:.2f}" for s in last["sparsity"]),
        "total_sparsity": f"{last['total_sparsity']:.3f}",
        "mean_bound": f"{last['mean_bound']:.1f}",
        "max_bound": f"{last['max_bound']:.1f}",
        "train_s": f"{seconds:.0f}",
        "settings": json.dumps(settings | {"epochs": asked.epochs}),
    }


def kept(out: Path, lines: list[dict]) -> list[dict]:
    """These rows, and those that the table has besides."""
    if not out.exists():
        return lines
    with open(out, newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = [line["row"] for line in lines]
    return [row for row in rows if row["row"] not in names and list(row) == list(lines[0])] + lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Tables of EEV.")
    parser.add_argument("table", choices=sorted(ROWS))
    parser.add_argument("images")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rows", help="only these rows, separated by commas; the table keeps its others")
    parser.add_argument("--count", type=int, help="attack and verify only the first so many test images")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--work", default="target/eev")
    asked = parser.parse_args()
    wanted = asked.rows.split(",") if asked.rows else list(ROWS[asked.table])
    out = RESULTS / f"eev_table{asked.table}.csv"
    for name in wanted:
        lines = kept(out, [row(asked.table, name, ROWS[asked.table][name], asked)])
        with open(out, "w", newline="") as file:
            machine = f"{platform.machine()}, {os.cpu_count()} cores, {asked.threads} threads"
            file.write(f"# {datetime.date.today()}, {machine}, absint {absint.__version__}\n")
            limits = f"--epochs {asked.epochs} --count {asked.count} --timeout {asked.timeout:g} --threads {asked.threads}"
            file.write(f"# python scripts/eev.py {asked.table} IMAGES {limits}\n")
            file.write(f"# differs from the paper: 10,000 training images, {DIFFERS[asked.table]}\n")
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
