"""Answers raw input with an exported model and stock TensorFlow alone, as a server would.

    python -P zoo/answer.py MODEL_DIR INPUTS.json [SIGNATURE] > outputs.json

INPUTS.json: {"name": [value, …]} with bytes as {"b64": "…"}, the form of TF Serving's REST interface. Imports neither
Keras nor the zoo: what this answers, TF Serving answers.
"""

import base64
import json
import sys
from typing import Any

import tensorflow as tf


def from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def to_json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def main(model_dir: str, inputs: str, signature: str = "serving_default") -> None:
    with open(inputs, encoding="utf-8") as file:
        raw = {name: from_json(value) for name, value in json.load(file).items()}
    model = tf.saved_model.load(model_dir)  # held, or its tables would be freed
    function = model.signatures[signature]
    types = function.structured_input_signature[1]
    answer = function(**{name: tf.constant(value, types[name].dtype) for name, value in raw.items()})
    json.dump({name: to_json(value.numpy().tolist()) for name, value in answer.items()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
