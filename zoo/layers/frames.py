"""Fewer and wider steps from the frames of a sound."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class StackFrames(keras.layers.Layer):
    """Joins `size` frames into one step, so that a recurrent layer reads fewer steps.

    Args:
        size: frames of a step.
        before: earlier steps whose frames a step has too. It sees no later frame, so that frames can be read as they
            arrive.

    Call arguments:
        frames:    float[B, T, F].
        keep_mask: bool[B, T], True = real frame; right-padded.
    Returns:
        float[B, ceil(T / size), (1 + before) · size · F], with 0 for frames that are not there, the oldest first; and
        bool[B, ceil(T / size)], True where a step has a real frame of its own.

    >>> import numpy as np
    >>> frames = np.arange(1.0, 6.0, dtype="float32")[None, :, None]  # 1 to 5
    >>> steps, keep_mask = StackFrames(2, before=1)(frames, np.array([[True, True, True, False, False]]))
    >>> steps.numpy().tolist()
    [[[0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 0.0], [3.0, 0.0, 0.0, 0.0]]]
    >>> keep_mask.numpy().tolist()
    [[True, True, False]]
    """

    def __init__(self, size: int, *, before: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.size, self.before = size, before

    def call(self, frames, keep_mask):
        batch, length, width = ops.shape(frames)
        frames = ops.where(keep_mask[:, :, None], frames, ops.zeros_like(frames))
        count = -(-length // self.size)
        missing = count * self.size - length
        frames = ops.pad(frames, ((0, 0), (0, missing), (0, 0)))
        keep_mask = ops.pad(keep_mask, ((0, 0), (0, missing)))[:, :: self.size]
        steps = ops.reshape(frames, (batch, count, self.size * width))
        earlier = [ops.pad(steps, ((0, 0), (back, 0), (0, 0)))[:, :count] for back in range(self.before, 0, -1)]
        return ops.concatenate([*earlier, steps], axis=-1), keep_mask

    def compute_output_spec(self, frames, keep_mask):
        batch, length, width = frames.shape
        count = None if length is None else -(-length // self.size)
        steps = keras.KerasTensor((batch, count, (1 + self.before) * self.size * width), self.compute_dtype)
        return steps, keras.KerasTensor((batch, count), "bool")

    def compute_mask(self, *args, **kwargs):
        return None, None  # masks are passed explicitly, never propagated

    def get_config(self):
        return super().get_config() | {"size": self.size, "before": self.before}
