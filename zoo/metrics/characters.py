"""A measure of language models that is comparable between words, subwords and characters."""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.metrics.perplexity import Perplexity
from zoo.training.losses import by_step, token_crossentropy


@keras.saving.register_keras_serializable("zoo")
class NatsPerCharacter(Perplexity):
    """−log probability of the text per character of it, which is comparable between tokenisations.

    Args:
        characters: int[V], the characters that each token stands for. An unknown token counts as long as its name.
    """

    def __init__(self, characters: Sequence[int], name: str = "nats_per_character", **kwargs):
        super().__init__(name=name, **kwargs)
        self.characters = [int(count) for count in characters]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `Perplexity`."""
        tokens = ops.cast(y_true, "int32")
        loss = by_step(token_crossentropy(ops.cast(y_true, "float32"), y_pred))
        weight = ops.ones_like(loss) if sample_weight is None else ops.cast(sample_weight, loss.dtype)
        sizes = by_step(ops.take(ops.convert_to_tensor(self.characters, loss.dtype), tokens))
        self.total.assign_add(ops.sum(loss * weight))
        self.count.assign_add(ops.sum(sizes * weight))

    def result(self):
        return self.total / ops.maximum(self.count, 1.0)

    def get_config(self):
        return super().get_config() | {"characters": self.characters}
