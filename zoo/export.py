"""A finished run as a SavedModel that serves on any CPU.

    run directory → child process: rebuild in float32 on the CPU, load weights, trace → temporary folder
                  → fresh process with TensorFlow alone: answers must equal `predict` → rename to the next version

Traced on a GPU the graph would hold cuDNN kernels, and under a mixed policy their dtypes, which no CPU server has.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import zoo
from zoo import answer
from zoo.errors import InputError

TOLERANCE = 1e-5


class Service(tf.Module):
    """What is exported: the signatures, and all that they use, so that tables and weights are tracked.

    Args:
        parts: the codec and the model.
        signatures: name → tf.function with an input signature; raw in, answer out. "serving_default" is the main one.
    """

    def __init__(self, *parts: Any, **signatures: Any):
        super().__init__()
        self.parts = parts
        self.functions = signatures

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

    def __call__(self, signature: str = "serving_default", /, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.functions[signature](*(inputs[name] for name in self.inputs_of(signature)))


def next_version(folder: Path) -> int:
    """One more than the highest version in `folder`; 1 where there is none."""
    versions = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return max(versions, default=0) + 1


def publish(run_dir: Path, to: Path, task: str, *, inputs: dict[str, list], expected: dict[str, np.ndarray]) -> Path:
    """Exports a run to the next version under `to`/`task`, if the reloaded model answers `inputs` as `expected`.

    Returns:
        the folder of the new version. Until its last step, a rename, nothing that a server looks at has changed.
    Raises:
        RuntimeError: the child process failed or its answers differ.
        InputError: `to` cannot be written.
    """
    folder = to / task
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".exporting-", dir=folder))  # servers ignore what is not a number
    except OSError as error:
        raise InputError(f"cannot write an export to {folder}: {error.strerror}") from error
    try:
        _child("-c", "import sys, zoo.export; zoo.export.save(*sys.argv[1:])", str(run_dir), str(temporary / "model"))
        questions = temporary / "inputs.json"
        questions.write_text(
            json.dumps({name: answer.to_json(value) for name, value in inputs.items()}), encoding="utf-8"
        )
        reply = json.loads(_child("-P", answer.__file__, str(temporary / "model"), str(questions)))
        compare({name: plain(answer.from_json(value)) for name, value in reply.items()}, expected)
        while True:
            version = folder / str(next_version(folder))
            try:
                os.rename(temporary / "model", version)
                return version
            except OSError:
                if not version.exists():  # not another export that was quicker: a real failure
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _child(*arguments: str) -> str:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def plain(value: Any) -> Any:
    """NumPy to plain Python, all the way down; UTF-8 to str."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def compare(answers: dict[str, Any], expected: dict[str, np.ndarray]) -> None:
    """Raises RuntimeError unless strings and integers are equal and scores within 1e-5."""
    for name, values in expected.items():
        got, want = np.asarray(answers[name]), np.asarray(values)
        same = np.allclose(got, want, rtol=0, atol=TOLERANCE) if want.dtype.kind == "f" else np.array_equal(got, want)
        if not same:
            raise RuntimeError(
                f"the exported model's {name} differs from predict's: {got.tolist()} and {want.tolist()}"
            )


def save(run_dir: str, model_dir: str) -> None:
    """Traces the run's service and saves it; runs in the child process."""
    service = zoo.load(run_dir, precision="float32").service
    signatures = {name: function.get_concrete_function() for name, function in service.functions.items()}
    tf.saved_model.save(service, model_dir, signatures=signatures)
