"""Writers take turns on every platform: with fcntl, and where there is none."""

import errno
import os
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.data.test_cache import ITEMS, right, store
from zoo.data.locks import locked


def fake_msvcrt(held: set, guard=threading.Lock()) -> types.ModuleType:  # noqa: B008
    """Windows' locks: of bytes of a file, refused while another holds them."""

    def locking(descriptor: int, mode: int, size: int) -> None:
        file = os.fstat(descriptor).st_ino
        with guard:
            if mode == 0:
                held.remove(file)
            elif file in held:
                raise PermissionError(errno.EACCES, "Permission denied")
            else:
                held.add(file)

    module = types.ModuleType("msvcrt")
    module.locking, module.LK_NBLCK, module.LK_UNLCK = locking, 2, 0
    return module


@pytest.fixture(params=["fcntl", "msvcrt"])
def platform(request, monkeypatch):
    if request.param == "msvcrt":
        monkeypatch.setitem(sys.modules, "fcntl", None)  # import fcntl: ImportError, as on Windows
        monkeypatch.setitem(sys.modules, "msvcrt", fake_msvcrt(set()))
    return request.param


def test_one_at_a_time(platform, tmp_path):
    inside, most = [], []

    def one(_):
        with locked(tmp_path / "lock"):
            inside.append(0)
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(20)))
    assert max(most) == 1
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock"):
        pass  # the error has released it


def test_stores_are_written_on_every_platform(platform, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: right(store(tmp_path)), range(2)))
    assert right(store(tmp_path), ITEMS[::-1])


def test_an_error_of_another_kind_is_not_waited_for(monkeypatch, tmp_path):
    def fail(*arguments):
        raise OSError(errno.ENOLCK, "no locks")

    module = fake_msvcrt(set())
    module.locking = fail
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    with pytest.raises(OSError, match="no locks"), locked(tmp_path / "lock"):
        pass


def test_the_zoo_is_imported_without_fcntl():
    code = "import sys; sys.modules['fcntl'] = None; import zoo; from zoo.data import cache; cache.Store"
    subprocess.run([sys.executable, "-c", code], check=True)
