"""LSTM, GRU, SimpleRNN and Bidirectional: drop-ins for the Keras layers of those names, faster on a CPU.

    layers.py       the public layers
    paths.py        chooses how a layer computes
    loops.py        the fast path: loops over time, forward and backward
    steps.py        one step of each kind and its gradient, for loops.py
    jax_cudnn.py    a masked LSTM on a GPU with JAX

Readable steps of the same mathematics: `zoo/layers/cells.py`.
"""

from zoo.layers.recurrent.layers import GRU, LSTM, Bidirectional, SimpleRNN, compile_loops, use_keras_loops
from zoo.layers.recurrent.paths import cores, recurrent_path

__all__ = [
    "GRU",
    "LSTM",
    "Bidirectional",
    "SimpleRNN",
    "compile_loops",
    "cores",
    "recurrent_path",
    "use_keras_loops",
]
