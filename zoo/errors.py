"""The one error that is the user's to mend: the command line prints its message as one line and exits with status 2."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Says what was received, what was expected and the way out; names file and line where there is one."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'dropout'?` for 'dropuot', or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
