"""The child process of `loader.py`: loads a SavedModel by TensorFlow's C API and answers requests, in lines of JSON.

The first line names the model; each further line is a request, {"signature": …, "inputs": {name: tensor}}, and its
reply is {"outputs": {name: tensor}} or {"error": …}. With "times": n the reply is {"seconds": […]}. A tensor is
{"dtype": TF_DataType, "shape": […], "data": base64, or a list of them for strings}. Standard library and ctypes only:
the proof that a server can load a model must not rest on Python's TensorFlow.
"""

import base64
import ctypes
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STRING = 7  # TF_STRING
TSTRING_BYTES = 24  # sizeof(TF_TString)


class Output(ctypes.Structure):
    """TF_Output: an operation of the graph and the index of one of its outputs."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


P, TEXT, SIZE, INT, INT64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int64
OUTPUTS, TENSORS = ctypes.POINTER(Output), ctypes.POINTER(P)
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # name → result, arguments; tensorflow/c/c_api.h
    "TF_NewStatus": (P, []),
    "TF_GetCode": (INT, [P]),
    "TF_Message": (TEXT, [P]),
    "TF_DeleteStatus": (None, [P]),
    "TF_NewGraph": (P, []),
    "TF_NewSessionOptions": (P, []),
    "TF_LoadLibrary": (P, [TEXT, P]),
    "TF_LoadSessionFromSavedModel": (P, [P, P, TEXT, ctypes.POINTER(TEXT), INT, P, P, P]),
    "TF_GraphOperationByName": (P, [P, TEXT]),
    "TF_AllocateTensor": (P, [INT, ctypes.POINTER(INT64), INT, SIZE]),
    "TF_TensorData": (P, [P]),
    "TF_TensorByteSize": (SIZE, [P]),
    "TF_TensorType": (INT, [P]),
    "TF_NumDims": (INT, [P]),
    "TF_Dim": (INT64, [P, INT]),
    "TF_DeleteTensor": (None, [P]),
    "TF_StringInit": (None, [P]),
    "TF_StringCopy": (None, [P, TEXT, SIZE]),
    "TF_StringDealloc": (None, [P]),
    "TF_StringGetSize": (SIZE, [P]),
    "TF_StringGetDataPointer": (P, [P]),
    "TF_SessionRun": (None, [P, P, OUTPUTS, TENSORS, INT, OUTPUTS, TENSORS, INT, P, INT, P, P]),
}
tf: Any = None  # the library, once it is loaded


class Refused(Exception):
    """A call ended with an error status."""


@contextmanager
def checked() -> Iterator[int]:
    """A TF_Status for one call; raises Refused after the call unless it is OK."""
    status = tf.TF_NewStatus()
    try:
        yield status
        if code := tf.TF_GetCode(status):
            raise Refused(f"{code}: {tf.TF_Message(status).decode(errors='replace')}")
    finally:
        tf.TF_DeleteStatus(status)


class SavedModel:
    """A SavedModel as a server has it in memory; the arguments are the first line of the input, see `loader.py`."""

    def __init__(self, folder: str, library: str, extensions: list[str], signatures: dict[str, list[dict]]):
        global tf
        tf, start = ctypes.CDLL(library), time.perf_counter()
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(tf, name)
            function.restype, function.argtypes = result, arguments
        for path in extensions:
            with checked() as status:
                tf.TF_LoadLibrary(os.fsencode(path), status)
        graph, tags = tf.TF_NewGraph(), (TEXT * 1)(b"serve")
        with checked() as status:
            self._session = tf.TF_LoadSessionFromSavedModel(
                tf.TF_NewSessionOptions(), None, os.fsencode(folder), tags, 1, graph, None, status
            )
        self._places = {
            signature: [
                {name: Output(tf.TF_GraphOperationByName(graph, op.encode()), i) for name, (op, i) in tensors.items()}
                for tensors in sides
            ]
            for signature, sides in signatures.items()
        }
        self.load_seconds = time.perf_counter() - start

    def reply(self, signature: str, inputs: dict[str, dict], times: int = 0) -> dict[str, Any]:
        """{"outputs": tensors by name}, or with `times` {"seconds": the time of each answer}."""
        places, answers = self._places[signature]
        if inputs.keys() != places.keys():
            raise Refused(f"inputs {', '.join(inputs)}; expected {', '.join(places)}")
        feeds, seconds = [new_tensor(**value) for value in inputs.values()], []
        fed = (Output * len(feeds))(*(places[name] for name in inputs)), (P * len(feeds))(*feeds), len(feeds)
        try:
            for _ in range(max(times, 1)):
                fetched = (P * len(answers))()
                fetch = (Output * len(answers))(*answers.values()), fetched, len(answers)
                start = time.perf_counter()
                with checked() as status:
                    tf.TF_SessionRun(self._session, None, *fed, *fetch, None, 0, None, status)
                seconds.append(time.perf_counter() - start)
                outputs = {} if times else {name: read(fetched[i]) for i, name in enumerate(answers)}
                for tensor in fetched:
                    tf.TF_DeleteTensor(tensor)
        finally:
            for tensor in feeds:
                delete(tensor)
        return {"seconds": seconds} if times else {"outputs": outputs}


def new_tensor(dtype: int, shape: list[int], data: Any) -> int:
    """A TF_Tensor of a tensor in JSON; `delete` frees it."""
    values: Any = [base64.b64decode(text) for text in data] if dtype == STRING else base64.b64decode(data)
    size = len(values) * TSTRING_BYTES if dtype == STRING else len(values)
    tensor = tf.TF_AllocateTensor(dtype, (INT64 * len(shape))(*shape), len(shape), size)
    if dtype != STRING:
        ctypes.memmove(tf.TF_TensorData(tensor), values, size)
        return tensor
    for place, text in zip(strings(tensor), values, strict=True):
        tf.TF_StringInit(place)
        tf.TF_StringCopy(place, text, len(text))
    return tensor


def read(tensor: int | None) -> dict[str, Any]:
    """The JSON of a TF_Tensor."""
    shape = [tf.TF_Dim(tensor, i) for i in range(tf.TF_NumDims(tensor))]
    if (dtype := tf.TF_TensorType(tensor)) == STRING:
        places = [(tf.TF_StringGetDataPointer(place), tf.TF_StringGetSize(place)) for place in strings(tensor)]
    else:
        places = [(tf.TF_TensorData(tensor), tf.TF_TensorByteSize(tensor))]
    data = [base64.b64encode(ctypes.string_at(*place)).decode() for place in places]
    return {"dtype": dtype, "shape": shape, "data": data if dtype == STRING else data[0]}


def delete(tensor: int) -> None:
    """Frees a tensor of `new_tensor`, with its strings."""
    for place in strings(tensor) if tf.TF_TensorType(tensor) == STRING else ():
        tf.TF_StringDealloc(place)
    tf.TF_DeleteTensor(tensor)


def strings(tensor: int | None) -> range:
    """The addresses of the strings in a tensor."""
    start = tf.TF_TensorData(tensor) or 0
    return range(start, start + tf.TF_TensorByteSize(tensor), TSTRING_BYTES)


def main() -> None:
    model: SavedModel | None = None
    for line in sys.stdin:
        try:
            if model:
                reply = model.reply(**json.loads(line))
            else:
                model = SavedModel(**json.loads(line))
                reply = {"load_seconds": model.load_seconds}
        except Refused as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    assert not {"tensorflow", "numpy", "keras", "zoo"} & sys.modules.keys()
    main()
