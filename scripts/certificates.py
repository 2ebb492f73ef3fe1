#!/usr/bin/env python3
"""Certificates of public queries: how long they take to write and to check, and their sizes, as rows of the CSV file OUT.

    ABSINT_DATA=DATA scripts/certificates.py OUT ABSINT TIMEOUT THREADS [FOLDER...] < scripts/certificates.tsv

Each line of the list has a name and the arguments of `absint analyze`, with a --domain where it is not to be auto; after
another tab FIRST..END stands for so many queries, with these numbers in place of {}. Of each FOLDER the queries come first
that its truth.csv says are safe, or does not know about. Each runs without --proof, with it, and what is verified is checked;
times are of whole processes, of the processor's time, which other work on the machine does not count into. Queries that OUT
has rows of are left out: a run that was interrupted goes on where it ended.
"""

import csv
import gzip
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path


HEADER = (
    "query,verdict_without,verdict,by,search_s,search_with_proof_s,check_s,checked,statements,proof_bytes,packed_bytes"
).split(",")


def processor():
    """Seconds of the processor that commands have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command):
    """The processor's seconds that a command takes, its exit status and its answer."""
    start = processor()
    done = subprocess.run(command, capture_output=True, text=True)
    return processor() - start, done.returncode, (done.stdout or done.stderr).strip()


def packed(path):
    """Bytes of a file, packed by gzip."""
    return len(gzip.compress(path.read_bytes()))


def queries(folder):
    """The queries of a folder of shared data that are not known to be unsafe, as lines of a list."""
    table = next(path for path in (folder / "truth.csv", folder / "cases.csv") if path.exists())
    lines = {}
    for row in csv.DictReader(table.open()):
        first = lambda *names: next(row[name] for name in names if row.get(name))
        network, query = first("net", "onnx", "network"), first("spec", "vnnlib", "query")
        network, query = (next(folder.rglob(Path(name).name)) for name in (network, query))
        if first("truth", "verdict", "truth_real") != "sat":
            name = "/".join(dict.fromkeys([folder.name, network.stem, query.stem]))
            kind = "--query" if query.suffix == ".json" else "--vnnlib"
            lines[name] = f"{name}\t{network} {kind} {query}"
    return lines.values()


def listed(line):
    """The queries of a line of a list: names and arguments."""
    name, arguments, *numbers = os.path.expandvars(line).rstrip("\n").split("\t")
    first, end = numbers[0].split("..") if numbers else (0, 1)
    return [(name.replace("{}", str(i)), arguments.replace("{}", str(i)).split()) for i in range(int(first), int(end))]


def measured(name, analyze, absint):
    """The row of a query."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "certificate")
        plain, _, without = run(analyze)
        proving, _, answer = run([*analyze, "--proof", str(folder)])
        words = (answer.splitlines() or ["error"])[0].split()
        verdict = words[0].rstrip(":")
        before = (without.split() or ["error"])[0].rstrip(":")
        row = [name, before, verdict, words[2] if verdict == "verified" else "", f"{plain:.2f}", f"{proving:.2f}"]
        if verdict != "verified" or not folder.exists():
            return [*row, *[""] * 5]
        checking, status, _ = run([absint, "check", str(folder), "-q"])
        proofs = [*folder.glob("proof.txt"), *folder.glob("*.pbp")]
        steps = (b"refute", b"prove", b"empty", b"rup", b"pol")
        leaves = sum(line.startswith(steps) for proof in proofs for line in proof.open("rb"))
        sizes = [sum(size(proof) for proof in proofs) for size in (lambda p: p.stat().st_size, packed)]
        return [*row, f"{checking:.2f}", "yes" if status == 0 else "no", leaves, *sizes]


def main():
    out, absint, timeout, threads, *folders = sys.argv[1:]
    # A row that was cut off in the middle is not done.
    kept = [row for row in csv.reader(open(out)) if len(row) == len(HEADER)] if os.path.exists(out) else []
    done = {row[0] for row in kept}
    lines = [line for folder in folders for line in queries(Path(folder))]
    fixed = ["--timeout", timeout, "--threads", threads, "-q"]
    about = f"{timeout} s each, {threads} threads; {' '.join(Path(folder).name for folder in folders)}"
    begins = open(out).readline() if kept else f"# {date.today()}, {os.cpu_count()} cores, {platform.machine()}: {about}\n"
    with open(f"{out}.new", "w") as file:
        file.write(begins)
        csv.writer(file, lineterminator="\n").writerows(kept or [HEADER])
    os.replace(f"{out}.new", out)
    with open(out, "a") as file:
        rows = csv.writer(file, lineterminator="\n")
        for line in [*lines, *filter(str.strip, sys.stdin)]:
            for name, words in listed(line):
                if name not in done:
                    domain = [] if "--domain" in words else ["--domain", "auto"]
                    rows.writerow(measured(name, [absint, "analyze", *words, *domain, *fixed], absint))
                    file.flush()


if __name__ == "__main__":
    main()
