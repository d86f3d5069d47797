"""A recurrent decoder that attends to a memory: one `step` for search, and the same computation for training.

Training reads the true target as input, shifted by one (teacher forcing). Search feeds the decoder's own tokens back.

tokens → embedding → GRU or LSTM layers ⇄ attention over memory → readout → logits over the vocabulary

attend="after"                       h = cell(y, h); context = attention(h)              whole sequence at once
attend="after", input_feeding=True   the same, and the readout joins the next input      a loop (Luong 2015, 3.3)
attend="before"                      context = attention(h); h = cell([y, context], h)   a loop (Bahdanau 2015)
"""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.layers.attention import make_attention
from zoo.layers.recurrent import GRU, LSTM
from zoo.layers.tokens import log_frequencies

CELLS = {"gru": GRU, "lstm": LSTM}
BRIDGES = ("mean", "last", "zeros")


def decoder_cell(cell: str) -> str:
    """The cell of a decoder for the memory of an encoder with `cell`: the same, or a GRU if no decoder has it."""
    return cell if cell in CELLS else "gru"


@keras.saving.register_keras_serializable("zoo")
class DecoderCell(keras.layers.Layer):
    """One `zoo.layers.GRU` or `LSTM`, for whole sequences or step by step, with the same weights.

    A call runs all steps on the fast path of the layer. If an input depends on the previous step, a loop is needed:
    `project` computes the part of all steps that does not depend on the state, before the loop, and `advance` the rest.

    Args:
        units: size of the state.
        cell: "gru" or "lstm". The state is [h] for "gru" and [h, c] for "lstm", each float[B, units].
    Raises:
        ValueError: an unknown `cell`.

    >>> import numpy as np
    >>> cell, inputs = DecoderCell(5, cell="gru"), np.ones([2, 3, 4], "float32")  # [B, S, inputs]
    >>> start = [keras.ops.zeros([2, 5])]
    >>> cell.build((None, 4))
    >>> outputs = cell(inputs, start)
    >>> (first,) = cell.advance(cell.project(inputs[:, 0]), start)
    >>> bool(np.allclose(outputs[:, 0], first, atol=1e-6))
    True
    """

    def __init__(self, units: int, *, cell: str = "gru", **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"unknown cell {cell!r}; expected one of {', '.join(CELLS)}")
        self.units, self.cell = units, cell
        self.gates, self.parts = (3, 1) if cell == "gru" else (4, 2)
        self.recurrence = CELLS[cell](units, return_sequences=True, dtype=self.dtype_policy, name="recurrence")

    def build(self, inputs_shape, feed_shape=None):
        self.width = inputs_shape[-1]
        feed = 0 if feed_shape is None else feed_shape[-1]  # the feedback is concatenated with the inputs
        self.recurrence.build((None, None, self.width + feed))

    def project(self, inputs):
        """float[..., inputs] → float[..., gates * units], the part of the gates that does not depend on the state."""
        weights, dtype = self.recurrence.cell, inputs.dtype
        bias = weights.bias[0] if self.cell == "gru" else weights.bias
        return ops.matmul(inputs, ops.cast(weights.kernel[: self.width], dtype)) + ops.cast(bias, dtype)

    def advance(self, projected, state, feed=None):
        """Computes one step.

        Args:
            projected: float[B, gates * units], from `project`.
            state: [h] or [h, c], each float[B, units].
            feed: float[B, feed], the part of the input that depends on the previous step, or None.
        Returns:
            the new state; its h is the output.
        """
        weights, dtype, hidden = self.recurrence.cell, projected.dtype, state[0]
        if feed is not None:
            projected = projected + ops.matmul(feed, ops.cast(weights.kernel[self.width :], dtype))
        recurrent = ops.matmul(hidden, ops.cast(weights.recurrent_kernel, dtype))
        if self.cell == "gru":
            recurrent = recurrent + ops.cast(weights.bias[1], dtype)
            update, reset, candidate = ops.split(projected, 3, axis=-1)
            recurrent_update, recurrent_reset, recurrent_candidate = ops.split(recurrent, 3, axis=-1)
            update = ops.sigmoid(update + recurrent_update)
            reset = ops.sigmoid(reset + recurrent_reset)
            candidate = ops.tanh(candidate + reset * recurrent_candidate)
            return [candidate + update * (hidden - candidate)]
        write, forget, candidate, read = ops.split(projected + recurrent, 4, axis=-1)
        memory = ops.sigmoid(forget) * state[1] + ops.sigmoid(write) * ops.tanh(candidate)
        return [ops.sigmoid(read) * ops.tanh(memory), memory]

    def call(self, inputs, state, training=False):
        """Computes all steps: float[B, S, inputs], state → outputs float[B, S, units]."""
        return self.recurrence(inputs, initial_state=state, training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "cell": self.cell}


