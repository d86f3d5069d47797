"""How long a cell remembers: the adding problem of 100 steps is solved by LSTM and GRU, and not by the simple cell."""

import numpy as np
import pytest

from zoo.training import memory
from zoo.training.memory import Learned


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "solved"), [("lstm", True), ("gru", True), ("simple", False)])
def test_the_adding_problem_of_100_steps_needs_gates(cell, solved):
    learned = memory.adding(cell, 100, steps=1500)
    assert learned.solved == solved
    assert learned.error < 0.01 if solved else learned.error > 0.1  # the constant answer: 0.167


@pytest.mark.slow
def test_the_copy_task_is_learned_at_a_short_lag():
    assert memory.copying("gru", 5, symbols=2, length=2, steps=800).solved


def test_the_longest_lag_stops_at_the_first_that_is_not_learned():
    tried = []

    def learn(lag: int) -> Learned:
        tried.append(lag)
        return Learned(0.0, lag < 20, 100)

    assert memory.longest(learn, [5, 10, 20, 40])[0] == 10
    assert tried == [5, 10, 20]
    assert memory.longest(lambda lag: Learned(np.nan, False, 100), [5])[0] == 0
