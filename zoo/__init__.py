"""A zoo of recurrent sequence models on Keras 3 and TensorFlow: one module per task, from raw data to a served model.

    python -m zoo                      # lists the tasks
    python -m zoo.tasks.sentiment      # trains one on its bundled sample, in seconds

In Python:

    from zoo.tasks import sentiment
    run = sentiment.TASK.train(sentiment.Config(epochs=2))
    run.predict(["A fine film."])
"""

import importlib
import importlib.util
import os
import sys
import types

__version__ = "0.1.0"


class _OnFirstUse(types.ModuleType):
    """Stands in `sys.modules` for a slow module until one of its attributes is asked for.

    TensorFlow takes seconds to import and `--help` needs none of it, yet a task file should begin with ordinary
    imports. Every import statement works as usual: the real module takes this one's place when it is first used.
    """

    def __getattr__(self, attribute: str) -> object:
        # Tools that walk sys.modules ask every module for __file__ and the like: that is no use of it.
        if attribute.startswith("__") and attribute not in ("__path__", "__version__"):
            raise AttributeError(attribute)
        return getattr(self._real(), attribute)

    def __setattr__(self, attribute: str, value: object) -> None:
        setattr(self._real(), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        delattr(self._real(), attribute)

    def _real(self) -> types.ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


def _import_on_first_use(*names: str) -> None:
    for name in names:
        # Keras asks whether TensorFlow can be imported, and must not be told yes where it is not installed.
        if name not in sys.modules and (spec := importlib.util.find_spec(name)):
            sys.modules[name] = _OnFirstUse(name)
            vars(sys.modules[name])["__spec__"] = spec  # whoever asks again whether it is installed is told yes
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(importlib.import_module(parent), child, sys.modules[name])


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports every missing CUDA library at start
_import_on_first_use(
    "keras",
    "tensorflow",
    "zoo.answers.draws",
    "zoo.answers.search",
    "zoo.answers.service",
    "zoo.callbacks",
    "zoo.checkpoint",
    "zoo.data.batching",
    "zoo.data.cache",
    "zoo.data.images",
    "zoo.data.scenes",
    "zoo.data.text",
    "zoo.devices",
    "zoo.export.loader",
    "zoo.export.proof",
    "zoo.export.publish",
    "zoo.export.small_devices",
    "zoo.export.tf_serving",
    "zoo.layers",
    "zoo.losses",
    "zoo.metrics",
    "zoo.optimizers",
    "zoo.plots",
)


def load(run_dir: str | os.PathLike[str], *, precision: str | None = None):
    """The finished run in `run_dir`, ready for `predict`, `evaluate` and `export`.

    Args:
        precision: to compute in, such as "float32"; the one that it was trained in without it.

    Raises:
        zoo.errors.InputError: the directory is not one that a run of the zoo wrote.
    """
    from zoo.task import Run

    return Run.load(run_dir, precision=precision)
