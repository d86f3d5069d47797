"""What is slow to compute is computed once, by however many processes, whatever kills them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import batching, cache

ITEMS = [bytes([i]) * 3 for i in range(20)]


class Counting:
    """int32[B, 2] of a list of bytes: the first byte, and its square."""

    def __init__(self):
        self.seen: list[bytes] = []

    def __call__(self, items):
        self.seen += items
        return np.array([[item[0], item[0] ** 2] for item in items])


def store(folder, compute=None) -> cache.Store:
    return cache.Store(compute or Counting(), (2,), "int32", folder=folder)


def right(found: cache.Store, items=ITEMS) -> bool:
    return found.arrays(items).tolist() == [[item[0], item[0] ** 2] for item in items]


def test_each_is_computed_once(tmp_path):
    compute = Counting()
    first = store(tmp_path, compute)
    assert right(first, ITEMS[:5])
    assert right(first, [*ITEMS[3:8], ITEMS[3]])
    assert sorted(compute.seen) == ITEMS[:8]
    again = Counting()
    assert right(store(tmp_path, again), ITEMS[:8][::-1])
    assert again.seen == []


def test_what_a_kill_leaves_behind_is_not_read(tmp_path):
    right(store(tmp_path), ITEMS[:3])
    with (tmp_path / "values").open("ab") as file:
        file.write(b"half of an array")  # killed before its digest was written
    with (tmp_path / "index").open("ab") as file:
        file.write(b"half a digest")
    compute = Counting()
    assert right(store(tmp_path, compute))
    assert sorted(compute.seen) == ITEMS[3:]
    assert right(store(tmp_path))


def test_writers_take_turns(tmp_path):
    def one(offset):
        mine = store(tmp_path)
        return all(right(mine, ITEMS[i : i + 2]) for i in range(offset, len(ITEMS), 2))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, [0, 1, 0, 1]))
    assert right(store(tmp_path))


def encode_shared(batch):
    """Two rows per example that share one stored array."""
    rows = SHARED.rows(batch["item"].numpy())
    words = tf.ragged.constant([[1] * (i % 3 + 1) for i in range(2 * len(rows))])
    return {"seen": cache.Stored(SHARED, np.repeat(rows, 2)), "words": words}, words


SHARED = cache.Store(Counting(), (2,), "int32")


def test_rows_share_what_is_stored():
    encoded = cache.encode([{"item": item} for item in ITEMS], encode_shared, batch=7)
    assert len(encoded) == 2 * len(ITEMS)
    batch = batching.Batch(np.array([5, -1, 4, 30]), (3,))
    x, _, weight = batching.pad(encoded, batch)
    assert x["seen"].tolist() == [[2, 4], [2, 4], [2, 4], [15, 225]]
    assert weight[1].sum() == 0
    assert encoded.fields["x/seen"].values.shape == (len(ITEMS), 2)


def test_other_pictures_have_another_fingerprint():
    few = [{"item": item} for item in ITEMS[:4]]
    first, again, other = (
        cache.encode(examples, encode_shared).fingerprint() for examples in (few, few, [*few[:3], {"item": ITEMS[9]}])
    )
    assert first == again != other


RNG = np.random.default_rng(0)
LENGTHS = [3, 1, 5, 2]
ARRAYS = {
    "waveform": [RNG.normal(size=n).astype(np.float32) for n in LENGTHS],
    "strokes": [RNG.normal(size=(n, 3)).astype(np.float32) for n in LENGTHS],
    "frames": [RNG.integers(0, 256, (n, 48, 48)).astype(np.uint8) for n in LENGTHS],
    "keys": [RNG.integers(0, 2, (n, 88)).astype(bool) for n in LENGTHS],
    "prices": [RNG.normal(size=n) for n in LENGTHS],
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("form", ["ragged tensor", "list of arrays"])
def test_arrays_of_any_dtype_and_rank_are_sequences(name, form):
    arrays = ARRAYS[name]
    given = iter(arrays)

    def encode(batch):
        assert batch["x"].dtype == tf.as_dtype(arrays[0].dtype), "no conversion on the way"
        own = [next(given) for _ in range(batch["x"].shape[0])]
        return (batch["x"] if form == "ragged tensor" else own), tf.ones([len(own)], tf.int32)

    encoded = cache.encode([{"x": array} for array in arrays], encode, batch=3)
    assert encoded.lengths[:, 0].tolist() == LENGTHS
    assert encoded.fields["x"].values.dtype == arrays[0].dtype
    x, _, _ = batching.pad(encoded, batching.Batch(np.array([2, 1, -1]), (6,)))
    assert x.dtype == arrays[0].dtype
    np.testing.assert_array_equal(x[0, :5], arrays[2])
    np.testing.assert_array_equal(x[1, :1], arrays[1])
    assert not x[0, 5:].any()
    assert not x[1, 1:].any()
    np.testing.assert_array_equal(x[2, 0], arrays[2][0])


def test_dense_numpy_arrays_are_answered_like_tensors():
    rows = [{"n": i} for i in range(5)]
    encoded = cache.encode(rows, lambda batch: (np.ones((len(batch["n"]), 4, 2)), batch["n"].numpy()), batch=2)
    assert encoded.lengths.tolist() == [[4]] * 5
    assert batching.pad(encoded, batching.Batch(np.array([3, 0]), (4,)))[1].tolist() == [3, 0]


def test_entries_have_no_time_axis():
    rows = [{"n": i} for i in range(5)]
    vectors = np.arange(15, dtype=np.float32).reshape(5, 3)
    given = iter(np.split(vectors, [2, 4]))
    encoded = cache.encode(rows, lambda batch: (cache.Entries(tf.constant(next(given))), batch["n"]), batch=2)
    assert encoded.lengths.tolist() == [[1]] * 5
    x, _, _ = batching.pad(encoded, batching.Batch(np.array([3, 0]), (4,)))
    np.testing.assert_array_equal(x, vectors[[3, 0]])


def test_long_arrays_are_encoded_a_few_at_a_time():
    sizes = []

    def encode(batch):
        sizes.append(len(batch["x"].row_lengths()))
        return batch["x"], tf.ones([sizes[-1]], tf.int32)

    long = np.zeros(2**22, np.float32)  # 16 MiB
    cache.encode([{"x": long}] * 6, encode)
    assert sizes == [5, 1]


SERIES = np.arange(11_024, dtype=np.float32)


def size_of(folder) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_ten_thousand_windows_cost_the_size_of_their_series():
    def encode(batch):
        starts = batch["start"].numpy()
        return {"past": cache.Windows(SERIES, starts, 1000)}, cache.Windows(SERIES, starts + 1000, 24)

    encoded = cache.encode([{"start": i} for i in range(10_000)], encode)
    assert len(encoded) == 10_000
    assert encoded.lengths[[0, -1]].tolist() == [[1000, 24]] * 2
    places = 2 * 8 * 10_000  # where each window begins
    assert size_of(encoded.folder) == SERIES.nbytes + places, "10 million values would be 40 MB"
    x, y, weight = batching.pad(encoded, batching.Batch(np.array([9_999, 0]), (1000, 24)))
    np.testing.assert_array_equal(x["past"], [np.arange(9_999, 10_999), np.arange(1000)])
    np.testing.assert_array_equal(y, [np.arange(10_999, 11_023), np.arange(1000, 1024)])
    assert weight.all()


def test_windows_into_the_series_of_each_batch_may_differ_in_length():
    series = [np.arange(100, 110), np.arange(200, 203), np.arange(300, 305)]

    def encode(batch):
        """Two windows a series, of all but the last and of all but the first step."""
        flat, lengths = batch["values"].values, batch["values"].row_lengths().numpy()
        begin = np.cumsum(lengths) - lengths
        starts = np.stack([begin, begin + 1], axis=1).ravel()
        windows = cache.Windows(flat, starts, np.repeat(lengths - 1, 2))
        return windows, np.zeros(len(starts), np.int32)

    encoded = cache.encode([{"values": values} for values in series], encode, batch=2)
    assert encoded.lengths[:, 0].tolist() == [9, 9, 2, 2, 4, 4]
    x, _, _ = batching.pad(encoded, batching.Batch(np.array([3, 4, 0]), (9,)))
    assert x[0].tolist() == [201, 202] + [0] * 7
    assert x[1].tolist() == [300, 301, 302, 303] + [0] * 5
    assert x[2].tolist() == list(range(100, 109))
    assert encoded.fields["x"].values.tolist() == np.concatenate(series).tolist(), "each step once"


def test_other_windows_have_another_fingerprint():
    def fingerprint(first):
        rows = [{"start": first + i} for i in range(3)]
        one = cache.encode(rows, lambda b: (cache.Windows(SERIES, b["start"].numpy(), 5), b["start"] * 0))
        return one.fingerprint()

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)


def test_a_series_may_lie_in_a_file(tmp_path):
    SERIES.tofile(tmp_path / "series")
    mapped = np.memmap(tmp_path / "series", np.float32, "r")
    encoded = cache.encode([{"start": 7}], lambda b: (cache.Windows(mapped, b["start"].numpy(), 3), b["start"]))
    assert batching.pad(encoded, batching.Batch(np.array([0]), (3,)))[0].tolist() == [[7, 8, 9]]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda n: (cache.Windows(SERIES, n + 11_000, 25), n), "windows of x that do not lie in their 11,024 steps"),
        (lambda n: (cache.Windows(SERIES, n - 1, 25), n), "do not lie in"),
        (lambda n: (cache.Windows(SERIES, n, 0), n), "at least one step"),
        (lambda n: (tf.constant(["a"]), n), "gave texts as x"),
        (lambda n: (n[:, None], np.zeros(2)), "different numbers of rows: x 1, y 2"),
        (lambda n: (tf.ragged.constant([[[1], [2, 3]]]), n), "2 ragged axes"),
    ],
)
def test_results_that_cannot_be_kept_are_refused(result, message):
    with pytest.raises(ValueError, match=message):
        cache.encode([{"n": 0}], lambda batch: result(batch["n"].numpy()))


def test_a_change_of_dtype_is_refused():
    with pytest.raises(ValueError, match=r"x as .*int32.* and then as .*int64"):
        cache.encode(
            [{"n": 0}, {"n": 1}], lambda b: (np.ones((1, 1), ["int32", "int64"][int(b["n"][0])]), b["n"]), batch=1
        )
    with pytest.raises(ValueError, match=r"differ along their first axis alone"):
        cache.encode([{"x": np.ones((2, 3))}, {"x": np.ones((2, 4))}], lambda b: (b["x"], b["x"]))
