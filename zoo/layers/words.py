"""The first layers of a tagger: the features of each word in, one vector per word out."""

from collections.abc import Mapping
from typing import Any

import keras

from zoo.layers.characters import spelling
from zoo.layers.encoders import WordDropout


def read_words(cfg: Any, sizes: Mapping[str, int], *, unknown: int) -> tuple[dict[str, Any], Any, Any]:
    """Builds the inputs of a tagger and joins the vectors of a word, of its letters, of its ends and of its shape.

    Args:
        cfg: the options of `options.Words` and `options.Spelling`.
        sizes: the number of ids of words, characters, affixes and shapes; see `zoo.data.words.sizes`.
        unknown: the id of an unknown word, which word dropout writes.
    Returns:
        inputs: keras.Input by name: words int32[B, T], 0 on padding; if they are switched on, characters
            int32[B, T, C], affixes int32[B, T, A] and shapes int32[B, T]. `zoo.data.words.features` makes them.
        keep_mask: bool[B, T], True = real word.
        vectors: float[B, T, F].
    """
    inputs = {"words": keras.Input([None], dtype="int32", name="words")}  # [B, T]
    keep_mask = keras.ops.not_equal(inputs["words"], 0)
    known = WordDropout(cfg.word_dropout, unknown=unknown, name="word_dropout")(inputs["words"])
    seen = [keras.layers.Embedding(sizes["words"], cfg.embedding, name="embedding")(known)]  # [B, T, embedding]
    if cfg.characters != "none":
        inputs["characters"] = keras.Input([None, cfg.max_characters], dtype="int32", name="characters")  # [B, T, C]
        letters = spelling(cfg.characters, sizes["characters"], features=cfg.character_features)
        seen.append(letters(inputs["characters"]))  # [B, T, character_features]
    if cfg.affixes:
        inputs["affixes"] = keras.Input([None, 2 * cfg.affixes], dtype="int32", name="affixes")  # [B, T, A]
        ends = keras.layers.Embedding(sizes["affixes"], cfg.affix_embedding, name="affixes_embedding")
        seen.append(keras.layers.Reshape([-1, 2 * cfg.affixes * cfg.affix_embedding])(ends(inputs["affixes"])))
    if cfg.casing:
        inputs["shapes"] = keras.Input([None], dtype="int32", name="shapes")  # [B, T]
        shapes = keras.layers.Embedding(sizes["shapes"], cfg.casing_embedding, name="shapes_embedding")
        seen.append(shapes(inputs["shapes"]))
    vectors = keras.layers.Concatenate(name="vectors")(seen) if len(seen) > 1 else seen[0]
    return inputs, keep_mask, vectors
