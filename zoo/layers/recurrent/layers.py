"""The recurrent layers: Keras' own, with the fast path in place of Keras' loop where `paths.py` allows it.

Weights, mathematics, outputs, states and gradients are those of Keras for right-padded input. `make bench` measures
the speed.
"""

from collections.abc import Iterator

import keras

from zoo.layers.recurrent.paths import cores, recurrent_path


class _FastPath(keras.layers.RNN):
    """Replaces Keras' `inner_loop`, the part of a recurrent layer that walks over time. Subclasses set `kind`.

    Attributes, neither of which is in the config:
        jit: whether XLA compiles the loops of training; set by `compile_loops`.
        jit_inference: whether XLA compiles the loops of inference.
        keras_loop: whether the layer uses Keras' own loop whatever the device; set by `use_keras_loops`.
    """

    kind: str  # a key of steps.KINDS
    jit = jit_inference = keras_loop = False
    in_pair = False  # True for the two directions of Bidirectional

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Runs the recurrence.

        Call arguments:
            sequences:     float[B, T, I].
            initial_state: list of float[B, units]: h, and for an LSTM c.
            mask:          bool[B, T], True = real; right-padded with at least one real step per row, or None.
        Returns:
            last output float[B, units], outputs float[B, T, units] (in the order of computation: the last step first
            for `go_backwards`), list of final states float[B, units].
        """
        path = recurrent_path(self)
        masked_on_jax = path == "cudnn" and keras.config.backend() == "jax" and mask is not None
        if path != "fast" and not masked_on_jax:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        weights = [
            keras.ops.convert_to_tensor(w) for w in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        ]
        if masked_on_jax:
            from zoo.layers.recurrent.jax_cudnn import lstm  # imports JAX

            return lstm(sequences, states, mask, weights, self.go_backwards, self.zero_output_for_mask)
        from zoo.layers.recurrent.loops import pad_like_keras, run, run_in_halves  # imports TensorFlow

        # A loop keeps one core busy. Bidirectional runs two loops side by side; a single direction splits its batch.
        whole = self.in_pair or cores() == 1 or sequences.shape[0] == 1
        outputs, states = (run if whole else run_in_halves)(
            self.kind,
            sequences,
            states,
            mask,
            weights,
            go_backwards=self.go_backwards,
            training=bool(training),
            compiled=self.jit if training else self.jit_inference,
        )
        last, outputs = pad_like_keras(states[0], outputs, mask, self.go_backwards, self.zero_output_for_mask)
        return last, outputs, states


@keras.saving.register_keras_serializable("zoo")
class LSTM(_FastPath, keras.layers.LSTM):
    """`keras.layers.LSTM` with a faster loop on a CPU; arguments, weights and results are the same.

    Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735. The step: `cells.lstm_step`.

    >>> import numpy as np
    >>> sequence = np.ones([2, 3, 4], "float32")                       # [B, T, I]
    >>> keep_mask = np.array([[True, True, True], [True, False, False]])  # True = real step
    >>> outputs, h, c = LSTM(5, return_sequences=True, return_state=True)(sequence, mask=keep_mask)
    >>> tuple(outputs.shape), tuple(h.shape), tuple(c.shape)
    ((2, 3, 5), (2, 5), (2, 5))
    """

    kind = "lstm"


@keras.saving.register_keras_serializable("zoo")
class GRU(_FastPath, keras.layers.GRU):
    """`keras.layers.GRU` with a faster loop on a CPU; arguments, weights and results are the same.

    Cho et al. 2014, https://arxiv.org/abs/1406.1078v1, with the reset gate after the product, as in cuDNN. The step:
    `cells.gru_step`.

    >>> import numpy as np
    >>> sequence = np.ones([2, 3, 4], "float32")                       # [B, T, I]
    >>> keep_mask = np.array([[True, True, True], [True, False, False]])  # True = real step
    >>> last = GRU(5)(sequence, mask=keep_mask)  # of each row, after its last real step
    >>> tuple(last.shape)
    (2, 5)
    """

    kind = "gru"


@keras.saving.register_keras_serializable("zoo")
class SimpleRNN(_FastPath, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with a faster loop on a CPU; arguments, weights and results are the same.

    Elman 1990, https://doi.org/10.1207/s15516709cog1402_1. The step: `cells.simple_rnn_step`.

    >>> import numpy as np
    >>> outputs = SimpleRNN(5, return_sequences=True)(np.ones([2, 3, 4], "float32"))  # [B, T, I]
    >>> tuple(outputs.shape)
    (2, 3, 5)
    """

    kind = "simple"


@keras.saving.register_keras_serializable("zoo")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`; TensorFlow runs the two directions side by side, as they share no operation.

    >>> import numpy as np
    >>> layer = Bidirectional(GRU(5, return_sequences=True))
    >>> outputs = layer(np.ones([2, 3, 4], "float32"))  # forward | backward
    >>> tuple(outputs.shape)
    (2, 3, 10)
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.forward_layer.in_pair = self.backward_layer.in_pair = True


def compile_loops(model: keras.layers.Layer, jit: bool, *, inference: bool = False) -> None:
    """Sets whether XLA compiles the recurrent loops of `model`, a model or a layer; layers are built with no XLA.

    Call it before anything is traced: a graph that exists keeps its loops. A compiled loop costs about a second for
    each shape, which pays in long runs with few shapes. It has an effect on the "fast" path only.

    Args:
        jit: for the loops of training.
        inference: for the loops of inference. Do not export such a graph: a server should find stock operations only.
    """
    for layer in _recurrent_layers(model):
        layer.jit, layer.jit_inference = bool(jit), bool(inference)


def use_keras_loops(model: keras.layers.Layer) -> None:
    """Makes all recurrent layers of `model` use Keras' own loop, whose operations exist in other formats too."""
    for layer in _recurrent_layers(model):
        layer.keras_loop = True


def _recurrent_layers(model: keras.layers.Layer) -> Iterator[_FastPath]:
    """The recurrent layers of the zoo anywhere inside `model`, itself included."""
    # Keras has no public name for this walk: `Model.layers` ends at the first level.
    return (layer for layer in model._flatten_layers() if isinstance(layer, _FastPath))
