"""IBM model 1 on a handful of pairs."""

from zoo.baselines import translation


def test_word_for_word_learns_a_dictionary():
    train = [("the dog", "der Hund"), ("the cat", "die Katze"), ("a dog", "ein Hund"), ("a cat", "eine Katze")]
    train = [{"source": source, "target": target} for source, target in train]
    baseline = translation.word_for_word(train, [{"source": "dog cat unicorn"}, {"source": ""}])
    assert baseline.name == "word for word (IBM model 1)"
    assert [answer["translation"] for answer in baseline.answers] == ["Hund Katze unicorn", ""]
    blank = [{"source": "", "target": "x"}, {"source": "y", "target": ""}]
    assert translation.word_for_word(blank, [{"source": "y"}]).answers == [{"translation": "y"}]
