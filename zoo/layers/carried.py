"""The states of parallel streams from one batch to the next: training in windows of a text that has no end."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class CarriedState(keras.layers.Layer):
    """Keeps one state for each of several streams, so that a batch can go on where the batch before it ended.

    Training and evaluation have states of their own: validation between two steps of training changes nothing. The
    states are weights of the model, so a checkpoint has them. No gradient passes from a batch to the one before.

    On several devices of TensorFlow each reads its own part of the rows, and all of them keep the states of all rows.

    Args:
        streams: the number of states. A batch with fewer rows uses the first ones; of a batch with more rows, the rest
            begins at zero and is not kept.
        size: the size of a state.

    >>> import numpy as np
    >>> states = CarriedState(2, 3)
    >>> states.write(np.ones([2, 3]), training=True)
    >>> states.read(np.array([0, 1]), training=True).numpy().tolist()  # the second row begins anew
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, streams: int, size: int, **kwargs):
        super().__init__(**kwargs)
        self.streams, self.size = streams, size
        self.in_training, self.in_evaluation = (
            self.add_weight(
                shape=(streams, size),
                initializer="zeros",
                trainable=False,
                autocast=False,
                dtype="float32",
                aggregation="only_first_replica",  # each replica assigns the same
                name=name,
            )
            for name in ("in_training", "in_evaluation")
        )
        self.built = True

    def _states(self, training):
        return self.in_training if training else self.in_evaluation

    def read(self, fresh, *, training):
        """The states before a batch.

        Args:
            fresh: int or bool[B], true where a row begins at zero.
            training: whether the batch belongs to training.
        Returns:
            float32[B, size].
        """
        rows = ops.shape(fresh)[0]
        kept = ops.concatenate([self._states(training).value, ops.zeros((rows, self.size))])
        mine = ops.slice(kept, (_replica() * rows, 0), (rows, self.size))
        return ops.where(ops.expand_dims(ops.cast(fresh, "bool"), 1), 0.0, ops.stop_gradient(mine))

    def write(self, state, *, training):
        """Keeps the states float[B, size] after a batch."""
        states = self._states(training)
        state = _all_replicas(ops.stop_gradient(ops.cast(state, "float32")))
        others = states.value[ops.shape(state)[0] :]
        states.assign(ops.reshape(ops.concatenate([state[: self.streams], others]), (self.streams, self.size)))

    def get_config(self):
        return super().get_config() | {"streams": self.streams, "size": self.size}


def count_weights(model: keras.Model) -> int:
    """The number of the model's weights, without the states that it carries."""
    carried = (layer for layer in model._flatten_layers() if isinstance(layer, CarriedState))
    return model.count_params() - sum(layer.count_params() for layer in carried)


def count_trainable(model: keras.Model) -> int:
    """The number of the model's weights that training changes."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _context():
    """TensorFlow's replica context where several devices share this step; else None."""
    if keras.config.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def _replica():
    """The number of this device among those that share the batch, from 0."""
    context = _context()
    return context.replica_id_in_sync_group if context else 0


def _all_replicas(rows):
    """The rows of all devices that share the batch, in their order."""
    context = _context()
    return context.all_gather(rows, axis=0) if context else rows
