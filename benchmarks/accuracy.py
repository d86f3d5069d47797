"""Seconds from the first step to a good sentiment model.

The zoo's recipe trains until it is right on 88 % of a held-out tenth of IMDB's training split, the recipe of keras.io
until it is right on 86 %. Accuracy is measured after every quarter of an epoch. Tracing is timed; encoding and
measuring are not. The goal is half of the time of keras.io's recipe. A round is a whole training, so there is one.
"""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import epoch, imdb

PEERS = ("zoo", "keras")
ROUNDS, WARM_UP = 1, {"good": 0}
UNIT = {"good": "s"}
QUARTERS = 20  # at most


def cases(quick: bool) -> list[dict]:
    return [] if quick else [{"recipe": "tasks/sentiment/imdb.toml", "data": "imdb"}]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"good": 2.0}


def calls(peer: str, case: dict) -> dict:
    if peer == "zoo":
        from zoo.tasks import sentiment

        zoo = epoch.Zoo(case, sentiment, {}, parts=4)
        held_out = zoo.validation.for_validation()
        measure = lambda: zoo.model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]  # noqa: E731
        return {"good": lambda: _until(0.88, zoo.train, measure)}
    model, x, y, real = imdb.recipe(Path(case["folder"]))
    _, held_out, truth, _ = imdb.recipe(Path(case["folder"]), "validation")
    starts = iter(range(0, QUARTERS * len(y) // 4, len(y) // 4))

    def train():
        part = slice(start := next(starts) % len(y), start + len(y) // 4)
        imdb.fit(model, x[part], y[part])
        return sum(real[part])

    return {"good": lambda: _until(0.86, train, lambda: model.evaluate(held_out, truth, verbose=0)[1])}


def _until(enough: float, train: Callable, measure: Callable) -> dict:
    """Trains quarter after quarter. Raises SystemExit if it is never enough."""
    seconds, tokens, curve = 0.0, 0, []
    for _ in range(QUARTERS):
        began = time.perf_counter()
        tokens += train()
        seconds += time.perf_counter() - began
        curve.append(measure())
        if curve[-1] >= enough:
            return {"seconds": seconds, "tokens": tokens, "quarters": len(curve), "accuracy": curve[-1]}
    raise SystemExit(f"{enough:.0%} was not reached: {', '.join(f'{value:.1%}' for value in curve)}")
