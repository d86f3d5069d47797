"""An error that users can fix themselves: the command line prints its message as one line and exits with status 2."""

import difflib
import importlib.util
from collections.abc import Iterable


class InputError(ValueError):
    """Says what was received, what was expected and the way out; names file and line where there is one."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'dropout'?` for 'dropuot', or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def needs(*packages: str, extra: str, purpose: str = "") -> None:
    """Checks that optional packages are installed; call it before the work that needs them.

    Args:
        packages: import names, such as "tensorflow_text".
        extra: the extra of pyproject.toml that installs them.
        purpose: begins the message; the name of the extra if empty.

    Raises:
        InputError: one of them is missing, such as
            "translation needs sentencepiece: pip install 'sequence-task-zoo[translation]'".
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"{purpose or extra} needs {package}: pip install 'sequence-task-zoo[{extra}]'")
