"""The usual errors and the thresholds of a detector of anomalies, kept beside the weights of its network."""

import keras


@keras.saving.register_keras_serializable("zoo")
class AlarmRule(keras.layers.Layer):
    """Holds the usual error of each sensor and the threshold of each series; a call gives its input back unchanged.

    Both are set after training, from held-out normal data, and belong to the model, so that its file holds them.

    Args:
        sensors: C.
        series: S, the number of thresholds.

    Attributes:
        usual: float32[C], the root mean square error of each sensor on held-out data.
        threshold: float32[S]; a score above it is an alarm.

    >>> import numpy as np
    >>> rule = AlarmRule(2, 1)
    >>> _ = rule.threshold.assign([2.5])
    >>> rule(np.array([[3.0, 4.0]], "float32")).numpy().tolist(), rule.threshold.numpy().tolist()
    ([[3.0, 4.0]], [2.5])
    """

    def __init__(self, sensors: int, series: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # a mask that Keras attaches is ignored, not an error
        self.sensors, self.series = sensors, series
        how = {"trainable": False, "autocast": False, "dtype": "float32"}
        self.usual = self.add_weight(shape=(sensors,), initializer="ones", name="usual", **how)
        self.threshold = self.add_weight(shape=(series,), initializer="ones", name="threshold", **how)
        self.built = True

    def call(self, estimate):
        return estimate

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"sensors": self.sensors, "series": self.series}
