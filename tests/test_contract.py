"""The questions that every task is asked."""

import dataclasses
import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from tests.conftest import Trained
from zoo.data import batching, cache
from zoo.task import Run

ROWS = 6


@pytest.fixture(scope="module")
def few(trained: Trained) -> tuple[cache.Cache, batching.Batch]:
    """Some encoded training examples, and the batch that holds them all without a row too many."""
    run = trained.run
    examples = run.task.splits(run.cfg)["train"].select(np.arange(ROWS))
    encoded = cache.encode(examples, lambda batch: run.task.encode(run.cfg, run.codec, batch))
    longest = tuple(int(n) for n in encoded.lengths.max(axis=0))
    return encoded, batching.Batch(np.arange(ROWS), longest)


def wider(batch: batching.Batch, steps: int = 5, dummies: int = 0) -> batching.Batch:
    return batching.Batch(np.append(batch.rows, np.full(dummies, -1)), tuple(edge + steps for edge in batch.edges))


def test_padding_never_changes_an_output(trained, few):
    encoded, batch = few
    plain = trained.run.model.predict_on_batch(batching.pad(encoded, batch)[0])
    padded = trained.run.model.predict_on_batch(batching.pad(encoded, wider(batch, dummies=2))[0])
    real = tuple(slice(0, n) for n in plain.shape)
    np.testing.assert_allclose(_real(padded[real], encoded, batch), _real(plain, encoded, batch), atol=1e-5)


def _real(outputs, encoded, batch):
    """The outputs at real positions: those of padding mean nothing."""
    weight = batching.pad(encoded, batch)[2]
    return outputs[weight > 0]


def test_neighbours_never_change_an_output(trained, few):
    encoded, batch = few
    together = trained.run.model.predict_on_batch(batching.pad(encoded, batch)[0])
    for row in range(ROWS):
        alone = trained.run.model.predict_on_batch(
            batching.pad(encoded, batching.Batch(batch.rows[[row]], batch.edges))[0]
        )
        keep = batching.pad(encoded, batch)[2][row] > 0
        np.testing.assert_allclose(alone[0][keep], together[row][keep], atol=1e-5)


