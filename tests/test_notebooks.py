"""Every notebook runs from top to bottom, and is kept with its outputs: a reader sees results without running it."""

import re
from pathlib import Path

import pytest

from tests.conftest import TASKS

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SHOWS = re.compile(r"\b(print|display)\(|zoo\.train\(")
ABSOLUTE = re.compile(r"(?<![\w.:/])/(home|root|tmp|usr|opt|var|work|mnt|private|Users)/")


def read(path: Path):
    import nbformat

    return nbformat.read(path, as_version=4)


def outputs(notebook) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def text_of(output) -> str:
    """All that an output shows as text."""
    return "".join([output.get("text", ""), output.get("data", {}).get("text/plain", ""), output.get("evalue", "")])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Jupyter's own packages
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    from nbclient import NotebookClient

    notebook = read(path)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_with_their_outputs(path):
    """`make notebooks-run` writes them."""
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code" and SHOWS.search(cell.source):
            assert cell.outputs, cell.source
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run once, from top to bottom"
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert not ABSOLUTE.search(text_of(output)), text_of(output)


def test_every_task_has_a_notebook():
    assert {path.stem for path in NOTEBOOKS} >= set(TASKS)
