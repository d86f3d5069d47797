"""A finished run as a SavedModel that serves on any CPU.

    run directory → child process: rebuild in float32 on the CPU, load weights, trace → temporary folder
                  → another with TF Serving's loader alone: answers must equal `predict` → rename to the next version

Traced on a GPU the graph would hold cuDNN kernels, and under a mixed policy their dtypes, which no CPU server has.
"""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import loader, serving
from zoo.errors import InputError

TOLERANCE = 1e-5
NO_GRADIENTS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # what is served is not trained
UNSERVABLE = re.compile("Cudnn|Xla|.*PyFunc")  # of a GPU, of a compiler, of Python: not in every server
Arrays = dict[str, np.ndarray]


class Service(tf.Module):
    """What is exported: the signatures, and all that they use, so that tables and weights are tracked.

    A Keras model is held by its variables: tracked itself, it is saved such that Python finds its weights again and a
    server does not, https://github.com/tensorflow/tensorflow/issues/72963 (Keras 3.15.1).

    Args:
        codec: what is learned from data and is not a weight.
        models: whose weights the signatures use.
        numeric: the model's outputs → the answer in numbers by name, for devices without strings; None where an answer
            takes more than one call of the model.
        signatures: name → tf.function with an input signature; raw in, answer out. "serving_default" is the main one.
    """

    def __init__(
        self, codec: tf.Module, *models: keras.Model, numeric: Callable[[Any], dict] | None = None, **signatures: Any
    ):
        super().__init__()
        self.codec = codec
        self.weights = [variable.value for model in models for variable in model.variables]
        self.functions = signatures
        self.numeric = numeric

    @property
    def inputs(self) -> dict[str, tf.TensorSpec]:
        """The named inputs of the main signature."""
        return self.inputs_of("serving_default")

    def inputs_of(self, signature: str) -> dict[str, tf.TensorSpec]:
        return {spec.name: spec for spec in self.functions[signature].input_signature}

    def question(self, value: Any, signature: str | None = None) -> tuple[str, dict[str, Any]]:
        """Which signature `value` is a question to, and its inputs by name.

        A dict goes to the first signature whose inputs it holds; a bare value to the first that has one input, of the
        value's kind: a text or a number is one of a batch [B], a list one of a batch [B, T].

        Raises:
            InputError: there is no such signature.
        """
        for name in [signature] if signature else self.functions:
            specs = self.inputs_of(name)
            if isinstance(value, dict):
                if specs.keys() <= value.keys():
                    return name, {key: value[key] for key in specs}
            elif len(specs) == 1:
                (key, spec), *_ = specs.items()
                if spec.shape.rank == 1 + np.ndim(value):
                    return name, {key: value}
        wanted = "; ".join(f"{name}: {', '.join(self.inputs_of(name))}" for name in self.functions)
        raise InputError(f"no answer to {str(value)[:80]!r}: it takes {wanted}")

    def trial(self, signature: str, example: dict[str, Any]) -> dict[str, Any]:
        """One row of inputs to try a signature with: the example's by name, else its first value as text, else ones."""
        first = next(iter(example.values()))
        text = " ".join(first) if isinstance(first, list) else first

        def other(spec: tf.TensorSpec) -> Any:
            shape = [size or 1 for size in spec.shape[1:]]
            return np.full(shape, text if spec.dtype == tf.string else 1, spec.dtype.as_numpy_dtype).tolist()

        specs = self.inputs_of(signature)
        return {name: example[name] if name in example else other(spec) for name, spec in specs.items()}

    def batch(self, signature: str, rows: list[dict[str, Any]]) -> dict[str, tf.Tensor]:
        """Rows of inputs as a signature takes them: shorter lists are padded on the right with "" or 0."""
        specs = self.inputs_of(signature)
        return {name: _tensor([row[name] for row in rows], spec) for name, spec in specs.items()}

    def __call__(self, signature: str = "serving_default", /, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.functions[signature](*(inputs[name] for name in self.inputs_of(signature)))


def versions(folder: Path) -> list[int]:
    """Those in `folder`, in order; none where it does not exist."""
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()) if folder.is_dir() else []


def next_version(folder: Path) -> int:
    """One more than the highest version in `folder`; 1 where there is none."""
    return max(versions(folder), default=0) + 1


def publish_saved_model(run: Any, folder: Path, *, keep: int | None = None) -> Path:
    """The next version in `folder` of a SavedModel, if a server's loader answers as the run does. Returns its folder.

    Args:
        run: a `zoo.task.Run` in float32.
    """
    examples = run.first_examples(8)
    trials = {
        signature: run.ask(signature, [run.service.trial(signature, example) for example in examples])
        for signature in run.service.functions
    }
    return publish(
        folder,
        lambda path: child("zoo.export.save", str(run.directory), str(path)),
        lambda path: prove(path, trials),
        keep=keep,
    )


