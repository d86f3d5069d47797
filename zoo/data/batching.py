"""The plan: which examples form a batch, and how they are padded. Nothing else in the zoo pads.

    lengths int[N, A] → Buckets (few static shapes) → plan (every batch of an epoch) → (x, y, sample_weight)
    all examples end to end → streams (parallel rows) → windows, one batch after the other → (x, y, sample_weight)

An *axis* is a set of arrays that have the same length in every example (source words; target words and their labels).
A *bucket* holds examples of similar length, which are padded to the same length, the *edge* of the bucket. The number
of positions in a batch is limited, and the edges are optimal: no other choice of as many shapes computes fewer
positions. Everything about an epoch derives from `plan`, which is a pure function.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np

from zoo.data.cache import Cache
from zoo.errors import InputError


def optimal_edges(lengths: np.ndarray, shapes: int) -> np.ndarray:
    """The padded lengths that waste least, at most `shapes` of them.

    Dynamic programming over the sorted distinct lengths; O(shapes · distinct²), exact.

    Args:
        lengths: int[N], each at least 1.
        shapes: how many different padded lengths are allowed.
    Returns:
        int[K], ascending, K ≤ `shapes`; the last is the longest length. A row is padded to the first edge that is
        long enough.
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
        """int[N]: the bucket of each row: of those it fits in, the one with the fewest positions.

        Raises:
            ValueError: a row is longer than every edge.
        """
        fits = np.all(lengths[:, None, :] <= self.edges[None], axis=-1)  # [N, K]
        if not fits.any(axis=1).all():
            raise ValueError(f"a row of length {lengths[~fits.any(axis=1)][0]} fits none of the edges {self.edges}")
        return np.argmin(np.where(fits, self.edges.sum(axis=1), np.iinfo(np.int64).max), axis=1)


