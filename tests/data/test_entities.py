"""Files with spans: columns and JSON lines give the same examples, and errors name file and line."""

import gzip
import json

import pytest

from zoo.data import remarks
from zoo.data.formats import entities
from zoo.errors import InputError

GOOD = {"text": "Ann Lee left  New York.", "entities": [{"start": 0, "end": 7, "type": "PER"}]}
TAGGED = {"tokens": ["Ann", "Lee", "left", "New", "York", "."], "tags": ["B-PER", "I-PER", "O", "O", "O", "O"]}


def read(folder, *records):
    with gzip.open(folder / "train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return [*iter(entities.examples(str(folder), "train", sample=iter))]  # one pass: list() asks for the length first


def test_characters_become_words(tmp_path):
    inside = {"text": "🐟 in Yorkers", "entities": [{"start": 5, "end": 9, "type": "LOC"}]}
    empty = {"text": " ", "entities": []}
    with remarks.collect() as seen:
        assert read(tmp_path, GOOD, inside, empty) == [
            TAGGED,
            {"tokens": ["🐟", "in", "Yorkers"], "tags": ["O", "O", "B-LOC"]},
        ]
    assert [count.happened for what, count in seen.items() if "widened" in what] == [1]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": "a"}, 'line 2: expected "text", a string, and "entities", a list; it has \'text\''),
        ({"text": 3, "entities": []}, 'line 2: expected "text"'),
        ({"text": "a", "entities": [{"start": 0, "end": 2, "type": "X"}]}, "line 2: the entity is .*<= 1, the length"),
        ({"text": "a", "entities": [{"start": 0, "end": True, "type": "X"}]}, "line 2: the entity is"),
        ({"text": "a", "entities": [{"start": 0, "end": 1, "type": ""}]}, "line 2: the entity is"),
        ({"text": "a", "entities": ["X"]}, "line 2: the entity is"),
        (
            {"text": "ab", "entities": [{"start": i, "end": i + 1, "type": "X"} for i in (0, 1)]},
            "line 2: .* share a word",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path, record, says):
    with pytest.raises(InputError, match=rf"train\.jsonl\.gz {says}"):
        read(tmp_path, GOOD, record)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no text"):
        read(tmp_path)


def test_columns_are_found_by_split(tmp_path):
    (tmp_path / "x_train.bio").write_text("Ann\tB-PER\nleft\tO\n")
    (tmp_path / "x_dev.tsv").write_text("Ann\tI-PER\n")
    for split, tags in (("train", ["B-PER", "O"]), ("validation", ["B-PER"])):
        (example,) = entities.examples(str(tmp_path), split, sample=iter)
        assert example["tags"] == tags
    assert entities.examples(str(tmp_path), "test", sample=iter) is None
    with pytest.raises(InputError, match=r"with train\.conll"):
        list(entities.examples(str(tmp_path / "nowhere"), "train", sample=iter))
