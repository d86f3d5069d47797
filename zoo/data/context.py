"""The words of a sentence as a language model reads them, for a tagger that reads with its frozen states."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.data import codec, text, words


@codec.register(".context")
class ContextWords(tf.Module):
    """The vocabulary of a language model of words, and the sizes of its layers.

    Args:
        tokens: the vocabulary, as `text.Tokens` or `text.Uncased` has it.
        lower: whether its words are in lower case.
        sizes: the arguments of `layers.ContextStates`.
    """

    def __init__(self, tokens: Sequence[str], *, lower: bool, sizes: dict[str, Any]):
        super().__init__()
        self.vocabulary, self.lower = text.Vocabulary(tokens), lower
        self._sizes = json.dumps(sizes)  # as text, because tf.Module would wrap a dict

    @property
    def sizes(self) -> dict[str, Any]:
        return json.loads(self._sizes)

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        """string[...] → int32[...], at least 1: a word "<pad>" is not padding."""
        tokens = words.clean(tokens)
        ids = self.vocabulary(words.lower(tokens) if self.lower else tokens)
        return tf.where(ids == 0, self.vocabulary.unknown, ids)

    def save(self, file: Path) -> None:
        values = {"tokens": self.vocabulary.tokens, "lower": self.lower, "sizes": self.sizes}
        file.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "ContextWords":
        return cls(**json.loads(file.read_text(encoding="utf-8")))
