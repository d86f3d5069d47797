"""A start from a language model: its vocabulary, its word vectors, and the recurrent layer of each direction.

Dai & Le 2015, https://arxiv.org/abs/1511.01432
"""

import os
from pathlib import Path

import keras

from zoo.data import codec, text
from zoo.data.remarks import say
from zoo.errors import InputError


def vocabulary(directory: str | os.PathLike[str]) -> text.Words:
    """The tokens of a run of language_model.

    Raises:
        InputError: `directory` is not such a run.
    """
    folder = Path(directory) / "codec"
    tokens = getattr(codec.Codec.load(folder), "tokens", None) if (folder / codec.INDEX).is_file() else None
    if tokens is None or not (Path(directory) / "model.keras").is_file():
        raise InputError(f"--init-encoder {directory} is not a trained run of language_model")
    return tokens


def start(model: keras.Model, directory: str | os.PathLike[str]) -> dict[str, str]:
    """Copies the word vectors, and the lowest recurrent layer of each direction that both models have.

    Args:
        model: has the layers "embedding" (keras.layers.Embedding) and "encoder" (zoo.layers.RecurrentEncoder).
        directory: a run of language_model whose vocabulary `model` has.
    Returns:
        Where weights came from: layer of `model` → layer of the language model. Each is printed.
    Raises:
        InputError: the sizes differ, or the cells.
    """
    source = keras.models.load_model(Path(directory) / "model.keras", compile=False)
    first = model.get_layer("encoder").stack[0]
    ways = {"forward": first}
    if model.get_layer("encoder").bidirectional:
        ways = {"forward": first.forward_layer, "backward": first.backward_layer}
    pairs = [
        ("embedding", "embedding", model.get_layer("embedding").embeddings, source.get_layer("embedding").embeddings)
    ]
    for way, layer in ways.items():
        if way in [found.name for found in source.layers]:
            lowest = source.get_layer(way).stack[0]
            if type(lowest) is not type(layer):
                raise InputError(
                    f"--init-encoder {directory}: its cell is {type(lowest).__name__.lower()}; --cell sets it"
                )
            pairs += [(f"encoder, {way}", way, *both) for both in zip(layer.weights, lowest.weights, strict=True)]
    for name, _, mine, theirs in pairs:
        if tuple(mine.shape) != tuple(theirs.shape):
            raise InputError(
                f"--init-encoder {directory}: {name} has the shape {tuple(theirs.shape)} there and {tuple(mine.shape)} "
                f"here; set --embedding and --units as in {directory}/config.toml"
            )
    for _, _, mine, theirs in pairs:
        mine.assign(theirs.value)
    found = {name: f"{directory}: {origin}" for name, origin, *_ in pairs}
    for name, origin in found.items():
        say(f"  {name} starts from {origin}")
    return found
