"""The dictionary of spans, by hand."""

from zoo.baselines import spans


def test_dictionary_by_hand():
    train = [
        {"tokens": ["New", "York", "and", "York"], "tags": ["B-LOC", "I-LOC", "O", "B-PER"]},
        {"tokens": ["York", "York", "Ann"], "tags": ["B-ORG", "B-ORG", "O"]},
    ]
    test = [{"tokens": ["In", "New", "York", "York", "."]}, {"tokens": ["new", "York"]}, {"tokens": ["Ann", "New"]}]
    baseline = spans.dictionary(train, test)
    assert [answer["tags"] for answer in baseline.answers] == [
        ["O", "B-LOC", "I-LOC", "B-ORG", "O"],
        ["O", "B-ORG"],
        ["O", "O"],
    ]
