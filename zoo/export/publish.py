"""A finished run as a SavedModel that serves on any CPU.

    run directory → child process: rebuild in float32 on the CPU, load weights, trace → temporary folder
                  → TF Serving's loader: answers must equal `predict` → rename to the next version

Traced on a GPU, the graph would hold cuDNN kernels; traced under a mixed policy, its dtypes. A CPU server has neither.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.answers.service import Service
from zoo.errors import InputError
from zoo.export import process, proof, tf_serving

NO_GRADIENTS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # an exported model is not trained


def saved_model(run: Any, folder: Path, *, keep: int | None = None) -> Path:
    """Publishes the run as the next version of a SavedModel in `folder`, proven in the loader of TF Serving.

    Args:
        run: a `Run` in float32.
        keep: how many versions stay, the new one included; all without it.
    Returns:
        the folder of the version.
    Raises:
        InputError: `folder` cannot be written, the disk is full, or the run cannot be loaded.
        RuntimeError: the child process failed, or the exported model answers differently.
    """
    examples = run.first_examples(8)
    trials = {
        signature: run.service.ask(signature, [run.service.trial(signature, example) for example in examples])
        for signature in run.service.functions
    }
    return new_version(
        folder,
        lambda path: process.run(["trace", str(run.directory), str(path), "--format", "saved_model"]),
        lambda path: proof.prove(path, trials),
        keep=keep,
    )


def trace(run: Any, model_dir: Path, samples: list[dict[str, Any]]) -> None:
    """Writes the SavedModel of a run. The child process of `saved_model` calls this, on the CPU.

    Args:
        run: a `Run` in float32.
        samples: examples to make the server's warm-up requests of. They are published, so take them from the bundled
            sample, never from the run's own data.
    """
    write(run.service, model_dir, name=run.name, samples=samples)


def write(service: Service, model_dir: Path, *, name: str, samples: list[dict[str, Any]]) -> None:
    """Writes everything that a server needs: the graph, the weights, warm-up requests, and how to batch.

    Args:
        name: the model's name on the server.
        samples: examples to make warm-up requests of.
    """
    signatures = {key: function.get_concrete_function() for key, function in service.functions.items()}
    tf.saved_model.save(service, os.fspath(model_dir), signatures=signatures, options=NO_GRADIENTS)
    requests = (
        (signature, service.batch(signature, [service.trial(signature, sample) for sample in rows]))
        for signature in service.functions
        for rows in (samples[:1], samples)
    )
    tf_serving.write_warm_up(model_dir, name, requests)
    specs = [spec for signature in service.functions for spec in service.inputs_of(signature).values()]
    tf_serving.write_batching(model_dir, specs)


def versions(folder: Path) -> list[int]:
    """The numbers of the versions in `folder`, in order; none where it does not exist."""
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()) if folder.is_dir() else []


def next_number(folder: Path) -> int:
    """One more than the highest version in `folder`; 1 where there is none."""
    return max(versions(folder), default=0) + 1


def new_version(
    folder: Path, write: Callable[[Path], Any], prove: Callable[[Path], Any], *, keep: int | None = None
) -> Path:
    """Makes the next version in `folder`: `write` fills a new folder, which `prove` must then accept.

    The version appears by a rename, after all its files are on disk. A crash, a full disk or two exports at once leave
    no partial version: an unfinished one has a name that servers ignore, and the next export removes it.

    Args:
        keep: how many versions stay, the new one included; all without it.
    Returns:
        the folder of the new version.
    Raises:
        InputError: `folder` cannot be written, the disk is full, or the platform has no file locks.
        Any error of `write` and `prove` that is not an OSError.
    """
    if not find_spec("fcntl"):
        raise InputError("exporting needs the file locks of Unix (fcntl): export the run on Linux or macOS")
    try:
        with _workplace(folder) as temporary:
            model = temporary / "model"
            write(model)
            prove(model)
            for path in (*model.rglob("*"), model):
                _flush(path)
            with _locked(folder):
                version = folder / str(next_number(folder))
                os.rename(model, version)
                for old in versions(folder)[: -keep if keep else 0]:
                    os.rename(folder / str(old), temporary / str(old))  # gone for servers at once, deleted below
                _flush(folder)
            with _locked(folder.parent):
                config = temporary / "models.config"
                config.write_text(tf_serving.models_config(folder.parent), encoding="utf-8")
                os.replace(config, folder.parent / config.name)
            return version
    except OSError as error:
        raise InputError(f"cannot write an export to {folder}: {error.strerror}") from error


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A locked temporary folder in `folder` that servers ignore; removes those that an ended process left."""
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
    """Locks a folder until the block, or the process, ends. Yields whether the lock was obtained."""
    import fcntl  # Unix only, so not at the head

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


def _flush(path: Path) -> None:
    """Returns when a file, or the list of names in a folder, is on disk and would survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
