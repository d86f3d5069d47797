"""`zoo inspect` cuts the model of any task at its encoder; weights are those of the start, as its laws hold for any."""

import json

import keras
import numpy as np
import pytest

from tests.conftest import description, small
from zoo import cli, inspection
from zoo import task as tasks
from zoo.errors import InputError
from zoo.run import Run, load_splits

if keras.config.backend() != "tensorflow":
    pytest.skip("answers to raw input are made by TensorFlow", allow_module_level=True)

FILES = {
    "sentiment": {"layer_1_forward.png", "layer_1_backward.png"},
    "pos_tagging": {"layer_1_forward.png", "layer_1_backward.png"},
    "forecasting": {"layer_1_forward.png"},
    "language_model": {"layer_1.png"},
}


def run_of(name: str, folder, **options) -> Run:
    task = tasks.get(name)
    description(name).write_good(folder)
    cfg = task.Config(**small(task) | {"data": str(folder)} | options)
    codec = task.codec(cfg, load_splits(task, cfg)["train"])
    return Run(task, cfg, codec, task.model(cfg, codec), folder)


@pytest.mark.parametrize(
    ("name", "word", "steps", "options"),
    [
        ("sentiment", "a fine film", ["<end>", "a", "fine", "film", "<end>"], {}),
        ("pos_tagging", "They fish.", ["They", "fish", "."], {}),
        ("forecasting", None, None, {}),
        ("language_model", "the dog barks", ["<end>", "▁the", "▁dog", "▁barks"], {"cell": "transformer"}),
    ],
    ids=FILES,
)
def test_every_step_is_named_and_drawn(name, word, steps, options, tmp_path):
    run = run_of(name, tmp_path, **options)
    word = word or str(next(path for path in tmp_path.iterdir()))
    found = inspection.inspect(run, word, tmp_path / "out")
    assert found == json.loads((tmp_path / "out" / "inspection.json").read_text())
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == FILES[name] | {"importance.png", "memory.png"}
    (looked,) = found["encoders"].values()
    assert steps in (None, found["steps"])
    assert found["steps"][-1] == (steps or ["0"])[-1]
    assert looked["largest_difference"] < 1e-5, "the plain steps are those of the fast layer"
    for values in (looked["gradient_times_input"], looked["without"], *looked["memory"].values()):
        assert len(values) == len(found["steps"])
        assert np.isfinite(values).all()
    assert found["answer"] in inspection.summary(found)


@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_an_answer_without_a_word_is_the_answer_to_the_text_without_it(cell, tmp_path):
    """True where the answer depends on the last state alone."""
    run = run_of("sentiment", tmp_path, cell=cell, pooling="last", bidirectional=False, wide="none")
    found = inspection.inspect(run, "a weak fine film", tmp_path / "out")
    looked = found["encoders"]["encoder"]
    (answer,) = run.predict(["a weak fine film"])
    (shorter,) = run.predict(["a weak film"])
    here = answer["labels"].index(answer["label"])

    def log_odds(probabilities):
        return np.log(probabilities[here] / (1 - probabilities[here]))

    assert looked["value"] == pytest.approx(log_odds(answer["probabilities"]), abs=1e-4)
    change = log_odds(answer["probabilities"]) - log_odds(shorter["probabilities"])
    assert looked["without"][found["steps"].index("fine")] == pytest.approx(change, abs=1e-4)


def test_memory_is_the_norm_of_the_jacobian(tmp_path):
    import tensorflow as tf

    run = run_of("sentiment", tmp_path, wide="none", dropout=0.0)
    encoder = run.model.get_layer("encoder")
    vectors = tf.random.stateless_normal([1, 6, encoder.input[0].shape[-1]], [0, 0])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        _, state = encoder(vectors, training=True)
    jacobian = tape.jacobian(state, vectors)[0, :, 0].numpy()  # [D, T, F]
    found, units = inspection._memory(encoder, vectors), encoder.units
    norms = [np.sqrt((part**2).sum(axis=(0, 2))) for part in (jacobian[:units], jacobian[units:])]
    np.testing.assert_allclose(found["forward"], norms[0][::-1], rtol=1e-3)
    np.testing.assert_allclose(found["backward"], norms[1], rtol=1e-3)


def test_one_step_of_the_output_is_explained_alone(tmp_path):
    run = run_of("pos_tagging", tmp_path)
    whole = inspection.inspect(run, "They fish.", tmp_path / "whole")
    each = [inspection.inspect(run, "They fish.", tmp_path / "step", step=step) for step in (1, 2, 3)]
    values = [next(iter(found["encoders"].values()))["value"] for found in (whole, *each)]
    assert values[0] == pytest.approx(sum(values[1:]), abs=1e-4)
    with pytest.raises(InputError, match="the output has 3 steps"):
        inspection.inspect(run, "They fish.", tmp_path / "no", step=4)


def test_a_single_step_can_be_inspected(tmp_path):
    run = run_of("pos_tagging", tmp_path, cell="simple", output="softmax")
    found = inspection.inspect(run, "fish", tmp_path / "out")
    (looked,) = found["encoders"].values()
    assert found["steps"] == ["fish"]
    assert np.isfinite(looked["without"] + looked["gradient_times_input"]).all()


def test_a_model_without_an_encoder_is_refused(tmp_path):
    run = run_of("forecasting", tmp_path, network="segments")
    with pytest.raises(InputError, match="has no recurrent encoder"):
        inspection.inspect(run, str(next(tmp_path.iterdir())), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("trained", ["sentiment"], indirect=True)
def test_the_command_writes_pictures_and_says_what_matters(trained, tmp_path, capsys):
    folder = str(tmp_path / "out")
    assert cli.main(["inspect", str(trained.run.directory), "a fine film", "--output", folder]) == 0
    assert "log odds of the answer" in capsys.readouterr().out
    assert cli.main(["inspect", str(trained.run.directory), "a fine film", "--output", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "sentiment"
