"""Random numbers that depend on a seed and a step alone: the same in every batch, process, and backend.

A generator with a state gives a row other numbers when its neighbours change. Threefry has no state: it mixes a key
(the seed) and a counter (the step) into a random word, as a block cipher does. Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3", section 4.2, https://doi.org/10.1145/2063384.2063405. It needs only additions, shifts and
XOR of uint32, which stock TensorFlow has on every CPU.
"""

from typing import Any

import numpy as np
from keras import ops

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA  # keeps a key of zeros from being a weak one


def uniform(seeds: Any, steps: Any) -> Any:
    """One number for every step of every row.

    Args:
        seeds: int[B]; all of their bits count, negative seeds too. Under JAX 32 bits, unless it is set to use 64.
        steps: how many numbers each row needs: int, or an int tensor on TensorFlow.
    Returns:
        float32[steps, B], uniform over the multiples of 2**-24 from 0 to less than 1. Entry [t, b] depends on seeds[b]
        and t alone.
    Raises:
        ValueError: `seeds` is not a vector.
    """
    seeds = ops.convert_to_tensor(seeds)
    if len(seeds.shape) != 1:
        raise ValueError(f"expected one seed per row, int[B], got the shape {tuple(seeds.shape)}")
    bits = 64 if "64" in str(seeds.dtype) else 32
    low = ops.cast(seeds, "uint32")
    # The upper half of a 64-bit seed. Of a 32-bit one the sign, so that equal seeds draw alike in both types.
    high = ops.cast(ops.right_shift(seeds, 32 if bits == 64 else 31), "uint32")
    step = ops.expand_dims(ops.cast(ops.arange(steps, dtype="int32"), "uint32"), 1)  # [steps, 1]
    word, _ = threefry((low, high), (step, ops.zeros_like(step)))
    return ops.cast(ops.cast(ops.right_shift(word, 8), "int32"), "float32") * 2.0**-24


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Threefry-2x32 with 20 rounds: two words of key and two of counter, uint32 → two random words of their shape."""
    third = ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), np.uint32(PARITY))
    keys = (*key, third)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x = x + y
            y = ops.bitwise_or(ops.left_shift(y, rotation), ops.right_shift(y, 32 - rotation))
            y = ops.bitwise_xor(y, x)
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y
