"""The classical baseline of tagging."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from zoo.baselines.baseline import Baseline


def most_frequent(train: Iterable[dict], test: Iterable[dict]) -> Baseline:
    """Gives each word its most frequent tag in the training data.

    An unknown word gets the most frequent tag of all words. Ties are broken alphabetically.

    Args:
        train, test: each example with "tokens", and for training "tags".
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in train:
        for token, tag in zip(example["tokens"], example["tags"], strict=True):
            counts[token][tag] += 1

    def first(tags: Counter[str]) -> str:
        return min(tags, key=lambda tag: (-tags[tag], tag))

    best = {token: first(tags) for token, tags in counts.items()}
    overall: Counter[str] = Counter()
    for tags in counts.values():
        overall.update(tags)
    unknown = first(overall)
    answers = [{"tags": [best.get(token, unknown) for token in example["tokens"]]} for example in test]
    return Baseline("most frequent tag of each word", answers)
