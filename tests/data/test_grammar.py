"""The sample of the language model keeps the rules of its grammar, and an n-gram model cannot follow them."""

import numpy as np

from zoo.baselines.ngrams import KneserNey
from zoo.data.samples import grammar

KIND = {noun: kind for kind, nouns in grammar.NOUNS.items() for noun in nouns}
PARTNER = dict(grammar.BRACKETS)
VERBS = {*grammar.TRANSITIVE, *grammar.INTRANSITIVE}


def texts(split: str) -> list[str]:
    return [example["text"] for example in grammar.examples(split)]


def split_brackets(words: list[str]) -> tuple[list[str], list[list[str]]]:
    """The words outside of brackets, and those inside each pair; fails if a bracket is closed by another's partner."""
    outside, inside, stack = [], [], []
    for word in words:
        if word in PARTNER:
            stack.append((PARTNER[word], []))
        elif word in PARTNER.values():
            closing, content = stack.pop()
            assert word == closing
            inside.append(content)
        else:
            (stack[-1][1] if stack else outside).append(word)
    assert not stack
    return outside, inside


def subject_and_verb(words: list[str]) -> list[tuple[str, str]]:
    """(kind of the subject, verb) of the clauses of a sentence without brackets."""
    pairs, waiting, after_place, before = [], [], False, ""
    for word in words:
        if word in grammar.PLACES:
            after_place = True
        elif word in KIND:
            if not after_place and (before != "verb"):
                waiting.append(KIND[word])
            after_place, before = False, "noun"
        elif word in VERBS or word.removesuffix("s") in VERBS:
            pairs.append((waiting.pop(), word))
            before = "verb" if not waiting else ""
        elif word in grammar.REFLEXIVE.values():
            assert word == grammar.REFLEXIVE[pairs[-1][0]]
    return pairs


def test_brackets_close_and_verbs_agree():
    for text in texts("train")[:1000]:
        *words, stop = text.split()
        assert stop == "."
        outside, inside = split_brackets(words)
        for clause in (outside, *inside):
            for kind, verb in subject_and_verb(clause):
                assert verb.endswith("s") == (kind != "they"), text


def test_splits_are_large_enough_differ_and_are_the_same_each_time():
    train, test = texts("train"), texts("test")
    assert train == texts("train")
    assert (len(train), len(test)) == (4000, 500)
    assert len(set(train) & set(test)) < 0.2 * len(test)  # the shortest sentences are few
    assert 40_000 < sum(len(text.split()) for text in train) < 80_000
    assert max(text.count(opening) for text in train for opening in PARTNER) > 1


def test_a_longer_n_gram_does_not_help():
    """No order comes near the grammar itself, whose perplexity is 4.9: order 5 is the best and stays above 7."""
    ids: dict[str, int] = {}
    train, test = (
        np.array([ids.setdefault(word, len(ids)) for text in texts(split) for word in [*text.split(), "\n"]])
        for split in ("train", "test")
    )
    for order in (3, 5, 7):
        assert np.exp(-KneserNey.fit(train, order=order, size=len(ids)).log_probs(test).mean()) > 7
