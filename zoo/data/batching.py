"""Which examples go together, and how they are padded: the only place in the zoo that pads.

    lengths int[N, A] → Buckets (few static shapes) → plan (every batch of an epoch) → (x, y, sample_weight)

An *axis* is a set of arrays that have the same length in every example (source words; target words and their labels).
Batches are bucketed by length under a token budget. The edges are exactly optimal: no other choice of as many
shapes computes fewer positions. Everything about an epoch derives from `plan`, which is a pure function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from zoo.data.cache import Cache


def optimal_edges(lengths: np.ndarray, shapes: int) -> np.ndarray:
    """The padded lengths, at most `shapes` of them, with which padding wastes least.

    Dynamic programming over the sorted distinct lengths; O(shapes · distinct²), exact.

    Args:
        lengths: int[N], each at least 1.
        shapes: how many different padded lengths are allowed.
    Returns:
        int[K], ascending, K ≤ `shapes`; the last is the longest length. A row is padded to the first edge that it fits.
    """
    distinct, counts = np.unique(lengths, return_counts=True)
    rows_up_to = np.concatenate([[0], np.cumsum(counts)])
    # cost[j]: fewest positions for the j shortest distinct lengths with the edges placed so far
    cost = np.concatenate([[0], distinct * rows_up_to[1:]]).astype(np.float64)
    cuts = []
    for _ in range(min(shapes, len(distinct)) - 1):
        better, cut = cost.copy(), np.zeros(len(cost), np.int64)
        for j in range(1, len(cost)):
            candidates = cost[:j] + distinct[j - 1] * (rows_up_to[j] - rows_up_to[:j])
            cut[j] = np.argmin(candidates)
            better[j] = candidates[cut[j]]
        cuts.append(cut)
        cost = better
    ends, j = [len(distinct)], len(distinct)
    for cut in reversed(cuts):
        j = int(cut[j])
        if j == 0:
            break
        ends.append(j)
    return distinct[np.array(ends[::-1]) - 1]


def _grid(lengths: np.ndarray, counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Edges of the first axis, and within each of its buckets those of the next: at most prod(counts) shapes."""
    edges = optimal_edges(lengths[:, 0], counts[0])
    if lengths.shape[1] == 1:
        return [(int(edge),) for edge in edges]
    bucket = np.searchsorted(edges, lengths[:, 0])
    return [
        (int(edge), *rest) for k, edge in enumerate(edges) for rest in _grid(lengths[bucket == k][:, 1:], counts[1:])
    ]


@dataclass(frozen=True)
class Buckets:
    """The static shapes of a run. Rows of bucket k are padded to `edges[k]`, `rows[k]` of them to a batch."""

    edges: np.ndarray  # int[K, A], in lexical order
    rows: np.ndarray  # int[K]

    def assign(self, lengths: np.ndarray) -> np.ndarray:
        """int[N]: the bucket of each row, the one with the fewest positions that it fits in."""
        fits = np.all(lengths[:, None, :] <= self.edges[None], axis=-1)  # [N, K]
        if not fits.any(axis=1).all():
            raise ValueError(f"a row of length {lengths[~fits.any(axis=1)][0]} fits none of the edges {self.edges}")
        return np.argmin(np.where(fits, self.edges.sum(axis=1), np.iinfo(np.int64).max), axis=1)


