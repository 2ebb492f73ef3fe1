"""Runs the reference suite of VNN-LIB 2.0 against the program and writes the table of docs/vnnlib.md.

python scripts/vnnlib_satisfactory.py target/release/absint [--timeout 5] [--write]

Needs Python 3.11 and the suite: pip install vnnlib-satisfactory. Every test is run as its query declares its types, and
once more with --arithmetic real. Ends with status 1 where an answer is wrong.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "vnnlib.md"
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"
CHECKS = ["opset", "vnnlib", "serialise-assignments"]


def suite(*arguments: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Runs the suite's program with these arguments in a folder."""
    program = Path(sys.executable).with_name("vnnlib-satisfactory")
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def report(solver: Path, timeout: float) -> dict:
    """The suite's report about a program."""
    with tempfile.TemporaryDirectory() as folder:
        run = suite("run", "--solver", str(solver), "--timeout", str(timeout), folder=folder)
        path = Path(folder, ".vnnlib-satisfactory", "report.json")
        if not path.exists():
            sys.exit(f"the suite wrote no report: {run.stdout}{run.stderr}")
        for check in CHECKS:
            checked = suite("compliance", check, "--solver", str(solver), folder=folder)
            if checked.returncode != 0:
                sys.exit(f"compliance {check}: {checked.stdout}{checked.stderr}")
        return json.loads(path.read_text())


def outcome(result: dict) -> str:
    """The outcome of a test; the suite counts what runs out of time as an error."""
    timed_out = result["outcome"] == "error" and (result["error"] or "").startswith("Timed out")
    return "timeout" if timed_out else result["outcome"]


def counts(report: dict) -> dict[str, collections.Counter]:
    """How often each category has each outcome."""
    found: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for result in report["results"]:
        found[result["category"]][outcome(result)] += 1
    for skipped in report["skipped"]:
        found[skipped["category"]]["skip"] += 1
    return found


def words(counter: collections.Counter) -> str:
    """The outcomes of a category, passed ones first."""
    names = {"pass": "passed", "skip": "declared unsupported", "suspect": "unknown", "timeout": "out of time"}
    names |= {"fail": "WRONG", "error": "error"}
    return ", ".join(f"{counter[key]} {name}" for key, name in names.items() if counter[key])


def table(reports: list[dict]) -> str:
    """One line per category, and the sum."""
    columns = [counts(report) for report in reports]
    lines = ["| category | as declared | `--arithmetic real` |", "|---|---|---|"]
    lines += [f"| {name} | {' | '.join(words(c[name]) for c in columns)} |" for name in sorted(columns[0])]
    sums = [sum(c.values(), collections.Counter()) for c in columns]
    return "\n".join([*lines, f"| **all** | {' | '.join(words(c) for c in sums)} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for each test")
    parser.add_argument("--write", action="store_true", help="write the table into docs/vnnlib.md")
    arguments = parser.parse_args()
    program = arguments.program.resolve()
    with tempfile.TemporaryDirectory() as folder:
        real = Path(folder, "absint-real")
        real.write_text(f'#!/bin/sh\nexec "{program}" "$@" --arithmetic real\n')
        real.chmod(0o755)
        reports = [report(solver, arguments.timeout) for solver in (program, real)]
    version = importlib.metadata.version("vnnlib-satisfactory")
    made = (
        f"`python scripts/vnnlib_satisfactory.py {arguments.program} --write`, vnnlib-satisfactory {version}, "
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, {arguments.timeout:g} s for each test:"
    )
    text = f"{made}\n\n{table(reports)}"
    print(text)
    for which in reports:
        for result in which["results"]:
            if result["outcome"] != "pass":
                print(result["test_id"], outcome(result), result["stderr"].strip().rsplit("/", 1)[-1][:200])
    if arguments.write:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    wrong = sum(outcome(result) in ("fail", "error") for which in reports for result in which["results"])
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
