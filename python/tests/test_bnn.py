"""Binarized networks: layers and gradients by hand, training that resumes, and exports that compute the same.
`.ci/python` runs these where PyTorch is installed."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import absint

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="PyTorch is not installed; .ci/python installs it")
pytest.importorskip("onnx", reason="the package onnx is not installed; .ci/python installs it")

from absint import bnn  # noqa: E402
from absint.bnn import Net  # noqa: E402
from absint.bnn.attack import adapt  # noqa: E402
from absint.bnn.layers import BinMask, Quantiser, Surrogate, Ternary, Threshold, sign, step  # noqa: E402

SMALL = [("conv", 4, 3, 2, 1), ("linear", 12)]


def numbers(*values):
    return torch.tensor(values, dtype=torch.float32)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images(digits):
    pixels, labels = digits
    return pixels[:1200].reshape(-1, 1, 8, 8), labels[:1200].astype(np.int64)


def config(**changes):
    settings = {"architecture": SMALL, "shape": (1, 8, 8), "eps": 0.1, "epochs": 8, "rate": 5e-3, "batch": 64, "steps": 2, "threads": 1, "seed": 3}
    return bnn.Config(**(settings | changes))


@pytest.fixture(scope="module")
def trained(images):
    return bnn.train(config(decay=1e-4, cbd=1e-4), *images, progress=False)


def test_masks_choose_among_minus_one_zero_and_one():
    mask = BinMask((5,), generator())
    assert (mask.mask >= 0).all() and (mask() != 0).all(), "training begins dense"
    with torch.no_grad():
        mask.weight.copy_(numbers(-0.3, 0.0, 0.2, -0.1, 4.0))
        mask.mask.copy_(numbers(0.1, 0.0, -0.1, -2.0, 0.5))
    weights = mask()
    assert weights.tolist() == [-1, 1, 0, 0, 1]
    # w = sign(W) (sign(M) + 1) / 2, straight through both signs.
    weights.backward(numbers(1, 2, 3, 4, 5))
    assert mask.weight.grad.tolist() == [1, 2, 0, 0, 5]
    assert mask.mask.grad.tolist() == [-0.5, 1, 1.5, -2, 2.5]


def test_only_positive_masks_decay():
    mask = BinMask((4,), generator())
    with torch.no_grad():
        mask.mask.copy_(numbers(0.5, 0.25, -1.0, -0.1))
    penalty = mask.penalty()
    penalty.backward()
    assert penalty.item() == 0.75
    assert mask.mask.grad.tolist() == [1, 1, 0, 0]


def test_masks_and_magnitudes_shrink_by_the_same_in_all_places():
    mask = BinMask((4,), generator())
    with torch.no_grad():
        mask.mask.copy_(numbers(0.5, 0.25, -1.0, 0.0))
    mask.shrink(0.25)
    assert mask.mask.tolist() == [0.25, 0, -1, -0.25]
    ternary = Ternary((4,), generator())
    with torch.no_grad():
        ternary.weight.copy_(numbers(0.5, -0.5, 0.125, -0.25))
    ternary.shrink(0.25)
    assert ternary.weight.tolist() == [0.25, -0.25, 0, 0]


def test_ternary_weights_have_a_threshold():
    ternary = Ternary((4,), generator(), threshold=0.1)
    with torch.no_grad():
        ternary.weight.copy_(numbers(0.05, -0.1, 0.1, -3.0))
    weights = ternary()
    assert weights.tolist() == [0, -1, 1, -1]
    weights.backward(numbers(1, 2, 3, 4))
    assert ternary.weight.grad.tolist() == [1, 2, 3, 4]
    assert ternary.penalty().item() == pytest.approx(3.25)


@pytest.mark.parametrize("surrogate, slopes", [
    (Surrogate("hard_tanh"), [0, 1, 1, 1, 0]),
    (Surrogate("tanh"), [1 - np.tanh(2) ** 2, 1 - np.tanh(1) ** 2, 1, 1 - np.tanh(0.5) ** 2, 1 - np.tanh(3) ** 2]),
    (Surrogate("tanh", 2.0), [1 - np.tanh(4) ** 2, 1 - np.tanh(2) ** 2, 1, 1 - np.tanh(1) ** 2, 1 - np.tanh(6) ** 2]),
])
def test_steps_have_the_slopes_of_their_surrogates(surrogate, slopes):
    z = numbers(-2, -1, 0, 0.5, 3).requires_grad_()
    y = step(z, surrogate)
    assert y.tolist() == [0, 0, 1, 1, 1]
    y.backward(torch.full((5,), 2.0))
    assert z.grad.numpy() == pytest.approx(2 * np.array(slopes), abs=1e-6)
    assert sign(numbers(-0.1, 0.0, 2.0)).tolist() == [-1, 1, 1]


def test_pixels_are_rounded_down_to_steps_whatever_floats_make_of_them():
    quantiser = Quantiser(0.2)
    pixels = torch.arange(256).float() / 255
    assert quantiser.highest == 5
    assert quantiser(pixels).tolist() == [k // 51 for k in range(256)]
    assert Quantiser(1 / 255)(pixels).tolist() == list(range(256))
    assert Quantiser(0.6)(pixels).tolist() == [k // 153 for k in range(256)]
    x = numbers(0.3).requires_grad_()
    quantiser(x).backward()
    assert x.grad.tolist() == [5]


def test_normalisation_and_step_are_an_integer_threshold():
    threshold = Threshold(5, Surrogate("tanh")).eval()
    with torch.no_grad():
        threshold.gamma.copy_(numbers(2, -1, 0, 0, 1))
        threshold.beta.copy_(numbers(-3, 1, 1, -1, 0))
        threshold.mean.copy_(numbers(1, 1, 1, 1, 4))
        threshold.var.copy_(numbers(4, 1, 1, 1, 1))
    u = torch.arange(-20.0, 21)[:, None].expand(-1, 5)
    # The sum 4 is 0 after normalisation, which is on.
    on = (threshold(u) == 1).T
    assert u[on[0], 0].min() == 5 and u[on[1], 1].max() == 2 and u[on[4], 4].min() == 4
    assert on[2].all() and not on[3].any()
    # (sum of l >= b): -1 weights negate their literals.
    weights = numbers(1, -1, -1, 0).repeat(5, 1)
    bounds = threshold.bounds(weights, 3)[:2].tolist()
    assert bounds == pytest.approx([6 + 1 + 3, 6 + 1 + 1], abs=1e-4)


def test_the_worst_scores_bound_those_in_the_ball(images):
    net = Net(SMALL, quantiser=0.2, shape=(1, 8, 8)).train()
    x, labels = torch.tensor(images[0][:300]).float() / 255, torch.tensor(images[1][:300])
    moved = (x + (torch.rand(x.shape, generator=generator()) * 2 - 1) * 0.1).clamp(0, 1)
    scores, worst = net.worst(moved, x, 0.1, labels)
    lead = scores - scores.gather(1, labels[:, None])
    assert (lead <= worst + 1e-4).all() and (lead < worst - 0.1).any()
    assert torch.allclose(scores, net(moved), atol=1e-4)
    # Without a ball they are the scores themselves.
    scores, worst = net.worst(x, x, 0.0, labels)
    assert torch.allclose(scores - scores.gather(1, labels[:, None]), worst, atol=1e-4)


def test_training_on_bounds_brings_the_worst_scores_down(images):
    x, labels = torch.tensor(images[0]).float() / 255, torch.tensor(images[1])

    def loss(**changes):
        net, _ = bnn.train(config(warmup=0.25, **changes), *images, progress=False)
        return torch.nn.functional.cross_entropy(net.train().worst(x, x, 0.1, labels)[1], labels).item()

    assert loss(interval=0.8) < 0.9 * loss()


def test_the_attack_finds_what_is_worse_and_stays_in_the_ball(trained, images):
    net, _ = trained
    x = torch.tensor(images[0][:300]).float() / 255
    labels = torch.tensor(images[1][:300])
    found = bnn.pgd(net, x, labels, 0.1, 5, generator(1))
    assert ((found - x).abs() <= 0.1 + 1e-6).all() and found.min() >= 0 and found.max() <= 1
    assert bnn.accuracy(net, found, labels) < bnn.accuracy(net, x, labels)
    again = bnn.pgd(net, x, labels, 0.1, 5, generator(1))
    assert torch.equal(found, again)
    # From where it ended it loses nothing.
    further = bnn.pgd(net, x, labels, 0.1, 1, generator(2), start=found - x)
    is_lost = net(found).argmax(1) != labels
    assert is_lost.any() and torch.equal(net(further).argmax(1)[is_lost], net(found).argmax(1)[is_lost])


def test_adapting_never_weakens_the_attack(trained, images):
    net, _ = trained
    x, labels = torch.tensor(images[0][:200]).float() / 255, torch.tensor(images[1][:200])
    before = net.surrogate.alpha
    left = bnn.attacked_accuracy(net, x, labels, 0.1, 3, seed=5)
    alpha = adapt(net, x, labels, 0.1, 3, seed=5)
    assert alpha == net.surrogate.alpha
    assert bnn.attacked_accuracy(net, x, labels, 0.1, 3, seed=5) <= left
    net.surrogate.alpha = before


def test_training_learns_and_reports(trained, images):
    net, history = trained
    assert [line["epoch"] for line in history] == list(range(1, 9))
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["mean_bound"] < history[0]["mean_bound"]
    assert history[-1]["total_sparsity"] > 0 and len(history[-1]["sparsity"]) == 3
    x = torch.tensor(images[0]).float() / 255
    assert bnn.accuracy(net, x, torch.tensor(images[1])) > 0.5


def test_a_seed_gives_a_network_and_a_checkpoint_continues_it(trained, images, tmp_path):
    net, _ = trained
    settings = config(decay=1e-4, cbd=1e-4)
    checkpoint = tmp_path / "net.checkpoint"

    class Stopped(Exception):
        pass

    from absint.bnn.training import Trainer, tensors

    trainer = Trainer(settings, *tensors(*images, (1, 8, 8)))
    trainer.one_epoch()
    trainer.save(checkpoint)
    resumed, history = bnn.train(settings, *images, checkpoint=checkpoint, resume=True, progress=False)
    assert len(history) == 8
    for (name, a), b in zip(net.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(a, b), name
    assert bnn.to_onnx(bnn.load(checkpoint)) == bnn.to_onnx(net)
    with pytest.raises(ValueError, match="was made with seed = 3, and not 4"):
        bnn.train(config(seed=4, decay=1e-4, cbd=1e-4), *images, checkpoint=checkpoint, resume=True)


def test_an_attack_that_is_carried_over_resumes_too(images, tmp_path):
    settings = config(epochs=3, steps=1, carry=True, shrink=0.05)
    pixels, labels = images[0][:300], images[1][:300]
    net, history = bnn.train(settings, pixels, labels, progress=False)
    assert history[-1]["total_sparsity"] > history[0]["total_sparsity"] > 0

    from absint.bnn.training import Trainer, tensors

    trainer = Trainer(settings, *tensors(pixels, labels, (1, 8, 8)))
    trainer.one_epoch()
    assert 0 < trainer.ends.abs().max() <= 0.1 + 1e-6
    trainer.save(tmp_path / "net.checkpoint")
    resumed, _ = bnn.train(settings, pixels, labels, checkpoint=tmp_path / "net.checkpoint", resume=True, progress=False)
    assert bnn.to_onnx(net) == bnn.to_onnx(resumed)


def test_the_exported_network_computes_the_same_bit_for_bit(trained, digits):
    net, _ = trained
    network = bnn.network_of(net)
    x = torch.tensor(digits[0][:1000].reshape(-1, 1, 8, 8)).float() / 255
    with torch.no_grad():
        expected = net(x).numpy()
    found = np.stack([network.evaluate(image) for image in x.numpy()]).astype(np.float32)
    assert (found == expected).all()


def test_verdicts_are_those_of_the_network_in_pytorch(trained, images, tmp_path):
    """Witnesses are pixels, which PyTorch classifies as the verifier says; what is verified no attack breaks."""
    net, _ = trained
    bnn.export(net, tmp_path / "net.onnx")
    network = absint.Network.load(tmp_path / "net.onnx")
    x, labels = images[0][:40], images[1][:40]
    run = absint.certify(
        network, (x, labels), "0.1", method="exact", ties="safe", witnesses=True, timeout=60, progress=False, threads=1
    )
    verdicts = {"verified": 0, "falsified": 0}
    for line in run:
        i = line["image"]
        image = torch.tensor(x[i : i + 1]).float() / 255
        if line["verdict"] == "falsified":
            witness = torch.tensor([float(Fraction(x)) for x in line["witness"]["input"]]).reshape(1, 1, 8, 8)
            scores = net(witness)[0]
            assert scores[line["adversarial"]] > scores[labels[i]]
            assert (witness - image).abs().max() <= 0.1 + 1e-6
        elif line["verdict"] == "verified":
            label = torch.tensor(labels[i : i + 1])
            attacked = bnn.pgd(net, image, label, 0.1, 20, generator(i))
            scores = net(attacked)[0]
            assert scores[labels[i]] == scores.max()
        else:
            assert line["verdict"] == "misclassified"
            continue
        verdicts[line["verdict"]] += 1
    assert min(verdicts.values()) > 0, verdicts


def test_an_evaluation_says_what_the_network_is_worth(trained, images, tmp_path):
    net, _ = trained
    pixels, labels = images[0][:200], images[1][:200]
    out = tmp_path / "verdicts.jsonl"
    found = bnn.evaluate(net, pixels, labels, "1/10", count=20, timeout=60, threads=1, out=out, progress=False)
    assert found["images"] == 20 and len(out.read_text().splitlines()) == 21
    # Verified images are among those that no attack breaks.
    x, y = torch.tensor(pixels[:20]).float() / 255, torch.tensor(labels[:20])
    assert 0 < found["verified"] <= bnn.attacked_accuracy(net, x, y, 0.1, 20)
    assert found["natural"] >= found["pgd"] and found["build_s"] > 0
    again = bnn.evaluate(
        net, pixels, labels, "1/10", count=20, timeout=60, threads=1, out=out, resume=True, progress=False
    )
    assert again["verified"] == found["verified"]
    # Asked again with ties safe: whatever may be decided otherwise.
    lines = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    open_to_ties = [line for line in lines if line["verdict"] != "verified" and line.get("tie", True)]
    assert len(out.with_suffix(".ties.jsonl").read_text().splitlines()) == 1 + len(open_to_ties)
    assert all("tie" in line for line in lines if line["verdict"] == "falsified")
    # By both rules as each of them alone says, asked about all images.
    for ties, share in [("safe", "verified"), ("unsafe", "verified_ties_unsafe")]:
        run = absint.certify(bnn.network_of(net), (pixels, labels), "1/10", images=range(20), method="exact", ties=ties, progress=False)
        assert [line["verdict"] for line in run].count("verified") == round(20 * found[share])


@pytest.fixture(scope="module")
def members(trained, images):
    return [trained[0], bnn.train(config(seed=4), *images, progress=False)[0]]


def test_networks_side_by_side_compute_what_they_do_alone(members, digits):
    network = bnn.network_of(members)
    x = torch.tensor(digits[0][:1000].reshape(-1, 1, 8, 8)).float() / 255
    with torch.no_grad():
        expected = torch.cat([member(x) for member in members], 1).numpy()
    found = np.stack([network.evaluate(image) for image in x.numpy()]).astype(np.float32)
    assert (found == expected).all()
    with pytest.raises(ValueError, match="quantisers of one step"):
        bnn.to_onnx([members[0], Net(SMALL, quantiser=0.5, shape=(1, 8, 8))])


def test_an_ensemble_is_wrong_where_all_agree_on_another_class():
    # Two members, three classes, label 1: unsafe is class 0 or class 2, of both.
    pairs = bnn.agreement(2, 3, 1)

    def is_unsafe(*scores):
        return [bool((a @ np.array(scores) <= b).all()) for a, b in pairs]

    assert is_unsafe(3, 1, 2, 5, 4, 0) == [True, False]
    assert is_unsafe(0, 1, 2, 0, 1, 1) == [False, True]
    assert is_unsafe(3, 1, 2, 0, 4, 5) == is_unsafe(0, 9, 2, 0, 4, 5) == is_unsafe(0, 9, 2, 0, 9, 5) == [False, False]


def test_attacks_on_ensembles_are_real_and_fewer(members, images, tmp_path):
    pixels, labels = images[0][:60], images[1][:60]
    x = torch.tensor(pixels).float() / 255
    given = bnn.agreed(members, x)
    apart = [member(x).argmax(1) for member in members]
    assert all(int(g) == (int(a) if a == b else bnn.REJECTED) for g, a, b in zip(given, *apart))
    out, asked = tmp_path / "verdicts.jsonl", {"timeout": 60, "progress": False}
    both = bnn.evaluate_ensemble(members, pixels, labels, "0.1", count=40, out=out, **asked)
    alone = [bnn.evaluate_ensemble([member], pixels, labels, "0.1", count=40, **asked) for member in members]
    assert both["unknown"] == 0 and 0 < both["attacked"] <= min(found["attacked"] for found in alone)
    assert both["natural"] + both["rejected"] <= 1 and both["rejected"] > 0 and alone[0]["rejected"] == 0
    network = bnn.network_of(members)
    for line in [json.loads(line) for line in out.read_text().splitlines()[1:]]:
        i, label = line["image"], int(labels[line["image"]])
        asking = {"unsafe": bnn.agreement(2, 10, label), "method": "exact", "ties": "safe"}
        result = absint.verify(network, absint.linf(pixels[i], "0.1"), **asking)
        assert result.verdict == {"misclassified": "falsified"}.get(line["verdict"], line["verdict"])
        assert not (line.get("rejected") and given[i] == label)
        if result.verdict == "falsified":
            (wrong,) = bnn.agreed(members, torch.tensor([float(Fraction(v)) for v in result.witness_exact]).reshape(1, 1, 8, 8))
            assert wrong not in (label, bnn.REJECTED)
        else:
            attacked = bnn.pgd(members[0], x[i : i + 1], torch.tensor([label]), 0.1, 20, generator(i))
            assert bnn.agreed(members, attacked)[0] in (label, bnn.REJECTED) or _is_tie(members, attacked)
    # An interrupted run goes on, and not with another radius.
    out.write_text("".join(out.read_text().splitlines(True)[:11]) + '{"image": 10, "la')
    again = bnn.evaluate_ensemble(members, pixels, labels, "0.1", count=40, out=out, resume=True, **asked)
    assert again["attacked"] == both["attacked"] and len(out.read_text().splitlines()) == 41
    with pytest.raises(absint.AbsintError, match="was made with .*eps"):
        bnn.evaluate_ensemble(members, pixels, labels, "0.2", out=out, resume=True, **asked)


def _is_tie(members, x):
    """Whether two classes of a member share the first place, which is no class by the paper's rule."""
    tops = [member(x)[0].topk(2).values for member in members]
    return any(bool(first == second) for first, second in tops)


