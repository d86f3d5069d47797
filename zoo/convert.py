"""A model for small devices: a LiteRT or ONNX file with ids in and numbers out, and its vocabularies beside it.

    run directory → child process: rebuild of plain operations, convert → temporary folder
                  → the format's own runtime: answers must equal the model's → rename to the next version

Neither format has tables of strings: what makes ids of text stays with the application, by the rules of the task's
`encode`. LiteRT takes one row a call, of any length; ONNX any number of rows, right-padded with 0.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import errors, export
from zoo.data import batching, cache
from zoo.errors import InputError
from zoo.export import Arrays
from zoo.layers import recurrent

FILES = {"litert": "model.tflite", "onnx": "model.onnx"}
PACKAGES = {"litert": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnxruntime")}


def publish(run: Any, folder: Path, kind: str, *, keep: int | None = None) -> Path:
    """The next version in `folder`: the model as `kind`, and the codec's files. Returns its folder.

    Args:
        run: a `zoo.task.Run` in float32.
        kind: "litert" or "onnx".
    Raises:
        InputError: the task's answer is more than numbers out of a model, or packages are missing.
    """
    if not run.service.numeric:
        raise InputError(
            f"{run.task.name} cannot be exported as {kind}: its answer is written by a search around the model, which "
            "that format has no room for; --format saved_model holds all of it"
        )
    errors.needs(*PACKAGES[kind], extra=kind, purpose=f"--format {kind}")
    trials = [(x, _arrays(run.service.numeric(run.model(structured(run.model, x))))) for x in encoded(run, 8)]

    def prove(path: Path) -> None:
        answer = load(path)
        for inputs, expected in trials:
            export.compare(kind, answer(**inputs), expected)

    return export.publish(
        folder, lambda path: export.child("zoo.convert.save", str(run.directory), str(path), kind), prove, keep=keep
    )


def load(folder: str | os.PathLike[str]) -> Callable[..., Arrays]:
    """A published model in its runtime, as a function of arrays by name."""
    litert, onnx = (Path(folder) / FILES[kind] for kind in ("litert", "onnx"))
    if litert.exists():
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(model_path=str(litert)).get_signature_runner()
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx)
    outputs = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))


def save(run_dir: str, folder: str, kind: str) -> None:
    """Converts a run; runs in the child process."""
    run = zoo.load(run_dir, precision="float32")
    recurrent.use_keras_loops(run.model)  # before anything is traced
    run.codec.save(Path(folder))
    rows = 1 if kind == "litert" else None  # a loop's state has a fixed size there
    specs = [tf.TensorSpec([rows, *x.shape[1:]], x.dtype, name=x.name) for x in run.model.inputs]

    @tf.function(input_signature=specs)
    def numbers(*inputs):
        named = {spec.name: value for spec, value in zip(specs, inputs, strict=True)}
        return run.service.numeric(run.model(structured(run.model, named), training=False))

    path = Path(folder) / FILES[kind]
    if kind == "onnx":
        import tf2onnx

        tf2onnx.convert.from_function(numbers, input_signature=specs, opset=18, output_path=str(path))
    else:
        path.write_bytes(_litert(numbers.get_concrete_function()))


def _litert(numbers: Any) -> bytes:
    """A LiteRT file of a concrete function, with its names as the signature's."""
    # Not public, but what every converter uses: LiteRT cannot read a variable within a loop.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(numbers)
    names = sorted(numbers.structured_outputs)
    module = tf.Module()
    module.numbers = tf.function(
        lambda *inputs: dict(zip(names, constant(*inputs), strict=True)),
        input_signature=[tf.TensorSpec(x.shape, x.dtype, name=x.name.split(":")[0]) for x in constant.inputs],
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.numbers, options=export.NO_GRADIENTS)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def encoded(run: Any, count: int) -> list[Arrays]:
    """The first examples of a run as its model takes them, each a batch of one, by the names of the inputs."""
    examples = run.first_examples(count)
    rows = cache.encode(examples, lambda batch: run.task.encode(run.cfg, run.codec, batch))
    batches = [batching.Batch(np.array([i]), tuple(rows.lengths[i])) for i in range(len(examples))]
    inputs = [batching.pad(rows, batch)[0] for batch in batches]
    return [x if isinstance(x, dict) else {run.model.inputs[0].name: x} for x in inputs]


def structured(model: keras.Model, named: dict[str, Any]) -> Any:
    """The model's inputs as it takes them: a dict or a single one."""
    return named if isinstance(model.input, dict) else next(iter(named.values()))


def _arrays(tensors: dict[str, tf.Tensor]) -> Arrays:
    return {name: value.numpy() for name, value in tensors.items()}
