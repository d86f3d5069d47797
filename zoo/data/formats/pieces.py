"""Pieces of music: piano rolls in a JSON file, or folders of MIDI files."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo.data import notes
from zoo.data.examples import Examples
from zoo.data.formats import files, midi
from zoo.data.remarks import say
from zoo.errors import InputError

ROLLS, MIDI = (".json", ".json.gz"), (".mid", ".midi")
EXPECTED = "a .json file of piano rolls, .mid files, or folders train/, valid/ and test/ of .mid files"
SILENT = -1  # in rolls that have one place for each voice


def pieces(data: str, split: str, *, sample: Callable[[str], Iterable[dict]], grid: int) -> Examples | None:
    """{"piece": str, "name": str}, one per piece, as `zoo.data.notes` writes it; None if there is no such split.

    A JSON file is {"train": pieces, "valid": pieces, "test": pieces}: a piece is a list of steps, a step a list of MIDI
    pitches, of which −1 is silence. MIDI files that cannot be read are named and left out.

    Args:
        data: "sample", a file of piano rolls, or a directory with one or with MIDI files.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
        grid: steps of a quarter note in MIDI files.
    Raises:
        InputError: there is nothing to train with, or a file of piano rolls is wrong.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    path = Path(data)
    rolls = [path] if path.name.endswith(ROLLS) and path.is_file() else _inside(path, ROLLS)
    if len(rolls) > 1:
        names = ", ".join(one.name for one in rolls)
        raise InputError(f"--data {data} has several files of piano rolls; give one of them instead: {names}")
    found = list(_rolls(rolls[0], split)) if rolls else _midi(path, split, grid)
    if not found and split == "train":
        raise files.missing_split(path, split, EXPECTED)
    return Examples(lambda: iter(found), count=len(found)) if found else None


def _inside(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in found if path.name.lower().endswith(suffixes) and path.is_file())


def _rolls(path: Path, split: str) -> Iterator[dict]:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = json.loads(file.read())
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file: {' '.join(str(error).split())[:80]}") from error
    if not isinstance(content, dict):
        raise InputError(f'{path}: expected an object such as {{"train": pieces, "valid": pieces, "test": pieces}}')
    names = [name for name in files.SPLIT_NAMES[split] if name in content]
    if not names and split == "train":
        raise InputError(f'{path} has no "train": expected it beside "valid" and "test"; found {list(content)[:5]}')
    for name in names[:1]:
        where = f"{path}, {name}"
        for number, steps in enumerate(_list(content[name], where), 1):
            chords = [
                _chord(step, f"{where} piece {number} step {place}")
                for place, step in enumerate(_list(steps, f"{where} piece {number}"), 1)
            ]
            if chords:
                yield {"piece": notes.write(chords), "name": f"{name} {number}"}


def _list(value: Any, where: str) -> list:
    if not isinstance(value, list):
        raise InputError(f"{where} is {str(value)[:40]!r}: expected a list")
    return value


def _chord(step: Any, where: str) -> list[int]:
    for pitch in _list(step, where):
        if type(pitch) is not int or not SILENT <= pitch < notes.PITCHES:
            raise InputError(f"{where} has {str(pitch)[:40]!r}: expected MIDI pitches from 0 to 127, or −1 for silence")
    return sorted({pitch for pitch in step if pitch != SILENT})


def _midi(folder: Path, split: str, grid: int) -> list[dict]:
    by_split = {
        name: [folder / one for one in known if (folder / one).is_dir()] for name, known in files.SPLIT_NAMES.items()
    }
    if any(by_split.values()):
        paths = [path for one in by_split[split] for path in _all_midi(one)]
    else:
        paths = _all_midi(folder) if split == "train" else []
    found, refused = [], []
    for path in paths:
        try:
            found.append({"piece": notes.write(midi.read(path, grid=grid)), "name": str(path.relative_to(folder))})
        except InputError as error:
            refused.append(str(error))
    if refused and not found:
        raise InputError(
            f"no piece for {split}: {refused[0]}" + (f" (and {len(refused) - 1} more)" * (len(refused) > 1))
        )
    for line in refused:
        say(f"  left out: {line}")
    return found


def _all_midi(folder: Path) -> list[Path]:
    found = folder.rglob("*") if folder.is_dir() else [folder] if folder.is_file() else []
    return sorted(path for path in found if path.name.lower().endswith(MIDI) and path.is_file())
