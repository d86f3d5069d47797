"""Publishing: the next version appears complete or not at all."""

import errno
import multiprocessing
import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.export import proof, publish
from zoo.run import Run


def test_versions_count_up(tmp_path):
    assert publish.next_number(tmp_path / "nowhere") == 1
    for name in ("2", "10", ".exporting-7", "notes"):
        (tmp_path / name).mkdir()
    assert publish.next_number(tmp_path) == 11
    assert publish.versions(tmp_path) == [2, 10]


@pytest.fixture
def toy(tmp_path):
    """new_version() for a model of one file that is always accepted, and the folder of its versions."""
    folder = tmp_path / "saved_models" / "toy"

    def write(model_dir) -> None:
        model_dir.mkdir()
        (model_dir / "saved_model.pb").write_bytes(b"whole")

    def new_version(*, write=write, prove=lambda model_dir: None, keep=None):
        return publish.new_version(folder, write, prove, keep=keep)

    return new_version, folder


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_version_appears_and_nothing_else_stays(toy):
    new_version, folder = toy
    assert new_version() == folder / "1"
    assert new_version() == folder / "2"
    assert names(folder) == ["1", "2"]


def test_the_newest_are_kept(toy):
    new_version, folder = toy
    for _ in range(4):
        new_version()
    assert new_version(keep=2) == folder / "5"
    assert names(folder) == ["4", "5"]
    new_version(keep=1)
    new_version(keep=9)
    assert names(folder) == ["6", "7"]


def fails(error: Exception):
    def fail(*arguments):
        raise error

    return fail


def test_what_is_not_accepted_is_not_published(toy):
    new_version, folder = toy
    new_version()
    with pytest.raises(RuntimeError, match="differs"):
        new_version(prove=fails(RuntimeError("differs")), keep=1)
    assert names(folder) == ["1"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        publish.new_version(tmp_path / "file" / "toy", fails(AssertionError()), fails(AssertionError()))


def test_without_the_locks_of_unix_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[publish.new_version.__module__], "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the file locks of Unix"):
        publish.new_version(tmp_path / "toy", fails(AssertionError()), fails(AssertionError()))
    assert not (tmp_path / "toy").exists()


def test_a_full_disk_is_said_in_one_line_and_changes_nothing(toy, monkeypatch):
    new_version, folder = toy
    new_version()
    full = fails(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(InputError, match=r"cannot write.*No space left"):
        new_version(write=full, keep=1)
    monkeypatch.setattr(sys.modules[publish.new_version.__module__], "_flush", full)  # not of its stand-in
    with pytest.raises(InputError, match=r"cannot write.*No space left"):
        new_version(keep=1)
    assert names(folder) == ["1"]


def test_what_a_killed_export_left_is_removed_and_what_is_under_way_is_not(toy, monkeypatch):
    new_version, folder = toy
    (folder / ".exporting-dead").mkdir(parents=True)
    with publish._workplace(folder) as alive:
        assert not (folder / ".exporting-dead").exists()
        new_version()
        assert alive.exists()
    assert names(folder) == ["1"]


FORK = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12


@FORK
def test_exports_at_once_get_a_version_each(toy):
    new_version, folder = toy
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=new_version) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert names(folder) == list("12345678")


@FORK
@pytest.mark.parametrize("moment", np.random.default_rng(0).uniform(0, 0.02, 12))
def test_killed_at_any_moment_a_version_is_whole_or_not_there(toy, moment):
    new_version, folder = toy
    new_version()
    worker = multiprocessing.get_context("fork").Process(target=lambda: [new_version(keep=2) for _ in range(99)])
    worker.start()
    time.sleep(moment)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    for version in publish.versions(folder):
        assert (folder / str(version) / "saved_model.pb").read_bytes() == b"whole"
    last = new_version(keep=2)
    assert last.name == str(publish.versions(folder)[-1])
    assert len(names(folder)) == 2, "no leftovers"


def test_scores_may_differ_in_the_sixth_place():
    proof.compare("s", {"score": np.array([0.500001]), "n": np.array([3])}, {"score": np.array([0.5])})
    proof.compare("s", {"perplexity": np.array([31.793797])}, {"perplexity": np.array([31.793781])})


@pytest.mark.parametrize(
    ("got", "want"), [([b"no"], [b"yes"]), ([0.5001], [0.5]), ([[0.5]], [0.5]), ([3], [4]), ([0.5, 0.5], [0.5])]
)
def test_other_answers_are_told(got, want):
    with pytest.raises(RuntimeError, match=r"score \(s\) differs"):
        proof.compare("s", {"score": np.array(got)}, {"score": np.array(want)})


@pytest.mark.parametrize("trained", ["sentiment"], indirect=True)
def test_a_broken_run_leaves_the_old_version(trained, tmp_path):
    """The child process refuses to load broken weights, in one line; version 1 stays the only one."""
    run_dir, to = tmp_path / "run", tmp_path / "saved_models"
    shutil.copytree(trained.run.directory, run_dir)
    run = Run.load(run_dir)
    (to / "sentiment" / "1").mkdir(parents=True)
    (run_dir / "model.keras").write_bytes(b"broken")
    with pytest.raises(InputError, match="is incomplete or damaged"):
        run.export(to)
    assert names(to / "sentiment") == ["1"]
