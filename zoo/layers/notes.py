"""What a musician looks at before the next note: the chord before, the notes of this one, its place and the beat."""

import keras
import numpy as np
from keras import ops

from zoo.layers.carried import CarriedState

PITCHES = 128
MOST = 15  # notes of a step that are told apart by their number
NEVER = -1e4  # the logit of a token that cannot come next; half precision can hold it


@keras.saving.register_keras_serializable("zoo")
class ChordContext(keras.layers.Layer):
    """A vector of the musical context at every token, and the tokens that can follow it.

    A piece is a sequence of steps, and a step is its notes from the lowest to the highest and then the token `step`. At
    each token the context is the chord of the step before, the notes of this step so far, how many they are, and the
    number of the step modulo `bar`. Each has learned vectors, which are added. The token `end` begins a new piece.

    After a token can follow: higher notes than those of the step so far, the end of the step, and `end` instead of a
    new step.

    Args:
        size: size of the vectors, D.
        vocabulary: number of tokens, V. Token `first` + p is the pitch p of MIDI, `first` + 128 + p the same if it is
            held, if there are so many.
        bar: steps of a bar.
        end, step, first: tokens; 0 is padding.
        carry: as in `RecurrentEncoder`.

    Call arguments:
        tokens: int[B, T], 0 on padding.
        fresh:  as in `RecurrentEncoder`.
    Returns:
        vectors float[B, T, D]; allowed bool[B, T, V], True where a token can come next; before and now
        float[B, T, 128], 1 at the pitches of the last step and at those of this step so far.

    >>> import numpy as np
    >>> layer = ChordContext(4, vocabulary=131, bar=4, end=1, step=2, first=3)
    >>> vectors, allowed, before, now = layer(np.array([[1, 3 + 60, 3 + 64, 2, 3 + 62]]))
    >>> tuple(vectors.shape), tuple(allowed.shape)
    ((1, 5, 4), (1, 5, 131))
    >>> [bool(x) for x in allowed[0, 2, 3 + 63 : 3 + 67]]  # after 60 and 64: higher notes than 64
    [False, False, True, True]
    >>> np.flatnonzero(before[0, 4]).tolist(), np.flatnonzero(now[0, 4]).tolist()
    ([60, 64], [62])
    """

    def __init__(
        self, size: int, *, vocabulary: int, bar: int, end: int, step: int, first: int, carry: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        self.size, self.vocabulary, self.bar = size, vocabulary, bar
        self.end, self.step, self.first, self.carry = end, step, first, carry
        spread = keras.initializers.RandomNormal(stddev=size**-0.5)
        counts = {"before": PITCHES, "now": PITCHES, "place": MOST + 1, "beat": bar}
        self.kernels = {
            name: self.add_weight(shape=(count, size), initializer=spread, name=name) for name, count in counts.items()
        }
        self.carried = CarriedState(carry, self.state_size, name="carried") if carry else None
        self.built = True

    @property
    def state_size(self) -> int:
        """Size of the state that `resume` takes and returns: the two chords and the number of the step."""
        return 2 * PITCHES + 1

    def call(self, tokens, fresh=None, training=None):
        state = ops.zeros((ops.shape(tokens)[0], self.state_size))
        if self.carried:
            fresh = ops.zeros((ops.shape(tokens)[0],), "int32") if fresh is None else fresh
            state = self.carried.read(fresh, training=training)
        *found, state = self.resume(tokens, state)
        if self.carried:
            self.carried.write(state, training=training)
        return tuple(found)

    def resume(self, tokens, state):
        """Continues from the state after an earlier call.

        Args:
            tokens: int[B, T], 0 on padding.
            state: float32[B, state_size]; zeros at the beginning.
        Returns:
            vectors, allowed, before and now as in a call, and the state after the last token.
        """
        tokens = ops.cast(tokens, "int32")
        before, now, step = self._chords(tokens, ops.cast(state, "float32"))
        place = ops.cast(ops.clip(ops.sum(now, axis=-1), 0, MOST), "int32")
        beat = ops.cast(ops.mod(step, self.bar), "int32")
        # Keras casts weights inside of a call only, and `resume` is called by itself too.
        kernels = {name: ops.cast(kernel, self.compute_dtype) for name, kernel in self.kernels.items()}
        vectors = (
            ops.matmul(ops.cast(before, self.compute_dtype), kernels["before"])
            + ops.matmul(ops.cast(now, self.compute_dtype), kernels["now"])
            + ops.take(kernels["place"], place, axis=0)
            + ops.take(kernels["beat"], beat, axis=0)
        )
        after = ops.concatenate([before[:, -1], now[:, -1], ops.mod(step, self.bar)[:, -1:]], axis=-1)
        return vectors, self._allowed(now), before, now, after

    def _chords(self, tokens, state):
        """→ the chord before and the notes of this one so far, float32[B, T, 128], and the step's number [B, T]."""
        rows, length = ops.shape(tokens)
        ends, steps = (ops.cast(tokens == mark, "int32") for mark in (self.end, self.step))
        note = tokens >= self.first
        pitch = ops.where(note, (tokens - self.first) % PITCHES, 0)
        notes = ops.one_hot(pitch, PITCHES) * ops.cast(note, "float32")[:, :, None]
        row = ops.arange(rows, dtype="int32")[:, None]

        def add_up(values, number, count):
            """[B, T, ...] → [B, count, ...]: sums over the steps with the same number, int[B, T]."""
            flat = ops.reshape(values, (-1, *values.shape[2:]))
            ids = ops.reshape(row * count + number, (-1,))
            found = ops.segment_sum(flat, ids, num_segments=rows * count)
            return ops.reshape(found, (rows, count, *values.shape[2:]))

        def at(values, number):
            """[B, count, ...], int[B, T] → [B, T, ...]."""
            flat = ops.reshape(values, (-1, *values.shape[2:]))
            return ops.take(flat, row * ops.shape(values)[1] + number, axis=0)

        # Chords by number: 0 is the one before the first token, 1 the one that is open there, 2 the next one.
        open_chord = 1 + ops.cumsum(ends + steps, axis=1)  # [B, T]
        carried = ops.stack([state[:, :PITCHES], state[:, PITCHES:-1]], axis=1)  # [B, 2, 128]
        chords = add_up(notes, open_chord, length + 2)
        chords = chords + ops.pad(carried, ((0, 0), (0, length), (0, 0)))
        opens_piece = add_up(ops.cast(ends, "float32"), open_chord, length + 2)
        before = at(chords, open_chord - 1) * (1 - at(opens_piece, open_chord))[:, :, None]
        closed = ops.cumsum(chords, axis=1) - carried[:, :1]  # all notes up to the end of each chord
        now = ops.cumsum(notes, axis=1) + carried[:, 1:] - at(closed, open_chord - 1)
        # The steps so far, less those up to the last beginning of a piece.
        count = ops.cast(ops.cumsum(steps, axis=1), "float32")
        piece = ops.cumsum(ends, axis=1)
        earlier = add_up(count * ops.cast(ends, "float32"), piece, length + 1)
        earlier = earlier - ops.pad(state[:, -1:], ((0, 0), (0, length)))
        return before, now, count - at(earlier, piece)

    def _allowed(self, now):
        higher = ops.flip(ops.cumsum(ops.flip(now, axis=-1), axis=-1), axis=-1) == 0  # [B, T, 128]
        anything = ops.ones_like(higher[:, :, :1])
        fixed = {self.end: ops.sum(now, axis=-1, keepdims=True) == 0, self.step: anything}
        marks = [fixed.get(token, ops.logical_not(anything)) for token in range(self.first)]
        copies = (self.vocabulary - self.first) // PITCHES
        return ops.concatenate([*marks, *[higher] * copies], axis=-1)

    def compute_output_spec(self, tokens, fresh=None, training=None):
        shape = tuple(tokens.shape)
        return (
            keras.KerasTensor((*shape, self.size), self.compute_dtype),
            keras.KerasTensor((*shape, self.vocabulary), "bool"),
            keras.KerasTensor((*shape, PITCHES), "float32"),
            keras.KerasTensor((*shape, PITCHES), "float32"),
        )

    def get_config(self):
        names = ("size", "vocabulary", "bar", "end", "step", "first", "carry")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("zoo")
class IntervalLogits(keras.layers.Layer):
    """One logit per pitch from its intervals to the notes of the step before and to the lower notes of this step.

    logit[p] = Σ_d w_d before[p + d] + Σ_d v_d now[p − d], where the weights are linear in the features of the token. A
    voice that goes up a tone, or a third above the bass, so has one weight in all keys (relative pitch; cf. the
    convolution over pitches of Johnson 2017, https://doi.org/10.1007/978-3-319-55750-2_9).

    Args:
        reach: semitones between a pitch and the notes that it is compared with, at most.
        copies: logits of each pitch.

    Call arguments:
        features: float[B, T, F].
        before, now: float[B, T, 128], 1 at pitches that sound; see `ChordContext`.
    Returns:
        float[B, T, copies * 128].

    >>> import numpy as np
    >>> chord = np.zeros([1, 1, 128], "float32")
    >>> tuple(IntervalLogits(12, copies=1)(np.ones([1, 1, 4], "float32"), chord, chord).shape)
    (1, 1, 128)
    """

    def __init__(self, reach: int = 24, *, copies: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # a mask that Keras attaches is ignored, not an error
        self.reach, self.copies = reach, copies
        self.weigh = keras.layers.Dense(copies * (3 * reach + 1), name="weigh")

    def build(self, features_shape, before_shape=None, now_shape=None):
        self.weigh.build(features_shape)

    def call(self, features, before, now):
        reach = self.reach

        def nearby(chord, first, count):
            """[B, T, 128] → [B, T, 128, count]: the chord at p + first, p + first + 1, …"""
            padded = ops.pad(ops.cast(chord, self.compute_dtype), ((0, 0), (0, 0), (reach, reach)))
            places = np.arange(PITCHES)[:, None] + np.arange(count) + reach + first
            return ops.take(padded, places, axis=-1)

        intervals = [nearby(before, -reach, 2 * reach + 1), nearby(now, -reach, reach)]
        weights = ops.reshape(self.weigh(features), (*ops.shape(features)[:2], 3 * reach + 1, self.copies))
        found = ops.matmul(ops.concatenate(intervals, axis=-1), weights)  # [B, T, 128, copies]
        return ops.reshape(ops.swapaxes(found, 2, 3), (*ops.shape(features)[:2], self.copies * PITCHES))

    def compute_output_spec(self, features, before, now):
        return keras.KerasTensor((*before.shape[:2], self.copies * PITCHES), self.compute_dtype)

    def compute_mask(self, *args, **kwargs):
        return None  # masks are passed explicitly, never propagated

    def get_config(self):
        return super().get_config() | {"reach": self.reach, "copies": self.copies}
