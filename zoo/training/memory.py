"""How long a recurrent layer remembers: trained on the adding problem or the copy task, within a budget of steps.

adding("lstm", 100)     # Learned(error=…, solved=True, steps=800)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo.data.samples import memory
from zoo.layers import recurrent
from zoo.layers.encoders import RECURRENT

EVERY = 100  # steps between two looks at unseen sequences
UNSEEN = 1000  # their number


@dataclass(frozen=True)
class Learned:
    """The end of a training.

    Attributes:
        error: on unseen sequences: the mean squared error of a sum, or the share of symbols that are wrong.
        solved: whether the error is below the limit.
        steps: of training, until the task was solved or the budget spent.
    """

    error: float
    solved: bool
    steps: int


def adding(cell: str, length: int, *, limit: float = 0.01, **how) -> Learned:
    """Trains `cell` on the adding problem with sequences of `length` steps. The constant answer has an error of 0.167.

    Args:
        cell: "simple", "lstm" or "gru".
        limit: the mean squared error of a solved task.
        how: as for `train`.
    """
    keras.utils.set_random_seed(how.get("seed", 0))
    inputs = keras.Input([length, 2])
    steps = RECURRENT[cell](how.pop("units", 32))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(steps)[:, 0])

    def error(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean((model.predict(x, batch_size=500, verbose=0) - y) ** 2))

    return train(model, "mse", lambda count, seed: memory.adding(count, length, seed=seed), error, limit=limit, **how)


def copying(cell: str, lag: int, *, symbols: int = 8, length: int = 10, limit: float = 0.01, **how) -> Learned:
    """Trains `cell` on the copy task. Without memory, the share of wrong symbols is 1 - 1 / `symbols`.

    Args:
        cell: "simple", "lstm" or "gru".
        lag, symbols, length: as for the data, `zoo.data.samples.memory.copying`.
        limit: the share of wrong symbols of a solved task.
        how: as for `train`.
    """
    keras.utils.set_random_seed(how.get("seed", 0))
    inputs = keras.Input([2 * length + lag], dtype="int32")
    vectors = keras.ops.one_hot(inputs, symbols + 2)
    steps = RECURRENT[cell](how.pop("units", 32), return_sequences=True)(vectors)
    model = keras.Model(inputs, keras.layers.Dense(symbols + 1)(steps))

    def error(x: np.ndarray, y: np.ndarray) -> float:
        answers = model.predict(x, batch_size=500, verbose=0).argmax(axis=-1)
        return float(np.mean(answers[:, -length:] != y[:, -length:]))

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return memory.copying(count, lag, seed=seed, symbols=symbols, length=length)

    return train(model, loss, data, error, limit=limit, **how)


def train(
    model: keras.Model,
    loss,
    data: Callable[[int, int], tuple[np.ndarray, np.ndarray]],
    error: Callable[[np.ndarray, np.ndarray], float],
    *,
    limit: float,
    steps: int = 1000,
    batch: int = 32,
    learning_rate: float = 0.01,
    clip_norm: float = 1.0,
    seed: int = 0,
) -> Learned:
    """Trains with new sequences at every step, until the error is below `limit` or the steps are spent.

    Args:
        data: (count, seed) → x, y.
        error: (x, y) → the error on unseen sequences.
        clip_norm: gradients are clipped to this global norm.
        seed: of weights and sequences.
    """
    recurrent.compile_loops(model, True)
    model.compile(keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm), loss)
    unseen = data(UNSEEN, 10**6 + seed)
    done, found = 0, float("inf")
    while done < steps and not found < limit:
        x, y = data(EVERY * batch, 1000 * seed + done)
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        done += EVERY
        found = error(*unseen)
    return Learned(found, found < limit, done)


def longest(learn: Callable[[int], Learned], lags: Sequence[int]) -> tuple[int, dict[int, Learned]]:
    """The longest of the ascending `lags` that is learned; 0 if none is. It stops at the first that is not.

    Returns:
        the lag, and the result of each lag that was tried.
    """
    found: dict[int, Learned] = {}
    for lag in lags:
        found[lag] = learn(lag)
        if not found[lag].solved:
            break
    return max((lag for lag, learned in found.items() if learned.solved), default=0), found
