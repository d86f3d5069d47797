"""Laws of streams: every step is a target once, in order, and a resumed epoch goes on where it stopped."""

from itertools import chain, islice, pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import batching, cache
from zoo.errors import InputError

SIZES = (st.integers(1, 200), st.integers(1, 9), st.integers(1, 12))


def steps_of(starts, lengths, length) -> list[list[int]]:
    """The positions of every row, window after window."""
    return [
        list(
            chain(*((start + np.arange(n)) % length for start, n in zip(starts[:, row], lengths[:, row], strict=True)))
        )
        for row in range(starts.shape[1])
    ]


@given(*SIZES, st.sampled_from([None, 3]), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_every_step_is_in_one_window_and_rows_are_in_order(length, streams, window, seed, epoch):
    starts, lengths, width = batching.windows(length, streams, window, seed=seed, epoch=epoch)
    assert 1 <= width <= window
    rows = steps_of(starts, lengths, length)
    assert sorted(chain(*rows)) == list(range(length))
    for row in rows:
        assert all((after - before) % length == 1 % length for before, after in pairwise(row))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert starts.size * width - length < streams * (len(starts) + 1)  # what padding there is


@given(*SIZES)
@settings(max_examples=50, deadline=None)
def test_only_the_end_of_a_row_is_padded(length, streams, window):
    _, lengths, width = batching.windows(length, streams, window)
    for row in lengths.T:
        assert all(after == 0 for before, after in pairwise(row) if before < width)


def encoded(count: int = 12) -> cache.Cache:
    """Texts whose inputs and targets are the numbers 0, 1, 2, …, from end to end."""
    texts, position = [], 0
    for i in range(count):
        texts.append({"tokens": list(range(position, position + 1 + i % 5))})
        position += 1 + i % 5

    def encode(batch):
        tokens = tf.cast(batch["tokens"], tf.int32)
        return {"tokens": tokens, "fresh": tf.ones([tokens.nrows()], tf.int32)}, tokens + 1

    return cache.encode(texts, encode)


def test_a_batch_has_the_next_steps_of_every_row():
    streams = batching.Streams(encoded(), 3, 5, seed=None)  # 33 steps, rows of 11
    assert len(streams) == 3
    x, y, weight = streams[0]
    assert x["tokens"].tolist() == [[0, 1, 2, 3], [11, 12, 13, 14], [22, 23, 24, 25]]
    assert x["fresh"].tolist() == [1, 1, 1]
    assert y.tolist() == (x["tokens"] + 1).tolist()
    assert weight.min() == 1
    assert streams.planned[0].rows.tolist() == [0, 4, 8]
    x, y, weight = streams[2]
    assert x["tokens"][0].tolist() == [8, 9, 10, 0]
    assert y[0].tolist() == [9, 10, 11, 0]
    assert weight[0].tolist() == [1, 1, 1, 0]
    assert x["fresh"].tolist() == [0, 0, 0]


def test_streams_for_fit_are_the_planned_ones_and_resume_anywhere():
    streams = batching.Streams(encoded(), 3, 4, seed=5)
    whole = list(islice(iter(streams.for_training()), 3 * len(streams)))
    first, second = whole[0][0]["tokens"], whole[len(streams)][0]["tokens"]
    assert first.numpy().tolist() != second.numpy().tolist()  # another epoch begins elsewhere
    for epoch, step in ((0, 2), (1, 1), (2, 0)):
        for resumed, planned in zip(
            iter(streams.for_training(epoch, step)), whole[epoch * len(streams) + step :], strict=False
        ):
            tf.nest.map_structure(np.testing.assert_array_equal, resumed, planned)
    targets = np.concatenate([y[weight > 0] for _, y, weight in islice(whole, len(streams))])
    assert sorted(targets.tolist()) == list(range(1, 34))


def test_validation_has_the_same_rows_and_begins_at_the_first_text():
    validation = batching.Streams(encoded(), 3, 4, seed=5).like(encoded(5))
    batches = list(validation.for_validation())
    assert len(batches) == len(validation)
    assert batches[0][0]["tokens"].shape[0] == 3
    assert batches[0][0]["tokens"][0, 0] == 0


def test_fewer_steps_than_rows_are_fine():
    (batch,) = batching.Streams(encoded(1), 4, 8, seed=1)
    assert batch[2].tolist() == [[1], [0], [0], [0]]


@pytest.mark.parametrize("parts", [2, 3])
def test_shares_put_together_are_the_batch(parts):
    whole = batching.Streams(encoded(), 6, 4, seed=2)
    shares = [batching.Streams(encoded(), 6, 4, seed=2, share=(k, parts)) for k in range(parts)]
    for i in range(len(whole)):
        together = tf.nest.map_structure(lambda *given: np.concatenate(given), *(share[i] for share in shares))
        tf.nest.map_structure(np.testing.assert_array_equal, together, whole[i])


def test_rows_divide_by_replicas():
    with pytest.raises(InputError, match="expected a multiple of 2"):
        batching.Streams(encoded(), 3, 4, seed=0, replicas=2)


def test_arrays_of_other_lengths_are_no_stream():
    rows = [{"a": [1, 2], "b": [3]}, {"a": [4], "b": [5, 6]}]
    with pytest.raises(ValueError, match="one length"):
        batching.Streams(cache.encode(rows, lambda batch: (batch["a"], batch["b"])), 2, 2, seed=0)
