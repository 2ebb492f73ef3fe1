"""Verdicts, witnesses, bounds and radii."""

import json
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import absint


def test_a_verdict_with_margins_bounds_and_stages(network, digits):
    images, labels = digits
    result = absint.verify(network, absint.linf(images[1300], eps=0.01), label=labels[1300], method="deeppoly")
    assert (result.verdict, result.decided_by, result.witness) == ("verified", "deeppoly", None)
    assert result.margins.shape == (9,) and (result.margins > 0).all()
    assert result.disjuncts.tolist() == result.margins.tolist()
    assert [stage["name"] for stage in result.stages] == ["deeppoly"]
    assert json.loads(result.json())["verdict"] == "verified"
    assert str(result).startswith("verified by deeppoly\nnetwork ")
    assert repr(result).startswith("<verified by deeppoly, margin ")
    lower, upper = list(result.bounds.values())[-1]
    logits = network.evaluate(images[1300])
    assert (lower <= logits).all() and (logits <= upper).all()


def test_a_witness_has_the_shape_of_the_input_and_shows_the_violation(network, digits):
    images, labels = digits
    x, label = images[1313].reshape(8, 8), int(labels[1313])
    result = absint.verify(network, absint.linf(x, eps="0.2"), label=label)
    assert result.verdict == "falsified"
    w = result.witness
    assert w.shape == (8, 8) and w.dtype == np.float32
    logits = network.evaluate(w)
    assert logits.argmax() == result.adversarial != label
    assert result.witness_disjunct == result.adversarial - (result.adversarial > label)
    exact = [Fraction(text) for text in result.witness_exact]
    assert [Fraction(float(value)) for value in w.ravel()] == exact
    pixels = [Fraction(int(k), 255) for k in x.ravel()]
    assert all(abs(a - b) <= Fraction(1, 5) and 0 <= a <= 1 for a, b in zip(exact, pixels))
    lo, hi = result.witness_output
    assert (lo <= hi).all() and hi[result.adversarial] >= lo[label]


def test_numbers_are_what_they_say(network, digits):
    image = digits[0][1300]
    # Bytes are pixels k/255 exactly; a radius is the decimal that it prints as.
    for eps in (0.1, "0.1", Decimal("0.1"), Fraction(1, 10), np.float32(0.1)):
        region = absint.linf(image, eps)
        again = pickle.loads(pickle.dumps(region))
        assert repr(again) == repr(region) and again.shape == region.shape == [64]
    as_float32 = (image / 255).astype(np.float32)
    a = absint.bounds(network, absint.linf(as_float32, "0.01"), "interval")
    b = absint.bounds(network, absint.linf(as_float32.astype(np.float64), "0.01"), "interval")
    c = absint.bounds(network, absint.linf(image, "0.01"), "interval")
    name = list(a)[-1]
    assert all((x == y).all() for x, y in zip(a[name], b[name])) and (a[name][0] != c[name][0]).any()


def test_every_region(network, digits, networks):
    image, label = digits[0][1300], int(digits[1][1300])
    low, high = image / 255, np.minimum(image / 255 + 0.001, 1)
    for region in (absint.l1(image, 0.1), absint.l2(image, "0.05"), absint.box(low, high), absint.linf(image, 0, None)):
        assert absint.verify(network, region, label=label).verdict == "verified"
        again = pickle.loads(pickle.dumps(region))
        assert absint.verify(network, again, label=label).verdict == "verified"
    signum = absint.Network.load(networks / "digits_bnn1.onnx")
    x = np.where(image >= 96, 1.0, -1.0)
    label = int(signum.evaluate(x).argmax())
    result = absint.verify(signum, absint.hamming(x, 1), label=label, method="exact", certificate=True)
    assert result.verdict in ("verified", "falsified")
    assert (result.certificate is not None) == (result.verdict == "verified")


@pytest.mark.parametrize("method", ["deeppoly", "auto", "exact"])
def test_proofs_are_written_and_checked(network, digits, method, tmp_path):
    image, label = digits[0][1300], int(digits[1][1300])
    region = absint.linf(image, "0.01")
    result = absint.verify(network, region, label=label, method=method, proof=tmp_path / "proof")
    assert result.verdict == "verified"
    assert "no input is unsafe" in absint.check(tmp_path / "proof", network, region, label=label)
    assert "no input is unsafe" in absint.check(tmp_path / "proof")
    with pytest.raises(absint.AbsintError, match="query.txt"):
        absint.check(tmp_path / "proof", network, absint.linf(image, "0.011"), label=label)
    with pytest.raises(absint.AbsintError, match="another folder"):
        absint.verify(network, region, label=label, proof=tmp_path / "proof")
    proof = tmp_path / "proof" / "proof.txt"
    proof.write_text(proof.read_text().replace("refute 0", "refute 1"))
    with pytest.raises(absint.AbsintError, match="disjunct 0"):
        absint.check(tmp_path / "proof", network, region, label=label)


