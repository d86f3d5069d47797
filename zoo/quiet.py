"""Loads Keras without the lines that TensorFlow prints at start."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def load_keras() -> None:
    """Loads Keras and its backend without the lines that TensorFlow's C++ code prints at start.

    They report missing CUDA libraries and CPU instructions. Python's own errors are shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with standard_error_hidden():
        import keras

        if keras.config.backend() == "tensorflow":  # JAX must join other processes before it looks for devices
            keras.distribution.list_devices()


@contextlib.contextmanager
def standard_error_hidden() -> Iterator[None]:
    """Keeps the standard error of this process and of its libraries off the terminal; prints it after a failure."""
    try:
        saved = os.dup(2)
    except OSError:  # a process without a standard error
        yield
        return
    with tempfile.TemporaryFile() as hidden:
        sys.stderr.flush()
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(saved, hidden.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
