"""The classical baseline of language models: n-grams with modified Kneser-Ney smoothing, in NumPy.

    model = KneserNey.fit(train, order=5, size=33_278)
    nats = -model.log_probs(test).mean()

P_k(w | c) = (N(cw) − D(N(cw))) / Σ_v N(cv) + γ(c) P_{k−1}(w | c without its first token), down to P_0 = 1 / size.
N counts occurrences at the highest order. Below it, N counts the different tokens that were seen before cw. γ(c) is the
mass that the discounts D free. Chen & Goodman 1998, section 3, https://dash.harvard.edu/handle/1/25104739
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.metrics import perplexity

FALLBACK = (0.5, 1.0, 1.5)  # discounts where the counts are too few or too large to estimate them, as in KenLM


@dataclass(frozen=True)
class Order:
    """All k-grams of the training tokens, for one k.

    Attributes:
        keys: int64[G], ascending: (index of the first k − 1 tokens among the (k−1)-grams) * size + last token. A k-gram
            is known by its index here, so that any length fits into 64 bits.
        mass: float32[G], N − D(N).
        total: float64[C], Σ N over the k-grams that begin with each (k−1)-gram. 0 if none does.
        free: float64[C], γ of each (k−1)-gram.
    """

    keys: np.ndarray
    mass: np.ndarray
    total: np.ndarray
    free: np.ndarray

    def find(self, contexts: np.ndarray, tokens: np.ndarray, size: int) -> np.ndarray:
        """int64[N]: the index of each k-gram, −1 if it or its context (−1) is unknown."""
        keys = contexts * size + tokens
        places = np.searchsorted(self.keys, keys)
        places[places == len(self.keys)] = 0
        return np.where((contexts >= 0) & (self.keys[places] == keys), places, -1)


class KneserNey:
    """An interpolated n-gram model. Every distribution sums to 1, and no token has probability 0.

    Args:
        orders: the 1-grams, 2-grams, … of the training tokens; see `fit`.
        size: the number of different tokens.
    """

    def __init__(self, orders: Sequence[Order], size: int):
        self.orders, self.size = tuple(orders), size

    @classmethod
    def fit(cls, ids: np.ndarray, *, order: int, size: int) -> "KneserNey":
        """Counts the n-grams of one stream of tokens. 2 million tokens at order 5 take seconds and 300 MB.

        Args:
            ids: int[N], the whole training text, each from 0 to `size` - 1. N-grams go over the ends of texts.
            order: the length of the longest n-grams: `order` - 1 tokens are read to predict the next one.
            size: the number of different tokens.
        Raises:
            ValueError: no tokens, an id outside of the vocabulary, or order < 1.
        """
        ids = np.asarray(ids, np.int64)
        if order < 1:
            raise ValueError(f"order is {order}: expected at least 1")
        _check(ids, size)
        if not len(ids):
            raise ValueError("need at least one token to count n-grams")
        keys: list[np.ndarray] = []
        counts: list[np.ndarray] = []
        grams = np.zeros(len(ids) + 1, np.int64)  # of the shorter n-gram that ends before each token: the empty one
        shorter = np.zeros(0, np.int64)
        for length in range(1, min(order, len(ids)) + 1):
            found, first, grams, count = np.unique(
                grams[:-1] * size + ids[length - 1 :], return_index=True, return_inverse=True, return_counts=True
            )
            if length > 1:  # each different n-gram counts once for the shorter one that it ends with
                counts[-1] = np.bincount(shorter[1:][first], minlength=len(keys[-1]))
            shorter = grams
            keys.append(found)
            counts.append(count)
        contexts = [1, *map(len, keys)]
        return cls([_smooth(*parts, size) for parts in zip(keys, counts, contexts, strict=False)], size)

    def log_probs(self, ids: np.ndarray, *, before: Sequence[int] = ()) -> np.ndarray:
        """float64[N]: log P of each token after the tokens before it, in nats.

        Args:
            ids: int[N].
            before: tokens before the first one, which are read and not scored, such as the end of another text.
        """
        tokens = np.concatenate([np.asarray(before, np.int64), np.asarray(ids, np.int64)])
        _check(tokens, self.size)
        probabilities = np.full(len(tokens), 1 / self.size)
        contexts = np.zeros(len(tokens), np.int64)  # the index of the k - 1 tokens before each token, −1 if unknown
        for order in self.orders:
            grams = order.find(contexts, tokens, self.size)
            total = np.where(contexts >= 0, order.total[contexts], 0)
            mass = np.where(grams >= 0, order.mass[grams], 0)
            mixed = mass / np.maximum(total, 1) + order.free[contexts] * probabilities
            probabilities = np.where(total > 0, mixed, probabilities)
            contexts = np.concatenate([[-1], grams[:-1]])
        return np.log(probabilities[len(before) :])

    def distribution(self, context: Sequence[int] | np.ndarray) -> np.ndarray:
        """float64[size]: P of each token after `context`, of which the last `order` - 1 tokens are read."""
        context = np.asarray(context, np.int64)
        _check(context, self.size)
        probabilities = np.full(self.size, 1 / self.size)
        for length, order in enumerate(self.orders):
            if length > len(context):
                break
            gram = self._index(context[len(context) - length :])
            if gram < 0 or order.total[gram] == 0:
                break  # an unknown context is unknown with more tokens in front, too
            first, last = np.searchsorted(order.keys, [gram * self.size, (gram + 1) * self.size])
            probabilities *= order.free[gram]
            probabilities[order.keys[first:last] - gram * self.size] += order.mass[first:last] / order.total[gram]
        return probabilities

    def _index(self, tokens: np.ndarray) -> int:
        """The index of an n-gram among those of its length, −1 if it is unknown."""
        gram = np.zeros(1, np.int64)
        for order, token in zip(self.orders, tokens, strict=False):
            gram = order.find(gram, token, self.size)
        return int(gram[0])


def kneser_ney(
    train: np.ndarray, test: np.ndarray, *, order: int, size: int, before: Sequence[int] = (), characters: int = 0
) -> Baseline:
    """The perplexity of an n-gram model on `test`; with `characters` also its nats per character.

    Args:
        train, test: int[N] streams of tokens.
        before: tokens that are read before the first one of `test`; see `KneserNey.log_probs`.
        characters: the characters of the text that the tokens of `test` stand for.
    """
    log_probs = KneserNey.fit(train, order=order, size=size).log_probs(test, before=before)
    measured = perplexity.of_text(-float(log_probs.sum()), tokens=len(log_probs), characters=characters)
    metrics = {name: value for name, value in measured.items() if name in ("perplexity", "nats_per_character")}
    return Baseline(f"modified Kneser-Ney, order {order}", metrics=metrics)


def _check(ids: np.ndarray, size: int) -> None:
    if len(ids) and not 0 <= ids.min() <= ids.max() < size:
        raise ValueError(f"ids from {ids.min()} to {ids.max()}: expected 0 to {size - 1}")


def _smooth(keys: np.ndarray, counts: np.ndarray, contexts: int, size: int) -> Order:
    """Discounts the counts of all n-grams of one length; `contexts` is the number of shorter ones."""
    discounts = _discounts(counts)
    context = keys // size
    freed = np.concatenate([[0], discounts])[np.minimum(counts, 3)]
    total = np.bincount(context, counts, minlength=contexts)
    free = np.bincount(context, freed, minlength=contexts) / np.maximum(total, 1)
    return Order(keys, (counts - freed).astype(np.float32), total, free)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """float64[3]: D of n-grams that are counted once, twice, and three times or more."""
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if 0 in (n1, n2, n3):
        return np.array(FALLBACK)
    y = n1 / (n1 + 2 * n2)
    found = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found > 0).all() else np.array(FALLBACK)
