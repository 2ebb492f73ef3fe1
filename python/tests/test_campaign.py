"""Runs over data sets, here, on the command line and on engines: the same lines."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import absint
import absint.distributed


def lines_of(path):
    """Header and lines, without what differs from run to run."""
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["time_s"]
    return header, sorted(map(json.dumps, lines))


def command_line(*arguments):
    return subprocess.run([sys.executable, "-m", "absint", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="session")
def certified(networks, tmp_path_factory):
    """The file of results of the command line."""
    path = tmp_path_factory.mktemp("certified") / "results.jsonl"
    arguments = ["certify", networks / "digits_mlp.onnx", "--data", networks / "digits.csv", "--eps", "0.03"]
    answer = command_line(*arguments, "--range", "1297..1337", "--domain", "deeppoly", "--out", path)
    assert answer.returncode == 0, answer.stderr
    return path


def test_the_file_is_that_of_the_command_line(network, networks, certified, tmp_path):
    out = tmp_path / "results.jsonl"
    run = absint.certify(
        network, networks / "digits.csv", "0.03", images=range(1297, 1337), method="deeppoly", out=out, progress=False
    )
    results = list(run)
    assert len(results) == 40 and run.tally["images"] == 40
    assert lines_of(out) == lines_of(certified)
    assert str(run).startswith("images") and "40 images" in repr(run)
    assert "robust accuracy" in run._repr_html_()


def test_python_continues_what_the_command_line_began(network, networks, certified, tmp_path):
    out = tmp_path / "results.jsonl"
    out.write_text("".join(certified.read_text().splitlines(keepends=True)[:11]))
    arguments = dict(images=range(1297, 1337), method="deeppoly", out=out, progress=False)
    with pytest.raises(absint.AbsintError, match="exists; add --resume to continue it"):
        absint.certify(network, networks / "digits.csv", "0.03", **arguments)
    with pytest.raises(absint.AbsintError, match="was made with"):
        absint.certify(network, networks / "digits.csv", "0.04", **arguments, resume=True)
    # Arrays are the same data set as the file that they are from, but for its name.
    run = absint.certify(network, networks / "digits.csv", "0.03", **arguments, resume=True)
    next(run)
    assert len(list(run)) == 39
    assert lines_of(out) == lines_of(certified)


def test_stopping_early_keeps_what_is_done(network, digits, tmp_path):
    out = tmp_path / "results.jsonl"
    arguments = dict(method="deeppoly", out=out, progress=False)
    run = absint.certify(network, digits, "0.03", **arguments)
    first = [next(run) for _ in range(3)]
    del run
    for _ in range(200):
        try:
            rest = absint.certify(network, digits, "0.03", **arguments, resume=True)
            break
        except absint.AbsintError as error:
            # The last image of the run that was left behind may not be over yet.
            assert "another run is writing to it" in str(error)
            threading.Event().wait(0.05)
    again = [next(rest) for _ in range(3)]
    assert {r["image"] for r in first} <= {json.loads(line)["image"] for line in out.read_text().splitlines()[1:]}
    assert len(again) == 3


def test_shards_are_merged_by_the_command_line(network, networks, certified, tmp_path):
    parts = []
    for shard in ("1/2", "2/2"):
        parts.append(tmp_path / f"{shard[0]}.jsonl")
        arguments = dict(images=range(1297, 1337), method="deeppoly", shard=shard, out=parts[-1], progress=False)
        assert len(list(absint.certify(network, networks / "digits.csv", "0.03", **arguments))) == 20
    merged = tmp_path / "merged.jsonl"
    assert command_line("merge", *parts, "--out", merged).returncode == 0
    assert lines_of(merged)[1] == lines_of(certified)[1]


def test_data_sets_of_pairs_and_floats(network, digits):
    images, labels = digits
    pairs = [(image.reshape(8, 8) / 255, label) for image, label in zip(images[1300:1304], labels[1300:1304])]
    rows = (np.stack([x for x, _ in pairs]), labels[1300:1304])
    verdicts = [
        [r["verdict"] for r in absint.certify(network, data, 0.02, jobs=1, threads=1, progress=False)]
        for data in (pairs, rows, (images[1300:1304], labels[1300:1304]))
    ]
    assert verdicts[0] == verdicts[1] == verdicts[2]


def test_radii_are_those_of_the_command_line(network, networks, tmp_path):
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    arguments = dict(images=range(1300, 1303), method="deeppoly", tol="0.01", progress=False)
    assert len(list(absint.radii(network, networks / "digits.csv", **arguments, out=ours))) == 3
    answer = command_line(
        *["radius", networks / "digits_mlp.onnx", "--data", networks / "digits.csv", "--range", "1300..1303"],
        *["--domain", "deeppoly", "--tol", "0.01", "--out", theirs],
    )
    assert answer.returncode == 0, answer.stderr
    assert lines_of(ours) == lines_of(theirs)
    far = tmp_path / "far.jsonl"
    run = absint.distributed.radii(network, networks / "digits.csv", **arguments, out=far, executor=ThreadPoolExecutor(2))
    assert len(list(run)) == 3 and lines_of(far) == lines_of(theirs)


def test_processes_make_the_same_lines_although_one_is_killed(network, networks, certified, tmp_path):
    out = tmp_path / "results.jsonl"
    engine = absint.distributed.Processes(2)
    run = absint.distributed.certify(
        *(network, networks / "digits.csv", "0.03"),
        **dict(images=range(1297, 1337), method="deeppoly", out=out, executor=engine, progress=False),
    )
    results = [next(run) for _ in range(5)]
    os.kill(next(iter(engine.pool._processes)), signal.SIGKILL)
    results += list(run)
    engine.close()
    assert sorted(r["image"] for r in results) == list(range(1297, 1337))
    assert lines_of(out) == lines_of(certified)


def test_lp_all_by_layers_is_the_same_to_the_last_bit(network, digits):
    region, label = absint.linf(digits[0][1313], "0.06"), int(digits[1][1313])
    arguments = dict(label=label, method="lp-all", all_margins=True, attack=False)
    here = absint.verify(network, region, **arguments)
    with ThreadPoolExecutor(2) as executor:
        there = absint.verify(network, region, **arguments, executor=executor)
    assert here.verdict == there.verdict
    assert here.margins.tolist() == there.margins.tolist()
    for name, (lower, upper) in here.bounds.items():
        assert lower.tolist() == there.bounds[name][0].tolist() and upper.tolist() == there.bounds[name][1].tolist()
    programs = [[(s["name"], s["lps"], s["unstable"]) for s in r.stages] for r in (here, there)]
    assert programs[0] == programs[1] and programs[0][-1][1] > 10


def test_what_an_engine_raises_is_raised(network, digits):
    class Broken:
        def submit(self, *_):
            raise OSError("no worker left")

    region, label = absint.linf(digits[0][1313], "0.06"), int(digits[1][1313])
    with pytest.raises(OSError, match="no worker left"):
        absint.verify(network, region, label=label, method="lp-all", all_margins=True, executor=Broken())
    with pytest.raises(absint.AbsintError, match="is no engine"):
        absint.verify(network, region, label=label, method="lp-all", executor="cluster")
