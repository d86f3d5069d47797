"""The flags of the command line: made from a task's Config, with errors of one line."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from zoo import options
from zoo.errors import InputError, did_you_mean
from zoo.task import Task


class Parser(argparse.ArgumentParser):
    """Errors are one line with a suggestion."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (--help lists the options)")

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        parsed, unknown = self.parse_known_intermixed_args(words)  # inputs and flags in any order
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            guess = did_you_mean(unknown[0].split("=")[0], flags)
            raise InputError(f"unknown option {unknown[0]!r}{guess} (--help lists the options)")
        return parsed


def boolean(word: str) -> bool:
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word == "true"


def positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from 1")
    return int(word)


def add_options(parser: Parser, task: Task) -> Any:
    """Adds the options of a task under their headings, and --recipe. Gives the first group of them."""
    groups = []
    for heading, entries in options.groups(task.Config).items():
        groups.append(parser.add_argument_group(heading))
        for entry in entries:
            kind, choices, _ = options.kind_of(task.Config, entry.name)
            default = str(entry.default).lower() if kind is bool else entry.default
            groups[-1].add_argument(
                "--" + entry.name.replace("_", "-"),
                type=boolean if kind is bool else kind,
                choices=choices or None,
                default=argparse.SUPPRESS,  # absent flags stay out of the result, so that a recipe can speak
                metavar=None if choices else {int: "N", float: "X", bool: "true|false"}.get(kind, "TEXT"),
                help=f"{entry.metadata['help']} (default: {default})".replace("%", "%%"),
            )
    groups[0].add_argument("--recipe", metavar="FILE.toml", help="options from a file, such as tasks/*/*.toml")
    return groups[0]


def seeds(listed: str | None, seed: int) -> list[int]:
    try:
        return [int(word) for word in listed.split(",")] if listed else [seed]
    except ValueError:
        raise InputError(f"--seeds {listed}: expected whole numbers like 0,1,2") from None


def configured(task: Task, given: argparse.Namespace, others: Sequence[str]) -> Any:
    """The Config of defaults < recipe < flags.

    Args:
        others: names of further flags that do not go with --resume.
    """
    flags = {name: value for name, value in vars(given).items() if name in options.names(task.Config)}
    fixed = [*flags, *(name for name in others if getattr(given, name))]
    if given.resume and fixed:
        raise InputError(
            f"--{fixed[0].replace('_', '-')} with --resume: it continues with the options that it began with; "
            "--init starts a new run from the weights of a finished one"
        )
    return options.configure(task.Config, given.recipe, flags)
