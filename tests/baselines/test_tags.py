"""The most frequent tag of each word, and a CRF of hand-made features."""

import pytest

from zoo.baselines import tags


def test_most_frequent_tag_by_hand():
    train = [
        {"tokens": ["can", "can", "fish"], "tags": ["AUX", "AUX", "VERB"]},
        {"tokens": ["can", "it"], "tags": ["NOUN", "PRON"]},
    ]
    baseline = tags.most_frequent(train, [{"tokens": ["can", "fish", "new"]}, {"tokens": ["Can"]}])
    assert [answer["tags"] for answer in baseline.answers] == [["AUX", "VERB", "AUX"], ["AUX"]]


def test_a_crf_learns_from_spelling_and_neighbours():
    pytest.importorskip("pycrfsuite")
    train = [
        {"tokens": ["Mr.", name, "saw", f"{place}ville"], "tags": ["O", "PER", "O", "LOC"]}
        for name, place in zip(("Bar", "Dol", "Fen", "Gri"), ("Kam", "Lor", "Mip", "Nel"), strict=True)
    ] * 5
    baseline = tags.crf(train, [{"tokens": ["Mr.", "Zor"]}, {"tokens": ["Mr.", "Wex", "saw", "Quoville"]}])
    assert [answer["tags"] for answer in baseline.answers] == [["O", "PER"], ["O", "PER", "O", "LOC"]]
