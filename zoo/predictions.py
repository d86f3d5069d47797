"""Answers for the rows of a file: a CSV column, JSON lines or plain lines in, the same rows with answers out.

Rows are read, answered and written a chunk at a time, so memory stays flat. The output appears when it is complete.
"""

import contextlib
import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from zoo import task as tasks
from zoo.data.formats import files, tables
from zoo.errors import InputError, did_you_mean
from zoo.run import Run

CHUNK = 1024  # rows


def answer_file(
    run: Run, source: str, target: str | None, *, column: str | None = None, signature: str | None = None
) -> int:
    """Answers every row of `source` and writes the rows with their answers.

    Args:
        source: .csv, .tsv or .jsonl (.gz too); any other file is read as one input a line.
        target: .csv, .tsv or .jsonl; by default JSON lines on standard output. Replaced as a whole at the end.
        column: the column that holds the input; by default the one that has the name of the run's input.
        signature: the signature to ask.
    Returns:
        the number of rows.
    Raises:
        InputError: `source` cannot be read, has no such column, or holds a row that cannot be answered.
    """
    path = Path(source)
    if not path.is_file():
        raise InputError(f"--input {source}: no such file")
    asked, count, told = _asked(run, path, column, signature), 0, time.monotonic()
    suffix = Path(target).suffix if target else ".jsonl"
    rows = tasks.optional(run.task, "rows") if suffix != ".jsonl" else None
    with _output(target) as file:
        write = _writer(file, suffix)
        while chunk := list(islice(asked, CHUNK)):
            try:
                answers = run.predict([question for _, _, question in chunk], signature=signature)
            except InputError as error:
                raise InputError(f"{path} lines {chunk[0][0]} to {chunk[-1][0]}: {error}") from error
            for (_, record, question), answer in zip(chunk, answers, strict=True):
                for row in rows(run.cfg, question, answer) if rows else [{**record, **_apart(record, answer)}]:
                    write(row)
            count += len(chunk)
            if time.monotonic() - told > 2:
                told = time.monotonic()
                print(f"{count:,} rows answered", file=sys.stderr, flush=True)
    print(f"{count:,} rows answered" + (f": {target}" if target else ""), file=sys.stderr, flush=True)
    return count


def _asked(
    run: Run, path: Path, column: str | None, signature: str | None
) -> Iterator[tuple[int, dict, dict[str, Any]]]:
    """Line number, record and question of every row; where an input is a file, of every question in it."""
    if questions := tasks.optional(run.task, "questions"):
        for number, asked in enumerate(questions(run.cfg, run.codec, str(path)), 1):
            yield number, readable(asked), asked
        return
    for number, record in _rows(path):
        yield number, record, _question(run, path, number, record, column, signature)


def readable(values: dict[str, Any]) -> dict[str, Any]:
    """Without contents of files and arrays, which are too long to read."""
    return {name: value for name, value in values.items() if not isinstance(value, bytes | np.ndarray)}


def _rows(path: Path) -> Iterator[tuple[int, dict]]:
    """Line number and record of every row."""
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind == ".jsonl":
        return files.json_lines(path)
    if kind in (".csv", ".tsv"):
        return tables.rows(path)
    return ((number, {"text": line}) for number, line in enumerate(files.lines(path), 1))


def _question(run: Run, path: Path, number: int, record: dict, column: str | None, signature: str | None) -> Any:
    wanted = list(run.service.inputs_of(signature) if signature else run.service.inputs)
    if column is None and set(wanted) <= record.keys():
        return {name: record[name] for name in wanted}
    first = wanted[0].removesuffix("_bytes")
    known = [column] if column else [first, getattr(run.cfg, "text_column", "text"), "text"]
    name = next((name for name in known if name in record), None)
    if name is None and len(record) == 1 and column is None:
        name = next(iter(record))
    if name is None:
        guess = did_you_mean(known[0], record)
        raise InputError(
            f"{path} line {number}: no column {known[0]!r}{guess}; it has {', '.join(map(repr, record))}. "
            "--column names the one to answer"
        )
    if not isinstance(record[name], str):
        return record[name]
    try:
        return question(run, record[name], signature)
    except InputError as error:
        raise InputError(f"{path} line {number}: {error}") from error


def questions(run: Run, word: str, signature: str | None = None) -> list[dict]:
    """The questions that a word of the command line asks: one, or those in the file that it names."""
    if found := tasks.optional(run.task, "questions"):
        return list(found(run.cfg, run.codec, word))
    return [question(run, word, signature)]


def question(run: Run, word: str, signature: str | None = None) -> dict:
    """The question that a word of the command line or of a table asks.

    Where the run's input is called NAME_bytes, the word is a file's path: NAME is the path, NAME_bytes the content.

    Raises:
        InputError: the file cannot be read, or there is no such signature.
    """
    name = next(iter(run.service.inputs))
    if not name.endswith("_bytes"):
        return run.service.question(word, signature)[1]
    try:
        return {name.removesuffix("_bytes"): word, name: Path(word).read_bytes()}
    except OSError as error:
        raise InputError(f"cannot read {word}: {error.strerror}") from error


def _apart(record: dict, answer: dict) -> dict:
    """The answer under names that the row does not have: a second `label` becomes `predicted_label`."""
    return {f"predicted_{name}" if name in record else name: value for name, value in answer.items()}


@contextlib.contextmanager
def _output(target: str | None) -> Iterator[TextIO]:
    if target is None:
        yield sys.stdout
        return
    path = Path(target)
    if path.suffix not in (".csv", ".tsv", ".jsonl"):
        raise InputError(f"--output {target}: expected a name that ends in .csv, .tsv or .jsonl")
    temporary = path.with_name(path.name + ".writing")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _writer(file: TextIO, suffix: str) -> Any:
    """A function that writes one row; the first row decides the columns of a table."""
    if suffix == ".jsonl":
        return lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")
    table: list[csv.DictWriter] = []

    def write(row: dict) -> None:
        if not table:
            table.append(csv.DictWriter(file, list(row), delimiter="\t" if suffix == ".tsv" else ","))
            table[0].writeheader()
        if extra := row.keys() - set(table[0].fieldnames):
            raise InputError(
                f"a row has {sorted(extra)[0]!r}, which the first row lacks; --output FILE.jsonl takes any row"
            )
        cells = {k: json.dumps(v, ensure_ascii=False) if isinstance(v, (list, dict)) else v for k, v in row.items()}
        table[0].writerow(cells)

    return write