@keras.saving.register_keras_serializable("zoo")
class AttentionDecoder(keras.layers.Layer):
    """Writes a sequence token by token with attention to `memory`.

    Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015, https://arxiv.org/abs/1508.04025.
    readout = tanh(W [h; context]) (Luong, equation 5), logits = readout · projection + bias.

    Args:
        vocabulary: number of token ids.
        units: size of the state of each recurrent layer.
        embedding_dim: size of a token's embedding.
        readout_dim: size of the readout, the input of the product with the vocabulary, which is the largest product;
            None: `embedding_dim`.
        cell: "gru" or "lstm".
        layers: number of recurrent layers on top of each other.
        attention: "bahdanau", "dot" (needs units = width of the memory) or "general".
        attend: "after" the recurrence, which computes whole sequences at once and is fast, or "before" it.
        input_feeding: with attend="after", concatenate the readout with the input of the next step.
        bridge: first state = tanh(W s), where s is the "mean" or the "last" real step of the memory; or "zeros".
        tied: use the embedding as the output projection too (Press & Wolf 2017, https://arxiv.org/abs/1608.05859).
        dropout: rate on the embedding, between layers, on the feedback and on the readout; one mask for all steps of a
            sequence (Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287).
        token_counts: count of each id in the training targets; the output bias starts at the log of their frequencies
            (each count plus one). Not part of the config: a loaded layer reads its bias from its weights.
        scheduled_sampling: in training, replace an input token by one drawn from the model with the probability
            `sampling_rate`, a non-trainable weight that starts at 0 and that a callback assigns (Bengio et al. 2015,
            section 2.4, https://arxiv.org/abs/1506.03099). Needs a loop over time in training.

    Call arguments:
        target_in: int[B, S], the target shifted right: start token first.
        memory: float[B, T, M].
        keep_mask: bool[B, T], True where `memory` is real; right-padded, at least one real step per row.
        target_keep_mask: bool[B, S], True where `target_in` is real; None: all are real. It only sets the
            readouts of padding to 0, because no step looks ahead.
        initial: float[B, M], the input of the bridge in place of its summary of `memory`, or None.
        state: the result of `start`, dropout masks included, or None to call `start` here.
    Returns:
        logits float[B, S, vocabulary], the same numbers as S calls of `step`.
    Raises:
        ValueError: an unknown name, or options that exclude each other.

    >>> import numpy as np
    >>> decoder = AttentionDecoder(9, units=6, embedding_dim=5)
    >>> target_in = np.array([[2, 5, 7]])                       # [B, S], start token first
    >>> memory = np.ones([1, 4, 8], "float32")                  # [B, T, M]
    >>> keep_mask = np.array([[True, True, True, False]])       # True = real step of the memory
    >>> logits = decoder(target_in, memory, keep_mask)
    >>> tuple(logits.shape)
    (1, 3, 9)
    >>> state = decoder.start(memory, keep_mask)
    >>> first, state, weights = decoder.step(target_in[:, 0], state, memory, keep_mask)
    >>> bool(np.allclose(first, logits[:, 0], atol=1e-5)), tuple(weights.shape)
    (True, (1, 4))
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        units: int = 256,
        embedding_dim: int = 256,
        readout_dim: int | None = None,
        cell: str = "gru",
        layers: int = 1,
        attention: str = "bahdanau",
        attend: str = "after",
        input_feeding: bool = False,
        bridge: str = "mean",
        tied: bool = False,
        dropout: float = 0.0,
        token_counts: Sequence[float] | None = None,
        scheduled_sampling: bool = False,
        name: str = "decoder",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        readout_dim = readout_dim or embedding_dim
        if attend not in ("before", "after"):
            raise ValueError(f"unknown attend {attend!r}; expected 'before' or 'after' the recurrence")
        if attend == "before" and input_feeding:
            raise ValueError("input_feeding needs attend='after': attend='before' already feeds the context back")
        if bridge not in BRIDGES:
            raise ValueError(f"unknown bridge {bridge!r}; expected one of {', '.join(BRIDGES)}")
        if tied and readout_dim != embedding_dim:
            raise ValueError(f"tied needs readout_dim = embedding_dim, got {readout_dim} and {embedding_dim}")
        if token_counts is not None and len(token_counts) != vocabulary:
            raise ValueError(f"token_counts has {len(token_counts)} entries for a vocabulary of {vocabulary} tokens")
        self.options = {
            "vocabulary": vocabulary, "units": units, "embedding_dim": embedding_dim, "readout_dim": readout_dim,
            "cell": cell, "layers": layers, "attention": attention, "attend": attend, "input_feeding": input_feeding,
            "bridge": bridge, "tied": tied, "dropout": dropout, "scheduled_sampling": scheduled_sampling,
        }  # fmt: skip
        self.vocabulary, self.units = vocabulary, units
        self.embedding_dim, self.readout_dim = embedding_dim, readout_dim
        self.attend, self.input_feeding, self.bridge, self.tied = attend, input_feeding, bridge, tied
        self.scheduled_sampling, self.dropout, self.token_counts = scheduled_sampling, dropout, token_counts
        # Vectors of length 1. With Keras' default, a tenth of that, a tied embedding learns token frequencies only.
        spread = keras.initializers.RandomNormal(stddev=embedding_dim**-0.5)
        self.embedding = keras.layers.Embedding(
            vocabulary, embedding_dim, spread, dtype=self.dtype_policy, name="embedding"
        )
        self.attention = make_attention(attention, units=units, dtype=self.dtype_policy, name="attention")
        self.cells = [
            DecoderCell(units, cell=cell, dtype=self.dtype_policy, name=f"cell_{layer}") for layer in range(layers)
        ]
        self.readout = keras.layers.Dense(readout_dim, "tanh", dtype=self.dtype_policy, name="readout")
        self.bridge_dense = keras.layers.Dense(
            units * layers * self.cells[0].parts, "tanh", dtype=self.dtype_policy, name="bridge"
        )
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_masking = True  # masks are arguments; a mask that Keras propagates is ignored

    def build(
        self,
        target_in_shape,
        memory_shape,
        keep_mask_shape=None,
        target_keep_mask_shape=None,
        initial_shape=None,
        state_shape=None,
    ):
        width = memory_shape[-1]
        self.embedding.build((None, None))
        self.attention.build((None, self.units), (None, None, width))
        feed = {"before": width, "after": self.readout_dim if self.input_feeding else None}[self.attend]
        for layer, cell in enumerate(self.cells):
            first = layer == 0
            cell.build((None, self.embedding_dim if first else self.units), (None, feed) if first and feed else None)
        self.readout.build((None, self.units + width))
        if self.bridge != "zeros":
            self.bridge_dense.build((None, width))
        if not self.tied:
            self.projection = self.add_weight(shape=(self.readout_dim, self.vocabulary), name="projection")
        self.output_bias = self.add_weight(shape=(self.vocabulary,), initializer=self._bias, name="output_bias")
        if self.scheduled_sampling:
            self.sampling_rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="sampling_rate")

    def _bias(self, shape, dtype=None):
        return log_frequencies(self.token_counts, shape, dtype)

    def start(self, memory, keep_mask, *, initial=None, training: bool = False) -> dict:
        """Makes the state before the first token.

        Args:
            memory: float[B, T, M].
            keep_mask: bool[B, T], True = real.
            initial: float[B, M], the input of the bridge in place of its summary of `memory`, or None.
        Returns:
            a dict of tensors with B rows: "cells", [h] or [h, c] for each layer; "feed", the last readout, if it is fed
            back; "dropout", the masks, in training with dropout.
        Raises:
            ValueError: `initial` with bridge="zeros".
        """
        batch, dtype = ops.shape(memory)[0], self.compute_dtype
        count = self.cells[0].parts
        if self.bridge == "zeros" and initial is not None:
            raise ValueError("bridge='zeros' takes no initial; use bridge='mean'")
        if self.bridge == "zeros":
            cells = [[ops.zeros((batch, self.units), dtype) for _ in range(count)] for _ in self.cells]
        else:
            summary = self._summary(memory, keep_mask) if initial is None else initial
            parts = ops.split(self.bridge_dense(summary), len(self.cells) * count, axis=-1)
            cells = [parts[layer * count : (layer + 1) * count] for layer in range(len(self.cells))]
        state: dict[str, object] = {"cells": cells}
        if self.input_feeding:
            state["feed"] = ops.zeros((batch, self.readout_dim), dtype)
        if training and self.dropout > 0:
            widths = {"embedding": self.embedding_dim, "readout": self.readout_dim}
            widths |= {f"below_{layer}": self.units for layer in range(1, len(self.cells))}
            state["dropout"] = {
                name: keras.random.dropout(ops.ones((batch, width), dtype), self.dropout, seed=self.seed_generator)
                for name, width in widths.items()
            }
        return state

    def _summary(self, memory, keep_mask):
        keep = ops.cast(keep_mask, memory.dtype)  # [B, T]
        if self.bridge == "last":  # 1 only at the real step whose right neighbour is padding
            keep = keep - ops.concatenate([keep[:, 1:], ops.zeros_like(keep[:, :1])], axis=1)
        weights = keep / ops.sum(keep, axis=1, keepdims=True)
        return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), memory), 1)  # [B, M]

    def keys(self, memory):
        """The part of the attention that depends on `memory` alone: compute it once and pass it to every `step`."""
        return self.attention.keys(ops.cast(memory, self.compute_dtype))

    def step(self, tokens, state, memory, keep_mask, *, keys=None):
        """Computes the logits of the next token.

        Args:
            tokens: int[N], the previous tokens. N = B, or B * K for K hypotheses of each row next to each other, which
                share the row's memory.
            state: the result of `start` or of the previous step, with N rows.
            memory: float[B, T, M].
            keep_mask: bool[B, T], True = real.
            keys: the result of `self.keys(memory)`; None computes it here.
        Returns:
            logits float[N, vocabulary], the new state, and attention weights float32[N, T].
        """
        keys = self.keys(memory) if keys is None else keys
        return self._step(tokens, state, memory, keep_mask, keys, self._projection())

    def _step(self, tokens, state, memory, keep_mask, keys, projection):
        memory = ops.cast(memory, self.compute_dtype)
        embedded = self._dropped(self.embedding(tokens), state, "embedding")
        state, context, weights = self._advance(self.cells[0].project(embedded), state, memory, keep_mask, keys)
        readout = self._read(state, context)
        return self._logits(self._dropped(readout, state, "readout"), projection), state, weights

    def stepper(self, memory, keep_mask):
        """Returns `step` as a function (tokens, state) → logits, state, weights, for the search.

        Everything that is the same for all steps is computed here, once: the keys and the output projection.
        """
        keys, projection = self.keys(memory), self._projection()
        return lambda tokens, state: self._step(tokens, state, memory, keep_mask, keys, projection)

    def call(
        self, target_in, memory, keep_mask, target_keep_mask=None, initial=None, state=None, training: bool = False
    ):
        memory = ops.cast(memory, self.compute_dtype)
        state = self.start(memory, keep_mask, initial=initial, training=training) if state is None else state
        if self.scheduled_sampling and training:
            readouts = self._sampled(target_in, state, memory, keep_mask)
        else:
            embedded = self._dropped(self.embedding(target_in), state, "embedding")  # [B, S, embedding_dim]
            loops = self.attend == "before" or self.input_feeding
            readouts = (self._looped if loops else self._whole)(embedded, state, memory, keep_mask)
        readouts = self._dropped(readouts, state, "readout")
        if target_keep_mask is not None:
            readouts = readouts * ops.expand_dims(ops.cast(target_keep_mask, readouts.dtype), -1)
        return self._logits(readouts, self._projection())  # the largest product, for all steps at once

    def _whole(self, embedded, state, memory, keep_mask):
        """Attention after the recurrence without feedback: whole sequences, layer by layer → [B, S, readout_dim]."""
        outputs = embedded
        for layer, cell in enumerate(self.cells):
            inputs = outputs if layer == 0 else self._dropped(outputs, state, f"below_{layer}")
            outputs = cell(inputs, state["cells"][layer])
        context, _ = self.attention(outputs, memory, keep_mask)
        return self.readout(self._joined(outputs, context))

    def _looped(self, embedded, state, memory, keep_mask):
        """Feedback needs a loop over `_advance`; products without feedback stay outside of it → [B, S, readout_dim]."""
        projected = ops.transpose(self.cells[0].project(embedded), (1, 0, 2))  # [S, B, gates * units]
        keys, moving, fixed = self.keys(memory), _moving(state), _fixed(state)

        def body(carry, projected):
            state, context, _ = self._advance(projected, carry["state"] | fixed, memory, keep_mask, keys)
            carry = {"state": _moving(state), "context": context}
            return carry, carry  # TensorFlow's `scan` needs outputs of the structure of the carry

        context = ops.zeros_like(memory[:, 0])
        _, outputs = ops.scan(body, {"state": moving, "context": context}, projected)
        if self.input_feeding:
            readouts = outputs["state"]["feed"]
        else:
            readouts = self.readout(self._joined(outputs["state"]["cells"][-1][0], outputs["context"]))
        return ops.transpose(readouts, (1, 0, 2))

    def _sampled(self, target_in, state, memory, keep_mask):
        """Scheduled sampling: a loop in which each input is the true token or the model's → [B, S, readout_dim]."""
        keys, moving, fixed, projection = self.keys(memory), _moving(state), _fixed(state), self._projection()
        tokens = ops.cast(ops.transpose(target_in), "int32")  # [S, B]
        # Random numbers are drawn before the loop: in JAX a loop must not advance a seed.
        coin = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator)
        draw = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator)
        own = coin < ops.cast(self.sampling_rate, coin.dtype)
        own = ops.concatenate([ops.zeros_like(own[:1]), own[1:]], axis=0)  # the first input is always the start token

        def body(carry, step):
            given, own, draw = step
            inputs = ops.where(own, carry["token"], given)
            embedded = self._dropped(self.embedding(inputs), fixed, "embedding")
            state, context, _ = self._advance(
                self.cells[0].project(embedded), carry["state"] | fixed, memory, keep_mask, keys
            )
            readout = self._read(state, context)
            # The choice passes no gradient on. The logits for the loss are computed once, after the loop.
            logits = ops.stop_gradient(self._logits(self._dropped(readout, fixed, "readout"), projection))
            cumulative = ops.cumsum(ops.softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)
            token = ops.sum(ops.cast(cumulative < ops.expand_dims(draw, -1), "int32"), axis=-1)
            token = ops.minimum(token, self.vocabulary - 1)  # rounding can leave the last sum below 1
            carry = {"state": _moving(state), "readout": readout, "token": token}
            return carry, carry

        readout = ops.zeros((ops.shape(memory)[0], self.readout_dim), self.compute_dtype)
        carry = {"state": moving, "readout": readout, "token": tokens[0]}
        return ops.transpose(ops.scan(body, carry, (tokens, own, draw))[1]["readout"], (1, 0, 2))

    def _advance(self, projected, state, memory, keep_mask, keys):
        """Recurrence and attention of one step: projected float[N, gates * units] → state, context, weights."""
        cells, feed = state["cells"], None
        if self.attend == "before":
            feed, weights = self._attend(cells[-1][0], memory, keep_mask, keys)
            context = feed
        elif self.input_feeding:
            feed = self._dropped(state["feed"], state, "readout")
        new = [self.cells[0].advance(projected, cells[0], feed)]
        for layer, cell in enumerate(self.cells[1:], start=1):
            below = self._dropped(new[-1][0], state, f"below_{layer}")
            new.append(cell.advance(cell.project(below), cells[layer]))
        if self.attend == "after":
            context, weights = self._attend(new[-1][0], memory, keep_mask, keys)
        state = state | {"cells": new}
        if self.input_feeding:
            state["feed"] = self.readout(self._joined(new[-1][0], context))
        return state, context, weights

    def _attend(self, query, memory, keep_mask, keys):
        """query float[N, units] over memory float[B, T, M], N a multiple of B → float[N, M], float32[N, T]."""
        batch, positions = ops.shape(memory)[0], ops.shape(memory)[1]
        queries = ops.reshape(query, (batch, -1, self.units))  # [B, K, units]
        context, weights = self.attention(queries, memory, keep_mask, keys=keys)
        return ops.reshape(context, (-1, memory.shape[-1])), ops.reshape(weights, (-1, positions))

    def _read(self, state, context):
        """The readout after `_advance`, float[N, readout_dim]; if it is fed back, it is in the state already."""
        return state["feed"] if self.input_feeding else self.readout(self._joined(state["cells"][-1][0], context))

    def _joined(self, hidden, context):
        return ops.concatenate([hidden, context], axis=-1)

    def _dropped(self, values, state, name):
        """`values` [N, W] or [B, S, W] times the dropout mask [N, W] of the sequence; unchanged outside of training."""
        if "dropout" not in state:
            return values
        mask = state["dropout"][name]
        return values * (mask if len(values.shape) == 2 else ops.expand_dims(mask, 1))

    def _projection(self):
        """float[readout_dim, vocabulary]"""
        kernel = ops.transpose(self.embedding.embeddings) if self.tied else self.projection
        return ops.cast(kernel, self.compute_dtype)

    def _logits(self, readouts, projection):
        return ops.matmul(readouts, projection) + ops.cast(self.output_bias, self.compute_dtype)

    def compute_mask(self, *args, **kwargs):
        return None

    def compute_output_shape(self, target_in_shape, *_, **__):
        return (*target_in_shape, self.vocabulary)

    def get_config(self):
        return {**super().get_config(), **self.options}


def _moving(state: dict) -> dict:
    """The part of a state that a step changes: all but the dropout masks."""
    return {name: value for name, value in state.items() if name != "dropout"}


def _fixed(state: dict) -> dict:
    """The part of a state that stays, kept out of a loop's carry: the dropout masks."""
    return {name: value for name, value in state.items() if name == "dropout"}
