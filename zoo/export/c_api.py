"""The child process of `loader.py`: loads a SavedModel by TensorFlow's C API and answers requests, in lines of JSON.

The first line names the model; each further line is a request, {"signature": …, "inputs": {name: tensor}, "times": n},
and its reply is {"outputs": {name: tensor}, "seconds": of each time} or {"error": …}. A tensor is the base64 of a
TensorProto, as in a request to a server. Standard library and ctypes only: the proof that a server can load a model
must not rest on Python's TensorFlow.
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


class Pointer(ctypes.c_void_p):
    """An address. ctypes keeps a subclass as it is; a plain c_void_p becomes an int, which it passes as 32 bits."""


class Output(ctypes.Structure):
    """TF_Output: an operation of the graph and the index of one of its outputs."""

    _fields_ = [("operation", Pointer), ("index", ctypes.c_int)]


# The functions of tensorflow/c/c_api.h that return neither nothing nor an int.
POINTERS = (
    *("NewStatus", "NewGraph", "NewSessionOptions", "LoadSessionFromSavedModel", "GraphOperationByName"),
    *("NewOperation", "FinishOperation", "NewBufferFromString", "AllocateTensor", "TensorData", "StringGetDataPointer"),
)
RESULTS: dict[str, Any] = {f"TF_{name}": Pointer for name in POINTERS}
RESULTS |= {"TF_Message": ctypes.c_char_p, "TF_StringGetSize": ctypes.c_size_t}
tf: Any = None  # the library, once it is loaded


class Refused(Exception):
    """A call ended with an error status."""


@contextmanager
def checked() -> Iterator[Pointer]:
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

    def __init__(self, folder: str, library: str, extensions: list[str], signatures: dict[str, dict[str, dict]]):
        global tf
        tf, start = ctypes.CDLL(library), time.perf_counter()
        for name, result in RESULTS.items():
            getattr(tf, name).restype = result
        for path in extensions:
            with checked() as status:
                tf.TF_LoadLibrary(os.fsencode(path), status)
        graph, tags = tf.TF_NewGraph(), (ctypes.c_char_p * 1)(b"serve")
        with checked() as status:
            self._session = tf.TF_LoadSessionFromSavedModel(
                tf.TF_NewSessionOptions(), None, os.fsencode(folder), tags, 1, graph, None, status
            )
        self.load_seconds = time.perf_counter() - start
        self._places = {
            signature: (
                {name: place(graph, *where) for name, where in sides["inputs"].items()},
                {name: proto(graph, *where) for name, where in sides["outputs"].items()},
            )
            for signature, sides in signatures.items()
        }

    def reply(self, signature: str, inputs: dict[str, str], times: int) -> dict[str, Any]:
        """The outputs by name, and the seconds that each of `times` equal answers took."""
        places, answers = self._places[signature]
        if inputs.keys() != places.keys():
            raise Refused(f"inputs {', '.join(inputs)}; expected {', '.join(places)}")
        n, m, seconds, found = len(places), len(answers), [], {}
        feeds, fetched = (Pointer * n)(*map(new_tensor, inputs.values())), (Pointer * m)()
        fed = (Output * n)(*(places[name] for name in inputs)), feeds, n
        fetch = (Output * m)(*answers.values()), fetched, m
        try:
            for _ in range(times):
                start = time.perf_counter()
                with checked() as status:
                    tf.TF_SessionRun(self._session, None, *fed, *fetch, None, 0, None, status)
                seconds.append(time.perf_counter() - start)
                found = {name: text(tensor) for name, tensor in zip(answers, fetched, strict=True)}
                for tensor in fetched:
                    tf.TF_DeleteTensor(tensor)
        finally:
            for tensor in feeds:
                tf.TF_DeleteTensor(tensor)
        return {"outputs": found, "seconds": seconds}


def place(graph: Pointer, operation: str, index: int) -> Output:
    """One output of an operation of the graph."""
    return Output(tf.TF_GraphOperationByName(graph, operation.encode()), index)


def proto(graph: Pointer, operation: str, index: int) -> Output:
    """Adds an operation that makes a TensorProto of one output: the C API has no function for it."""
    serialize = tf.TF_NewOperation(graph, b"SerializeTensor", f"{operation}/proto{index}".encode())
    tf.TF_AddInput(serialize, place(graph, operation, index))
    with checked() as status:
        return Output(tf.TF_FinishOperation(serialize, status), 0)


def new_tensor(value: str) -> Pointer:
    """A TF_Tensor of the base64 of a TensorProto."""
    data = base64.b64decode(value)
    buffer = tf.TF_NewBufferFromString(data, ctypes.c_size_t(len(data)))
    tensor = tf.TF_AllocateTensor(1, None, 0, ctypes.c_size_t(4))  # a TF_FLOAT, which the next call replaces
    with checked() as status:
        tf.TF_TensorFromProto(buffer, tensor, status)
    tf.TF_DeleteBuffer(buffer)
    return tensor


def text(tensor: Pointer) -> str:
    """The base64 of the one string in a TF_Tensor."""
    place = tf.TF_TensorData(tensor)
    return base64.b64encode(ctypes.string_at(tf.TF_StringGetDataPointer(place), tf.TF_StringGetSize(place))).decode()


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
