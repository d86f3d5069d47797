"""Laws are asked of every task: a few encoded examples of it, and the equality of two answers."""

import numpy as np
import pytest

from tests.conftest import Trained
from zoo.data import batching, cache
from zoo.export import proof
from zoo.run import load_splits
from zoo.training import losses

ROWS = 6


@pytest.fixture(scope="module")
def few(trained: Trained) -> tuple[cache.Cache, batching.Batch]:
    """Some encoded training examples, and the batch that holds them all without a row too many."""
    run = trained.run
    examples = load_splits(run.task, run.cfg)["train"].select(np.arange(ROWS))
    encoded = cache.encode(examples, lambda batch: run.task.encode(run.cfg, run.codec, batch))
    longest = tuple(int(n) for n in encoded.lengths.max(axis=0))
    return encoded, batching.Batch(np.arange(ROWS), longest)


def pad(run, encoded: cache.Cache, batch: batching.Batch):
    """x, y and weights as the run's loss weighs them."""
    return batching.pad(encoded, batch, weigh=losses.weighs(run.model.loss))


def assert_same_answer(one: dict, other: dict) -> None:
    """Strings and integers equal, scores within 1e-5, absolute or relative; a list without the padding of its batch."""
    assert one.keys() == other.keys()
    for name in one:
        a, b = one[name], other[name]
        if isinstance(a, list):
            a, b = a[: min(len(a), len(b))], b[: min(len(a), len(b))]
        if np.asarray(a).dtype.kind == "f":
            assert proof.close(np.array([a]), np.array([b])).all(), (name, a, b)
        else:
            assert a == b, name
