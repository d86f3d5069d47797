"""Any bytes in: an answer or a clear error out. The number of inputs is printed.

A total is shared by all tasks, so that a new task makes `make slow` no longer. `make sweep` tries many more.
"""

import base64
import contextlib
import gzip
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import TASKS, description
from zoo import task as tasks
from zoo.errors import InputError

SLOW = {"files": 20_000, "texts": 16_000, "requests": 1_600}  # inputs of all tasks together
SWEEP = {"files": 100_000, "texts": 80_000, "requests": 16_000}


@pytest.fixture(
    params=[
        pytest.param(SLOW, marks=pytest.mark.slow, id="slow"),
        pytest.param(SWEEP, marks=pytest.mark.sweep, id="sweep"),
    ]
)
def share(request) -> dict[str, int]:
    """The number of inputs for one task, by kind."""
    return {kind: total // len(TASKS) for kind, total in request.param.items()}


PIECES = [
    *(
        b"",
        b"\0",
        b"\xff\xfe",
        b"\xc3",
        b"\n",
        b"\r\n",
        b"\r",
        b"\x0b\x0c\x1c",
        b"\t",
        b" ",
        b"'",
        b'"',
        b'""',
        b",",
        b";",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"\\",
        b"\\ud800",
        b"\\u0000",
        b"null",
        b"true",
        b"NaN",
        b"1e999",
        b"-0",
        b"9" * 5000,
    ),
    *(b"[" * 3000, b" " * 3000, b"a" * 3000, b"#", b"_", b"1-2", b"2.1", b"<pad>", b"<unk>", b"<s>", b"</s>", b"<end>"),
    *(text.encode() for text in ("\ufeff", "\u2028", "\x85", "\ufffd", "▁", "é", "e\u0301" * 40, "ﷺ", "\u202e", "אב")),
    *(
        text.encode()
        for text in ("👩‍👩‍👧", "🏴\U000e0067\U000e007f", "\U0010ffff", "K", "ß", "İ", "ΑΣ", "中文", "\u200b", "don’t")
    ),
]
pieces = st.one_of(st.sampled_from(PIECES), st.binary(max_size=12))
texts = st.lists(pieces, max_size=4).map(b"".join)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), pieces), min_size=1, max_size=4)


def edited(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, removed, added in changes:
        start = int(place * len(content))
        content = content[:start] + added + content[start + removed :]
    return content


def jsonl(*records: dict) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


WORDS = ("the", "DET", "film", "NOUN", "ended", "VERB")
CONLLU = b"# text = the film ended\n" + b"".join(
    f"{i}\t{form}\t_\t{tag}\t{tag[0]}\t_\t0\troot\t_\t_\n".encode()
    for i, (form, tag) in enumerate(zip(WORDS[::2], WORDS[1::2], strict=True), 1)
)
REVIEWS = jsonl({"text": "fine", "label": "pos"}, {"text": "bad", "label": 0}, {"text": 'a "b", c', "label": "pos"})
DOT = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=")  # one white pixel
NOTE = b"MThd\0\0\0\x06\0\0\0\x01\0\x60" + b"MTrk\0\0\0\x0c\0\x90\x3c\x40\x60\x80\x3c\0\0\xff\x2f\0"  # one, in MIDI
# The files that each task reads: name → a good one.
READS = {
    "sentiment": [
        {"train.jsonl": REVIEWS},
        {"train.csv": b'text,label\nfine,pos\n"bad, ""really""",neg\n'},
        {"train.tsv": b"text\tlabel\nfine\tpos\nbad\tneg\n"},
        {"train.jsonl.gz": gzip.compress(REVIEWS, mtime=0)},
    ],
    "pos_tagging": [{"train.conllu": CONLLU + b"\n" + CONLLU}, {"train.conllu.gz": gzip.compress(CONLLU, mtime=0)}],
    "named_entities": [
        {"train.conll": b"# id = 1\nAnn\tB-PER\nleft\tO\n\nOslo\tNNP\tB-LOC\n"},
        {"train.jsonl": jsonl({"text": "Ann left", "entities": [{"start": 0, "end": 3, "type": "PER"}]})},
    ],
    "captioning": [
        {
            "all.jsonl": jsonl(*({"image": f"{name}.gif", "captions": ["a dot"], "split": "train"} for name in "ab")),
            "a.gif": DOT,
            "b.gif": DOT,
        },
    ],
    "language_model": [{"train.txt": b"a dog barks .\ntwo cats sleep .\n"}, {"train.jsonl": REVIEWS}],
    "music": [{"pieces.json": b'{"train": [[[60, 64], []], [[-1, 62]]], "test": []}'}, {"a.mid": NOTE}],
    "translation": [{"train.en": b"a man\ntwo dogs\n", "train.de": "ein Mann\nzwei Hündin\n".encode()}],
}


def reads(task: str) -> list[dict[str, bytes]]:
    """The data sets in READS, or the small valid one of tests/tasks/TASK.py."""
    if task in READS:
        return READS[task]
    with tempfile.TemporaryDirectory() as folder:
        description(task).write_good(Path(folder))
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        return [{str(path.relative_to(folder)): path.read_bytes() for path in files}]


def counted(strategy, examples: int, check) -> None:
    """Runs `check` on this number of draws of `strategy`."""
    quick = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    only = [Phase.generate]  # inputs come by the dozen: to shrink them takes minutes and says no more
    settings(max_examples=examples, deadline=None, suppress_health_check=quick, phases=only)(given(strategy)(check))()


def strings(value) -> list[str]:
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("task", "files"),
    [(task, files) for task in TASKS for files in reads(task)],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else x,
)
def test_files_are_read_or_refused_in_a_line(task, files, share, tmp_path, capsys):
    draws = share["files"] // len(reads(task)) // 25
    task = tasks.get(task)
    cfg = task.Config(data=str(tmp_path))
    done = {"read": 0, "refused": 0}

    def check(several: list[tuple[int, list]]) -> None:
        for which, changes in several:
            for i, (name, content) in enumerate(files.items()):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(edited(content, changes) if i == which % len(files) else content)
            refusal, examples = None, []
            try:
                examples = list(task.examples(cfg, "train"))
            except InputError as error:
                refusal = str(error)
            done["refused" if refusal else "read"] += 1
            assert refusal is None or (str(tmp_path) in refusal and len(refusal.splitlines()) == 1), refusal
            for text in strings([list(example.values()) for example in examples]):
                assert isinstance(text, str | bytes | int | float | np.ndarray)
                assert not isinstance(text, str) or text.encode("utf-8") is not None  # no half of a surrogate pair

    counted(st.lists(st.tuples(st.integers(0, 3), edits), min_size=25, max_size=25), draws, check)
    with capsys.disabled():
        print(f"\n{tasks.name_of(task)} {' and '.join(files)}: {done['read']:,} read, {done['refused']:,} refused")
    assert sum(done.values()) >= 25 * draws
    assert done["read"] > 0
    assert done["refused"] > 0 or all(name.endswith(".txt") for name in files)  # almost any bytes are a plain text