def test_proofs_of_signum_networks(networks, digits, tmp_path):
    network = absint.Network.load(networks / "digits_bnn1.onnx")
    x = np.where(digits[0][1300] >= 96, 1.0, -1.0)
    label, region = int(network.evaluate(x).argmax()), absint.hamming(x, 0)
    result = absint.verify(network, region, label=label, method="exact", proof=tmp_path / "proof")
    assert result.verdict == "verified"
    assert "case 0" in absint.check(tmp_path / "proof", network, region, label=label)


def test_an_unsafe_set_of_the_users_own(network, digits):
    image, label = digits[0][1300], int(digits[1][1300])
    region = absint.linf(image, "0.005")
    names = list(absint.bounds(network, region))
    lower, upper = absint.bounds(network, region, "kpoly(k=1)")[names[-1]]
    unit = np.eye(10)[label]
    # Unsafe where the label's logit is below a bound that is certified, or above one.
    below, above = (unit, lower[label] - 1e-3), (-unit, -upper[label] - 1e-3)
    assert absint.verify(network, region, unsafe=[below, above], method="kpoly(k=1)").verdict == "verified"
    falsified = absint.verify(network, region, unsafe=(unit, upper[label]))
    assert falsified.verdict == "falsified" and falsified.label is None and falsified.adversarial is None
    assert network.evaluate(falsified.witness)[label] <= upper[label]


def test_bounds_tighten_with_the_method(network, digits):
    region = absint.linf(digits[0][1300], "0.03")
    widths = []
    for method in ("interval", "deeppoly", "lp-all"):
        found = absint.bounds(network, region, method)
        lower, upper = list(found.values())[-1]
        assert (lower <= upper).all()
        widths.append((upper - lower).sum())
    assert widths[0] > widths[1] > widths[2]


def test_attack_and_radius_enclose_the_truth(network, digits):
    image, label = digits[0][1300], int(digits[1][1300])
    found = absint.radius(network, image, label, method="deeppoly", tol="0.001")
    assert 0 < found.certified < found.attacked < 1
    assert found.because == ["deeppoly only bounds margins, and its bounds do not refute what is open"]
    assert network.evaluate(found.witness).argmax() != label
    assert absint.verify(network, absint.linf(image, found.certified), label=label, method="deeppoly").verdict == "verified"
    attack = absint.attack(network, absint.linf(image, found.attacked + Fraction(1, 50)), label=label)
    assert attack.witness is not None and attack.points > 0
    assert absint.attack(network, absint.linf(image, found.certified), label=label).witness is None


def test_a_radius_says_why_it_goes_no_further(network, digits):
    image, label = digits[0][1300], int(digits[1][1300])
    stopped = absint.radius(network, image, label, timeout=0)
    assert stopped.out_of_time
    assert (stopped.because, stopped.may_help) == (["the time was up"], ["a larger --timeout"])
    # Nothing stands in the way of the largest radius that was asked for.
    assert absint.radius(network, image, label, method="deeppoly", hi="0.001", attack=False).because == []


def test_vnnlib(network, digits, tmp_path):
    image = digits[0][1300] / 255
    lines = [f"(declare-const X_{i} Real)" for i in range(64)] + [f"(declare-const Y_{i} Real)" for i in range(10)]
    lines += [f"(assert (>= X_{i} {v!r}))\n(assert (<= X_{i} {v!r}))" for i, v in enumerate(image.tolist())]
    path = tmp_path / "query.vnnlib"
    path.write_text("\n".join([*lines, "(assert (<= Y_0 -1000))"]))
    query = absint.read_vnnlib(path, network)
    assert query.disjuncts == 1 and str(path) in repr(query)
    assert absint.verify(network, query).verdict == "verified"


def test_compare(network, digits):
    images, labels = digits
    cases = [(absint.linf(images[i], "0.03"), labels[i]) for i in (1300, 1301)]
    comparison = absint.compare(network, cases, ["interval", "deeppoly"], exact="exact", timeout=30)
    results = json.loads(comparison.json())["results"]
    assert len(results) == 2 and [m["domain"] for m in results[0]["domains"]] == ["interval", "deeppoly", "exact"]
    assert comparison.html().startswith("<!") and "deeppoly" in str(comparison)
    assert len(comparison.csv().splitlines()) == 1 + 2 * 3


def test_float32_and_pickled_networks(network, digits):
    image, label = digits[0][1300], int(digits[1][1300])
    again = pickle.loads(pickle.dumps(network))
    assert repr(again) == repr(network)
    result = absint.verify(again, absint.linf(image, "0.01"), label=label, arithmetic="float32")
    assert result.verdict == "verified" and "float32" in str(result)


def test_the_example_runs():
    network, image, label = absint.example()
    assert (image.shape, image.dtype, label) == ((8, 8), np.uint8, 6)
    assert absint.verify(network, absint.linf(image, "0.08"), label=label, method="kpoly").verdict == "verified"


def test_every_method_has_a_line():
    assert "kpoly" in absint.methods() and all(absint.methods().values())


def test_import_leaves_the_rest_to_the_first_use():
    code = "import sys, absint; print([m for m in ('numpy', 'torch', 'tqdm', 'json', 'typing') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    with pytest.raises(AttributeError):
        _ = absint.nothing_of_that_name
