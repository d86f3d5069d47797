"""A zoo of recurrent sequence models on Keras 3 and TensorFlow: one module per task, from raw data to a served model.

    zoo                              # lists the tasks; `python -m zoo` is the same
    python -m zoo.tasks.sentiment    # trains one on its bundled sample, in seconds

In Python:

    run = zoo.train("sentiment", epochs=2)
    run.predict(["A fine film."])
    run = zoo.load("runs/sentiment/1")
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.run import Run

__version__ = "0.2.0"
__all__ = ["load", "train"]


class _OnFirstUse(importlib.abc.MetaPathFinder):
    """Has slow modules run when they are first used: Keras, TensorFlow, and all modules in the zoo's packages.

    TensorFlow takes seconds to import and `--help` needs none of it, yet a task file begins with ordinary imports. The
    rule is by place: modules directly in zoo/ and task files run at once, everything in a package beside them waits.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        parts = name.split(".")
        inside = parts[0] == "zoo" and len(parts) > 2 and parts[1] != "tasks"
        if not (inside or name in ("keras", "tensorflow")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


sys.meta_path.insert(0, _OnFirstUse())


def train(
    task: str, *, recipe: str | os.PathLike[str] | None = None, run_dir: str | os.PathLike[str] | None = None, **options: Any
) -> "Run":
    """Trains a task, evaluates it on the test split once, and returns the finished run.

    Args:
        task: its name, such as "sentiment".
        recipe: a TOML file of options, such as tasks/sentiment/imdb.toml.
        run_dir: a directory to make; by default runs/TASK/N.
        options: the task's options, which win over the recipe: `zoo.train("sentiment", data="reviews", epochs=2)`.
    Raises:
        zoo.errors.InputError: an unknown task or option, or unusable data.
    """
    from zoo import options as groups
    from zoo import task as tasks
    from zoo import trainer

    module = tasks.get(task)
    cfg = groups.configure(module.Config, recipe, options)
    return trainer.train(module, cfg, directory=run_dir, recipe=str(recipe or "defaults"))


def load(run_dir: str | os.PathLike[str], *, precision: str | None = None) -> "Run":
    """The finished run in `run_dir`, ready for `predict`, `evaluate` and `export`.

    Args:
        precision: the precision to compute in, such as "float32"; by default the training precision.

    Raises:
        zoo.errors.InputError: the directory is not one that a run of the zoo wrote.
    """
    from zoo.run import Run

    return Run.load(run_dir, precision=precision)
