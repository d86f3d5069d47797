"""Examples: selected, limited and compared, each read as often as needed."""

import numpy as np

from zoo.data.examples import Examples, limit, repeated, unseen


def labelled(count: int, *labels: str) -> Examples:
    return Examples(lambda: ({"id": i, "label": labels[i * len(labels) // count]} for i in range(count)))


def test_limit_draws_from_a_file_ordered_by_label():
    drawn = limit(labelled(1000, "a", "b"), 50, seed=0)
    assert len(drawn) == 50
    assert {example["label"] for example in drawn} == {"a", "b"}


def test_selecting_twice_and_adding():
    every = labelled(10, "a")
    some = every.select(np.array([8, 1, 3])).select(np.array([0, 2]))
    assert [example["id"] for example in some] == [1, 8]
    assert [example["id"] for example in some + some] == [1, 8, 1, 8]
    assert len(some + every) == 12


def test_examples_of_train_are_found_again():
    train, other = ([{"text": word, "label": i} for i, word in enumerate(words)] for words in ("abcd", "xbyda"))
    found = repeated(Examples(lambda: iter(train)), Examples(lambda: iter(other)), ["text"])
    assert found == [1, 3, 4], "whatever their labels"


def test_the_first_label_that_train_has_not():
    splits = {"train": [{"tags": ["A", "B"]}], "validation": [{"tags": ["B"]}], "test": [{"tags": ["A", "C"]}]}
    assert unseen(splits, "tags") == ("test", "C")
    assert unseen({**splits, "test": []}, "tags") is None
