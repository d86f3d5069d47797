"""A lock between processes, on every platform that TensorFlow supports."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Path, *, waiting: str = "") -> Iterator[int]:
    """Waits until no other process or thread has locked `path`, and locks it inside the `with` block.

    The operating system releases the lock of a process that is killed. The file itself stays and has no content.

    Args:
        waiting: a line that is printed if another has the lock.
    Yields:
        the descriptor of the file. Where there is fork, a child that inherits it holds the lock too, until it ends.
    """
    with path.open("ab") as file:
        unlock = _lock(file.fileno(), waiting)
        try:
            yield file.fileno()
        finally:
            unlock()


def _lock(descriptor: int, waiting: str) -> Any:
    """Locks an open file; gives the function that unlocks it."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting:
            print(waiting, flush=True)
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
