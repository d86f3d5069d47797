"""Remarks on the data that users should see, such as cut texts: noted where they arise, counted, shown once.

with remarks.collect() as seen:
    caches["train"] = …          # deep inside: remarks.note("texts cut to 400 tokens", 12, of=2000)
seen                             # {"texts cut to 400 tokens": Count(12, 22500)}
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Count:
    """How often something happened, and out of how many cases; 0 cases if that is not known."""

    happened: int = 0
    of: int = 0

    def __str__(self) -> str:
        return f"{self.happened:,} of {self.of:,}" if self.of else f"{self.happened:,}"


_seen: ContextVar[dict[str, Count] | None] = ContextVar("seen", default=None)


def wanted() -> bool:
    """Whether remarks are collected. If not, there is no need to count."""
    return _seen.get() is not None


def note(what: str, happened: int, *, of: int = 0) -> None:
    """Adds to the count of `what`; does nothing unless remarks are collected."""
    seen = _seen.get()
    if seen is not None:
        count = seen.setdefault(what, Count())
        count.happened += happened
        count.of += of


@contextmanager
def collect() -> Iterator[dict[str, Count]]:
    """Collects the remarks made inside the `with` block, in this thread."""
    seen: dict[str, Count] = {}
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


def say(line: str) -> None:
    """Prints a line at once, also where the output is a file."""
    print(line, flush=True)
