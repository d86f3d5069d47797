"""The codec of a run: everything learned from the data except the weights, as named parts in readable files.

    codec = Codec(words=text.Vocabulary.learn(...), labels=text.Vocabulary(["negative", "positive"]))
    codec.words(tokens)        # ids, in tf.data and in the served graph
    codec.save(folder)         # words.txt, labels.txt and codec.json

A part is any class with `save(file)` and `load(file)` that registers itself. It can be defined in any module:

    @codec.register(".json")
    class Scaler:
        def save(self, file: Path) -> None: ...

        @classmethod
        def load(cls, file: Path) -> "Scaler": ...
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import tensorflow as tf

from zoo.errors import InputError, did_you_mean

INDEX = "codec.json"


class Part(Protocol):
    """A vocabulary, a scaler, a feature extractor: whatever `encode` and the served graph have to know."""

    suffix: str  # set by `register`

    def save(self, file: Path) -> None:
        """Writes `file`. Further files beside it have the same stem."""

    @classmethod
    def load(cls, file: Path) -> Self: ...


P = TypeVar("P")
_kinds: dict[str, Any] = {}


def register(suffix: str) -> Callable[[type[P]], type[P]]:
    """Class decorator of a part: files of this kind of part end in `suffix`, such as ".txt".

    Raises:
        ValueError: another module has registered a class of the same name.
    """

    def add(kind: type[P]) -> type[P]:
        known = _kinds.get(kind.__name__)
        modules = {kind.__module__, known.__module__ if known else kind.__module__}
        if len(modules - {"__main__"}) > 1:  # a module that is run with -m may be imported by its name, too
            raise ValueError(f"two kinds of codec parts are called {kind.__name__}: in {' and '.join(sorted(modules))}")
        kind.suffix = suffix  # type: ignore[attr-defined]
        _kinds[kind.__name__] = kind
        return kind

    return add


class MissingPart(InputError, AttributeError):
    """The codec has no part of that name: it is from a run with other options, which --init names."""


class Codec(tf.Module):
    """Named parts. Each is an attribute, and is saved to a file of its own: NAME and the suffix of its kind.

    The folder also has a `codec.json`: {NAME: {"kind": class, "module": where it is defined, "file": file name}}.
    """

    def __init__(self, **parts: Any):
        super().__init__()
        for name, part in parts.items():
            if _kinds.get(type(part).__name__) is not type(part):
                raise ValueError(f"{name} is a {type(part).__name__}, whose class lacks @codec.register")
            if f"{name}{part.suffix}" == INDEX:
                raise ValueError(f"{name!r} cannot be the name of a part: its file would be {INDEX}; choose another")
            setattr(self, name, part)
        self._parts = parts

    def __getattr__(self, name: str) -> Any:  # for type checkers: the parts are set in __init__
        known = ", ".join(vars(self).get("_parts", {}))
        raise MissingPart(
            f"the codec has no part {name!r}, only {known}; an option asks for it that the run did not have"
        )

    def save(self, folder: Path) -> None:
        """Writes every part and `codec.json` to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        index = {}
        for name, part in self._parts.items():
            file = f"{name}{part.suffix}"
            part.save(folder / file)
            index[name] = {"kind": type(part).__name__, "module": type(part).__module__, "file": file}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Codec":
        """The codec that `save` wrote.

        Raises:
            InputError: a file is missing or damaged, or a part is of an unknown kind.
        """
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            entries = {name: (about["kind"], about["module"], folder / about["file"]) for name, about in index.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{folder} is not a complete codec: {INDEX} cannot be read ({error!r}); train again or copy all files"
            ) from error
        parts = {}
        for name, (kind, module, file) in entries.items():
            found = _find(kind, module)
            if found is None:
                raise InputError(
                    f"{folder / INDEX}: the part {name!r} is of the unknown kind {kind!r}{did_you_mean(kind, _kinds)}; "
                    f"import the module that registers it first: {module}"
                )
            try:
                parts[name] = found.load(file)
            except Exception as error:  # a damaged file can make any reader fail in any way
                raise InputError(
                    f"{file} cannot be read as {kind} ({error!r}); it is missing or damaged: train again or copy it"
                ) from error
        return cls(**parts)


def _find(kind: str, module: str) -> Any:
    """The registered class. Its module is imported if it belongs to the zoo; a file never decides what else is run."""
    if kind not in _kinds and (module in sys.modules or module.startswith("zoo.")):
        try:
            getattr(importlib.import_module(module), kind)  # zoo's modules run when an attribute is asked for
        except (ImportError, AttributeError):
            return None
    return _kinds.get(kind)