def choose_buckets(
    lengths: np.ndarray, *, batch_tokens: int, shapes: int = 8, replicas: int = 1, longest: np.ndarray | None = None
) -> Buckets:
    """The static shapes for a data set.

    The rows of a bucket are divided evenly over the batches that it needs, so that very few rows are dummies.

    Args:
        lengths: int[N, A], the length of every example on every axis.
        batch_tokens: the largest number of positions (rows × padded lengths) in a batch; a longer row gets a batch of
            its own.
        shapes: the largest number of shapes.
        replicas: the number of rows in a batch is a multiple of this.
        longest: int[A], lengths that have to fit too, such as those of validation.
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

    rows: np.ndarray  # int[R], indices of examples; -1 is a dummy that fills up the batch
    edges: tuple[int, ...]  # the padded length of each axis


def plan(
    lengths: np.ndarray, buckets: Buckets, *, seed: int | None, epoch: int = 0, curriculum: int = 0
) -> list[Batch]:
    """Every batch of one epoch. The same arguments give the same batches; every example is in exactly one.

    Dummies fill up the last batch of a bucket.

    Args:
        lengths: int[N, A].
        seed: shuffles rows and batches anew in each epoch; None keeps the examples sorted by length (inference).
        curriculum: in the first N epochs the batches are sorted from short to long; the rows of a bucket are still
            shuffled (Kocmi and Bojar 2017, https://arxiv.org/abs/1707.09533).
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
    """The share of computed positions that are real, neither padding nor dummies."""
    computed = sum(len(batch.rows) * sum(batch.edges) for batch in batches)
    return float(lengths.sum() / computed)


How = Literal["steps", "rows"]
Weigh = How | Mapping[str, How]  # by name where y is a dict


def pad(cache: Cache, batch: Batch, share: tuple[int, int] = (0, 1), weigh: Weigh = "steps") -> tuple[Any, Any, Any]:
    """The arrays of one batch, right-padded with 0.

    A dummy repeats the first step of the first row, because a recurrent layer needs one real step in every row.

    Args:
        share: (k, n) gives part k of n instead of all rows; the parts have the same number of rows.
        weigh: "steps" if the loss has a value for each step of y; "rows" if it has one for each row, such as CTC. Such
            a loss has to see where y ends, so integers in y are padded with -1 then. By name where y is a dict.
    Returns:
        x: the examples' x with a batch axis; arrays with a time axis are padded to the batch's edges.
        y: likewise.
        sample_weight: float32[R, T] of y's steps, 0 on padding, on dummies and where all of y is NaN; or float32[R], 0
            on dummies, if `weigh` is "rows" or y has no time axis. A dict if y is one.
    Raises:
        ValueError: `weigh` is "rows" and y has unsigned integers, which cannot be -1.
    """
    part, of = share
    size = len(batch.rows) // of
    mine = batch.rows[part * size : (part + 1) * size]
    dummy = mine < 0
    rows = np.where(dummy, batch.rows[0], mine)
    real_row = (~dummy).astype(np.float32)
    arrays, weights = {}, {}
    for name, field in cache.fields.items():
        by = None if name.startswith("x") else _how(weigh, name)
        if by:
            weights[name] = real_row
        if field.axis is None or field.lengths is None:
            arrays[name] = field.values[field.offsets[rows]]
            continue
        real = np.where(dummy, 1, field.lengths[rows])
        steps = np.arange(batch.edges[field.axis])
        keep = steps < real[:, None]  # [R, T]
        taken = field.values[np.where(keep, field.offsets[rows, None] + steps, 0)]
        filler = -1 if by == "rows" and taken.dtype.kind in "iub" else 0
        if filler and taken.dtype.kind != "i":
            raise ValueError(
                f'weigh="rows" pads y with -1, and {name} is {taken.dtype}: encode has to give signed integers'
            )
        arrays[name] = np.where(keep.reshape(keep.shape + (1,) * (taken.ndim - 2)), taken, filler).astype(taken.dtype)
        if by == "steps":
            weights[name] = keep * real_row[:, None]
            if taken.dtype.kind == "f":  # NaN marks a missing value
                weights[name] *= ~np.isnan(taken.reshape(*keep.shape, -1)).all(axis=-1)
    return cache.structure(arrays, "x"), cache.structure(arrays, "y"), cache.structure(weights, "y")


def _how(weigh: Weigh, name: str) -> How:
    """What the weights of a field belong to: "y", or "y/NAME" where y is a dict."""
    return weigh if isinstance(weigh, str) else weigh[name.removeprefix("y/")]


class Planned(keras.utils.PyDataset):
    """The planned batches of a cache. Subclasses say how an epoch is planned and how a batch is padded.

    Attributes:
        cache: the encoded examples.
        planned: the batches of the first epoch; every epoch has as many.
        share: (k, n): of every batch, this process gives part k of n.
        weigh: the shape of the weights that the loss takes; see `pad`.
        augment: changes a padded batch in training: (x, y, sample_weight), rows, epoch, number → the same form. `rows`
            int[R] are the places of its rows in the whole batch, of which this process may give a part. Draws depend on
            these, the epoch and the number of the batch alone, so that a run can be resumed and shared.
    """

    weigh: Weigh = "steps"
    augment: Callable[[tuple, np.ndarray, int, int], tuple] | None = None

    def __init__(self, cache: Cache, *, share: tuple[int, int] = (0, 1)):
        super().__init__()
        self.cache, self.share = cache, share
        self.planned = self.plan(0)

    def plan(self, epoch: int) -> list[Batch]:
        """Every batch of an epoch."""
        raise NotImplementedError

    def _pad(self, batch: Any) -> tuple[Any, Any, Any]:
        raise NotImplementedError

    def like(self, cache: Cache) -> "Planned":
        """The batches of another split, of the same shapes where they fit, in the order of the plan without a seed."""
        raise NotImplementedError

    @property
    def shapes(self) -> list[tuple[int, tuple[int, ...]]]:
        """Rows and edges of the batches, each shape once."""
        return sorted({(len(batch.rows), batch.edges) for batch in self.planned})

    def __len__(self) -> int:
        return len(self.planned)  # the same in every epoch

    def __getitem__(self, index: int):
        return self._pad(self.planned[index])

    def _from(self, epoch: int, step: int) -> Iterator:
        while True:
            batches = self.plan(epoch) if epoch else self.planned
            for number in range(step, len(batches)):
                found = self._pad(batches[number])
                if self.augment:
                    size = len(found[1])
                    found = self.augment(found, self.share[0] * size + np.arange(size), epoch, number)
                yield found
            epoch, step = epoch + 1, 0

    def for_training(self, epoch: int = 0, step: int = 0) -> Any:
        """The training data of `model.fit`: every batch from the given step on, epoch after epoch, without an end."""
        return self._dataset(partial(self._from, epoch, step)) if _tensorflow() else self._from(epoch, step)

    def for_validation(self) -> Any:
        """The validation data of `model.fit`: the batches of one epoch."""
        if not _tensorflow():
            return self
        import tensorflow as tf

        dataset = self._dataset(lambda: map(self._pad, self.planned))
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self)))

    def _dataset(self, generate: Callable[[], Iterator]) -> Any:
        """A `tf.data` pipeline. Without it Keras infers the shapes from the first two batches, and another length in a
        later batch is an error."""
        import tensorflow as tf

        def spec(field):
            step = () if field.axis is None else (None,)
            return tf.TensorSpec((None, *step, *field.values.shape[1:]), field.values.dtype)

        specs = {name: spec(field) for name, field in self.cache.fields.items()}
        weights = {
            name: tf.TensorSpec(
                (None,) if field.axis is None or _how(self.weigh, name) == "rows" else (None, None), tf.float32
            )
            for name, field in self.cache.fields.items()
            if not name.startswith("x")
        }
        signature = tuple(self.cache.structure(*part) for part in ((specs, "x"), (specs, "y"), (weights, "y")))
        return untuned(tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(2))


