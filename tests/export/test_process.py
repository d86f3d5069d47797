"""The zoo command in a child process: its output, and the three kinds of failure."""

import errno
import subprocess
from types import SimpleNamespace

import pytest

from zoo import __version__
from zoo.errors import InputError
from zoo.export import process


def test_returns_the_printed_text():
    assert process.run([]).startswith(f"zoo {__version__}")


def test_refused_input_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"^nowhere is not a run directory"):
        process.run(["trace", "nowhere", str(tmp_path / "model"), "--format", "saved_model"])


@pytest.fixture
def ends(monkeypatch):
    """Makes the next child end with this status and these messages."""

    def end(status: int, messages: str) -> None:
        done = SimpleNamespace(returncode=status, stdout="", stderr=messages)
        monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)

    return end


@pytest.mark.parametrize("status", [1, 2])
def test_a_full_disk_stays_an_error_of_the_disk(ends, status):
    ends(status, "error: model.pb: No space left on device\n")
    with pytest.raises(OSError) as caught:  # noqa: PT011, its number is checked
        process.run(["trace"])
    assert caught.value.errno == errno.ENOSPC


def test_any_other_failure_shows_the_last_messages(ends):
    ends(1, "Traceback\nZeroDivisionError: division by zero\n")
    with pytest.raises(RuntimeError, match=r"zoo trace runs/1 failed with status 1:\nTraceback\nZeroDivisionError"):
        process.run(["trace", "runs/1"])
