"""Asks a model in TF Serving over REST. Needs only Python: copy it into your application.

python clients/ask_rest.py sentiment text="A fine film." text="Dull."
python clients/ask_rest.py pos_tagging tokens='["They", "can", "fish"]'
python clients/ask_rest.py pos_tagging --signature text text="They can fish."
python clients/ask_rest.py captioning image_bytes=@photo.jpg
"""

import argparse
import base64
import json
import urllib.error
import urllib.request


def ask(model: str, instances: list[dict], *, signature: str, address: str, timeout: float = 30) -> list[dict]:
    """The answers to `instances`, in order.

    Args:
        instances: a dict of inputs by name per question. Bytes are {"b64": …}. All lists in a request have one length.
        address: the server's REST interface, such as "localhost:8501".
        timeout: seconds.
    Raises:
        RuntimeError: the server refused the request; the message is the server's.
    """
    body = json.dumps({"signature_name": signature, "instances": instances}).encode()
    try:
        with urllib.request.urlopen(f"http://{address}/v1/models/{model}:predict", body, timeout) as reply:
            return json.load(reply)["predictions"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["error"]) from None


def instance(argument: str) -> dict:
    """Parses NAME=TEXT, NAME=JSON or NAME=@FILE into an instance."""
    name, _, value = argument.partition("=")
    if value.startswith("@"):
        with open(value[1:], "rb") as file:
            return {name: {"b64": base64.b64encode(file.read()).decode()}}
    return {name: json.loads(value) if value.startswith("[") else value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model's name in models.config")
    parser.add_argument(
        "inputs", nargs="+", metavar="NAME=VALUE", help="a text, a JSON list, or @FILE; one question each"
    )
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--address", default="localhost:8501")
    options = parser.parse_args()
    questions = list(map(instance, options.inputs))
    for answer in ask(options.model, questions, signature=options.signature, address=options.address):
        print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    main()
