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
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.run import Run

__version__ = "0.3.0"
__all__ = ["load", "train"]


class _Waiting(ModuleType):
    """A module whose code runs when an attribute that it does not have yet is used.

    `importlib.util.LazyLoader` will not do: there a second import statement already runs the module.
    """

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__") and attribute not in ("__all__", "__version__"):
            raise AttributeError(attribute)  # tools that walk sys.modules ask for __file__ and the like
        self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            vars(self)["__spec__"].loader.now.exec_module(self)
        except BaseException:
            self.__class__ = _Waiting
            raise
        return getattr(self, attribute)


class _OnFirstUse(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Has slow modules run when they are first used: Keras, TensorFlow, and all modules in the zoo's packages.

    TensorFlow takes seconds to import and `--help` needs none of it, yet a task file begins with ordinary imports. The
    rule is by place: modules directly in zoo/ and task files run at once, everything in a package beside them waits.
    """

    def __init__(self, now: Any = None):
        self.now = now  # the loader that runs the module

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in ("keras", "tensorflow") and (not name.startswith("zoo.") or name.startswith("zoo.tasks")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        directly = name.count(".") == 1 and spec is not None and spec.submodule_search_locations is None
        if spec and spec.loader and not directly:
            spec.loader = _OnFirstUse(spec.loader)
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Waiting(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Runs nothing: `_Waiting` does, on first use."""


sys.meta_path.insert(0, _OnFirstUse())


def train(
    task: str,
    *,
    recipe: str | os.PathLike[str] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    **options: Any,
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
