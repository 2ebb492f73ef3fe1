"""The types of the package, and those that users see."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]

USE = """
import absint
from fractions import Fraction

network = absint.Network.load("net.onnx")
result = absint.verify(network, absint.linf([0.1, 0.2], eps=Fraction(1, 10)), label=1)
reveal_type(result.verdict)
reveal_type(absint.radius(network, [0.1], 0).certified)
for line in absint.certify(network, "test.csv", "2/255"):
    reveal_type(line)
absint.verify(network, 3)
"""


def mypy(*arguments, **options):
    pytest.importorskip("mypy")
    return subprocess.run([sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, **options)


def test_the_package_is_strictly_typed():
    answer = mypy("--strict", "absint", cwd=PACKAGE)
    assert answer.returncode == 0, answer.stdout


def test_users_see_the_types(tmp_path):
    (tmp_path / "use.py").write_text(USE)
    answer = mypy("--strict", "use.py", cwd=tmp_path)
    revealed = [line.split("Revealed type is ")[1] for line in answer.stdout.splitlines() if "Revealed" in line]
    assert revealed == ['"str"', '"fractions.Fraction | None"', '"dict[str, Any]"'], answer.stdout
    assert 'Argument 2 to "verify" has incompatible type "int"' in answer.stdout


def test_every_public_name_is_explained():
    import absint

    for name in absint.__all__:
        assert name.startswith("__") or getattr(absint, name).__doc__, name
