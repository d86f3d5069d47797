"""The most frequent tag of each word."""

from zoo.baselines import tags


def test_most_frequent_tag_by_hand():
    train = [
        {"tokens": ["can", "can", "fish"], "tags": ["AUX", "AUX", "VERB"]},
        {"tokens": ["can", "it"], "tags": ["NOUN", "PRON"]},
    ]
    baseline = tags.most_frequent(train, [{"tokens": ["can", "fish", "new"]}, {"tokens": ["Can"]}])
    assert [answer["tags"] for answer in baseline.answers] == [["AUX", "VERB", "AUX"], ["AUX"]]
