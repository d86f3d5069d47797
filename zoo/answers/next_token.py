"""What a model of the next token answers: how likely texts or pieces are, and how they go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from zoo import layers
from zoo.answers import search
from zoo.training import losses

CHUNK = 16  # steps that are scored at a time, which bounds the memory that a long row takes


@dataclass(frozen=True)
class NextToken:
    """The parts of a trained model that reads tokens in one direction and gives the logits of the next one.

    A state float[B, S] holds all that has been read. It is zero before the first token.

    Attributes:
        embed: tokens int32[B, T] → vectors float[B, T, D].
        encoder: reads the vectors in one direction.
        output: steps float[B, T, units] → logits float[B, T, V].
    """

    embed: Callable[[tf.Tensor], tf.Tensor]
    encoder: layers.RecurrentEncoder
    output: Callable[[tf.Tensor], tf.Tensor]

    def logits(self, tokens: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32[B, T] → the logits of each next token, float32[B, T, V], and the state after them."""
        steps, state = self.encoder.resume(self.embed(tokens), state)
        return tf.cast(self.output(steps), tf.float32), state

    def step(self, token: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None]:
        """int32[B] → logits float32[B, V] and the state, as `zoo.answers.search` asks for them."""
        logits, state = self.logits(tf.maximum(token, 0)[:, None], state)
        return logits[:, 0], state, None

    def begin(self, tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int32[B, ragged], one token at least → the last token of each row, int32[B], and the state before it."""
        lengths = tf.cast(tokens.row_lengths(), tf.int32)
        padded = tokens.to_tensor()
        keep_mask = tf.sequence_mask(tf.maximum(lengths - 1, 1), tf.shape(padded)[1])
        start = tf.zeros([tf.shape(padded)[0], self.encoder.state_size])
        _, state = self.encoder.resume(self.embed(padded), start, keep_mask)
        return tf.gather(padded, lengths - 1, batch_dims=1), tf.where(lengths[:, None] > 1, state, 0.0)

    def log_probabilities(self, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """log p(token | all tokens before it).

        Args:
            before: int32[B, T], what is read at each step, 0 on padding.
            after: int32[B, T], the token after each step, 0 on padding.
        Returns:
            float32[B, T] in nats, 0 on padding.
        """
        rows = tf.shape(after)[0]

        def chunks(tokens):  # [B, T] → [T / CHUNK, B, CHUNK]
            padded = tf.pad(tokens, [[0, 0], [0, -tf.shape(tokens)[1] % CHUNK]])
            return tf.transpose(tf.reshape(padded, [rows, -1, CHUNK]), [1, 0, 2])

        def measure(carried, chunk):  # the next steps of every row
            logits, state = self.logits(chunk[0], carried[0])
            return state, -tf.reshape(losses.token_crossentropy(chunk[1], logits), [rows, CHUNK])

        first = tf.zeros([rows, self.encoder.state_size]), tf.zeros([rows, CHUNK])
        _, found = tf.scan(measure, (chunks(before), chunks(after)), first)  # [T / CHUNK, B, CHUNK]
        found = tf.reshape(tf.transpose(found, [1, 0, 2]), [rows, -1])[:, : tf.shape(after)[1]]
        return tf.where(after != 0, found, 0.0)

    def sample(self, tokens: tf.RaggedTensor, *, never: Sequence[int], **how: Any) -> Any:
        """Continues each row; see `zoo.answers.search.sample`, which takes `how`.

        Args:
            tokens: int32[B, ragged], what has been read, one token at least.
            never: tokens that are not to be drawn.
        """
        last, state = self.begin(tokens)
        return search.sample(search.without(self.step, never), state, last, **how)