def test_counterexamples_of_the_verifier_go_into_training(images):
    settings = config(epochs=2, verify_epochs=2, verify_images=60, warmup=0)
    pixels, labels = images
    net, history = bnn.train(settings, pixels[:200], labels[:200], progress=False)
    assert history[0]["witnesses"] > 0
    again, _ = bnn.train(settings, pixels[:200], labels[:200], progress=False)
    assert bnn.to_onnx(net) == bnn.to_onnx(again)


def test_the_command_trains_and_resumes(tmp_path, networks):
    settings = {"images": str(networks / "digits.csv"), "shape": [1, 8, 8], "architecture": [["linear", 10]]}
    (tmp_path / "config.json").write_text(json.dumps(settings | {"epochs": 1, "quantiser": 0.5, "threads": 1}))
    command = [sys.executable, "-m", "absint.bnn", "train", "--config", "config.json", "--quiet"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["epoch"] == 1
    network = absint.Network.load(tmp_path / "bnn.onnx")
    assert network.output_shape == [10]
    figures = json.loads((tmp_path / "bnn.json").read_text())
    assert figures["config"]["epochs"] == 1 and len(figures["epochs"]) == 1
    wrong = subprocess.run([*command, "--set", "speed=3"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 2 and "no setting is called `speed`" in wrong.stderr


@pytest.mark.parametrize("wrong, words", [
    ({"surrogate": "relu"}, "no surrogate gradient"),
    ({"weights": "float"}, "makes no weights"),
    ({"architecture": "vgg"}, "is no architecture"),
    ({"quantiser": 2.0}, "quantisation step"),
    ({"carry": True, "shift": 1}, "leave out shift"),
])
def test_settings_that_make_no_sense_are_refused(images, wrong, words):
    with pytest.raises(ValueError, match=words):
        bnn.train(config(**wrong), *images, progress=False)
