"""Publishing: the next version appears whole or not at all."""

import errno
import multiprocessing
import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from zoo import export
from zoo.errors import InputError


def test_versions_count_up(tmp_path):
    assert export.next_version(tmp_path / "nowhere") == 1
    for name in ("2", "10", ".exporting-7", "notes"):
        (tmp_path / name).mkdir()
    assert export.next_version(tmp_path) == 11
    assert export.versions(tmp_path) == [2, 10]


MODULE = sys.modules[export.publish.__module__]  # not the stand-in that loads it on first use


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """publish() of a run whose model is one file, traced and proven at once; and the folder of its versions."""
    folder = tmp_path / "saved_models" / "toy"

    def child(*arguments: str) -> None:
        os.mkdir(arguments[-1])
        with open(f"{arguments[-1]}/saved_model.pb", "wb") as file:
            file.write(b"whole")

    monkeypatch.setattr(MODULE, "_child", child)
    monkeypatch.setattr(MODULE, "prove", lambda model, trials: None)

    def publish(**options):
        return export.publish(tmp_path, tmp_path / "saved_models", "toy", trials={}, **options)

    return publish, folder


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_version_appears_and_nothing_else_stays(toy):
    publish, folder = toy
    assert publish() == folder / "1"
    assert publish() == folder / "2"
    assert names(folder) == ["1", "2"]


def test_the_newest_are_kept(toy):
    publish, folder = toy
    for _ in range(4):
        publish()
    assert publish(keep=2) == folder / "5"
    assert names(folder) == ["4", "5"]
    publish(keep=1)
    publish(keep=9)
    assert names(folder) == ["6", "7"]


def test_what_a_server_cannot_answer_is_not_published(toy, monkeypatch):
    publish, folder = toy
    publish()

    def prove(*_):
        raise RuntimeError("differs")

    monkeypatch.setattr(MODULE, "prove", prove)
    with pytest.raises(RuntimeError, match="differs"):
        publish(keep=1)
    assert names(folder) == ["1"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        export.publish(tmp_path, tmp_path / "file", "toy", trials={})


def test_a_full_disk_is_said_in_one_line_and_changes_nothing(toy, monkeypatch):
    publish, folder = toy
    publish()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for step in ("_child", "_write_through"):
        with monkeypatch.context() as patch:
            patch.setattr(MODULE, step, full)
            with pytest.raises(InputError, match=r"cannot write.*No space left"):
                publish(keep=1)
        assert names(folder) == ["1"]


def test_what_a_killed_export_left_is_removed_and_what_is_under_way_is_not(toy, monkeypatch):
    publish, folder = toy
    (folder / ".exporting-dead").mkdir(parents=True)
    with export._workplace(folder) as alive:
        assert not (folder / ".exporting-dead").exists()
        publish()
        assert alive.exists()
    assert names(folder) == ["1"]


FORK = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12


@FORK
def test_exports_at_once_get_a_version_each(toy):
    publish, folder = toy
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=publish) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert names(folder) == list("12345678")


@FORK
@pytest.mark.parametrize("moment", np.random.default_rng(0).uniform(0, 0.02, 12))
def test_killed_at_any_moment_a_version_is_whole_or_not_there(toy, moment):
    publish, folder = toy
    publish()
    worker = multiprocessing.get_context("fork").Process(target=lambda: [publish(keep=2) for _ in range(99)])
    worker.start()
    time.sleep(moment)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    for version in export.versions(folder):
        assert (folder / str(version) / "saved_model.pb").read_bytes() == b"whole"
    last = publish(keep=2)
    assert last.name == str(export.versions(folder)[-1])
    assert len(names(folder)) == 2, "no leftovers"


def test_scores_may_differ_in_the_sixth_place():
    export.compare("s", {"score": np.array([0.500001]), "n": np.array([3])}, {"score": np.array([0.5])})


@pytest.mark.parametrize(
    ("got", "want"), [([b"no"], [b"yes"]), ([0.5001], [0.5]), ([[0.5]], [0.5]), ([3], [4]), ([0.5, 0.5], [0.5])]
)
def test_other_answers_are_told(got, want):
    with pytest.raises(RuntimeError, match=r"score \(s\) differs"):
        export.compare("s", {"score": np.array(got)}, {"score": np.array(want)})


@pytest.mark.parametrize("trained", ["sentiment"], indirect=True)
def test_a_broken_run_leaves_the_old_version(trained, tmp_path):
    """A run whose weights are broken is refused when the child loads it; version 1 stays the only one."""
    run_dir, folder = tmp_path / "run", tmp_path / "saved_models" / trained.task.name
    shutil.copytree(trained.run.directory, run_dir)
    (folder / "1").mkdir(parents=True)
    (run_dir / "model.keras").write_bytes(b"broken")
    with pytest.raises(RuntimeError, match="not a whole run"):
        export.publish(run_dir, tmp_path / "saved_models", trained.task.name, trials={})
    assert names(folder) == ["1"]
