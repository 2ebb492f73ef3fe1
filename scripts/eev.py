"""The tables of Jia and Rinard 2020 on MNIST, beside what networks trained here reach: results/eev_table1.csv and so on.

python scripts/eev.py TABLE IMAGES [--seed N] [--rows A,B] [--count N] [--timed N] [--timeout S] [--threads N] [--work FOLDER]

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

# The paper's natural, PGD and verifiable accuracy, seconds to build and to solve, and mean and largest cardinality bound.
PAPER = {
    "1": {
        "ternary": ["0.9759", "", "", "", "756.288", "", ""],
        "binmask": ["0.9735", "", "", "", "0.002", "", ""],
    },
    "2": {
        "cbd 0": ["0.9888", "0.8923", "", "", "2442.698", "148.3", "364.0"],
        "cbd 1e-5": ["0.9737", "0.8760", "", "", "32.776", "4.3", "15.1"],
        "cbd 1e-4": ["0.9697", "0.8782", "0.6904", "", "0.009", "3.2", "9.0"],
        "cbd 5e-4": ["0.9626", "0.8782", "0.7248", "", "0.005", "2.7", "6.8"],
    },
    "3": {
        "hard_tanh": ["0.3542", "0.2279", "0.1113", "", "", "", ""],
        "tanh": ["0.3879", "0.2498", "0.1470", "", "", "", ""],
        "adaptive": ["0.3517", "0.2469", "0.2008", "", "", "", ""],
    },
    "4": {
        "conv-small eps 0.1": ["0.9744", "0.9347", "0.8929", "0.0158", "0.0004", "", ""],
        "conv-small eps 0.3": ["0.9431", "0.8070", "0.6642", "0.0140", "0.0006", "", ""],
        "conv-large eps 0.1": ["0.9746", "0.9547", "0.9168", "0.1090", "0.0025", "", ""],
        "conv-large eps 0.3": ["0.9636", "0.8790", "0.7759", "0.1140", "0.0039", "", ""],
    },
}
# Test accuracy, mean seconds to solve and the attack's success of table 5.
PAPER_ENSEMBLE = {
    "small": ["0.9431", "0.001", "0.3358"],
    "large": ["0.9636", "0.004", "0.2241"],
    "small + large": ["0.9332", "0.003", "0.1721"],
}

# By table the settings of every row, and what differs from the paper besides the number of training images. The step of
# the quantiser is that of the authors' own runs: one threshold, so that few pixels can change. Where nothing is trained
# against attacks it is twice the radius, as their text has it: with one threshold no network is hard.
CHEAP = {"architecture": "conv-small", "quantiser": 0.61, "decay": 0.0, "surrogate": "tanh", "steps": 0, "epochs": 8}
# Attacks go on where they ended an epoch before, moved by the training's own gradients.
CARRIED = CHEAP | {"carry": True, "shrink": 0.03, "rate": 1.5e-2}
SMALL = CARRIED | {"epochs": 12}
# Intervals lose precision in every layer: with fewer zeros or a smaller share bounds decide next to nothing here, and where
# the radius grows fast as well. The row at 0.3 is not measured.
LARGE = CARRIED | {"architecture": "conv-large", "rate": 1e-2, "epochs": 8, "shrink": 0.15}
PLAIN = CHEAP | {"quantiser": 0.2, "rate": 1e-2, "eps": 0.0}
TERNARY = PLAIN | {"weights": "ternary", "threshold": 0.05}
ROWS = {
    "1": {
        "ternary": TERNARY | {"decay": 1e-5},
        "ternary shrink": TERNARY | {"shrink": 0.1},
        "binmask": PLAIN | {"shrink": 0.12},
        "binmask decay": PLAIN | {"decay": 1e-5},
    },
    "2": {f"cbd {eta}": CARRIED | {"eps": 0.3, "cbd": float(eta)} for eta in ("0", "1e-5", "1e-4", "5e-4")},
    "3": {name: CARRIED | {"eps": 0.1, "steps": 1, "surrogate": name} for name in ("hard_tanh", "tanh", "adaptive")},
    "4": {
        "conv-small eps 0.1": SMALL | {"eps": 0.1, "interval": 0.1},
        "conv-small eps 0.3": SMALL | {"eps": 0.3, "interval": 0.2},
        "conv-large eps 0.1": LARGE | {"eps": 0.1, "interval": 0.2, "shrink": 0.12, "epochs": 12},
        "conv-large eps 0.3": LARGE | {"eps": 0.3, "interval": 0.5, "shrink": 0.12, "epochs": 12, "warmup": 1.0},
    },
}
# Networks of table 4 that table 5 puts side by side: by the name of each its row there, and its seed.
MEMBERS = {
    "small": ("conv-small eps 0.3", 0),
    "small 1": ("conv-small eps 0.3", 1),
    "small 2": ("conv-small eps 0.3", 2),
    "large": ("conv-large eps 0.3", 0),
}
ENSEMBLES = ["small", "small 1", "small 2", "large", "small + small 1", "small + small 1 + small 2", "small + large"]
BOUNDS = "tanh in place of adaptive cancelling; trained on interval bounds and attacks by the training's own gradients"
DIFFERS = {
    "1": "step 0.2; decay in the loss, but in the rows binmask and ternary shrink what all layers lose alike (shrink)",
    "2": "conv-small in place of conv-large; attacks by the training's own gradients in place of PGD",
    "3": "conv-small on MNIST at eps 0.1 in place of conv-large on CIFAR10 at eps 8/255; attacks go on where they ended",
    "4": f"{BOUNDS} in place of PGD",
    "5": f"members as in table 4: {BOUNDS} in place of PGD; also ensembles of conv-small alone, of several seeds",
}
MEASURED = ["natural", "pgd", "verified", "build_s", "solve_s", "mean_bound", "max_bound"]


def made(work: Path, name: str, settings: dict, images: Path, asked: argparse.Namespace) -> tuple[bnn.Net, list]:
    """The trained network of a row, and its history."""
    config = bnn.Config(
        images=str(images / "train10k-images.idx3-ubyte"),
        test=str(images / "t10k-images.idx3-ubyte"),
        threads=asked.threads,
        **settings,
    )
    net, history = bnn.train(config, checkpoint=work / f"{name}.checkpoint", resume=True)
    bnn.export(net, work / f"{name}.onnx")
    return net, history


def settings_of(table: str, name: str, seed: int) -> tuple[str, dict]:
    """What a row is called that was trained with this seed, and its settings."""
    settings = ROWS[table][name]
    return (f"{name} seed {seed}", settings | {"seed": seed}) if seed else (name, settings)


def row(table: str, name: str, asked: argparse.Namespace) -> dict:
    """Trains and measures one row."""
    work = Path(asked.work) / f"table{table}"
    work.mkdir(parents=True, exist_ok=True)
    paper = PAPER[table].get(name, [""] * len(MEASURED))
    name, settings = settings_of(table, name, asked.seed)
    label = name.replace(" ", "_")
    net, history = made(work, label, settings, Path(asked.images), asked)
    images, labels = absint.read_images(Path(asked.images) / "t10k-images.idx3-ubyte")
    natural = bnn.accuracy(net, *tensors(images, labels, net.shape))
    eps = str(settings["eps"] or 0.1)
    limits = {"timeout": asked.timeout, "threads": asked.threads, "resume": True}
    part = (images[: asked.count], labels[: asked.count])
    verdicts = f"{label}-{len(part[0])}"
    found = bnn.evaluate(net, *part, eps, timed=asked.timed, out=work / f"{verdicts}.jsonl", **limits)
    last = history[-1]
    found |= {"natural": natural, "mean_bound": last["mean_bound"], "max_bound": last["max_bound"]}
    line = {"row": name}
    for column, published in zip(MEASURED, paper):
        line[column] = f"{found[column]:.{1 if 'bound' in column else 4}f}"
        line[f"{column}_paper"] = published
    return line | {
        "verified_ties_unsafe": f"{found['verified_ties_unsafe']:.4f}",
        "falsified": f"{found['falsified']:.4f}",
        "unknown": found["unknown"],
        "images": found["images"],
        "timed": found["timed"],
        "solve_max_s": f"{found['solve_max_s']:.4f}",
        "cpu_s": f"{found['cpu_s']:.4f}",
        "timeout_s": f"{asked.timeout:g}",
        "sparsity": " ".join(f"{s:.2f}" for s in last["sparsity"]),
        "total_sparsity": f"{last['total_sparsity']:.3f}",
        "train_cpu_s": f"{sum(line['cpu_seconds'] for line in history):.0f}",
        "settings": json.dumps(settings),
    }


def ensemble_row(name: str, asked: argparse.Namespace) -> dict:
    """Measures one network of table 5, or several side by side."""
    work = Path(asked.work) / "table4"
    nets = []
    for member in name.split(" + "):
        trained, settings = settings_of("4", *MEMBERS[member])
        nets.append(made(work, trained.replace(" ", "_"), settings, Path(asked.images), asked)[0])
    images, labels = absint.read_images(Path(asked.images) / "t10k-images.idx3-ubyte")
    out = Path(asked.work) / f"{name.replace(' ', '_')}-{asked.timeout:g}.jsonl"
    limits = {"count": asked.count, "timeout": asked.timeout, "threads": asked.threads, "out": out, "resume": True}
    found = bnn.evaluate_ensemble(nets, images, labels, "0.3", timed=asked.count or len(images), **limits)
    line = {"row": name}
    for column, published in zip(["natural", "solve_s", "attacked"], PAPER_ENSEMBLE.get(name, [""] * 3)):
        line[column] = f"{found[column]:.4f}"
        line[f"{column}_paper"] = published
    columns = ["rejected", "build_s", "solve_max_s"]
    line |= {column: f"{found[column]:.4f}" for column in columns}
    return line | {"unknown": found["unknown"], "images": found["images"], "timeout_s": f"{asked.timeout:g}"}


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
    parser.add_argument("table", choices=[*ROWS, "5"])
    parser.add_argument("images")
    parser.add_argument("--seed", type=int, default=0, help="of the training; rows of another seed than 0 are named by it")
    parser.add_argument("--rows", help="only these rows, separated by commas; the table keeps its others")
    parser.add_argument("--count", type=int, help="attack and verify only the first so many test images")
    parser.add_argument("--timed", type=int, default=40, help="measure times on the first so many of them")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--work", default="target/eev")
    asked = parser.parse_args()
    is_ensemble = asked.table == "5"
    wanted = asked.rows.split(",") if asked.rows else ENSEMBLES if is_ensemble else list(ROWS[asked.table])
    out = RESULTS / f"eev_table{asked.table}.csv"
    for name in wanted:
        lines = kept(out, [ensemble_row(name, asked) if is_ensemble else row(asked.table, name, asked)])
        lines.sort(key=lambda line: line["row"])
        with open(out, "w", newline="") as file:
            machine = f"{platform.machine()}, {os.cpu_count()} cores, {asked.threads} threads"
            file.write(f"# {datetime.date.today()}, {machine}, absint {absint.__version__}\n")
            file.write(f"# python scripts/eev.py {asked.table} IMAGES --threads {asked.threads}, and by row --seed, ")
            file.write("--count IMAGES, --timed, --timeout as its columns say\n")
            file.write(f"# differs from the paper: 10,000 training images, {DIFFERS[asked.table]}\n")
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
