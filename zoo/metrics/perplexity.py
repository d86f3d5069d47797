"""Perplexity of a sequence model, accumulated batch by batch, and measures per character and word of the raw text."""

import math
from collections.abc import Iterable

import keras
from keras import ops

from zoo.training.losses import by_step, token_crossentropy


@keras.saving.register_keras_serializable("zoo")
class Perplexity(keras.metrics.Metric):
    """exp of the mean −log probability per token, over all tokens seen.

    It sums over tokens, so the result does not depend on how they are divided into batches. The mean of the batches'
    perplexities and exp of an epoch's mean loss both do.
    """

    def __init__(self, name: str = "perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: int[B, S] tokens, or [B, S, D] where a step has several targets.
            y_pred: float[B, S, V] logits, or [B, S, D, V].
            sample_weight: float[B, S], 0 on padding; 1 everywhere if None.
        """
        # The tokens are cast to float because Keras passes floats to the loss: both computations are then identical
        # and the compiled graph keeps one of them.
        loss = by_step(token_crossentropy(ops.cast(y_true, "float32"), y_pred))
        weight = ops.ones_like(loss) if sample_weight is None else ops.cast(sample_weight, loss.dtype)
        self.total.assign_add(ops.sum(loss * weight))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return ops.exp(self.total / ops.maximum(self.count, 1.0))


def of_text(nats: float, *, tokens: int, characters: int = 0, words: int = 0) -> dict[str, float]:
    """Measures of a language model on a text, some of which are comparable between tokenisations.

    The perplexity per token falls if the same text is cut into more tokens. Measures per character and per word divide
    by the size of the raw text and do not: models of words, subwords and characters can be compared by them. They need
    tokens from which the raw text can be written again. A tokenisation that drops case, or writes many words as
    `<unk>`, predicts less than the text, and its measures are too good.

    Args:
        nats: the sum of −log P over all tokens, including those that end a text.
        tokens: the number of tokens, including those that end a text.
        characters, words: the size of the raw text; see `size_of`. A measure is left out if its size is 0.
    Returns:
        perplexity (per token), nats_per_character, bits_per_character, word_perplexity.
    """
    measures = {"perplexity": _exp(nats / max(tokens, 1))}
    if characters:
        measures["nats_per_character"] = nats / characters
        measures["bits_per_character"] = nats / characters / math.log(2)
    if words:
        measures["word_perplexity"] = _exp(nats / words)
    return measures


def size_of(texts: Iterable[str]) -> tuple[int, int]:
    """The number of characters and of words in raw texts, where words are separated by white space.

    The end of a text is predicted too. It counts as one character (the line feed) and as one word, as in WikiText.
    """
    characters = words = 0
    for text in texts:
        characters += len(text) + 1
        words += len(text.split()) + 1
    return characters, words


def nats_per_character(perplexity: float, *, tokens: int, characters: int) -> float:
    """From the perplexity per token, as `Perplexity` gives it, to nats per character of the raw text."""
    return math.log(perplexity) * tokens / characters


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf  # math.exp raises an error there
