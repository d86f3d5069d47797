"""Publishing: the next version appears whole or not at all."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from zoo import answer, export
from zoo.errors import InputError


def test_versions_count_up(tmp_path):
    assert export.next_version(tmp_path / "nowhere") == 1
    for name in ("2", "10", ".exporting-7", "notes"):
        (tmp_path / name).mkdir()
    assert export.next_version(tmp_path) == 11


@pytest.fixture
def published(tmp_path, monkeypatch):
    """publish() with child processes that answer at once: (publish, folder, what the reloaded model says)."""
    says = {"label": ["yes"], "score": [0.5]}

    def child(*arguments: str) -> str:
        if arguments[0] == "-c":  # the one that traces
            folder = tmp_path / "saved_models" / "toy"
            (next(folder.glob(".exporting-*")) / "model").mkdir()
            return ""
        return json.dumps(says)

    monkeypatch.setattr(sys.modules[export.publish.__module__], "_child", child)  # not on its stand-in

    def publish():
        return export.publish(
            tmp_path,
            tmp_path / "saved_models",
            "toy",
            inputs={"text": ["a"]},
            expected={"label": ["yes"], "score": [0.5]},
        )

    return publish, tmp_path / "saved_models" / "toy", says


def test_the_next_version_appears_and_nothing_else_stays(published):
    publish, folder, _ = published
    assert publish() == folder / "1"
    assert publish() == folder / "2"
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]


@pytest.mark.parametrize(("name", "value"), [("label", ["no"]), ("score", [0.5001])])
def test_other_answers_are_not_published(published, name, value):
    publish, folder, says = published
    says[name] = value
    with pytest.raises(RuntimeError, match=name):
        publish()
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        export.publish(tmp_path, tmp_path / "file", "toy", inputs={}, expected={})


def test_scores_may_differ_in_the_sixth_place():
    export.compare({"score": [0.500001], "n": [3]}, {"score": np.array([0.5]), "n": np.array([3])})


def test_values_survive_json():
    value = {"text": [b"\xff\x00", b"ok"], "n": [[1, 2]], "x": [0.5]}
    sent = json.loads(json.dumps({name: answer.to_json(item) for name, item in value.items()}))
    assert {name: answer.from_json(item) for name, item in sent.items()} == value


def test_awkward_requests_are_answered_by_the_saved_model(trained, tmp_path):
    """In a process with stock TensorFlow: any bytes, an empty batch, and a batch of many as one by one."""
    if trained.task.name != "sentiment":
        pytest.skip("its input is a text a row")
    nasty = [b"", b"  ", b"\xff\xfe", b"a\0b", "\U0001f600 \u05e9\u05dc\u05d5\u05dd".encode(), b"word " * 200_000]
    for name, batch in (("nasty", nasty), ("none", [])):
        questions = tmp_path / f"{name}.json"
        questions.write_text(json.dumps({"text": [answer.to_json(text) for text in batch]}))
        done = subprocess.run(
            [sys.executable, "-P", answer.__file__, str(trained.version), str(questions)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        got = {key: export.plain(answer.from_json(value)) for key, value in json.loads(done.stdout).items()}
        assert len(got["label"]) == len(batch)
        if batch:
            want = [trained.run.predict([text])[0]["probability"] for text in batch]
            np.testing.assert_allclose(got["probability"], want, atol=1e-5)


def test_a_broken_export_leaves_the_old_version(trained, tmp_path):
    """A run whose weights are broken is refused when the child loads it; version 1 stays the only one."""
    run_dir, folder = tmp_path / "run", tmp_path / "saved_models" / trained.task.name
    shutil.copytree(trained.run.directory, run_dir)
    (folder / "1").mkdir(parents=True)
    (run_dir / "model.keras").write_bytes(b"broken")
    with pytest.raises(RuntimeError, match="not a whole run"):
        export.publish(run_dir, tmp_path / "saved_models", trained.task.name, inputs={}, expected={})
    assert [path.name for path in folder.iterdir()] == ["1"]
