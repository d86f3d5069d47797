"""Self-attention in place of recurrence: a Transformer with as many weights as the LSTM of the same options.

projection → (x + attention(norm(x)), then x + feed forward(norm(x))) for each layer → norm

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, with the norm before each part: Xiong et al. 2020,
https://arxiv.org/abs/2002.04745
"""

import keras
from keras import ops


def turned(vectors, places):
    """Rotary positions: turns each pair of features by an angle that grows with the place.

    The product of two turned vectors depends on the distance of their places alone, for any length of a sequence. Su
    et al. 2021, section 3.2, https://arxiv.org/abs/2104.09864

    Args:
        vectors: float[B, T, heads, S], S even.
        places: int[T].
    Returns:
        float[B, T, heads, S].
    """
    half = vectors.shape[-1] // 2
    rates = 10_000.0 ** (-ops.arange(half, dtype="float32") / half)
    angles = ops.cast(places, "float32")[:, None, None] * rates  # [T, 1, S / 2]
    cos, sin = ops.cast(ops.cos(angles), vectors.dtype), ops.cast(ops.sin(angles), vectors.dtype)
    first, second = ops.split(vectors, 2, axis=-1)
    return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


class _Block(keras.layers.Layer):
    """One layer of a Transformer: every step looks at the steps that it may see, then at itself.

    Call arguments:
        x:       float[B, T, D].
        allowed: bool[B, T, K], True where a step may see a key. The last T keys are those of `x`.
        earlier: float[B, K - T, 2 × heads × size], keys and values of the steps before, or None.
    Returns:
        float[B, T, D] and the keys and values of all K steps, float[B, K, 2 × heads × size].
    """

    def __init__(self, width: int, *, heads: int, size: int, hidden: int, drop, dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads, self.size = width, heads, size
        common = {"dtype": self.dtype_policy}
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{i}", **common) for i in range(2)]
        self.drops = [drop(dropout, name=f"dropout_{i}", **common) for i in range(2)]
        # Without biases: one on the keys would add the same to all scores of a step, and learn nothing.
        self.query = keras.layers.Dense(heads * size, use_bias=False, name="query", **common)
        self.key_value = keras.layers.Dense(2 * heads * size, use_bias=False, name="key_value", **common)
        self.out = keras.layers.Dense(width, name="out", **common)
        self.up = keras.layers.Dense(hidden, activation="relu", name="up", **common)
        self.down = keras.layers.Dense(width, name="down", **common)

    def build(self, x_shape, allowed_shape=None, earlier_shape=None):
        for layer in (*self.norms, *self.drops, self.query, self.key_value, self.up):
            layer.build(x_shape)
        self.out.build((*x_shape[:2], self.heads * self.size))
        self.down.build((*x_shape[:2], self.up.units))

    def look(self, x, allowed, earlier=None):
        """→ attention weights float32[B, heads, T, K], 0 where not allowed; keys and values float[B, K, …]."""
        normed = self.norms[0](x)
        key_value = self.key_value(normed)
        if earlier is not None:
            key_value = ops.concatenate([ops.cast(earlier, key_value.dtype), key_value], axis=1)
        places = ops.arange(ops.shape(key_value)[1])
        keys = turned(self._heads(key_value[..., : self.heads * self.size]), places)
        queries = turned(self._heads(self.query(normed)), places[-ops.shape(x)[1] :])
        scores = ops.cast(ops.einsum("bqhs,bkhs->bhqk", queries, keys), "float32") * self.size**-0.5
        # exp(-1e9 - maximum) is exactly 0 in float32; -inf could put NaN into a gradient.
        scores = ops.where(ops.expand_dims(allowed, 1), scores, -1e9)
        # For a single step the weight is 1; Keras warns about a softmax over one number.
        return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1), key_value

    def _heads(self, vectors):
        """float[B, T, heads × size] → float[B, T, heads, size]."""
        return ops.reshape(vectors, (*ops.shape(vectors)[:2], self.heads, self.size))

    def call(self, x, allowed, earlier=None, training=None):
        weights, key_value = self.look(x, allowed, earlier)
        values = self._heads(key_value[..., self.heads * self.size :])
        found = ops.einsum("bhqk,bkhs->bqhs", ops.cast(weights, values.dtype), values)
        found = ops.reshape(found, (*ops.shape(found)[:2], self.heads * self.size))
        x = x + self.drops[0](self.out(found), training=training)
        return x + self.drops[1](self.down(self.up(self.norms[1](x))), training=training), key_value


