"""Laws of the plan: nothing is lost, nothing is twice, and no other edges would waste less."""

from itertools import chain, combinations, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import batching, cache


def column(lengths) -> np.ndarray:
    return np.asarray(lengths)[:, None]


def positions(lengths, edges) -> int:
    return int(edges[np.searchsorted(edges, lengths)].sum())


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_edges_are_optimal(lengths, shapes):
    lengths = np.array(lengths)
    edges = batching.optimal_edges(lengths, shapes)
    longest, others = lengths.max(), sorted(set(lengths.tolist()) - {lengths.max()})
    choices = (np.sort([*some, longest]) for k in range(shapes) for some in combinations(others, k))
    assert len(edges) <= shapes
    assert positions(lengths, edges) == min(positions(lengths, choice) for choice in choices)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), min_size=1, max_size=60), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_example_is_in_exactly_one_batch_that_it_fits(lengths, shapes):
    lengths = np.array(lengths)
    buckets = batching.choose_buckets(lengths, batch_tokens=64, shapes=shapes)
    assert len(buckets.rows) <= shapes
    for seed in (None, 3):
        batches = batching.plan(lengths, buckets, seed=seed)
        rows = np.concatenate([batch.rows for batch in batches])
        assert sorted(rows[rows >= 0]) == list(range(len(lengths)))
        assert len({(batch.edges, len(batch.rows)) for batch in batches}) <= shapes
        for batch in batches:
            assert np.all(lengths[batch.rows[batch.rows >= 0]] <= batch.edges)
            assert len(batch.rows) == 1 or len(batch.rows) * sum(batch.edges) <= 64


def test_a_plan_is_a_function_of_seed_and_epoch():
    lengths = column(np.arange(1, 50))
    buckets = batching.choose_buckets(lengths, batch_tokens=100)

    def order(seed, epoch):
        return np.concatenate(
            [batch.rows for batch in batching.plan(lengths, buckets, seed=seed, epoch=epoch)]
        ).tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert len(order(1, 0)) == len(order(1, 1))


def test_a_longer_validation_example_fits_too():
    buckets = batching.choose_buckets(column([3, 4, 5]), batch_tokens=10, longest=np.array([90]))
    assert batching.plan(column([90, 2]), buckets, seed=None)[-1].edges == (90,)


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_rows_divide_by_replicas(replicas):
    buckets = batching.choose_buckets(column([5] * 17 + [9] * 4), batch_tokens=40, shapes=2, replicas=replicas)
    assert not np.any(buckets.rows % replicas)


def test_few_shapes_come_close_to_no_padding_at_all():
    lengths = column(np.minimum(np.random.default_rng(0).lognormal(5.3, 0.7, 5000).astype(int) + 10, 400))
    buckets = batching.choose_buckets(lengths, batch_tokens=4096)
    best = lengths.sum() / buckets.edges[buckets.assign(lengths)].sum()
    assert batching.efficiency(lengths, batching.plan(lengths, buckets, seed=0)) > best - 0.01


def test_pad_gives_zeros_weights_and_dummies_with_one_real_step():
    import tensorflow as tf

    rows = [{"words": [5, 6, 7], "tag": 1}, {"words": [8], "tag": 2}]
    encoded = cache.encode(rows, lambda batch: ({"words": batch["words"], "twice": batch["words"] * 2}, batch["tag"]))
    x, y, weight = batching.pad(encoded, batching.Batch(np.array([1, 0, -1]), (4,)))
    assert x["words"].tolist() == [[8, 0, 0, 0], [5, 6, 7, 0], [8, 0, 0, 0]]
    assert x["twice"].tolist() == [[16, 0, 0, 0], [10, 12, 14, 0], [16, 0, 0, 0]]
    assert y.tolist() == [2, 1, 2]
    assert weight.tolist() == [1, 1, 0]

    steps = cache.encode(rows, lambda batch: (tf.cast(batch["words"], tf.int32), batch["words"]))
    _, y, weight = batching.pad(steps, batching.Batch(np.array([0, 1, -1]), (3,)))
    assert y.tolist() == [[5, 6, 7], [8, 0, 0], [5, 0, 0]]
    assert weight.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_arrays_of_other_lengths_have_other_axes():
    rows = [{"source": [1, 2, 3], "target": [4]}, {"source": [5], "target": [6, 7]}]
    encoded = cache.encode(rows, lambda batch: ({"source": batch["source"], "in": batch["target"]}, batch["target"]))
    assert encoded.lengths.tolist() == [[3, 1], [1, 2]]
    x, y, weight = batching.pad(encoded, batching.Batch(np.array([0, 1]), (3, 2)))
    assert x["source"].shape == (2, 3)
    assert x["in"].tolist() == y.tolist() == [[4, 0], [6, 7]]
    assert weight.tolist() == [[1, 0], [1, 1]]