def choose_buckets(
    lengths: np.ndarray, *, batch_tokens: int, shapes: int = 8, replicas: int = 1, longest: np.ndarray | None = None
) -> Buckets:
    """The shapes for a data set: at most `shapes`, at most `batch_tokens` positions in a batch.

    A bucket's rows are divided evenly over the batches that it needs, so that hardly any row of an epoch is a dummy.

    Args:
        lengths: int[N, A], the length of every example on every axis.
        batch_tokens: positions (rows × padded lengths) a batch may have; a longer row gets a batch of its own.
        replicas: the rows of a batch are a multiple of this.
        longest: int[A], lengths that must fit too: other examples may be longer than these.
    """
    if longest is not None:
        lengths = np.concatenate([lengths, longest[None]])
    axes = lengths.shape[1]
    grids = [(shapes,)] if axes == 1 else [(k, shapes // k) for k in range(1, shapes + 1)]
    candidates = [np.array(sorted(set(_grid(lengths, grid + (1,) * (axes - len(grid)))))) for grid in grids]
    members = [Buckets(edges, np.ones(len(edges), np.int64)).assign(lengths) for edges in candidates]
    best = min(range(len(candidates)), key=lambda i: int(candidates[i][members[i]].sum()))
    used, counts = np.unique(members[best], return_counts=True)
    edges = candidates[best][used]
    most = np.maximum(batch_tokens // edges.sum(axis=1) // replicas, 1)
    batches = -(-counts // (most * replicas))
    return Buckets(edges, -(-counts // (batches * replicas)) * replicas)


@dataclass(frozen=True)
class Batch:
    """One step of training: which examples, padded to which lengths."""

    rows: np.ndarray  # int[R], indices of examples; -1 is a dummy that fills the batch up
    edges: tuple[int, ...]  # the padded length of each axis


def plan(
    lengths: np.ndarray, buckets: Buckets, *, seed: int | None, epoch: int = 0, curriculum: int = 0
) -> list[Batch]:
    """Every batch of one epoch. The same arguments give the same batches; every example is in exactly one.

    Where a bucket's examples do not fill its last batch, dummies do.

    Args:
        lengths: int[N, A].
        seed: mixes rows and batches anew in each epoch; None keeps the examples sorted by length (inference).
        curriculum: in so many epochs first the batches go from the shortest to the longest, each bucket still mixed
            (Kocmi and Bojar 2017, https://arxiv.org/abs/1707.09533).
    """
    random = np.random.default_rng((seed, epoch)) if seed is not None else None
    bucket = buckets.assign(lengths)
    batches: list[Batch] = []
    for k, (edges, rows) in enumerate(zip(buckets.edges, buckets.rows, strict=True)):
        members = np.flatnonzero(bucket == k)
        if random is not None:
            members = random.permutation(members)
        else:
            members = members[np.argsort(lengths[members].sum(axis=1), kind="stable")]
        members = np.concatenate([members, np.full(-len(members) % rows, -1)])
        batches += [Batch(part, tuple(map(int, edges))) for part in members.reshape(-1, rows)]
    if random is not None:
        batches = [batches[i] for i in random.permutation(len(batches))]
        if epoch < curriculum:
            batches.sort(key=lambda batch: sum(batch.edges))
    return batches


def efficiency(lengths: np.ndarray, batches: list[Batch]) -> float:
    """The share of computed positions that are real: padding and dummies count as waste."""
    computed = sum(len(batch.rows) * sum(batch.edges) for batch in batches)
    return float(lengths.sum() / computed)


def pad(cache: Cache, batch: Batch, share: tuple[int, int] = (0, 1)) -> tuple[Any, np.ndarray, np.ndarray]:
    """The arrays of one batch, right-padded with 0.

    Args:
        share: part k of n, of as many rows each, instead of all rows.
    Returns:
        x: like the examples' x, with a batch axis; arrays with a time axis are padded to the batch's edges.
        y: likewise.
        sample_weight: float32 of y's batch and time axes; 0 on padding and dummies. A dummy repeats the first step of
            the first row, because a recurrent layer needs one real step in every row.
    """
    part, of = share
    size = len(batch.rows) // of
    mine = batch.rows[part * size : (part + 1) * size]
    dummy = mine < 0
    rows = np.where(dummy, batch.rows[0], mine)
    arrays = {}
    weight = np.ones(len(rows), np.float32)
    for name, field in cache.fields.items():
        if field.axis is None:
            arrays[name] = field.values[field.offsets[rows]]
            continue
        real = np.where(dummy, 1, field.lengths[rows])
        steps = np.arange(batch.edges[field.axis])
        keep = steps < real[:, None]  # [R, T]
        taken = field.values[np.where(keep, field.offsets[rows, None] + steps, 0)]
        arrays[name] = np.where(keep.reshape(keep.shape + (1,) * (taken.ndim - 2)), taken, 0).astype(taken.dtype)
        if name == "y":
            weight = keep.astype(np.float32)
    weight = np.where(dummy.reshape((-1,) + (1,) * (weight.ndim - 1)), np.float32(0), weight)
    return cache.structure(arrays), arrays["y"], weight


class Batches(keras.utils.PyDataset):
    """The planned batches of a cache, mixed anew every epoch (`seed`) or sorted by length (`seed=None`); see `plan`.

    Of several processes that train together each gives its `share` of every batch's rows; see `pad`.
    """

    def __init__(
        self,
        cache: Cache,
        buckets: Buckets,
        *,
        seed: int | None,
        curriculum: int = 0,
        share: tuple[int, int] = (0, 1),
    ):
        super().__init__()
        self._pad = partial(pad, cache, share=share)
        self.cache, self.buckets, self.seed, self.curriculum = cache, buckets, seed, curriculum
        self.planned = self.plan(0)

    def plan(self, epoch: int) -> list[Batch]:
        return plan(self.cache.lengths, self.buckets, seed=self.seed, epoch=epoch, curriculum=self.curriculum)

    def __len__(self) -> int:
        return len(self.planned)  # the same in every epoch: mixing changes which rows, not how many

    def __getitem__(self, index: int):
        return self._pad(self.planned[index])

    def _from(self, epoch: int, step: int) -> Iterator:
        while True:
            for batch in self.plan(epoch)[step:]:
                yield self._pad(batch)
            epoch, step = epoch + 1, 0

    def for_training(self, epoch: int = 0, step: int = 0) -> Any:
        """What `model.fit` is given to learn from: every batch from that step on, epoch after epoch, without an end."""
        return self._dataset(partial(self._from, epoch, step)) if _tensorflow() else self._from(epoch, step)

    def for_validation(self) -> Any:
        """What `model.fit` is given as validation data: the batches of one epoch."""
        if not _tensorflow():
            return self
        import tensorflow as tf

        dataset = self._dataset(lambda: map(self._pad, self.planned))
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self)))

    def _dataset(self, generate: Callable[[], Iterator]) -> Any:
        """A `tf.data` pipeline. Without it Keras would read the static shapes off the first two batches, and a third
        length would then be an error."""
        import tensorflow as tf

        def spec(field):
            step = () if field.axis is None else (None,)
            return tf.TensorSpec((None, *step, *field.values.shape[1:]), field.values.dtype)

        specs = {name: spec(field) for name, field in self.cache.fields.items()}
        weight = tf.TensorSpec(specs["y"].shape[: 1 if self.cache.fields["y"].axis is None else 2], tf.float32)
        signature = (self.cache.structure(specs), specs["y"], weight)
        return untuned(tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2))


def untuned(dataset: Any) -> Any:
    """A `tf.data.Dataset` without TensorFlow's tuning thread: who ends an iterator may have to wait for it, and it
    sleeps 10, 20, 40 … ms, 20 s after half a minute of training."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"