class Batches(Planned):
    """The planned batches of a cache, shuffled anew every epoch (`seed`) or sorted by length (`seed=None`); see `plan`.

    If several processes train together, each gives its `share` of the rows of every batch; see `pad`, also for `weigh`.
    """

    def __init__(
        self,
        cache: Cache,
        buckets: Buckets,
        *,
        seed: int | None,
        curriculum: int = 0,
        share: tuple[int, int] = (0, 1),
        weigh: Weigh = "steps",
    ):
        self.buckets, self.seed, self.curriculum, self.weigh = buckets, seed, curriculum, weigh
        super().__init__(cache, share=share)

    def plan(self, epoch: int) -> list[Batch]:
        return plan(self.cache.lengths, self.buckets, seed=self.seed, epoch=epoch, curriculum=self.curriculum)

    def _pad(self, batch: Batch) -> tuple[Any, Any, Any]:
        return pad(self.cache, batch, share=self.share, weigh=self.weigh)

    def like(self, cache: Cache) -> "Batches":
        return Batches(cache, self.buckets, seed=None, share=self.share, weigh=self.weigh)


def bucketed(
    cfg: Any, cache: Cache, *, seed: int | None, replicas: int = 1, longest: np.ndarray | None = None, **how: Any
) -> Batches:
    """The plan of a task that has none of its own: examples of similar length form a batch.

    Args:
        cfg: options batch_tokens, shapes, curriculum.
        seed, replicas, longest, how: as in `plan`, `choose_buckets` and `Batches`.
    """
    buckets = choose_buckets(
        cache.lengths, batch_tokens=cfg.batch_tokens, shapes=cfg.shapes, replicas=replicas, longest=longest
    )
    return Batches(cache, buckets, seed=seed, curriculum=cfg.curriculum, **how)


@dataclass(frozen=True)
class Window(Batch):
    """The next steps of every stream.

    Attributes:
        starts: int[R], the position of each row's first step in the sequence.
        lengths: int[R], the real steps of each row; the others are padding.
        fresh: True if the streams begin here, False if they go on from the window before.
    """

    starts: np.ndarray
    lengths: np.ndarray
    fresh: bool