def test_an_empty_sequence_is_refused():
    with pytest.raises(ValueError, match="at least one step"):
        cache.encode([{"words": [1]}, {"words": []}], lambda batch: (batch["words"], batch["words"]))


def test_batches_for_fit_are_the_planned_ones_and_change_every_epoch():
    encoded = cache.encode(
        [{"words": [i] * (1 + i % 5), "tag": i} for i in range(40)], lambda b: (b["words"], b["tag"])
    )
    buckets = batching.choose_buckets(encoded.lengths, batch_tokens=12, shapes=3)
    batches = batching.Batches(encoded, buckets, seed=7)
    planned = [batch for epoch in (0, 1) for batch in batching.plan(encoded.lengths, buckets, seed=7, epoch=epoch)]
    expected = [batch.rows[batch.rows >= 0].tolist() for batch in planned]

    def rows(dataset, count):
        return [y.numpy()[weight.numpy() > 0].tolist() for _, y, weight in islice(dataset, count)]

    assert rows(batches.for_training(), len(planned)) == expected
    assert rows(batches.for_training(1, 2), len(batches) - 2) == expected[len(batches) + 2 :], "from any step on"
    once = batching.Batches(encoded, buckets, seed=None).for_validation()
    assert sorted(chain(*rows(once, None))) == list(range(40))


def test_an_epoch_is_planned_once(monkeypatch):
    planned, plan = [], batching.Batches.plan
    monkeypatch.setattr(batching.Batches, "plan", lambda self, epoch: planned.append(epoch) or plan(self, epoch))
    encoded = cache.encode([{"words": [1, 2], "tag": 0}] * 6, lambda batch: (batch["words"], batch["tag"]))
    batches = batching.Batches(encoded, batching.choose_buckets(encoded.lengths, batch_tokens=4), seed=0)
    assert len(list(islice(batches._from(0, 0), 2 * len(batches)))) == 6
    assert planned == [0, 1]


def test_augmenting_changes_training_alone_and_is_the_same_from_any_step_on():
    encoded = cache.encode([{"words": [i, i], "tag": i} for i in range(12)], lambda b: (b["words"], b["tag"]))
    buckets = batching.choose_buckets(encoded.lengths, batch_tokens=8)
    plain, changed = (batching.Batches(encoded, buckets, seed=0, share=share) for share in ((0, 1), (1, 2)))
    seen = []

    def augment(found, rows, epoch, number):
        seen.append((rows.tolist(), epoch, number))
        return found[0] + 100, *found[1:]

    changed.augment = augment
    started, resumed = (list(islice(changed._from(epoch, 0), 4)) for epoch in (0, 1))
    for (x, *_), (expected, *_) in zip(started, plain._from(0, 0), strict=False):
        np.testing.assert_array_equal(x, expected[2:] + 100)
    for (x, *_), (expected, *_) in zip(resumed, list(islice(plain._from(0, 0), 7))[3:], strict=True):
        np.testing.assert_array_equal(x, expected[2:] + 100)
    assert seen[:4] == [([2, 3], 0, 0), ([2, 3], 0, 1), ([2, 3], 0, 2), ([2, 3], 1, 0)]
    assert seen[4] == ([2, 3], 1, 0)
    assert changed.like(encoded).augment is None


def test_ending_early_does_not_wait_for_a_tuning_thread():
    """`fit` over steps_per_epoch leaves the pipeline open; TensorFlow's tuning thread then slept on, up to a minute."""
    encoded = cache.encode([{"words": [1, 2], "tag": 0}], lambda batch: (batch["words"], batch["tag"]))
    batches = batching.Batches(encoded, batching.choose_buckets(encoded.lengths, batch_tokens=2), seed=0)
    for data in (batches.for_training(), batches.for_validation()):
        assert data.options().autotune.enabled is False


def test_curriculum_goes_from_short_to_long_and_then_ends():
    lengths = column(np.random.default_rng(0).integers(1, 40, 200))
    buckets = batching.choose_buckets(lengths, batch_tokens=80, shapes=4)
    plans = [batching.plan(lengths, buckets, seed=1, epoch=epoch, curriculum=1) for epoch in (0, 1)]
    edges = [[batch.edges for batch in planned] for planned in plans]
    assert edges[0] == sorted(edges[0])
    assert edges[1] != sorted(edges[1])
    plain = batching.plan(lengths, buckets, seed=1)
    assert {tuple(batch.rows) for batch in plain} == {tuple(batch.rows) for batch in plans[0]}, "the same batches"


