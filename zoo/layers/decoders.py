"""A recurrent decoder that reads a memory through attention: one `step` for search, the same step for training.

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

CELLS = {"gru": GRU, "lstm": LSTM}
BRIDGES = ("mean", "last", "zeros")


@keras.saving.register_keras_serializable("zoo")
class DecoderCell(keras.layers.Layer):
    """One `zoo.layers.GRU` or `LSTM`, whole sequences at once or step by step, with the same weights.

    A call runs all steps on the layer's fast path. Where something comes back from the step before, `project`
    works on all steps ahead of the loop, and `advance` does what has to wait for the state.
    State: [h] for "gru", [h, c] for "lstm", each float[B, units].
    """

    def __init__(self, units: int, *, cell: str = "gru", **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"unknown cell {cell!r}; there are {', '.join(CELLS)}.")
        self.units, self.cell = units, cell
        self.gates, self.parts = (3, 1) if cell == "gru" else (4, 2)
        self.recurrence = CELLS[cell](units, return_sequences=True, dtype=self.dtype_policy, name="recurrence")

    def build(self, inputs_shape, feed_shape=None):
        self.width = inputs_shape[-1]
        feed = 0 if feed_shape is None else feed_shape[-1]  # what comes back joins the inputs
        self.recurrence.build((None, None, self.width + feed))

    def project(self, inputs):
        """float[..., inputs] → float[..., gates * units], the part of the gates that needs no state."""
        weights, dtype = self.recurrence.cell, inputs.dtype
        bias = weights.bias[0] if self.cell == "gru" else weights.bias
        return ops.matmul(inputs, ops.cast(weights.kernel[: self.width], dtype)) + ops.cast(bias, dtype)

    def advance(self, projected, state, feed=None):
        """One step: float[B, gates * units], state, float[B, feed] or None → new state; its first is the output."""
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
        enter, forget, candidate, leave = ops.split(projected + recurrent, 4, axis=-1)
        memory = ops.sigmoid(forget) * state[1] + ops.sigmoid(enter) * ops.tanh(candidate)
        return [ops.sigmoid(leave) * ops.tanh(memory), memory]

    def call(self, inputs, state, training=False):
        """All steps: float[B, S, inputs], state → outputs float[B, S, units]."""
        return self.recurrence(inputs, initial_state=state, training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "cell": self.cell}


@keras.saving.register_keras_serializable("zoo")
class AttentionDecoder(keras.layers.Layer):
    """Writes a sequence token by token while looking at `memory`.

    Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015, https://arxiv.org/abs/1508.04025.
    readout = tanh(W [h; context]) (Luong, equation 5), logits = readout · projection + bias.

    Arguments:
        vocabulary: number of token ids.
        units: width of each recurrent layer.
        embedding_dim: width of the token embedding.
        readout_dim: width before the vocabulary product, the largest one; None = `embedding_dim`.
        cell, layers: "gru" or "lstm", how many on top of each other.
        attention: "bahdanau", "dot" (units = memory width) or "general".
        attend: "after" the recurrence (fast: whole sequences at once) or "before" it.
        input_feeding: with "after", the readout joins the next step's input.
        bridge: first state = tanh(W s), s the "mean" or "last" real step of the memory; or "zeros".
        tied: the embedding is also the output projection (Press & Wolf 2017, https://arxiv.org/abs/1608.05859).
        dropout: rate on embedding, between layers, on feedback and readout; one mask for all steps of a sequence
            (Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287).
        token_counts: how often each id occurs in the training targets; the output bias starts at their log
            frequency (add one). Not part of the config: a loaded layer has its bias from its weights.
        scheduled_sampling: in training, an input token is replaced by one drawn from the model with the
            probability `sampling_rate`, a non-trainable weight that starts at 0 and that a callback assigns
            (Bengio et al. 2015, section 2.4, https://arxiv.org/abs/1506.03099). It always takes the loop.

    Call arguments:
        target_in: int[B, S], the target shifted right: begin token first.
        memory: float[B, T, M].
        keep_mask: bool[B, T], True where `memory` is real; right-padded, at least one per row.
        target_keep_mask: bool[B, S], True where `target_in` is real; only spares padding a readout, as no step looks
            ahead. None: all are real.
        initial: float[B, M] for the bridge to start from instead of its summary of `memory`.
        state: what `start` returned, instead of calling it; fixes dropout masks too.
    Returns:
        logits float[B, S, vocabulary], the same numbers as S calls of `step`.
    Raises:
        ValueError: an unknown name, or options that exclude each other.
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
            raise ValueError(f"unknown attend {attend!r}; attention comes 'before' or 'after' the recurrence.")
        if attend == "before" and input_feeding:
            raise ValueError("input_feeding belongs to attend='after'; attend='before' already feeds the context.")
        if bridge not in BRIDGES:
            raise ValueError(f"unknown bridge {bridge!r}; there are {', '.join(BRIDGES)}.")
        if tied and readout_dim != embedding_dim:
            raise ValueError(f"tied needs readout_dim = embedding_dim, got {readout_dim} and {embedding_dim}.")
        if token_counts is not None and len(token_counts) != vocabulary:
            raise ValueError(f"token_counts has {len(token_counts)} entries for a vocabulary of {vocabulary}.")
        self.options = {
            "vocabulary": vocabulary, "units": units, "embedding_dim": embedding_dim, "readout_dim": readout_dim,
            "cell": cell, "layers": layers, "attention": attention, "attend": attend, "input_feeding": input_feeding,
            "bridge": bridge, "tied": tied, "dropout": dropout, "scheduled_sampling": scheduled_sampling,
        }  # fmt: skip
        self.vocabulary, self.units = vocabulary, units
        self.embedding_dim, self.readout_dim = embedding_dim, readout_dim
        self.attend, self.input_feeding, self.bridge, self.tied = attend, input_feeding, bridge, tied
        self.scheduled_sampling, self.dropout, self.token_counts = scheduled_sampling, dropout, token_counts
        # Vectors of length 1: with Keras' start, a tenth of that, a tied one learns how often tokens are and no more.
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
        self.supports_masking = True  # masks come as arguments; a propagated one is ignored

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
        self.output_bias = self.add_weight(
            shape=(self.vocabulary,), initializer=self._log_frequency, name="output_bias"
        )
        if self.scheduled_sampling:
            self.sampling_rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="sampling_rate")

    def _log_frequency(self, shape, dtype=None):
        if self.token_counts is None:
            return ops.zeros(shape, dtype)
        counts = ops.convert_to_tensor(self.token_counts, dtype) + 1
        return ops.log(counts / ops.sum(counts))

    def start(self, memory, keep_mask, *, initial=None, training: bool = False) -> dict:
        """The state before the first token.

        memory float[B, T, M], keep_mask bool[B, T], initial float[B, M] or None → a nested, batch-major state:
        "cells", per layer [h] or [h, c]; "feed" where a readout is fed back; "dropout", the masks, in training.
        """
        batch, dtype = ops.shape(memory)[0], self.compute_dtype
        count = self.cells[0].parts
        if self.bridge == "zeros" and initial is not None:
            raise ValueError("bridge='zeros' takes no initial; use bridge='mean'.")
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
        if self.bridge == "last":  # the one real step whose right neighbour is padding
            keep = keep - ops.concatenate([keep[:, 1:], ops.zeros_like(keep[:, :1])], axis=1)
        weights = keep / ops.sum(keep, axis=1, keepdims=True)
        return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), memory), 1)  # [B, M]

    def keys(self, memory):
        """float[B, T, M] → what attention needs of `memory` at every step: compute once, pass to every `step`."""
        return self.attention.keys(ops.cast(memory, self.compute_dtype))

    def step(self, tokens, state, memory, keep_mask, *, keys=None):
        """One token further.

        tokens:    int[N], the tokens before; N = B, or B * K with K hypotheses per row next to each other: they share
                   the row's memory, which is neither copied nor reordered.
        state:     from `start` or from the step before, batch-major with N rows.
        memory:    float[B, T, M]; keep_mask: bool[B, T], True where real; keys: `self.keys(memory)`, or None.
        Returns:
            logits float[N, vocabulary], the new state, attention weights float32[N, T].
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
        """`step` for `zoo.answers.search`: (tokens, state) → logits, state, weights.

        What no step changes is computed here, once: the keys, and a tied embedding's transpose.
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
        return self._logits(readouts, self._projection())  # the largest product: all steps at once

    def _whole(self, embedded, state, memory, keep_mask):
        """Attention after the recurrence, no feedback: layer by layer over the whole sequence → [B, S, readout_dim]."""
        outputs = embedded
        for layer, cell in enumerate(self.cells):
            inputs = outputs if layer == 0 else self._dropped(outputs, state, f"below_{layer}")
            outputs = cell(inputs, state["cells"][layer])
        context, _ = self.attention(outputs, memory, keep_mask)
        return self.readout(self._joined(outputs, context))

    def _looped(self, embedded, state, memory, keep_mask):
        """With feedback: a loop over `_advance`; products that need no feedback stay outside → [B, S, readout_dim]."""
        projected = ops.transpose(self.cells[0].project(embedded), (1, 0, 2))  # [S, B, gates * units]
        keys, moving, fixed = self.keys(memory), _moving(state), _fixed(state)

        def body(carry, projected):
            state, context, _ = self._advance(projected, carry["state"] | fixed, memory, keep_mask, keys)
            carry = {"state": _moving(state), "context": context}
            return carry, carry  # TensorFlow's `scan` wants the outputs to be shaped like the carry

        context = ops.zeros_like(memory[:, 0])
        _, outputs = ops.scan(body, {"state": moving, "context": context}, projected)
        if self.input_feeding:
            readouts = outputs["state"]["feed"]
        else:
            readouts = self.readout(self._joined(outputs["state"]["cells"][-1][0], outputs["context"]))
        return ops.transpose(readouts, (1, 0, 2))

    def _sampled(self, target_in, state, memory, keep_mask):
        """Scheduled sampling: a loop that decides for each next input who wrote it → [B, S, readout_dim]."""
        keys, moving, fixed, projection = self.keys(memory), _moving(state), _fixed(state), self._projection()
        tokens = ops.cast(ops.transpose(target_in), "int32")  # [S, B]
        # Drawn before the loop: a seed must not be advanced inside of it (JAX).
        coin = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator)
        draw = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator)
        own = coin < ops.cast(self.sampling_rate, coin.dtype)
        own = ops.concatenate([ops.zeros_like(own[:1]), own[1:]], axis=0)  # the begin token is always given

        def body(carry, step):
            given, own, draw = step
            inputs = ops.where(own, carry["token"], given)
            embedded = self._dropped(self.embedding(inputs), fixed, "embedding")
            state, context, _ = self._advance(
                self.cells[0].project(embedded), carry["state"] | fixed, memory, keep_mask, keys
            )
            readout = self._read(state, context)
            # No gradient through the choice; the logits of the loss are computed once, after the loop.
            logits = ops.stop_gradient(self._logits(self._dropped(readout, fixed, "readout"), projection))
            cumulative = ops.cumsum(ops.softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)
            token = ops.sum(ops.cast(cumulative < ops.expand_dims(draw, -1), "int32"), axis=-1)
            token = ops.minimum(token, self.vocabulary - 1)  # float32: the last entry may end just below 1
            carry = {"state": _moving(state), "readout": readout, "token": token}
            return carry, carry

        readout = ops.zeros((ops.shape(memory)[0], self.readout_dim), self.compute_dtype)
        carry = {"state": moving, "readout": readout, "token": tokens[0]}
        return ops.transpose(ops.scan(body, carry, (tokens, own, draw))[1]["readout"], (1, 0, 2))

    def _advance(self, projected, state, memory, keep_mask, keys):
        """The recurrence and the attention of one step: projected float[N, gates * units] → state, context, weights."""
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
        """The readout after `_advance`, which has computed it already if it is fed back: float[N, readout_dim]."""
        return state["feed"] if self.input_feeding else self.readout(self._joined(state["cells"][-1][0], context))

    def _joined(self, hidden, context):
        return ops.concatenate([hidden, context], axis=-1)

    def _dropped(self, values, state, name):
        """`values` [N, W] or [B, S, W] times the sequence's dropout mask [N, W]; unchanged outside of training."""
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
    """The part of a state that a step changes."""
    return {name: value for name, value in state.items() if name != "dropout"}


def _fixed(state: dict) -> dict:
    """The part that stays: dropout masks, kept out of a loop's carry."""
    return {name: value for name, value in state.items() if name == "dropout"}
