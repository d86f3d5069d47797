"""Parts of a language model for other tasks.

A start: its vocabulary, its word vectors and the recurrent layer of each direction, which learn on; Dai & Le 2015,
https://arxiv.org/abs/1511.01432. Or context: its states at each word, which do not learn; Peters et al. 2017,
https://aclanthology.org/P17-1161
"""

import os
from pathlib import Path

import keras

from zoo.data import codec, context, text
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.layers import ContextStates, RecurrentEncoder


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
    encoders = [model.get_layer("encoder"), *(one for one in source.layers if isinstance(one, RecurrentEncoder))]
    if any(encoder.cell == "transformer" for encoder in encoders):
        raise InputError(f"--init-encoder {directory} starts recurrent layers only; train both with --cell lstm or gru")
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


def _source(directory: str | os.PathLike[str]) -> tuple[keras.Model, dict[str, RecurrentEncoder]]:
    """The language model of a run, and its encoder of each direction."""
    source = keras.models.load_model(Path(directory) / "model.keras", compile=False)
    return source, {layer.name: layer for layer in source.layers if isinstance(layer, RecurrentEncoder)}


def context_words(directory: str | os.PathLike[str]) -> context.ContextWords:
    """The words that a run of language_model reads, as a part of another task's codec.

    Raises:
        InputError: `directory` is not such a run, or its unit is not a word.
    """
    tokens = vocabulary(directory)
    if type(tokens) not in (text.Tokens, text.Uncased):
        raise InputError(f"--init-encoder {directory}: its unit is not a word; train it with --unit tokens or uncased")
    source, encoders = _source(directory)
    names = ("units", "cell", "layers", "residual", "window")
    sizes = {
        "vocabulary": len(tokens),
        "embedding": source.get_layer("embedding").size,
        "start": text.END_ID,
        "ways": {way: {name: getattr(encoder, name) for name in names} for way, encoder in encoders.items()},
    }
    return context.ContextWords(tokens.tokens, lower=type(tokens) is text.Uncased, sizes=sizes)


def start_context(states: ContextStates, directory: str | os.PathLike[str]) -> dict[str, str]:
    """Copies the weights of a language model whose sizes `context_words` has read.

    Returns:
        Where weights came from: layer of `states` → layer of the language model. Each is printed.
    """
    source, encoders = _source(directory)
    states.embedding.set_weights([keras.ops.convert_to_numpy(source.get_layer("embedding").embeddings)])
    for way, encoder in states.encoders.items():
        theirs = encoders[way].trainable_weights  # without the states that it carries
        encoder.set_weights([keras.ops.convert_to_numpy(weight) for weight in theirs])
    found = {f"{states.name}, {name}": f"{directory}: {name}" for name in ("embedding", *states.encoders)}
    for name, origin in found.items():
        say(f"  {name} is that of {origin}")
    return found
