"""A run read from disk answers as before; its directory holds everything; training in half precision serves in full."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tests.laws.conftest import pad
from zoo import trainer
from zoo.run import Run

RECORDED = {"task", "recipe", "data", "split", "examples", "metrics", "baseline", "seconds", "tokens_per_second"}
RECORDED |= {"seed", "epochs", "padding_efficiency", "parameters", "device", "cpu", "threads", "commit", "versions"}
RECORDED |= {"config", "command"}


def test_keras_file_gives_the_same_outputs(trained, few):
    x = pad(trained.run, *few)[0]
    loaded = keras.saving.load_model(trained.run.directory / "model.keras")  # in safe mode
    outputs = (keras.tree.flatten(model.predict_on_batch(x)) for model in (loaded, trained.run.model))
    for found, wanted in zip(*outputs, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_loaded_run_gives_the_recorded_metrics(trained):
    scores = Run.load(trained.run.directory).evaluate()
    for name, value in trained.run.metrics["metrics"].items():
        if isinstance(value, float):
            assert scores[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_run_directory_holds_everything(trained):
    directory = trained.run.directory
    for name in ("config.toml", "model.keras", "history.csv", "metrics.json", "samples.md", "codec", "tensorboard"):
        assert (directory / name).exists(), name
    for picture in (directory / "plots").glob("*.png"):
        assert picture.read_bytes()[:4] == b"\x89PNG"
    for name in getattr(trained.task, "ARTIFACTS", {}):
        assert (directory / "plots" / name).stat().st_size, name
    record = json.loads((directory / "metrics.json").read_text())
    assert record.keys() >= RECORDED


def test_metrics_and_baseline_are_those_that_the_task_declares(trained):
    record = trained.run.metrics
    declared = {metric.name: metric.of for metric in trained.task.METRICS}
    assert record["metrics"].keys() >= declared.keys()
    assert record["baseline"].keys() >= {name for name, of in declared.items() if of == "answers"}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_trained_in_half_precision_serves_in_full(trained, precision, tmp_path):
    cfg = dataclasses.replace(trained.run.cfg, precision=precision, epochs=1)
    try:
        run = trainer.train(trained.task, cfg, directory=tmp_path / "run")
        assert (run.export(tmp_path / "saved_models") / "saved_model.pb").is_file()  # compared with float32 answers
    finally:
        keras.config.set_dtype_policy("float32")
