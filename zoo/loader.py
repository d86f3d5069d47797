"""Answers raw input with an exported model by TensorFlow's C++ loader, the one that TF Serving has.

    python -P zoo/loader.py MODEL_DIR < requests > answers

Python's `tf.saved_model.load` is no proof that a server can serve: it finds variables by the objects that hold them, a
server by their names, and a model that answers there can fail here. So this calls the C API by ctypes, and imports
neither TensorFlow's Python nor Keras nor the zoo. Of operations it has stock TensorFlow's, and those of tensorflow-text
where the model needs them: the stock server has both.

A request is a line, {"signature": …, "inputs": {name: {"dtype": "string", "shape": [2], "values": ["a", {"b64": …}]}}};
so is an answer, {"outputs": {…}} in the same form or {"error": …}; to a request with "times": n it is {"seconds": […]}.
First of all, a line tells what the model is.
`Model` speaks this from another process.
"""

from __future__ import annotations

import base64
import ctypes
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

STRING = 7
TYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", STRING: "string", 9: "int64", 10: "bool"}  # TF_DataType
TSTRING_BYTES = 24  # sizeof(TF_TString)


class Refused(Exception):
    """TensorFlow answered with an error status; the first word of the message is its code's name."""


class Model:
    """An exported model in a process of its own, which has nothing else.

    Args:
        folder: that of the version, with saved_model.pb in it.
    Attributes:
        signatures: name → {"inputs": {name: dtype}, "outputs": {name: dtype}}.
        operations: names of all that are in the graph and its functions.
        without_cpu_kernel: those of them that no CPU can run.
        xla_functions: functions that must be compiled by XLA.
        libraries: shared libraries of operations that had to be loaded.
        load_seconds: how long loading took.
    Raises:
        Refused: it cannot be loaded.
    """

    signatures: dict[str, dict[str, dict[str, str]]]
    operations: list[str]
    without_cpu_kernel: list[str]
    xla_functions: list[str]
    libraries: list[str]
    load_seconds: float

    def __init__(self, folder: str | os.PathLike[str]):
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, os.fspath(folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # TensorFlow's log
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        vars(self).update(self._reply())

    def __call__(self, signature: str = "serving_default", /, **inputs: Any) -> dict[str, np.ndarray]:
        """Sends arrays, or what NumPy makes arrays of; an array of objects is one of strings.

        Raises:
            Refused: the answer is an error. The next question will be answered.
        """
        reply = self._ask(signature, inputs)
        return {name: unpack(**value) for name, value in reply["outputs"].items()}

    def seconds(self, signature: str, times: int, **inputs: Any) -> list[float]:
        """How long each of so many answers takes, without the way to this process and back."""
        return self._ask(signature, inputs, times=times)["seconds"]

    def _ask(self, signature: str, inputs: dict[str, Any], **more: Any) -> dict:
        packed = {name: pack(np.asarray(x)) for name, x in inputs.items()}
        with suppress(BrokenPipeError):  # the process has ended, as `_reply` will say
            print(json.dumps({"signature": signature, "inputs": packed, **more}), file=self._requests, flush=True)
        return self._reply()

    def _reply(self) -> dict:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the process that loads the model ended with status {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()  # ends its input, and so the process


def pack(array: np.ndarray) -> dict:
    """An array as JSON has it, flat; strings that are not UTF-8 as {"b64": …}."""
    values = array.ravel().tolist()
    if array.dtype.kind not in "OSU":
        return {"dtype": array.dtype.name, "shape": array.shape, "values": values}
    return {"dtype": "string", "shape": array.shape, "values": [_pack_string(value) for value in values]}


def _pack_string(value: str | bytes) -> str | dict:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def unpack(dtype: str, shape: list[int], values: list) -> np.ndarray:
    """What `pack` packed; strings are bytes in an array of objects."""
    if dtype == "string":
        values = [base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode() for value in values]
    array = np.empty(len(values), object if dtype == "string" else dtype)
    array[:] = values
    return array.reshape(shape)


# What follows runs in the process that has the model.


class Output(ctypes.Structure):
    """TF_Output: an operation of the graph and which of its outputs."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("free", ctypes.c_void_p)]


@cache
def c_api() -> Any:
    """The C++ library of the installed TensorFlow, with the types of the functions that are used here."""
    p, text, size, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    buffer, outputs, tensors = ctypes.POINTER(Buffer), ctypes.POINTER(Output), ctypes.POINTER(ctypes.c_void_p)
    library = ctypes.CDLL(str(next(package("tensorflow").glob("libtensorflow_cc*"))))
    for name, result, *arguments in (
        ("TF_NewStatus", p),
        ("TF_GetCode", integer, p),
        ("TF_Message", text, p),
        ("TF_DeleteStatus", None, p),
        ("TF_NewBuffer", buffer),
        ("TF_NewGraph", p),
        ("TF_NewSessionOptions", p),
        ("TF_GetAllOpList", buffer),
        ("TF_GetRegisteredKernelsForOp", buffer, text, p),
        ("TF_LoadLibrary", p, text, p),
        ("TF_LoadSessionFromSavedModel", p, p, p, text, ctypes.POINTER(text), integer, p, buffer, p),
        ("TF_GraphOperationByName", p, p, text),
        ("TF_AllocateTensor", p, integer, ctypes.POINTER(ctypes.c_int64), integer, size),
        ("TF_TensorData", p, p),
        ("TF_TensorByteSize", size, p),
        ("TF_TensorType", integer, p),
        ("TF_NumDims", integer, p),
        ("TF_Dim", ctypes.c_int64, p, integer),
        ("TF_DeleteTensor", None, p),
        ("TF_StringInit", None, p),
        ("TF_StringCopy", None, p, text, size),
        ("TF_StringDealloc", None, p),
        ("TF_StringGetSize", size, p),
        ("TF_StringGetDataPointer", p, p),
        ("TF_SessionRun", None, p, p, outputs, tensors, integer, outputs, tensors, integer, p, integer, p, p),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    found = importlib.util.find_spec(name)
    if not found or not found.origin:
        raise Refused(f"the model needs the operations of {name}, which is not installed")
    return Path(found.origin).parent


@contextmanager
def checked() -> Iterator[int]:
    """A TF_Status for one call. Raises Refused after the call if it is not OK."""
    status = c_api().TF_NewStatus()
    try:
        yield status
        if code := c_api().TF_GetCode(status):
            raise Refused(f"{code}: {c_api().TF_Message(status).decode(errors='replace')}")
    finally:
        c_api().TF_DeleteStatus(status)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a serialised protocol buffer: an int, or the bytes of a string, message or float."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            length = {1: 8, 5: 4}.get(key & 7) or varint()
            at += length
            yield key >> 3, message[at - length : at]


def under(message: bytes, *path: int) -> list[Any]:
    """All values at a path of field numbers."""
    values = [message]
    for number in path:
        values = [value for part in values for found, value in fields(part) if found == number]
    return values


class SavedModel:
    """A SavedModel as a server has it in memory. Attributes and errors are those of `Model`."""

    def __init__(self, folder: str):
        tf, start = c_api(), time.perf_counter()
        meta_graph = under((Path(folder) / "saved_model.pb").read_bytes(), 2)[0]
        nodes = under(meta_graph, 2, 1) + under(meta_graph, 2, 2, 1, 3)  # of the graph, and of its functions
        self.operations = sorted({operation.decode() for node in nodes for operation in under(node, 2)})
        self.libraries = self._load_libraries()
        graph, options, tags = tf.TF_NewGraph(), tf.TF_NewSessionOptions(), (ctypes.c_char_p * 1)(b"serve")
        with checked() as status:
            self._session = tf.TF_LoadSessionFromSavedModel(
                options, None, folder.encode(), tags, 1, graph, tf.TF_NewBuffer(), status
            )

        def tensors(signature: bytes, number: int) -> dict[str, tuple[Output, str]]:
            """Of SignatureDef.inputs (1) or outputs (2): name → where it is in the graph, and its type."""
            found = {}
            for entry in map(dict, map(fields, under(signature, number))):
                info = dict(fields(entry[2]))
                operation, _, index = info[1].partition(b":")
                place = Output(tf.TF_GraphOperationByName(graph, operation), int(index))
                found[entry[1].decode()] = place, TYPES[info[2]]
            return dict(sorted(found.items()))

        self._places = {
            entry[1].decode(): (tensors(entry[2], 1), tensors(entry[2], 2))
            for entry in map(dict, map(fields, under(meta_graph, 5)))
            if not entry[1].startswith(b"__")  # what runs when it is loaded
        }
        self.signatures = {
            signature: {
                "inputs": {name: dtype for name, (_, dtype) in inputs.items()},
                "outputs": {name: dtype for name, (_, dtype) in outputs.items()},
            }
            for signature, (inputs, outputs) in self._places.items()
        }
        self.xla_functions = [
            under(function, 1, 1)[0].decode()
            for function in under(meta_graph, 2, 2, 1)
            if any(dict(fields(flag)).get(5) for flag in _attribute(function, b"_XlaMustCompile"))
        ]
        self.load_seconds = time.perf_counter() - start
        self.without_cpu_kernel = [name for name in self.operations if not _has_cpu_kernel(name)]

    def _load_libraries(self) -> list[str]:
        """Loads those of tensorflow-text's libraries that hold an operation which stock TensorFlow does not have."""
        stock = set(under(_bytes(c_api().TF_GetAllOpList()), 1, 1))
        needed = [name.encode() for name in self.operations if name.encode() not in stock]
        libraries = sorted(package("tensorflow_text").rglob("*.so")) if needed else []
        libraries = [path for path in libraries if any(name in path.read_bytes() for name in needed)]
        for path in libraries:
            with checked() as status:
                c_api().TF_LoadLibrary(os.fsencode(path), status)
        return [path.name for path in libraries]

    def run(self, signature: str, inputs: dict[str, dict], times: int = 0) -> dict[str, Any]:
        """{"outputs": packed, by name}, or after so many `times` {"seconds": list}. Raises Refused."""
        places, answers = self._places[signature]
        if inputs.keys() != places.keys():
            raise Refused(f"inputs {', '.join(inputs)}; expected {', '.join(places)}")
        feeds = [new_tensor(**value) for value in inputs.values()]
        fetched, seconds = (ctypes.c_void_p * len(answers))(), []

        def answer() -> None:
            start = time.perf_counter()
            with checked() as status:
                c_api().TF_SessionRun(
                    self._session,
                    None,
                    (Output * len(feeds))(*(places[name][0] for name in inputs)),
                    (ctypes.c_void_p * len(feeds))(*feeds),
                    len(feeds),
                    (Output * len(answers))(*(place for place, _ in answers.values())),
                    fetched,
                    len(answers),
                    None,
                    0,
                    None,
                    status,
                )
            seconds.append(time.perf_counter() - start)

        try:
            for _ in range(times):
                answer()
                for tensor in fetched:
                    c_api().TF_DeleteTensor(tensor)
            if times:
                return {"seconds": seconds}
            answer()
        finally:
            for tensor in feeds:
                delete(tensor)
        return {"outputs": {name: read(tensor) for name, tensor in zip(answers, fetched, strict=True)}}


def _attribute(function: bytes, name: bytes) -> list[bytes]:
    """The values of a FunctionDef's attribute: one or none."""
    return [entry[2] for entry in map(dict, map(fields, under(function, 5))) if entry[1] == name]


def _has_cpu_kernel(operation: str) -> bool:
    with checked() as status:
        kernels = c_api().TF_GetRegisteredKernelsForOp(operation.encode(), status)
    return bool({b"CPU", b"DEFAULT"} & set(under(_bytes(kernels), 1, 2)))  # KernelList.kernel.device_type


def _bytes(buffer: Any) -> bytes:
    return ctypes.string_at(buffer.contents.data, buffer.contents.length)


def new_tensor(dtype: str, shape: list[int], values: list) -> int:
    """A TF_Tensor, to be given to `delete`."""
    tf, array = c_api(), unpack(dtype, shape, values)
    number = next(number for number, name in TYPES.items() if name == dtype)
    size = array.size * TSTRING_BYTES if number == STRING else array.nbytes
    tensor = tf.TF_AllocateTensor(number, (ctypes.c_int64 * array.ndim)(*shape), array.ndim, size)
    if number != STRING:
        ctypes.memmove(tf.TF_TensorData(tensor), array.ctypes.data, size)
        return tensor
    for place, text in zip(_places(tensor), array.ravel(), strict=True):
        tf.TF_StringInit(place)
        tf.TF_StringCopy(place, text, len(text))
    return tensor


def read(tensor: int) -> dict:
    """A TF_Tensor, packed; deletes it."""
    tf, number = c_api(), c_api().TF_TensorType(tensor)
    shape = [tf.TF_Dim(tensor, i) for i in range(tf.TF_NumDims(tensor))]
    if number == STRING:
        array = np.empty(int(np.prod(shape)), object)
        array[:] = [
            ctypes.string_at(tf.TF_StringGetDataPointer(place), tf.TF_StringGetSize(place)) for place in _places(tensor)
        ]
    else:
        array = np.frombuffer(ctypes.string_at(tf.TF_TensorData(tensor), tf.TF_TensorByteSize(tensor)), TYPES[number])
    tf.TF_DeleteTensor(tensor)
    return pack(array.reshape(shape))


def delete(tensor: int) -> None:
    """Frees what `new_tensor` made."""
    if c_api().TF_TensorType(tensor) == STRING:
        for place in _places(tensor):
            c_api().TF_StringDealloc(place)
    c_api().TF_DeleteTensor(tensor)


def _places(tensor: int) -> range:
    """The addresses of a tensor's strings."""
    start = c_api().TF_TensorData(tensor) or 0
    return range(start, start + c_api().TF_TensorByteSize(tensor), TSTRING_BYTES)


def main(folder: str) -> None:
    def say(line: dict) -> None:
        print(json.dumps(line), flush=True)

    try:
        model = SavedModel(folder)
    except Refused as error:
        return say({"error": str(error)})
    assert not {"tensorflow", "keras", "zoo"} & sys.modules.keys()
    say({name: value for name, value in vars(model).items() if not name.startswith("_")})
    for line in sys.stdin:
        try:
            say(model.run(**json.loads(line)))
        except Refused as error:
            say({"error": str(error)})


if __name__ == "__main__":
    main(*sys.argv[1:])
