"""The classical baseline of finding spans: a list of names."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from zoo.baselines.baseline import Baseline
from zoo.data.spans import Span, read, write


def dictionary(train: Iterable[dict], test: Iterable[dict]) -> Baseline:
    """Finds the spans of the training data again: the longest match first, from left to right, case included.

    A text that had several types gets the most frequent one; ties are broken alphabetically.

    Args:
        train, test: each example with "tokens", and for training "tags" in BIO.
    """
    counts: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for example in train:
        for span in read(example["tags"]):
            counts[tuple(example["tokens"][span.start : span.end])][span.type] += 1
    best = {words: min(types, key=lambda kind: (-types[kind], kind)) for words, types in counts.items()}
    longest = max(map(len, best), default=0)
    answers = []
    for example in test:
        tokens, spans, start = example["tokens"], [], 0
        while start < len(tokens):
            ends = range(min(start + longest, len(tokens)), start, -1)
            end = next((end for end in ends if tuple(tokens[start:end]) in best), 0)
            if end:
                spans.append(Span(start, end, best[tuple(tokens[start:end])]))
            start = max(end, start + 1)
        answers.append({"tags": write(spans, len(tokens))})
    return Baseline("dictionary of the training spans", answers)