def publish(
    folder: Path, write: Callable[[Path], Any], prove: Callable[[Path], Any], *, keep: int | None = None
) -> Path:
    """Makes the next version in `folder`, by `write` into a new folder that `prove` then has to accept.

    The version appears by a rename, whole and on disk. A crash, a full disk or two exports at once leave no part of
    one: what is under way has a name that servers ignore, and the next export removes what a crash left.

    Args:
        keep: how many versions stay, the new one included; all without it.
    Returns:
        the folder of the new version.
    Raises:
        InputError: `folder` cannot be written, or the disk is full.
        RuntimeError: a child process failed, or what `prove` raises.
    """
    try:
        with _workplace(folder) as temporary:
            model = temporary / "model"
            write(model)
            prove(model)
            for path in (*model.rglob("*"), model):
                _write_through(path)
            with _locked(folder):
                version = folder / str(next_version(folder))
                os.rename(model, version)
                for old in versions(folder)[: -keep if keep else 0]:
                    os.rename(folder / str(old), temporary / str(old))  # gone at once; deleted with the rest
                _write_through(folder)
            with _locked(folder.parent):
                config = temporary / "models.config"
                config.write_text(serving.models_config(folder.parent), encoding="utf-8")
                os.replace(config, folder.parent / config.name)
            return version
    except OSError as error:
        raise InputError(f"cannot write an export to {folder}: {error.strerror}") from error


def prove(model_dir: Path, trials: dict[str, tuple[Arrays, Arrays]]) -> None:
    """Raises RuntimeError unless a server's loader, on a CPU, answers every signature as expected."""
    try:
        with loader.Model(model_dir) as model:
            refused = [name for name in model.operations if UNSERVABLE.match(name)]
            if refused := sorted({*refused, *model.without_cpu_kernel, *model.xla_functions}):
                raise RuntimeError(f"the graph holds {', '.join(refused)}, which not every CPU server has")
            for signature, (inputs, expected) in trials.items():
                compare(signature, model(signature, **inputs), expected)
    except loader.Refused as error:
        raise RuntimeError(f"a server cannot answer with the exported model: {error}") from error


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder in `folder` that servers ignore, locked while in use; removes those that no process holds any more."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _locked(folder):
            for left in folder.glob(".exporting-*"):
                with _locked(left, wait=False) as abandoned:
                    if abandoned:
                        shutil.rmtree(left, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(prefix=".exporting-", dir=folder))
            stack.enter_context(_locked(temporary))
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        yield temporary


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds the lock of a folder, which ends with the process if not before. Gives whether it is held."""
    import fcntl  # of Unix: training works without it, publishing does not

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(descriptor)


def _write_through(path: Path) -> None:
    """Returns when the file, or the list of names that a folder is, would survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def child(function: str, *arguments: str) -> None:
    """Calls "package.module.function" in a new process with TensorFlow on the CPU.

    Raises:
        RuntimeError: it failed; its last messages are in the error's.
        OSError: the disk is full.
    """
    module = function.rpartition(".")[0]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", f"import sys, {module}; {function}(*sys.argv[1:])", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if os.strerror(code) in done.stderr:
                raise OSError(code, os.strerror(code))
        raise RuntimeError(f"{function}({', '.join(arguments)}) failed:\n{done.stderr[-4000:]}")


def _tensor(values: list, spec: tf.TensorSpec) -> tf.Tensor:
    if spec.shape.rank == 1:
        return tf.constant(values, spec.dtype)
    return tf.ragged.constant(values, dtype=spec.dtype, ragged_rank=spec.shape.rank - 1).to_tensor()


def plain(value: Any) -> Any:
    """NumPy to plain Python, all the way down; UTF-8 to str."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def compare(signature: str, answers: Arrays, expected: Arrays) -> None:
    """Raises RuntimeError unless strings and integers are equal and scores within 1e-5."""
    for name, want in expected.items():
        got = answers[name]
        close = want.dtype.kind == "f" and got.shape == want.shape
        if not (np.allclose(got, want, rtol=0, atol=TOLERANCE) if close else np.array_equal(got, want)):
            raise RuntimeError(
                f"the exported model's {name} ({signature}) differs from predict's: {got.tolist()} and {want.tolist()}"
            )


def save(run_dir: str, model_dir: str) -> None:
    """Traces the run's service in float32 and saves it; runs in the child process."""
    run = zoo.load(run_dir, precision="float32")
    samples = run.task.examples(run.task.config(), "train")  # not of the run's own data, which nobody gave away
    write(run.service, Path(model_dir), name=run.task.name, samples=list(islice(samples, 8)))


def write(service: Service, model_dir: Path, *, name: str, samples: list[dict[str, Any]]) -> None:
    """Saves what a server needs: the graph, the weights, requests to warm up with, how to batch."""
    signatures = {name: function.get_concrete_function() for name, function in service.functions.items()}
    tf.saved_model.save(service, os.fspath(model_dir), signatures=signatures, options=NO_GRADIENTS)
    requests = (
        (signature, service.batch(signature, [service.trial(signature, sample) for sample in rows]))
        for signature in service.functions
        for rows in (samples[:1], samples)
    )
    serving.write_warm_up(model_dir, name, requests)
    serving.write_batching(model_dir, (spec for key in service.functions for spec in service.inputs_of(key).values()))