@keras.saving.register_keras_serializable("zoo")
class Transformer(keras.layers.Layer):
    """Reads a sequence by self-attention. It has as many weights as the LSTM of the same sizes, within 5 %.

    The attention of all heads is half as wide as the LSTM's state. The feed-forward network gets the rest of the
    LSTM's number of weights, which is the usual one third to two thirds where inputs are as wide as the state.

    Args:
        units: size of the LSTM's state in each direction, 4 or more.
        layers: number of layers on top of each other.
        bidirectional: each step sees all steps; otherwise itself and the `window` steps before it.
        window: number of earlier steps that each layer sees. So much of a sequence is kept for its next piece, as in
            Transformer-XL: Dai et al. 2019, section 3.2, https://arxiv.org/abs/1901.02860
        dropout: share of features dropped from the output of each part, 0 to 1.
        variational: drop the same features at all steps of a row.

    Call arguments:
        sequence:  float[B, T, F].
        keep_mask: bool[B, T], True = real step; right-padded, at least one real step in every row. None: all are real.
        earlier:   float[B, state_size], the keys and values of the steps before; zeros at the beginning. None: there
            are none, and none are kept.
    Returns:
        steps float[B, T, D], arbitrary but finite on padding, and the new `earlier`, or None. D = units, or 2 * units
        if bidirectional.

    >>> import numpy as np
    >>> layer = Transformer(8, bidirectional=False)
    >>> sequence = np.ones([2, 3, 8], "float32")                       # [B, T, F]
    >>> steps, _ = layer(sequence)
    >>> tuple(steps.shape), layer.count_params(), 4 * 8 * (8 + 8 + 1)  # the last number is that of the LSTM
    ((2, 3, 8), 536, 544)
    """

    def __init__(
        self,
        units: int,
        *,
        layers: int = 1,
        bidirectional: bool = True,
        window: int = 256,
        dropout: float = 0.0,
        variational: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.layers, self.bidirectional, self.window = units, layers, bidirectional, window
        self.dropout, self.variational = dropout, variational
        self.width = units * (2 if bidirectional else 1)
        self.heads = max(1, round(units / 32))
        self.size = 2 * max(1, round(units / (4 * self.heads)))  # of a head; even, for pairs of features
        self.project = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="project")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy, name="norm")

    @property
    def state_size(self) -> int:
        """Size of `earlier`: the keys and values of `window` steps in each layer, and which of the steps are real."""
        return self.window * self._kept

    @property
    def _kept(self) -> int:
        return 2 * self.heads * self.size * self.layers + 1

    def hidden(self, features: int) -> int:
        """The width of the feed-forward network for inputs of so many features."""
        directions, D, above = self.width // self.units, self.width, self.layers - 1
        lstm = directions * 4 * self.units * (features + self.units + 1 + above * (D + self.units + 1))
        attention = 4 * D * self.heads * self.size + 6 * D  # with the norms and biases of a block
        rest = lstm - (features + 1) * D - 2 * D - self.layers * attention
        return max(1, round(rest / (self.layers * (2 * D + 1))))

    def build(self, sequence_shape, keep_mask_shape=None, earlier_shape=None):
        drop = keras.layers.SpatialDropout1D if self.variational else keras.layers.Dropout
        sizes = {"heads": self.heads, "size": self.size, "hidden": self.hidden(sequence_shape[-1])}
        rest = {"drop": drop, "dropout": self.dropout, "dtype": self.dtype_policy}
        self.blocks = [_Block(self.width, **sizes, **rest, name=f"block_{i}") for i in range(self.layers)]
        inner = (*sequence_shape[:2], self.width)
        self.project.build(sequence_shape)
        for block in self.blocks:
            block.build(inner)
        self.norm.build(inner)

    def prepare(self, sequence, keep_mask=None, earlier=None):
        """The input of the first block, which keys each step may see, and the earlier keys and values of each block."""
        rows, steps = ops.shape(sequence)[0], ops.shape(sequence)[1]
        real = ops.ones((rows, steps), "bool") if keep_mask is None else ops.cast(keep_mask, "bool")
        x = self.project(ops.where(real[:, :, None], sequence, 0))  # padding may hold NaN
        caches, before = [None] * self.layers, 0
        if earlier is not None:
            before = self.window
            kept = ops.reshape(earlier, (rows, before, self._kept))
            *caches, flags = ops.split(kept, [i * 2 * self.heads * self.size for i in range(1, self.layers + 1)], -1)
            real = ops.concatenate([flags[:, :, 0] > 0, real], axis=1)  # [B, K]
        allowed = real[:, None, :]
        if not self.bidirectional:
            distance = (before + ops.arange(steps))[:, None] - ops.arange(before + steps)  # [T, K]
            allowed = allowed & (distance >= 0) & (distance <= self.window)
        return x, ops.broadcast_to(allowed, (rows, steps, before + steps)), caches, real

    def call(self, sequence, keep_mask=None, earlier=None, training=None):
        x, allowed, caches, real = self.prepare(sequence, keep_mask, earlier)
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, key_value = block(x, allowed, cache, training=training)
            after.append(key_value)
        steps = self.norm(x)
        if earlier is None:
            return steps, None
        kept = ops.concatenate([*after, ops.cast(real, steps.dtype)[:, :, None]], axis=-1)  # [B, K, kept]
        if keep_mask is None:
            kept = kept[:, -self.window :]
        else:  # the last real steps of each row; padding comes after them
            lengths = ops.sum(ops.cast(keep_mask, "int32"), axis=1)
            kept = ops.take_along_axis(kept, (lengths[:, None] + ops.arange(self.window))[:, :, None], axis=1)
        return steps, ops.reshape(kept, (-1, self.state_size))

    def get_config(self):
        names = ("units", "layers", "bidirectional", "window", "dropout", "variational")
        return super().get_config() | {name: getattr(self, name) for name in names}
