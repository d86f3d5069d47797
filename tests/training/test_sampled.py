"""Laws of the sampled softmax: its sample, its estimate, its place in training."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import TokenEmbedding
from zoo.training import losses, optimizers, sampled

VOCABULARY, SIZE = 50, 6


def test_a_token_is_drawn_as_often_as_its_probability_says():
    seed = keras.random.SeedGenerator(0)
    drawn, inverse = np.zeros(VOCABULARY), np.zeros(VOCABULARY)
    for _ in range(600):
        ids, log_chances = map(ops.convert_to_numpy, sampled.log_uniform(10, VOCABULARY, seed=seed))
        assert len(set(ids)) == 10
        drawn[ids] += 1
        inverse[ids] += np.exp(-log_chances)
    assert drawn[:5].mean() > 3 * drawn[-5:].mean()  # frequent tokens come first
    np.testing.assert_allclose(inverse.mean() / 600, 1, atol=0.02)  # each counts 1 in the mean
    np.testing.assert_allclose(inverse / 600, 1, atol=0.4)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2)])
def test_the_loss_estimates_the_full_one(tied, shape):
    layer = TokenEmbedding(VOCABULARY, SIZE, tied=tied, token_counts=range(VOCABULARY, 0, -1), negatives=30)
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(*shape, SIZE)).astype("float32"), rng.integers(0, VOCABULARY, shape)
    weight = np.ones(shape[:2], "float32")
    full = float(losses.SequenceCrossentropy()(targets, layer(inputs, reverse=True), weight))
    estimate = sampled.SampledCrossentropy(layer)
    found = [float(estimate(targets, inputs, weight)) for _ in range(200)]
    assert np.std(found) > 0  # every batch has a sample of its own
    assert np.mean(found) == pytest.approx(full, abs=0.03)


def test_training_computes_a_sample_and_evaluation_everything():
    embedding = TokenEmbedding(VOCABULARY, SIZE, negatives=8, name="embedding")
    tokens = keras.Input([None], dtype="int32")
    model = sampled.SampledModel(tokens, embedding(embedding(tokens), reverse=True), output=embedding)
    loss = losses.SequenceCrossentropy()
    model.compile(optimizers.AdamW(0.05, clip_norm=1.0), loss, weighted_metrics=["accuracy"])
    x = np.arange(40).reshape(8, 5)
    y, weight = (x + 1) % VOCABULARY, np.ones((8, 5), "float32")
    before = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(float(loss(y, model(x), weight)), rel=1e-5)
    history = model.fit(x, y, sample_weight=weight, epochs=60, verbose=0).history
    assert "accuracy" not in history  # it needs all logits
    after = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] - 1
