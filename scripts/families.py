"""Measures time and memory on small networks of the field's families, and writes results/families.csv.

mkdir families && ABSINT_WRITE_FAMILIES=$PWD/families cargo test --release --test products families_are_written
python scripts/families.py target/release/absint families [--out results/families.csv]

The test writes the networks, each with a query that no input answers and one that some do, as bisection by interval
arithmetic in two dimensions shows. Ends with status 1 where an answer is wrong. Runs where there is wait4 (Linux, macOS).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

METHODS = ["deeppoly", "kpoly(k=2)", "exact", "auto"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "families.csv")
    arguments = parser.parse_args()
    rows, wrong = [], False
    for network in sorted(arguments.folder.glob("*.onnx")):
        for expected in ["unsat", "sat"]:
            for method in METHODS:
                query = network.with_suffix(f".{expected}.vnnlib")
                command = [arguments.binary, "verify", query, "--network", network, "--domain", method, "--timeout", "60"]
                start = time.perf_counter()
                with subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.PIPE, text=True) as run:
                    answer = (run.stdout.read() if run.stdout else "").split()[0]
                    # What it used is told once, to whoever waits for it.
                    _, _, usage = os.wait4(run.pid, 0)
                    run.returncode = 0
                seconds, mib = time.perf_counter() - start, usage.ru_maxrss / 1024
                wrong |= answer not in (expected, "unknown") or method in ("exact", "auto") and answer != expected
                rows.append([network.stem.replace("_", " "), expected, method, answer, f"{seconds:.3f}", f"{mib:.1f}"])
                print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
    with arguments.out.open("w", newline="") as file:
        made = "python scripts/families.py target/release/absint families"
        # A process begins with what the one that starts it has used.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        file.write(f"# {datetime.date.today()}, {platform.machine()}, one thread, beside other work: {made}; ")
        file.write(f"{own:.1f} MiB are those of the Python that starts it: no more was used\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["family", "expected", "method", "answer", "seconds", "peak_mib"])
        writer.writerows(rows)
    sys.exit(wrong)


if __name__ == "__main__":
    main()
