#!/usr/bin/env python3
"""Certificates of public queries: how long they take to write and to check, and their sizes, as CSV on stdout.

    scripts/certificates.py ABSINT TIMEOUT THREADS [FOLDER...] < LIST

LIST has one query per line: a name, a tab, and the arguments of `absint analyze`, with a --domain where it is not to be
auto. Of each FOLDER the queries come first that its truth.csv says are safe, or does not know about. Each runs without --proof, with it, and what is verified is checked; times are of whole processes, of the processor's
time, which other work on the machine does not count into.
"""

import csv
import gzip
import resource
import subprocess
import sys
import tempfile
from pathlib import Path


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


def main():
    absint, timeout, threads, *folders = sys.argv[1:]
    lines = [line for folder in folders for line in queries(Path(folder))]
    fixed = ["--timeout", timeout, "--threads", threads, "-q"]
    print("query,verdict_without,verdict,by,search_s,search_with_proof_s,check_s,checked,statements,proof_bytes,packed_bytes", flush=True)
    for line in [*lines, *sys.stdin]:
        name, arguments = line.rstrip("\n").split("\t")
        words = arguments.split()
        domain = [] if "--domain" in words else ["--domain", "auto"]
        analyze = [absint, "analyze", *words, *domain, *fixed]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "certificate")
            plain, _, without = run(analyze)
            proving, _, answer = run([*analyze, "--proof", str(folder)])
            words = (answer.splitlines() or ["error"])[0].split()
            verdict = words[0].rstrip(":")
            before = (without.split() or ["error"])[0].rstrip(":")
            row = [name, before, verdict, words[2] if verdict == "verified" else "", f"{plain:.2f}", f"{proving:.2f}"]
            if verdict == "verified" and folder.exists():
                checking, status, _ = run([absint, "check", str(folder), "-q"])
                proofs = [*folder.glob("proof.txt"), *folder.glob("*.pbp")]
                steps = (b"refute", b"prove", b"empty", b"rup", b"pol")
                leaves = sum(line.startswith(steps) for proof in proofs for line in proof.open("rb"))
                sizes = [sum(size(proof) for proof in proofs) for size in (lambda p: p.stat().st_size, packed)]
                row += [f"{checking:.2f}", "yes" if status == 0 else "no", leaves, *sizes]
            else:
                row += [""] * 5
            print(",".join(map(str, row)), flush=True)


if __name__ == "__main__":
    main()
