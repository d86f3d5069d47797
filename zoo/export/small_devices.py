"""A model for small devices: a LiteRT or ONNX file, numbers in, numbers out, with the codec's files beside it.

    run directory → child process: trace with Keras' own loops, convert → temporary folder
                  → the format's own runtime: answers must equal the model's → rename to the next version

Neither format has tables of strings, so the application turns text into ids, by the rules of the task's `encode`. Where
the main signature takes and gives numbers alone, it is converted as it is.
LiteRT takes one row per call, of any length; ONNX takes any number of rows, right-padded with 0.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import errors
from zoo.answers.service import Arrays
from zoo.data import batching, cache
from zoo.errors import InputError
from zoo.export import process, proof
from zoo.export.publish import NO_GRADIENTS, new_version
from zoo.layers import recurrent

FILES = {"litert": "model.tflite", "onnx": "model.onnx"}
PACKAGES = {"litert": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnxruntime")}


def publish(run: Any, folder: Path, kind: str, *, keep: int | None = None) -> Path:
    """Publishes the model and the codec's files as the next version in `folder`, proven in the format's own runtime.

    Args:
        run: a `Run` in float32.
        kind: "litert" or "onnx".
        keep: how many versions stay, the new one included; all without it.
    Returns:
        the folder of the version.
    Raises:
        InputError: the answer needs a search around the model, a package is missing, or `folder` cannot be written.
        RuntimeError: the child process failed, or the converted model answers differently.
    """
    if not can(run):
        raise InputError(
            f"{run.name} cannot be exported as {kind}: its answers come from a search around the model, which "
            "this format cannot hold; use --format saved_model"
        )
    errors.needs(*PACKAGES[kind], extra=kind, purpose=f"--format {kind}")
    trials = trial_answers(run, 8)

    def prove(path: Path) -> None:
        answer = load(path)
        for inputs, expected in trials:
            proof.compare(kind, answer(**inputs), expected)

    command = ["trace", str(run.directory)]
    return new_version(folder, lambda path: process.run([*command, str(path), "--format", kind]), prove, keep=keep)


def load(folder: str | os.PathLike[str]) -> Callable[..., Arrays]:
    """A published model in its own runtime: a function that takes and returns arrays by name."""
    litert, onnx = (Path(folder) / FILES[kind] for kind in ("litert", "onnx"))
    if litert.exists():
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(model_path=str(litert)).get_signature_runner()
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx)
    outputs = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))


def trace(run: Any, folder: Path, kind: str) -> None:
    """Writes the model of a run as `kind`, and the codec's files. The child process of `publish` calls this.

    Args:
        run: a `Run` in float32.
    """
    recurrent.use_keras_loops(run.model)  # before anything is traced
    run.codec.save(folder)
    rows = 1 if kind == "litert" else None  # LiteRT: the state of a loop has a fixed size
    inputs = run.model.inputs if run.service.numeric else run.service.inputs.values()
    specs = [tf.TensorSpec([rows, *x.shape[1:]], x.dtype, name=x.name) for x in inputs]

    @tf.function(input_signature=specs)
    def numbers(*inputs):
        if not run.service.numeric:
            return run.service.functions["serving_default"].python_function(*inputs)
        named = {spec.name: value for spec, value in zip(specs, inputs, strict=True)}
        return run.service.numeric(run.model(structured(run.model, named), training=False))

    path = folder / FILES[kind]
    if kind == "onnx":
        import tf2onnx

        tf2onnx.convert.from_function(numbers, input_signature=specs, opset=18, output_path=str(path))
    else:
        path.write_bytes(_litert(numbers.get_concrete_function()))


def _litert(numbers: Any) -> bytes:
    """A concrete function as a LiteRT file; the signature keeps its names."""
    # Not public, but every converter uses it. LiteRT cannot read a variable inside a loop.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(numbers)
    names = sorted(numbers.structured_outputs)
    module = tf.Module()
    module.numbers = tf.function(
        lambda *inputs: dict(zip(names, constant(*inputs), strict=True)),
        input_signature=[tf.TensorSpec(x.shape, x.dtype, name=x.name.split(":")[0]) for x in constant.inputs],
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.numbers, options=NO_GRADIENTS)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def can(run: Any) -> bool:
    """Whether the answer is one call of the model, or comes from a signature of numbers."""
    return bool(run.service.numeric) or all(spec.dtype != tf.string for spec in run.service.inputs.values())


def trial_answers(run: Any, count: int) -> list[tuple[Arrays, Arrays]]:
    """Inputs and answers of the first examples of a run, each a batch of one."""
    service = run.service
    if not service.numeric:
        return [service.ask("serving_default", [service.question(row)[1]]) for row in run.first_examples(count)]
    return [(x, _arrays(service.numeric(run.model(structured(run.model, x))))) for x in encoded(run, count)]


def encoded(run: Any, count: int) -> list[Arrays]:
    """The first examples of a run as inputs of its model by name, each a batch of one."""
    examples = run.first_examples(count)
    rows = cache.encode(examples, lambda batch: run.task.encode(run.cfg, run.codec, batch))
    batches = [batching.Batch(np.array([i]), tuple(rows.lengths[i])) for i in range(len(examples))]
    inputs = [batching.pad(rows, batch)[0] for batch in batches]
    return [x if isinstance(x, dict) else {run.model.inputs[0].name: x} for x in inputs]


def structured(model: keras.Model, named: dict[str, Any]) -> Any:
    """Inputs by name in the structure that the model takes: a dict, or the only input itself."""
    return named if isinstance(model.input, dict) else next(iter(named.values()))


def _arrays(tensors: dict[str, tf.Tensor]) -> Arrays:
    return {name: value.numpy() for name, value in tensors.items()}
