"""Errors are exceptions in the words of the command line."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import absint


def command_line(*arguments):
    answer = subprocess.run([sys.executable, "-m", "absint", *map(str, arguments)], capture_output=True, text=True)
    return answer.stderr


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "no.onnx"
    with pytest.raises(absint.AbsintError) as error:
        absint.Network.load(path)
    assert f"error: {error.value}\n" == command_line("info", path)


def test_a_file_that_is_no_network(tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x00\x01 nothing of that kind")
    with pytest.raises(absint.AbsintError, match=r"bad\.onnx") as error:
        absint.Network.load(path)
    assert f"error: {error.value}\n" == command_line("info", path)
    with pytest.raises(absint.AbsintError, match="in memory"):
        absint.Network.from_bytes(path.read_bytes(), "in memory")


def test_a_query_of_another_size(network, tmp_path):
    path = tmp_path / "small.vnnlib"
    path.write_text("(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= 0 X_0 1))(assert (<= Y_0 0))")
    with pytest.raises(absint.AbsintError, match="declares 1 inputs, the network has 64") as error:
        absint.read_vnnlib(path, network)
    assert f"error: {error.value}\n" == command_line("analyze", network.name, "--vnnlib", path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=10), "class 10 does not exist: the network has 10"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1)), "nothing is asked"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=1, method="magic"), "there is no domain `magic`"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=1, method="kpoly(k=99)"), "takes no parameter `k=99`"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=1, timeout=-1), "zero or more seconds"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=1, threads=0), "at least 1"),
        (lambda n, x: absint.verify(n, absint.linf(x, 0.1), label=1, arithmetic="f16"), "no arithmetic `f16`"),
        (lambda n, x: absint.verify(n, absint.l2(x, 0.1), label=1, method="lp-all", certificate=True), "lp-all"),
        (lambda n, x: absint.verify(n, absint.linf(x[:3], 0.1), label=1), "the region has 3 inputs, the network 64"),
        (lambda n, x: absint.linf(x, -1), "must not be negative"),
        (lambda n, x: absint.linf(x, "eps"), "`eps` is not a decimal number"),
        (lambda n, x: absint.linf(x / 0.0, 0.1), "no number"),
        (lambda n, x: absint.box(x, x[:3]), "coordinates"),
        (lambda n, x: absint.box(x, x / 255 - 1), "is empty"),
        (lambda n, x: absint.hamming(x / 255, 1), "two values"),
        (lambda n, x: absint.radius(n, x, 1, lo=1, hi=0), "must be larger than"),
        (lambda n, x: absint.certify(n, (x[None], [11]), 0.1), "image 0 has the label 11, the network has 10 outputs"),
        (lambda n, x: absint.certify(n, (x[None, :3], [1]), 0.1), "the images have 3 values, the network expects 64"),
        (lambda n, x: absint.certify(n, (x[None], [1, 2]), 0.1), "1 images and 2 labels"),
        (lambda n, x: absint.certify(n, (x[None], [1]), 0.1, shard="3/2"), "is no shard"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_what_is_asked_wrongly(network, digits, call, words):
    with pytest.raises(absint.AbsintError, match=words):
        call(network, digits[0][1300])


def test_a_file_that_changed_is_not_sent_to_others(networks, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes((networks / "digits_mlp.onnx").read_bytes())
    network = absint.Network.load(path)
    pickle.dumps(network)
    path.write_bytes((networks / "digits_cnn.onnx").read_bytes())
    with pytest.raises(absint.AbsintError, match="is another file"):
        pickle.dumps(network)


def test_what_is_no_array_of_numbers():
    with pytest.raises(TypeError):
        absint.linf(np.array(["a"]), 0.1)
    with pytest.raises(ValueError, match="too large"):
        absint.linf(np.array([2**53 + 1]), 0.1, None)