def windows(
    length: int, streams: int, window: int, *, seed: int | None = None, epoch: int = 0
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cuts a sequence into `streams` rows that are read side by side, a window at a time. A pure function.

    The rows differ in length by one step at most, and the windows are as equal as they can be, so there is hardly any
    padding: a row has fewer padded steps than there are windows, all of them at its end.

    Args:
        length: the steps of the whole sequence, at least 1.
        streams: the number of rows.
        window: the largest number of steps in a window.
        seed: each epoch begins at another position of the sequence and goes round, so that rows and windows begin
            elsewhere; None begins at the first step.
    Returns:
        starts int[W, streams], the position of each window's first step; lengths int[W, streams], how many steps of
        the window are real; and the number of steps in every window, at most `window`.
    """
    rows = -(-np.arange(streams + 1) * length // streams)  # where rows begin; rounded up: the first is not empty
    longest = max(-(-length // streams), 1)
    count = -(-longest // window)
    width = -(-longest // count)
    starts = rows[:-1] + width * np.arange(count)[:, None]  # [W, streams]
    lengths = np.clip(rows[1:] - starts, 0, width)
    first = 0 if seed is None else int(np.random.default_rng((seed, epoch)).integers(length))
    return (starts + first) % length, lengths, width


class Streams(Planned):
    """All examples of a cache end to end, in parallel rows; the model carries its state from window to window.

    The examples' arrays must have one common axis. The input `fresh`, int32[R], is 1 in the first window of an epoch,
    where the state starts at zero, and 0 in the others, whatever `encode` gave.

    Args:
        streams: the rows of a batch.
        window: steps in a batch, at most.
        seed: rows begin elsewhere in each epoch; None begins at the first example. See `windows`.
        share: as in `Planned`.
        replicas: devices that share a batch; `streams` must be a multiple.
    Raises:
        InputError: `streams` cannot be divided by `replicas`.
        ValueError: the arrays have different lengths, or do not lie end to end.
    """

    FRESH = "fresh"

    def __init__(
        self,
        cache: Cache,
        streams: int,
        window: int,
        *,
        seed: int | None,
        share: tuple[int, int] = (0, 1),
        replicas: int = 1,
    ):
        if streams % replicas:
            raise InputError(f"{streams} streams on {replicas} devices: expected a multiple of {replicas}")
        ends = np.cumsum(cache.lengths[:, 0])
        for name, field in cache.fields.items():
            if field.axis is not None and not (field.axis == 0 and np.array_equal(field.offsets + field.lengths, ends)):
                raise ValueError(f"{name} cannot be a stream: expected arrays of one length, stored end to end")
        self.streams, self.window, self.seed, self._ends = streams, window, seed, ends
        super().__init__(cache, share=share)

    def plan(self, epoch: int) -> list[Batch]:
        length = int(self._ends[-1])
        starts, lengths, width = windows(length, self.streams, self.window, seed=self.seed, epoch=epoch)
        rows = np.searchsorted(self._ends, starts, side="right")  # the example that a row's window begins in
        rows = np.where(lengths == 0, -1, rows)
        return [Window(rows[i], (width,), starts[i], lengths[i], fresh=i == 0) for i in range(len(starts))]

    def _pad(self, batch: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        part, of = self.share
        size = len(batch.starts) // of
        mine = slice(part * size, (part + 1) * size)
        steps = np.arange(batch.edges[0])
        keep = steps < batch.lengths[mine, None]  # [R, T]
        positions = np.where(keep, (batch.starts[mine, None] + steps) % self._ends[-1], 0)
        arrays = {f"x/{self.FRESH}": np.full(size, batch.fresh, np.int32)}
        for name, field in self.cache.fields.items():
            if field.axis is not None:
                taken = field.values[positions]
                arrays[name] = np.where(keep.reshape(keep.shape + (1,) * (taken.ndim - 2)), taken, 0).astype(
                    taken.dtype
                )
        return self.cache.structure(arrays, "x"), arrays["y"], keep.astype(np.float32)

    def like(self, cache: Cache) -> "Streams":
        return Streams(cache, self.streams, self.window, seed=None, share=self.share)


def documents_or_streams(cfg: Any, cache: Cache, *, longest: np.ndarray | None = None, **how: Any) -> Planned:
    """The plan that `cfg.form` names: examples on their own, as in `bucketed`, or all of them as `Streams`."""
    if cfg.form == "documents":
        return bucketed(cfg, cache, longest=longest, **how)
    return Streams(cache, cfg.streams, cfg.bptt, **how)


def untuned(dataset: Any) -> Any:
    """A `tf.data.Dataset` without TensorFlow's tuning thread.

    Ending an iterator can mean waiting for this thread, which sleeps 10, 20, 40 … ms: 20 s after half a minute of
    training.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"
