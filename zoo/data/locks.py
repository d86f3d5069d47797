"""A lock between processes, on every platform that TensorFlow supports."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process or thread has locked `path`, and locks it inside the `with` block.

    The operating system releases the lock of a process that is killed. The file itself stays and has no content.
    """
    with path.open("ab") as file:
        unlock = _lock(file.fileno())
        try:
            yield
        finally:
            unlock()


def _lock(descriptor: int) -> Any:
    """Locks an open file; gives the function that unlocks it."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)


def _lock_on_windows(descriptor: int) -> Any:
    import msvcrt

    windows: Any = msvcrt  # type checkers on other systems know none of its functions
    while True:
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EDEADLK):
                raise
            time.sleep(0.05)  # another process has it
        else:
            return lambda: windows.locking(descriptor, windows.LK_UNLCK, 1)
