"""Speech as it arrives: pieces of a sound and a state in, the new symbols and the state after them out.

The state is one vector: the samples that the next frame begins with, the running sums of the features, the frames that
the next step looks back at, the state of the recurrent layers, and the last class.
"""

import keras
import tensorflow as tf

from zoo.data import audio


class Listener:
    """Reads on with the layers of a model that sees no later frame.

    Args:
        model: has the layers "stack", "encoder" with bidirectional=False, "scores" and "ctc", and features normalised
            by `audio.running`.
        features: how they are computed; of kind "given", the pieces are frames instead of samples.
    """

    def __init__(self, model: keras.Model, features: audio.Features):
        self.stack, self.encoder, self.scores, self.ctc = map(model.get_layer, ("stack", "encoder", "scores", "ctc"))
        self.features, self.given = features, features.kind == "given"
        self.window, self.hop = (round(features.rate * ms / 1000) for ms in (features.window_ms, features.hop_ms))
        width, back = features.width, self.stack.before * self.stack.size
        self.sizes = [
            0 if self.given else self.window - self.hop,
            1 + 2 * width,
            back * width,
            self.encoder.state_size,
            1,
        ]

    @property
    def state_size(self) -> int:
        return sum(self.sizes)

    @property
    def piece(self) -> int:
        """The frames or samples of one step; a piece that is no multiple is filled up with zeros."""
        return self.stack.size * (1 if self.given else self.hop)

    def __call__(self, piece: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads one piece.

        Args:
            piece: float32[B, N] samples, or float32[B, N, F] frames; all of them are real.
            state: float32[B, state_size]; at the beginning zeros, which stand for silence before the first sample.
        Returns:
            log_probs float32[B, steps, classes]; the new symbols int32[B, steps], -1 where a step has none; the state.
        """
        size = tf.shape(piece)[1]
        missing = tf.maximum(-(-size // self.piece), 1) * self.piece - size
        piece = tf.pad(piece, [[0, 0], [0, missing], [0, 0]][: piece.shape.rank])
        tail, sums, before, recurrent, last = tf.split(state, self.sizes, axis=1)
        frames, tail = (piece, tail) if self.given else self._frames(tf.concat([tail, piece], axis=1))
        rows, count = tf.shape(frames)[0], tf.shape(frames)[1]
        frames, sums = audio.running(frames, tf.fill([rows], count), sums)
        frames = tf.concat([tf.reshape(before, [rows, -1, self.features.width]), frames], axis=1)
        steps, _ = self.stack(frames, tf.ones(tf.shape(frames)[:2], tf.bool))
        steps, recurrent = self.encoder.resume(steps[:, self.stack.before :], recurrent)
        log_probs = self.ctc(self.scores(steps), tf.ones(tf.shape(steps)[:2], tf.bool))
        best = tf.argmax(log_probs, axis=-1, output_type=tf.int32)
        blank = self.ctc.symbols
        # The state has the last class plus 1, so that zeros are none.
        previous = tf.concat([tf.cast(last, tf.int32) - 1, best[:, :-1]], axis=1)
        new = tf.where((best != blank) & (best != previous), best, -1)
        before = tf.reshape(
            frames[:, tf.shape(frames)[1] - self.stack.before * self.stack.size :], [rows, self.sizes[2]]
        )
        last = tf.cast(best[:, -1:] + 1, tf.float32)
        return log_probs, new, tf.concat([tail, sums, before, recurrent, last], axis=1)

    def _frames(self, samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Features of the frames in float32[B, N], and the samples that the next frame begins with."""
        rows, size = tf.shape(samples)[0], tf.shape(samples)[1]
        return self.features(samples, tf.fill([rows], size))[0], samples[:, size - self.sizes[0] :]
