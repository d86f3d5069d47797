"""The classical baseline of translation."""

from collections.abc import Iterable

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data.examples import Examples, limit


def word_for_word(train: Examples, test: Iterable[dict], *, rounds: int = 5, pairs_at_most: int = 50_000) -> Baseline:
    """Replaces each source word by its most probable translation under IBM model 1.

    The model is learned by expectation maximisation: Brown et al. 1993, section 4.1, https://aclanthology.org/J93-2003.
    A word that is not in the training data stays as it is.

    Args:
        train, test: each example with "source", and for training "target". Words are separated by blanks.
        rounds: rounds of expectation maximisation.
        pairs_at_most: the most pairs that are learned from, because all word links are in memory at once. Larger
            training data is sampled down to it.
    """
    name = "word for word (IBM model 1)"
    if len(train) > pairs_at_most:
        train = limit(train, pairs_at_most, seed=0)
        name += f", learned from {len(train):,} pairs"
    source_ids: dict[str, int] = {}
    target_ids: dict[str, int] = {}
    links = []  # for each pair int[3, links]: every source word with every target word, and the target word's position
    position = 0  # target words so far
    for example in train:
        source = np.array([source_ids.setdefault(word, len(source_ids)) for word in example["source"].split()], int)
        target = np.array([target_ids.setdefault(word, len(target_ids)) for word in example["target"].split()], int)
        place = position + np.arange(len(target))
        links.append(np.stack([np.tile(source, len(target)), target.repeat(len(source)), place.repeat(len(source))]))
        position += len(target)
    sources, targets, places = np.concatenate([np.zeros((3, 0), int), *links], axis=1)
    pairs, pair = np.unique(sources * max(len(target_ids), 1) + targets, return_inverse=True)
    words, partners = np.divmod(pairs, max(len(target_ids), 1))
    chance = np.ones(len(pairs))  # P(target word | source word), not normalised in the first round
    for _ in range(rounds):
        share = chance[pair] / np.bincount(places, chance[pair])[places]  # P(source word wrote this target word)
        counts = np.bincount(pair, share)
        chance = counts / np.bincount(words, counts)[words]
    order = np.lexsort((chance, words))  # each word's most probable partner comes last
    names = list(target_ids)
    best = {int(word): names[int(partner)] for word, partner in zip(words[order], partners[order], strict=True)}

    def translate(word: str) -> str:
        return best.get(source_ids.get(word, -1), word)

    answers = [{"translation": " ".join(translate(word) for word in example["source"].split())} for example in test]
    return Baseline(name, answers)
