"""AdamW: Keras' AdamW, with the norm known and the update in one operation."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.training.optimizers import AdamW


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_those_of_keras(decay):
    rng = np.random.default_rng(0)
    shapes = [(5, 3), (3,)]
    starts = [rng.normal(size=shape).astype("float32") for shape in shapes]
    ours, theirs = ([keras.Variable(start) for start in starts] for _ in range(2))
    mine = AdamW(0.1, weight_decay=decay, clip_norm=1.0)
    keras_own = keras.optimizers.AdamW(0.1, weight_decay=decay, global_clipnorm=1.0)
    keras_own.build(theirs)
    keras_own.exclude_from_weight_decay(var_list=[theirs[1]])
    norms = []
    for scale in (0.01, 1.0, 30.0, 0.1):  # below and above the norm that is clipped
        gradients = [scale * rng.normal(size=shape).astype("float32") for shape in shapes]
        norms.append(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))
        for optimizer, variables in ((mine, ours), (keras_own, theirs)):
            optimizer.apply([ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    for our, their, start in zip(ours, theirs, starts, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(our), ops.convert_to_numpy(their), rtol=1e-5, atol=1e-6)
        assert np.abs(ops.convert_to_numpy(our) - start).min() > 0.01
    assert mine.gradient_norm == pytest.approx(np.mean(norms), rel=1e-5)
