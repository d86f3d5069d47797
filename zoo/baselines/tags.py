"""The classical baselines of tagging."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from zoo.baselines.baseline import Baseline
from zoo.data import text, words


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


def crf(train: Iterable[dict], test: Iterable[dict], *, iterations: int = 100) -> Baseline:
    """A linear-chain CRF (Lafferty et al. 2001) on hand-made features of each word and its neighbours.

    The features are the word in lower case, its shape, its prefixes and suffixes of up to four letters, and the words
    and shapes at a distance of up to two. Trained by L-BFGS with elastic-net regularization.

    Args:
        train, test: each example with "tokens", and for training "tags".
        iterations: of L-BFGS, at most.
    Raises:
        ImportError: python-crfsuite is not installed; see `zoo.errors.needs`.
    """
    import pycrfsuite

    known, asked = ([(example["tokens"], example.get("tags")) for example in part] for part in (train, test))
    shapes = _shapes(tokens for tokens, _ in known + asked)
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params({"c1": 0.1, "c2": 0.1, "max_iterations": iterations, "feature.possible_transitions": True})
    for tokens, tags in known:
        trainer.append(_attributes(tokens, shapes), tags)
    tagger = pycrfsuite.Tagger()
    with tempfile.TemporaryDirectory() as folder:  # the tagger reads the file while it tags
        trainer.train(str(Path(folder) / "model"))
        tagger.open(str(Path(folder) / "model"))
        answers = [{"tags": tagger.tag(_attributes(tokens, shapes))} for tokens, _ in asked]
        tagger.close()
    return Baseline("CRF of hand-made features (CRFsuite)", answers)


def _shapes(sentences: Iterable[Sequence[str]]) -> dict[str, str]:
    """Word → its shape, see `zoo.data.words.shapes`."""
    known = sorted({token for tokens in sentences for token in tokens})
    found = [shape.decode() for batch in text.in_batches(known) for shape in words.shapes(batch).numpy()]
    return dict(zip(known, found, strict=True))


def _attributes(tokens: Sequence[str], shapes: Mapping[str, str]) -> list[list[str]]:
    """The features of every word of a sentence, as names."""
    lower = [token.lower() for token in tokens]
    found = []
    for place, word in enumerate(lower):
        mine = ["bias", f"form={tokens[place]}"]
        mine += [f"prefix={word[:size]}" for size in range(1, 5)] + [f"suffix={word[-size:]}" for size in range(1, 5)]
        for away in (-2, -1, 0, 1, 2):
            other = place + away
            inside = 0 <= other < len(tokens)
            mine.append(f"word{away}={lower[other]}" if inside else f"end{away}")
            mine += [f"shape{away}={shapes[tokens[other]]}"] if inside else []
        found.append(mine)
    return found