def test_a_loss_per_row_has_a_weight_per_row_and_sees_where_y_ends():
    """CTC: one loss a row; 0 is a label or the blank, so that padding of y has to be another number."""
    rows = [{"sound": [5, 6, 7, 8], "text": [0, 1]}, {"sound": [9, 9], "text": [2]}]
    encoded = cache.encode(rows, lambda batch: (batch["sound"], batch["text"]))
    batch = batching.Batch(np.array([1, 0, -1]), (4, 3))
    x, y, weight = batching.pad(encoded, batch, weigh="rows")
    assert weight.tolist() == [1, 1, 0]
    assert weight.dtype == np.float32
    assert y.tolist() == [[2, -1, -1], [0, 1, -1], [2, -1, -1]]
    assert x.tolist() == [[9, 9, 0, 0], [5, 6, 7, 8], [9, 0, 0, 0]], "padding of x stays 0"
    assert batching.pad(encoded, batch)[2].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_floats_are_padded_with_zero_whatever_the_weights():
    series = [np.array([np.nan, 1.0], np.float32), np.array([2.0], np.float32)]
    encoded = cache.encode([{"x": one} for one in series], lambda batch: (batch["x"], batch["x"]))
    for weigh in ("steps", "rows"):
        x, y, _ = batching.pad(encoded, batching.Batch(np.array([1, -1]), (3,)), weigh=weigh)
        assert x.tolist() == y.tolist() == [[2, 0, 0], [2, 0, 0]]


def test_unsigned_labels_cannot_be_padded_with_minus_one():
    encoded = cache.encode(
        [{"y": np.array([1, 2], np.uint8)}, {"y": np.array([1], np.uint8)}], lambda batch: (batch["y"], batch["y"])
    )
    with pytest.raises(ValueError, match="y is uint8: encode has to give signed integers"):
        batching.pad(encoded, batching.Batch(np.array([0, 1]), (2,)), weigh="rows")


def test_fit_takes_weights_per_row():
    import keras

    rows = [{"sound": [[1.0, 2.0]] * n, "text": [1] * (n // 2 + 1)} for n in range(1, 9)]
    rows = [{"sound": np.array(row["sound"], np.float32), "text": row["text"]} for row in rows]
    encoded = cache.encode(rows, lambda batch: (batch["sound"], batch["text"]))
    buckets = batching.choose_buckets(encoded.lengths, batch_tokens=30, shapes=3)
    batches = batching.Batches(encoded, buckets, seed=0, weigh="rows")
    for _, y, weight in batches.for_validation():
        assert weight.shape == y.shape[:1]

    class RowLoss(keras.losses.Loss):
        """The distance of the sum of the outputs from the number of labels; one value a row."""

        def call(self, y, outputs):
            steps = keras.ops.sum(keras.ops.cast(y >= 0, "float32"), axis=1)
            return keras.ops.square(keras.ops.sum(outputs[..., 0], axis=1) - steps)

    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", RowLoss(reduction="mean_with_sample_weight"))
    history = model.fit(batches.for_training(), steps_per_epoch=len(batches), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_several_targets_have_weights_of_their_own():
    """One label and one tag per step: a dummy row weighs nothing in either, padding nothing in the second."""
    rows = [{"words": [5, 6, 7], "kind": 1}, {"words": [8], "kind": 2}]
    encoded = cache.encode(rows, lambda batch: (batch["words"], {"kind": batch["kind"], "tags": batch["words"]}))
    batch = batching.Batch(np.array([1, 0, -1]), (4,))
    _, y, weight = batching.pad(encoded, batch)
    assert {name: part.tolist() for name, part in y.items()} == {
        "kind": [2, 1, 2],
        "tags": [[8, 0, 0, 0], [5, 6, 7, 0], [8, 0, 0, 0]],
    }
    assert {name: part.tolist() for name, part in weight.items()} == {
        "kind": [1, 1, 0],
        "tags": [[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]],
    }
    by_row = batching.pad(encoded, batch, weigh={"kind": "steps", "tags": "rows"})
    assert by_row[1]["tags"].tolist() == [[8, -1, -1, -1], [5, 6, 7, -1], [8, -1, -1, -1]]
    assert by_row[2]["tags"].tolist() == [1, 1, 0]


def test_fit_takes_several_targets():
    import keras

    rows = [{"words": [1] * n, "kind": n % 2} for n in range(1, 9)]
    encoded = cache.encode(rows, lambda batch: (batch["words"], {"kind": batch["kind"], "tags": batch["words"]}))
    buckets = batching.choose_buckets(encoded.lengths, batch_tokens=16, shapes=3)
    batches = batching.Batches(encoded, buckets, seed=0)
    words = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(3, 4)(words)
    kind = keras.layers.Dense(2)(keras.ops.max(vectors, axis=1))
    model = keras.Model(words, {"kind": kind, "tags": keras.layers.Dense(2)(vectors)})
    loss = {
        name: keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        for name in ("kind", "tags")
    }
    model.compile("sgd", loss)
    history = model.fit(batches.for_training(), steps_per_epoch=len(batches), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"][0])
