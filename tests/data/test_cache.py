"""What is slow to compute is computed once, by however many processes, whatever kills them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
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
    """Two rows an example, which share what is stored of it."""
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
