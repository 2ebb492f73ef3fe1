"""What users read runs as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_tutorial_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/site/tutorial.md").read_text(), flags=re.S)
    assert len(blocks) > 5
    names = {}
    for block in blocks:
        exec(compile(block, "tutorial.md", "exec"), names)
    assert (tmp_path / "results.jsonl").exists()


@pytest.mark.torch
def test_the_notebook_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason=".ci/python installs it")
    nbclient = pytest.importorskip("nbclient", reason=".ci/python installs it")
    folder = ROOT / "python/examples"
    notebook = nbformat.read(folder / "digits.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert any("counterexample" in str(output) for output in outputs)
