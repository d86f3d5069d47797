"""A copy of zoo/tasks/_template.py is a task: it trains, answers and exports, and its --help is quick to make."""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from zoo import cli, tasks
from zoo import task as contract
from zoo.run import Run

SMALL = ["--units", "8", "--embedding", "8", "--limit", "200", "--epochs", "2", "--shapes", "2"]


@pytest.fixture
def copied(tmp_path, monkeypatch) -> str:
    """The name of a task in a folder of its own that zoo.tasks also looks into."""
    folder = tmp_path / "own_tasks"
    folder.mkdir()
    shutil.copy(Path(tasks.__file__).with_name("_template.py"), folder / "copied.py")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(folder)])
    # Python runs sitecustomize.py when it starts, so that the child process that traces the export finds the task too.
    program = f"""import sys
if "zoo" in sys.orig_argv:
    import zoo.tasks
    zoo.tasks.__path__.append({str(folder)!r})
"""
    (folder / "sitecustomize.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path(tasks.__file__).parents[2])]))
    importlib.invalidate_caches()
    yield "copied"
    sys.modules.pop("zoo.tasks.copied", None)
    vars(tasks).pop("copied", None)


@pytest.mark.slow
def test_a_copy_of_the_template_is_a_task(copied, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert contract.summaries()["copied"].startswith("Order: ")
    contract.check(contract.get("copied"))

    assert cli.main(["train", "copied", "--run-dir", "run", *SMALL]) == 0
    printed = capsys.readouterr().out
    version = tmp_path / "saved_models" / "copied" / "1"
    assert str(version.relative_to(tmp_path)) in printed
    assert (version / "saved_model.pb").is_file()  # compared with the answers of predict

    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["task"] == "copied"
    assert Run.load("run").evaluate()["accuracy"] == pytest.approx(record["metrics"]["accuracy"])
    assert 0 <= record["baseline"]["accuracy"] <= 1

    capsys.readouterr()
    assert cli.main(["predict", "run", "--json", "a x b y", "", "y é x"]) == 0
    together = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for answer in together:
        (alone,) = Run.load("run").predict([answer["text"]])
        assert alone["label"] == answer["label"]
        assert alone["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-5)

    assert cli.main(["export", "run", "--keep", "1"]) == 0
    assert [path.name for path in version.parent.iterdir() if path.name.isdecimal()] == ["2"]


def test_the_template_is_short():
    text = Path(tasks.__file__).with_name("_template.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