def hostile(value, source):
    """An example with every text in it replaced."""
    if isinstance(value, str):
        return next(source).decode("utf-8", errors="replace")
    return [hostile(item, source) for item in value] if isinstance(value, list) else value


def test_any_text_is_encoded(trained, share, capsys):
    run, task = trained.run, trained.task
    plain, label = run.first_examples(8), tasks.optional(task, "LABELS")
    largest = max((len(part) for part in run.codec._parts.values() if hasattr(part, "__len__")), default=2**31)
    count = 0

    def check(given: list[bytes]) -> None:
        nonlocal count
        source = iter(given)
        rows = []
        with contextlib.suppress(StopIteration, RuntimeError):
            while True:
                row = plain[len(rows) % len(plain)]
                rows.append({k: v if k == label else hostile(v, source) for k, v in row.items()})
        from zoo.data import cache

        batch = {name: cache._tensor([row[name] for row in rows]) for name in rows[0]}
        x, y = task.encode(run.cfg, run.codec, batch)
        for least, one in ((0, x), (-1, y)):  # a target of -1 is padding
            for part in one.values() if isinstance(one, dict) else [one]:
                if isinstance(part, tf.RaggedTensor):
                    assert int(tf.reduce_min(part.row_lengths())) > 0
                    part = part.flat_values
                if isinstance(part, tf.Tensor) and part.dtype.is_integer:
                    assert int(tf.reduce_min(part)) >= least
                    assert int(tf.reduce_max(part)) < largest
        count += len(given)

    counted(st.lists(texts, min_size=200, max_size=200), share["texts"] // 200, check)
    with capsys.disabled():
        print(f"\n{run.name}: {count:,} texts encoded")
    assert count >= share["texts"] // 200 * 200


def test_any_request_is_answered(trained, share, capsys):
    service = trained.run.service
    draws = share["requests"] // len(service.functions)
    example = next(iter(trained.run.test))
    counts = {}

    def batches(name: str, spec: tf.TensorSpec, rows: int):
        number = st.integers(1, 3) if spec.dtype.is_integer else st.floats(-1, 1, width=32)
        one = texts if spec.dtype == tf.string else number
        if isinstance(example.get(name), bytes):  # a picture: broken ones are refused
            one = st.one_of(texts, edits.map(lambda changes: edited(example[name], changes)), st.just(example[name]))
        for size in reversed(spec.shape[1:]):
            one = st.lists(one, min_size=size or 5, max_size=size or 5)
        return st.lists(one, min_size=rows, max_size=rows)

    def ask(signature: str, specs: dict[str, tf.TensorSpec]):
        count = counts[signature] = {"answered": 0, "refused": 0}

        def check(inputs: dict) -> None:
            rows = len(next(iter(inputs.values())))
            tensors = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
            try:
                answer = service(signature, **tensors)
            except tf.errors.InvalidArgumentError:  # which a server answers with status 400
                count["refused"] += rows
                return
            for name, value in answer.items():
                array = value.numpy()
                assert len(array) == rows, name
                if array.dtype.kind == "f":
                    assert np.isfinite(array).all(), name
                for text in array.ravel().tolist() if array.dtype == object else []:
                    text.decode("utf-8")
            count["answered"] += rows

        return check

    for signature in service.functions:
        specs = service.inputs_of(signature)
        values = sum(math.prod(size or 5 for size in spec.shape[1:]) for spec in specs.values())
        picture = any(isinstance(value, bytes) for value in example.values())
        alone = picture or getattr(description(trained.name), "REFUSES_TEXTS", False)  # one bad row refuses a batch
        rows = 1 if alone else max(1, min(25, 500 // values))  # hypothesis makes no larger inputs
        inputs = st.fixed_dictionaries({name: batches(name, spec, rows) for name, spec in specs.items()})
        counted(inputs, draws // rows, ask(signature, specs))
    with capsys.disabled():
        for signature, count in counts.items():
            print(
                f"\n{trained.run.name} {signature}: {count['answered']:,} answered, {count['refused']:,} refused",
                end="",
            )
    assert all(sum(count.values()) > draws - 25 and count["answered"] for count in counts.values()), counts
