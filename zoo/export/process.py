"""Runs the zoo command in a process of its own, with TensorFlow on the CPU."""

import errno
import os
import subprocess
import sys

from zoo.errors import InputError

# TensorFlow's log would hide the last messages, which an error shows.
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONIOENCODING": "utf-8",
}


def run(arguments: list[str], *, stdin: str | None = None) -> str:
    """Runs `python -m zoo` with `arguments` and returns the text that it printed.

    Args:
        stdin: the text that the command reads from standard input; nothing without it.
    Raises:
        InputError: the command refused its input (status 2); the message is the line that it printed.
        OSError: the disk is full.
        RuntimeError: it failed in any other way; the error holds its last messages.
    """
    done = subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        env=os.environ | ENVIRONMENT,
        input=stdin or "",
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if not done.returncode:
        return done.stdout
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(code) in done.stderr:
            raise OSError(code, os.strerror(code))
    *_, last = done.stderr.strip().splitlines() or [""]
    if done.returncode == 2 and last.startswith("error: "):
        raise InputError(last.removeprefix("error: "))
    raise RuntimeError(f"zoo {' '.join(arguments)} failed with status {done.returncode}:\n{done.stderr[-4000:]}")
