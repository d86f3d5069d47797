"""What a model of the next token answers: how likely texts or pieces are, and how they go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from zoo.answers import search
from zoo.training import losses

CHUNK = 16  # steps that are scored at a time, which bounds the memory that a long row takes


@dataclass(frozen=True)
class NextToken:
    """A trained model that reads tokens in one direction and gives the logits of the next one.

    A state float[B, S] holds all that has been read. It is zero before the first token.

    Attributes:
        read: (tokens int32[B, T], state, keep_mask bool[B, T] or None) → logits float[B, T, V] of each next token, and
            the state after the last real token. True in `keep_mask` is a real token; None: all are real.
        state_size: S.
    """

    read: Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], tuple[tf.Tensor, tf.Tensor]]
    state_size: int

    def step(self, token: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None]:
        """int32[B] → logits float32[B, V] and the state, as `zoo.answers.search` asks for them."""
        logits, state = self.read(tf.maximum(token, 0)[:, None], state, None)
        return tf.cast(logits[:, 0], tf.float32), state, None

    def start(self, rows: tf.Tensor) -> tf.Tensor:
        """The state of so many rows before their first token."""
        return tf.zeros([rows, self.state_size])

    def begin(self, tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32[B, ragged], one token at least → the last token of each row, int32[B], and the state before it."""
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        padded = tokens.to_tensor()
        keep_mask = tf.sequence_mask(tf.maximum(lengths - 1, 1), tf.shape(padded)[1])
        _, state = self.read(padded, self.start(tf.shape(padded)[0]), keep_mask)
        return tf.gather(padded, lengths - 1, batch_dims=1), tf.where(lengths[:, None] > 1, state, 0.0)

    def log_probabilities(self, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """log p(token | all tokens before it).

        Args:
            before: int32[B, T], what is read at each step, 0 on padding.
            after: int32[B, T], the token after each step, 0 on padding.
        Returns:
            float32[B, T] in nats, 0 on padding.
        """
        (found,) = self.measure(before, after, log_probability)
        return found

    def measure(self, before: tf.Tensor, after: tf.Tensor, *measures: Callable) -> list[tf.Tensor]:
        """Compares each token with what the model expected there.

        Args:
            before, after: as in `log_probabilities`.
            measures: functions of logits float32[B, T, V] and the tokens after them int32[B, T] → float32[B, T].
        Returns:
            float32[B, T] for each measure, 0 on padding.
        """
        rows = tf.shape(after)[0]

        def chunks(tokens):  # [B, T] → [T / CHUNK, B, CHUNK]
            padded = tf.pad(tokens, [[0, 0], [0, -tf.shape(tokens)[1] % CHUNK]])
            return tf.transpose(tf.reshape(padded, [rows, -1, CHUNK]), [1, 0, 2])

        def compare(carried, chunk):  # the next steps of every row
            logits, state = self.read(chunk[0], carried[0], None)
            return state, *(tf.reshape(one(tf.cast(logits, tf.float32), chunk[1]), [rows, CHUNK]) for one in measures)

        first = self.start(rows), *(tf.zeros([rows, CHUNK]) for _ in measures)
        _, *found = tf.scan(compare, (chunks(before), chunks(after)), first)  # each [T / CHUNK, B, CHUNK]
        joined = [tf.reshape(tf.transpose(part, [1, 0, 2]), [rows, -1])[:, : tf.shape(after)[1]] for part in found]
        return [tf.where(after != 0, part, 0.0) for part in joined]

    def sample(self, tokens: tf.RaggedTensor, *, never: Sequence[int], **how: Any) -> Any:
        """Continues each row; see `zoo.answers.search.sample`, which takes `how`.

        Args:
            tokens: int32[B, ragged], what has been read, one token at least.
            never: tokens that are not to be drawn.
        """
        last, state = self.begin(tokens)
        return search.sample(search.without(self.step, never), state, last, **how)

    def live(self) -> Any:
        """A signature for one token at a time: `token` int32[B] and the `state` before it → the `probabilities` of the
        next one, float32[B, V], and the `state` after it."""

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec([None], tf.int32, name="token"),
                tf.TensorSpec([None, self.state_size], tf.float32, name="state"),
            ],
        )
        def advance(token, state):
            logits, state, _ = self.step(token, state)
            return {"probabilities": tf.nn.softmax(logits), "state": state}

        return advance


def log_probability(logits: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """log p of each token under its logits; see `NextToken.measure`."""
    return -losses.token_crossentropy(tokens, logits)


def likeliest(logits: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """The token with the largest logit, whatever came; see `NextToken.measure`."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.float32)
