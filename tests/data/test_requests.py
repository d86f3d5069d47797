"""The generated requests: their slots, and their difficulties."""

from collections import defaultdict

import pytest

from zoo.data.samples import requests
from zoo.data.spans import read, write


@pytest.fixture(scope="module")
def train() -> list[dict]:
    return list(requests.examples("train"))


def test_tags_are_bio_and_belong_to_the_words(train):
    for example in train:
        assert example["text"].split() == example["tokens"]
        assert write(read(example["slots"]), len(example["tokens"])) == example["slots"]
        assert example["intent"] or not read(example["slots"])


def test_the_same_words_have_two_intents(train):
    intents = defaultdict(set)
    for example in train:
        intents[tuple(sorted(example["tokens"]))].add(example["intent"])
    assert any(len(names) > 1 for names in intents.values())


def test_the_same_word_is_in_two_kinds_of_slots(train):
    kinds = defaultdict(set)
    for example in train:
        for span in read(example["slots"]):
            kinds[" ".join(example["tokens"][span.start : span.end])].add(span.type)
    assert kinds["florence"] == {"city", "singer"}


def test_each_split_asks_for_other_things_out_of_scope():
    asked = [{e["text"] for e in requests.examples(split) if not e["intent"]} for split in ("train", "test")]
    assert all(asked)
    assert not asked[0] & asked[1]
    assert list(requests.examples("test")) == list(requests.examples("test"))
