"""An exported model in TensorFlow's C++ loader, which TF Serving uses too.

Python's `tf.saved_model.load` cannot prove that a server can serve a model: it finds variables by the objects that hold
them, a server finds them by their names, and a model that answers in Python can fail on a server. So a child process,
`c_api.py`, calls the C API and imports no TensorFlow in Python, no Keras and no zoo. This side reads everything that
needs protocol buffers, and talks to the child in lines of JSON.

    with loader.Model("saved_models/sentiment/1") as model:
        model(text=["A fine film."])
"""

import base64
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels  # not public; has the list of the C API's TF_GetRegisteredKernelsForOp

CHILD = Path(__file__).with_name("c_api.py")
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


class Refused(Exception):
    """TensorFlow answered with an error status; the message begins with the number of its code."""


class Model:
    """An exported model in a child process that has nothing else.

    Args:
        folder: the folder of a version, with saved_model.pb in it.
    Attributes:
        signatures: name → {"inputs": places by name, "outputs": likewise}; a place is an operation and the index of its
            output.
        operations: the names of all operations in the graph and in its functions.
        without_cpu_kernel: the operations that no CPU can run.
        xla_functions: the functions that XLA must compile.
        load_seconds: the time that loading took.
    Raises:
        Refused: the model cannot be loaded.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        graph = saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes()).meta_graphs[0]
        functions = graph.graph_def.library.function
        nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
        self.operations = sorted({node.op for node in nodes})
        self.xla_functions = [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]
        # A name that begins with __ belongs to a function that runs when the model is loaded.
        self.signatures = {
            name: {"inputs": _places(value.inputs), "outputs": _places(value.outputs)}
            for name, value in graph.signature_def.items()
            if not name.startswith("__")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", CHILD],
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # TensorFlow's log
            text=True,
        )
        self.load_seconds: float = self._ask(
            folder=os.fspath(folder),
            library=str(next(Path(tf.__file__).parent.glob("libtensorflow_cc*"))),
            extensions=_extensions(self.operations),
            signatures=self.signatures,
        )["load_seconds"]
        self.without_cpu_kernel = [name for name in self.operations if not _runs_on_cpu(name)]

    def __call__(self, signature: str = "serving_default", /, **inputs: Any) -> dict[str, np.ndarray]:
        """The outputs by name; strings are bytes in an array of objects.

        Args:
            inputs: arrays, or values that NumPy makes arrays of.
        Raises:
            Refused: TensorFlow refused the request. The next request will be answered.
        """
        outputs = self._ask(signature=signature, inputs=_packed(inputs), times=1)["outputs"]
        return {name: unpack(value) for name, value in outputs.items()}

    def seconds(self, signature: str, times: int, **inputs: Any) -> list[float]:
        """Answers one request `times` times and returns the seconds of each, measured inside the child."""
        return self._ask(signature=signature, inputs=_packed(inputs), times=times)["seconds"]

    def _ask(self, **request: Any) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):  # the child has ended, as the missing reply tells
            print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that loads the model ended with status {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()  # closes its input, which ends the child


def pack(value: Any) -> str:
    """The base64 of an array's TensorProto."""
    return base64.b64encode(tf.make_tensor_proto(value).SerializeToString()).decode()


def unpack(value: str) -> np.ndarray:
    """The array that `pack` packed; strings are bytes in an array of objects."""
    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(base64.b64decode(value)))


def _packed(inputs: dict[str, Any]) -> dict[str, str]:
    return {name: pack(value) for name, value in inputs.items()}


def _places(tensors: Any) -> dict[str, list]:
    """Name → the operation that makes the tensor, and which of its outputs it is."""
    split = {name: tensors[name].name.rpartition(":") for name in sorted(tensors)}
    return {name: [operation, int(index)] for name, (operation, _, index) in split.items()}


def _runs_on_cpu(operation: str) -> bool:
    registered = kernels.get_registered_kernels_for_op(operation).kernel
    return not {"CPU", "DEFAULT"}.isdisjoint(kernel.device_type for kernel in registered)


def _extensions(operations: list[str]) -> list[str]:
    """The libraries of tensorflow-text with an operation that TensorFlow itself lacks. The stock server has both."""
    foreign = [name.encode() for name in operations if not hasattr(tf.raw_ops, name)]
    if not foreign:
        return []
    import tensorflow_text  # registers its operations and kernels here too; seconds, which most models need not spend

    libraries = sorted(Path(tensorflow_text.__file__).parent.rglob("*.so"))
    return [str(path) for path in libraries if any(name in path.read_bytes() for name in foreign)]
