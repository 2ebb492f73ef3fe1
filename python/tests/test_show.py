"""Results in notebooks, and as pictures."""

import pytest

import absint


def test_a_result_shows_itself(network, digits):
    image, label = digits[0][1313].reshape(8, 8), int(digits[1][1313])
    verified = absint.verify(network, absint.linf(image, "0.01"), label=label)._repr_html_()
    assert "verified" in verified and "class 0" in verified and f"class {label}" not in verified.split("·")[0]
    falsified = absint.verify(network, absint.linf(image, "0.3"), label=label)._repr_html_()
    assert "falsified" in falsified and "data:image/png;base64," in falsified
    unknown = absint.verify(network, absint.linf(image, "0.1"), label=label, method="interval", attack=False)
    assert "because interval only bounds margins" in unknown._repr_html_()
    assert network._repr_html_().count("relu") >= 2
    comparison = absint.compare(network, absint.linf(image, "0.01"), ["interval"], label=label)
    assert comparison._repr_html_().startswith("<iframe srcdoc=")


def test_names_are_escaped(networks):
    name = "<script>alert(1)</script>"
    network = absint.Network.from_bytes((networks / "digits_mlp.onnx").read_bytes(), name)
    assert "<script>" not in network._repr_html_()


def test_plots(network, digits):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    image, label = digits[0][1313].reshape(8, 8), int(digits[1][1313])
    for eps in ("0.01", "0.3"):
        axes = absint.verify(network, absint.linf(image, eps), label=label).plot()
        assert len(axes.patches) == 9
        axes.figure.canvas.draw()
