"""Chooses how a recurrent layer computes: cuDNN on a GPU, the fast path on a CPU, or Keras' own loop."""

import functools
import os
import warnings

import keras


def recurrent_path(layer: keras.layers.RNN) -> str:
    """Returns the path of `layer`.

    "cudnn"   on a GPU; with JAX for an LSTM only, because JAX offers no other cuDNN layer.
    "fast"    on a CPU with TensorFlow in float32: `loops.py`.
    "keras"   Keras' own loop: everything else, layers with unusual options and layers set by `use_keras_loops`.

    Warns once for each layer and cause when a layer on a GPU cannot use cuDNN.
    """
    backend = keras.config.backend()
    if backend not in ("tensorflow", "jax") or getattr(layer, "keras_loop", False):
        return "keras"
    obstacle, float32 = _unusual_option(layer), layer.compute_dtype == layer.variable_dtype == "float32"
    if on_gpu():
        if not obstacle and not getattr(layer, "use_cudnn", False):
            obstacle = type(layer).__name__ + (" with use_cudnn=False" if hasattr(layer, "use_cudnn") else "")
        if not obstacle and backend == "jax":
            obstacle = _obstacle_in_jax(layer, float32)
        if obstacle:
            _warn(layer.name, obstacle)
        return "keras" if obstacle else "cudnn"
    return "fast" if backend == "tensorflow" and not obstacle and float32 else "keras"


def on_gpu() -> bool:
    """Returns True if the backend computes on a GPU."""
    if keras.config.backend() == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def cores() -> int:
    """Returns the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unusual_option(layer: keras.layers.RNN) -> str | None:
    """The first option that neither cuDNN nor the fast path supports, such as "use_bias=False", or None."""
    cell = layer.cell
    gate = getattr(cell, "recurrent_activation", keras.activations.sigmoid)
    causes = {
        f"activation={cell.activation.__name__}": cell.activation is not keras.activations.tanh,
        f"recurrent_activation={gate.__name__}": gate is not keras.activations.sigmoid,
        "reset_after=False": not getattr(cell, "reset_after", True),
        "use_bias=False": not cell.use_bias,
        f"dropout={cell.dropout}": cell.dropout,
        f"recurrent_dropout={cell.recurrent_dropout}": cell.recurrent_dropout,
        "stateful=True": layer.stateful,
        "unroll=True": layer.unroll,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


def _obstacle_in_jax(layer: keras.layers.RNN, float32: bool) -> str | None:
    """The first reason why JAX cannot call cuDNN for this layer; None if it can."""
    import jax

    causes = {
        f"{type(layer).__name__} with JAX": not isinstance(layer, keras.layers.LSTM),
        f"{layer.compute_dtype} with JAX": not float32,
        "one computation on several devices with JAX": jax.device_count() > 1,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


@functools.cache
def _warn(name: str, cause: str) -> None:
    """Warns once for each layer and cause."""
    warnings.warn(f"{name}: cuDNN does not support {cause}; on this GPU it is computed step by step", stacklevel=3)