def test_padding_never_changes_the_loss_or_a_metric(trained, few):
    encoded, batch = few
    measured = []
    for each in (batch, wider(batch), wider(batch, dummies=3)):
        x, y, weight = batching.pad(encoded, each)
        trained.run.model.reset_metrics()
        measured.append(trained.run.model.test_on_batch(x, y, sample_weight=weight, return_dict=True))
    for name, value in measured[0].items():
        assert measured[1][name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
        assert measured[2][name] == pytest.approx(value, rel=1e-5, abs=1e-5), name


def test_every_trainable_weight_gets_a_gradient(trained, few):
    """By one step of plain gradient descent, which every backend has."""
    x, y, weight = batching.pad(*few)
    model = keras.Model(trained.run.model.input, trained.run.model.output)
    model.compile(keras.optimizers.SGD(1.0), trained.run.model.loss)
    before = model.get_weights()
    trained_before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_weights]
    with warnings.catch_warnings(category=UserWarning, action="error"):  # Keras warns of a gradient that is None
        model.train_on_batch(x, y, sample_weight=weight)
    for variable, old in zip(model.trainable_weights, trained_before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path
    model.set_weights(before)


def test_four_examples_can_be_memorised(trained, few):
    encoded, batch = few
    x, y, weight = batching.pad(encoded, dataclasses.replace(batch, rows=batch.rows[:4]))
    cfg = dataclasses.replace(trained.run.cfg, dropout=0.0)
    model = trained.task.model(cfg, trained.run.codec)
    model.optimizer.learning_rate = 0.02
    first = model.test_on_batch(x, y, sample_weight=weight, return_dict=True)["loss"]
    for _ in range(10):  # as soon as it is, for the time that steps take
        for _ in range(20):
            model.train_on_batch(x, y, sample_weight=weight)
        model.reset_metrics()
        loss = model.test_on_batch(x, y, sample_weight=weight, return_dict=True)["loss"]
        if loss < 0.1 * first:
            return
    pytest.fail(f"the loss fell from {first:.3f} to {loss:.3f} only")


def test_keras_file_gives_the_same_outputs(trained, few):
    x = batching.pad(*few)[0]
    loaded = keras.saving.load_model(trained.run.directory / "model.keras")  # in safe mode
    np.testing.assert_allclose(loaded.predict_on_batch(x), trained.run.model.predict_on_batch(x), atol=1e-6)


def test_neighbours_never_change_an_answer(trained):
    examples = list(trained.task.splits(trained.run.cfg)["test"])[:ROWS]
    together = trained.run.predict(examples)
    alone = [trained.run.predict([example])[0] for example in examples]
    for one, among_many in zip(alone, together, strict=True):
        assert_same_answer(one, among_many)


@pytest.mark.slow
def test_answers_are_the_same_on_one_thread_and_on_two(trained):
    """In processes of their own, because a process has one number of threads."""
    program = (
        "import json, sys, zoo; run = zoo.load(sys.argv[1]); from itertools import islice; "
        "print(json.dumps(run.predict(islice(run.test, 20))))"
    )
    answers = []
    for threads in "12":
        limits = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        command = [sys.executable, "-c", program, str(trained.run.directory)]
        done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    assert len(answers[0]) == 20
    for one, other in zip(*answers, strict=True):
        assert_same_answer(one, other)


def assert_same_answer(one: dict, other: dict) -> None:
    """Strings and integers equal, scores within 1e-5; padding of a list by its batch is not part of an answer."""
    assert one.keys() == other.keys()
    for name in one:
        a, b = one[name], other[name]
        if isinstance(a, list):
            a, b = a[: min(len(a), len(b))], b[: min(len(a), len(b))]
        if np.asarray(a).dtype.kind == "f":
            np.testing.assert_allclose(a, b, atol=1e-5)
        else:
            assert a == b, name


def test_loaded_run_gives_the_recorded_metrics(trained):
    scores = Run.load(trained.run.directory).evaluate()
    for name, value in trained.run.metrics["metrics"].items():
        if isinstance(value, float):
            assert scores[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_run_directory_holds_everything(trained):
    directory = trained.run.directory
    for name in ("config.toml", "model.keras", "history.csv", "metrics.json", "samples.md", "codec", "tensorboard"):
        assert (directory / name).exists(), name
    for picture in (directory / "plots").iterdir():
        assert picture.read_bytes()[:4] == b"\x89PNG"
    record = json.loads((directory / "metrics.json").read_text())
    wanted = {
        "task",
        "data",
        "split",
        "examples",
        "metrics",
        "baseline",
        "seconds",
        "tokens_per_second",
        "seed",
        "epochs",
    }
    wanted |= {
        "padding_efficiency",
        "parameters",
        "device",
        "cpu",
        "threads",
        "commit",
        "versions",
        "config",
        "command",
    }
    assert wanted <= record.keys()
    assert record["baseline"].keys() >= record["metrics"].keys() - set(trained.task.forced)


def test_history_has_the_gradient_norm(trained):
    from zoo.task import read_history

    history = read_history(trained.run.directory)
    assert all(norm > 0 for norm in history["gradient_norm"])
    assert {"loss", "val_loss", "learning_rate"} <= history.keys()


def test_the_command_line_says_what_it_did(trained):
    assert str(trained.version) in trained.printed
    assert str(trained.run.directory) in trained.printed
    assert "data: sample" in trained.printed


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_trained_in_half_precision_serves_in_full(trained, precision, tmp_path):
    cfg = dataclasses.replace(trained.run.cfg, precision=precision, epochs=1)
    try:
        run = trained.task.train(cfg, run_dir=tmp_path / "run")
        assert (run.export(tmp_path / "saved_models") / "saved_model.pb").is_file()  # compared with float32 answers
    finally:
        keras.config.set_dtype_policy("float32")
