"""Sentiment with n-grams and from a language model: its answers, its exports, and the runs that it refuses."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import small
from tests.tasks import sentiment as description
from zoo import cli, trainer
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import language_model, sentiment
from zoo.training import optimizers, wide

if keras.config.backend() != "tensorflow":
    pytest.skip("asks the model and its answers in one process", allow_module_level=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Trained for one step, and the n-grams tell all: their weight is not 0."""
    folder = tmp_path_factory.mktemp("sentiment")
    description.write_good(folder)
    cfg = sentiment.Config(data=str(folder), **small(sentiment, epochs=1, min_count=1))
    return trainer.train(sentiment, cfg, directory=folder / "run")


def test_the_weight_is_in_the_record_and_in_the_file(run):
    recorded = run.metrics["validation"]
    assert recorded["val_wide_weight"] > 0
    assert recorded["val_wide_loss"] < recorded["val_loss"]
    assert recorded["val_wide_accuracy"] == 1
    assert float(Run.load(run.directory).model.get_layer("blend").weight) == pytest.approx(recorded["val_wide_weight"])


def test_the_answer_is_that_of_the_network_and_the_ngrams(run):
    texts = tf.constant(["a fine film", "a weak film", "", "fine"])
    tokens = sentiment.token_ids(run.cfg, run.codec, texts).to_tensor()
    log_odds = run.codec.wide.log_odds(texts)
    deep = run.model({"tokens": tokens, "wide": tf.zeros([4, 2])})  # scaled
    expected = tf.nn.softmax(deep + run.metrics["validation"]["val_wide_weight"] * log_odds)
    answers = run.service(text=texts)
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    assert np.abs(answers["probabilities"] - tf.nn.softmax(deep)).max() > 0.01
    alone = tf.nn.softmax(deep / run.metrics["validation"]["val_logit_scale"])
    np.testing.assert_allclose(answers["network_probabilities"], alone, atol=1e-6)
    assert run.metrics["metrics"]["accuracy"] == 1 > run.metrics["metrics"]["network_accuracy"]


def test_the_saved_model_answers_with_all_of_it(run, tmp_path):
    version = run.export(tmp_path)  # proven against `predict`
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    texts = tf.constant(["a fine film", "a weak film", b"\xff fine"])
    np.testing.assert_allclose(served(text=texts)["probabilities"], run.service(text=texts)["probabilities"], atol=1e-6)


def test_training_never_sees_the_ngrams(run):
    x = {"tokens": np.array([[3, 2]]), "wide": np.array([[-5.0, 5.0]], "float32")}
    cfg = sentiment.Config(**description.TINY | {"dropout": 0.0})
    model = sentiment.model(cfg, run.codec)
    model.get_layer("blend").weight.assign(1.0)
    np.testing.assert_allclose(model(x, training=True), model(x) - x["wide"], atol=1e-6)


def test_choosing_again_finds_the_same_weight(run):
    """As for a run that starts from another, whose weight is not 0."""
    chosen = wide.choose_weight(run, run.data["validation"], run.codec.labels)
    assert chosen["val_wide_weight"] == pytest.approx(run.metrics["validation"]["val_wide_weight"], rel=1e-3)


def test_a_run_without_ngrams_has_none_to_start_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    description.write_good(tmp_path)
    plain = sentiment.Config(data=".", **small(sentiment, epochs=1, min_count=1, wide="none"))
    first = trainer.train(sentiment, plain, directory=tmp_path / "plain")
    assert "val_wide_weight" not in first.metrics["validation"]
    assert json.loads((tmp_path / "plain" / "codec" / "codec.json").read_text()).keys() == {"words", "labels"}
    assert first.predict(["a fine film"])[0]["labels"] == ["bad", "good"]
    capsys.readouterr()
    assert cli.main(["--data", ".", "--init", "plain", "--wide", "ngrams", "--run-dir", "next"], task="sentiment") == 2
    assert "the codec has no part 'wide', only words, labels" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A language model of both directions, trained for one step."""
    folder = tmp_path_factory.mktemp("language_model")
    (folder / "train.txt").write_text("a fine film\na weak film !\n" * 20)
    sizes = {"unit": "uncased", "direction": "both", "units": 8, "embedding": 6, "min_count": 1}
    cfg = language_model.Config(data=str(folder), **small(language_model, **sizes, epochs=1))
    return trainer.train(language_model, cfg, directory=folder / "run")


def test_a_classifier_starts_from_a_language_model(pretrained, tmp_path):
    description.write_good(tmp_path)
    sizes = {"units": 8, "embedding": 6, "epochs": 1, "init_encoder": str(pretrained.directory)}
    cfg = sentiment.Config(data=str(tmp_path), **small(sentiment, **sizes, pretrained_rate=0.0))
    run = trainer.train(sentiment, cfg, directory=tmp_path / "run")
    assert run.codec.words.tokens == pretrained.codec.tokens.tokens
    both = run.model.get_layer("encoder").stack[0]
    pairs = [(run.model.get_layer("embedding").embeddings, pretrained.model.get_layer("embedding").embeddings)]
    for way, layer in (("forward", both.forward_layer), ("backward", both.backward_layer)):
        pairs += zip(layer.weights, pretrained.model.get_layer(way).stack[0].weights, strict=True)
    assert len(pairs) == 7
    for mine, theirs in pairs:  # the rate is 0, so they are as they were
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(theirs))
    recorded = json.loads((run.directory / "data.json").read_text())["started from"]
    assert set(recorded) == {"embedding", "encoder, forward", "encoder, backward"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 9}, "set --embedding and --units"),
        ({"cell": "gru"}, "its cell is lstm"),
        ({"cell": "transformer"}, "starts recurrent layers only"),
        ({}, "is not a trained run"),
    ],
)
def test_a_language_model_that_does_not_fit_is_refused(pretrained, tmp_path, change, message):
    description.write_good(tmp_path)
    folder = pretrained.directory if change else tmp_path
    sizes = {"units": 8, "embedding": 6, "init_encoder": str(folder)}
    cfg = sentiment.Config(data=str(tmp_path), **small(sentiment, **(sizes | change)))
    with pytest.raises(InputError, match=message):
        trainer.train(sentiment, cfg, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_pretrained_layer_learns_later_and_at_its_share():
    layers = [keras.layers.Dense(1, use_bias=False, name=name, kernel_initializer="ones") for name in ("old", "new")]
    model = keras.Sequential([keras.Input([1]), *layers])
    slow = optimizers.AdamW(0.1, clip_norm=1.0, weight_decay=0.0, pretrained=["old"], share=0.5, frozen=1)
    model.compile(slow, "mse")
    found = []
    for _ in range(2):
        model.fit(np.ones([1, 1]), np.zeros([1, 1]), verbose=0)
        found.append([float(layer.kernel[0, 0]) for layer in layers])
    (old, new), (older, newer) = found
    assert old == 1
    assert new < 1
    assert 0 < old - older < 0.75 * (new - newer)
