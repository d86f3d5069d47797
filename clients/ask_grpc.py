"""Asks a model in TF Serving over gRPC, which is faster than REST for large inputs.

pip install tensorflow-serving-api
python clients/ask_grpc.py sentiment text="A fine film." text="Dull."
python clients/ask_grpc.py pos_tagging tokens='["They", "can", "fish"]'
python clients/ask_grpc.py captioning image_bytes=@photo.jpg
"""

import argparse
import json

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def ask(
    model: str, inputs: dict[str, list], *, signature: str, address: str, timeout: float = 30
) -> dict[str, np.ndarray]:
    """The outputs of a batch, by name; strings are bytes.

    Args:
        inputs: name → the values of all rows.
        address: the server's gRPC interface, such as "localhost:8500".
        timeout: seconds.
    Raises:
        grpc.RpcError: the server refused the request; `details()` is its message.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout)
    return {name: tf.make_ndarray(value) for name, value in reply.outputs.items()}


def value(argument: str) -> tuple[str, str | bytes | list]:
    """Parses NAME=TEXT, NAME=JSON or NAME=@FILE into a name and one row."""
    name, _, text = argument.partition("=")
    if text.startswith("@"):
        with open(text[1:], "rb") as file:
            return name, file.read()
    return name, json.loads(text) if text.startswith("[") else text


def to_python(row: np.ndarray) -> object:
    """NumPy as plain Python, bytes as str."""
    rows = row.tolist() if isinstance(row, np.ndarray | np.generic) else row
    if isinstance(rows, list):
        return list(map(to_python, rows))
    return rows.decode(errors="replace") if isinstance(rows, bytes) else rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model's name in models.config")
    parser.add_argument(
        "inputs", nargs="+", metavar="NAME=VALUE", help="a text, a JSON list, or @FILE; one question each"
    )
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--address", default="localhost:8500")
    options = parser.parse_args()
    names, rows = zip(*map(value, options.inputs), strict=True)
    outputs = ask(options.model, {names[0]: list(rows)}, signature=options.signature, address=options.address)
    for i in range(len(rows)):
        print(json.dumps({name: to_python(values[i]) for name, values in outputs.items()}, ensure_ascii=False))


if __name__ == "__main__":
    main()
