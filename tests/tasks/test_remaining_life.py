"""Laws of remaining life: missing cells, short histories, live steps, the cap, files in and tables out."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from tests.conftest import Trained, small
from zoo import cli, trainer
from zoo import task as tasks
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import remaining_life

SMALL = {"units": 6, "lookback": 9}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Untrained: the laws must hold for any weights."""
    cfg = remaining_life.Config(**SMALL)
    codec = remaining_life.codec(cfg, remaining_life.examples(cfg, "train").select(np.arange(50)))
    return Run(remaining_life, cfg, codec, remaining_life.model(cfg, codec), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def asked(run: Run) -> dict:
    return next(iter(remaining_life.examples(run.cfg, "test")))


def test_quantiles_never_cross_and_no_life_is_negative(run, asked):
    weights = run.model.get_weights()
    run.model.set_weights([np.random.default_rng(0).normal(0, 2, weight.shape) for weight in weights])  # offsets too
    quantiles = np.array([answer["quantiles"] for answer in run.predict(remaining_life.examples(run.cfg, "test"))])
    run.model.set_weights(weights)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert (np.diff(quantiles, axis=-1) > 0).any()
    assert quantiles.min() == 0


def test_the_content_of_a_missing_cell_never_changes_an_answer(run, asked):
    holes = np.random.default_rng(0).random(asked["history"].shape) < 0.4
    one, other = (
        run.predict([asked | {"history": np.where(holes, hole, asked["history"])}])[0] for hole in (np.nan, np.inf)
    )
    assert one == other
    assert np.isfinite(one["quantiles"]).all()


def test_a_short_history_and_one_without_any_value_are_answered(run, asked):
    for history in (asked["history"][-1:], asked["history"][-3:], np.full_like(asked["history"], np.nan)):
        (answer,) = run.predict([{"history": history}])
        assert np.isfinite(answer["quantiles"]).all()
        assert answer["life"] >= 0


def test_rows_before_the_lookback_never_change_an_answer(run, asked):
    whole, cut = run.predict([asked, asked | {"history": asked["history"][-run.cfg.lookback :]}])
    np.testing.assert_allclose(whole["quantiles"], cut["quantiles"], rtol=1e-5)


def test_live_steps_equal_the_answer_to_the_whole_history(run, asked):
    history = asked["history"][: run.cfg.lookback + 3]
    state, steps = np.zeros([1, history.shape[1]], np.float32), 0
    for i, observation in enumerate(history):
        question = {"observation": observation, "history": state, "steps": steps}
        (answer,) = run.predict([question], signature="step")
        state, steps = np.array(answer["history"], np.float32), answer["steps"]
        (whole,) = run.predict([{"history": history[: i + 1]}])
        np.testing.assert_allclose(answer["quantiles"], whole["quantiles"], rtol=1e-5, atol=1e-4)
    assert steps == run.cfg.lookback


def test_lives_are_clipped_in_training_only(run):
    """Targets are clipped, examples and scores are not."""
    cfg = dataclasses.replace(run.cfg, cap=20.0)
    train = remaining_life.examples(cfg, "train")
    lives = np.array([example["life"] for example in train])
    assert lives.max() > 100
    codec = remaining_life.codec(cfg, train)
    mean, std = codec.scaler.mean[-1], codec.scaler.std[-1]
    assert mean == pytest.approx(np.minimum(lives, 20).mean())
    import tensorflow as tf

    batch = {"history": tf.ragged.constant([[[1.0] * 6]], ragged_rank=1), "life": tf.constant([90.0])}
    assert remaining_life.encode(cfg, codec, batch)[1].numpy().item() * std + mean == pytest.approx(20)
    whole = dataclasses.replace(cfg, cap=0.0)
    assert remaining_life.encode(whole, codec, batch)[1].numpy().item() * std + mean == pytest.approx(90, rel=1e-5)
    answer = {"life": 20.0, "quantiles": [20.0] * 7}
    assert remaining_life.score(cfg, codec, [answer], [{"life": 90.0}])["rmse"] == 70


def test_test_has_one_window_for_each_unit_that_still_runs(run):
    found = list(remaining_life.examples(run.cfg, "test"))
    assert len({example["unit"] for example in found}) == len(found)
    assert min(example["life"] for example in found) > 0


def test_units_of_test_that_failed_have_a_window_after_each_cycle(tmp_path):
    rows = [f"{name},{cycle},{cycle % 5}" for name in ("a", "b") for cycle in range(1, 31)]
    for file, taken in (("train", rows[:30]), ("test", rows[30:])):
        (tmp_path / f"{file}.csv").write_text("\n".join(["unit,cycle,heat", *taken]) + "\n")
    cfg = remaining_life.Config(data=str(tmp_path), shortest=5, stride=1)
    assert [example["life"] for example in remaining_life.examples(cfg, "test")] == list(range(25, -1, -1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": "0.1,0.9"}, "0.5 among them"),
        ({"interval": 0.7}, "lacks the ends"),
        ({"baselines": "rigde"}, "did you mean 'ridge'"),
        ({"data": "nowhere"}, "does not exist"),
        ({"data": ".", "sensors": "heat,heat"}, "no column twice"),
    ],
)
def test_wrong_options_are_told(options, words):
    with pytest.raises(InputError, match=words):
        remaining_life.examples(remaining_life.Config(**options), "train")


@pytest.fixture(scope="module")
def trained_life(tmp_path_factory) -> Trained:
    task = tasks.get("remaining_life")
    run = trainer.train(task, task.Config(**small(task, epochs=1)), directory=tmp_path_factory.mktemp("l") / "run")
    return Trained(task, Run.load(run.directory), run.directory, "")


def test_a_file_of_units_is_answered(trained_life: Trained, tmp_path, capsys):
    run, path = trained_life.run, tmp_path / "today.csv"
    rows = [f"{name},{cycle},0.5,20,70,NA,5.5,8" for name in ("press", "lathe") for cycle in range(1, 20)]
    path.write_text("\n".join(["unit,cycle,load,ambient,temperature,vibration,pressure,current", *rows]) + "\n")
    assert cli.main(["predict", str(run.directory), str(path)]) == 0
    printed = capsys.readouterr().out
    assert "press after cycle 19: " in printed
    assert "truth" not in printed
    table, lines, picture = (tmp_path / name for name in ("out.csv", "out.jsonl", "life.png"))
    assert cli.main(["predict", str(run.directory), "--input", str(path), "--output", str(table)]) == 0
    found = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["unit"] for row in found] == ["press", "lathe"]
    assert float(found[0]["q0.05"]) <= float(found[0]["life"]) <= float(found[0]["q0.95"])
    assert cli.main(["predict", str(run.directory), "--input", str(path), "--output", str(lines)]) == 0
    assert [json.loads(line)["unit"] for line in lines.read_text().splitlines()] == ["press", "lathe"]
    assert cli.main(["predict", str(run.directory), str(path), "--life", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    path.write_text("unit,cycle,load\na,1,1\n")
    assert cli.main(["predict", str(run.directory), str(path)]) == 2
    assert "line 2: no column 'ambient'" in capsys.readouterr().err


def test_validation_holds_out_whole_units(trained_life: Trained):
    data = trained_life.run.data
    train, validation = ({example["unit"] for example in data[split]} for split in ("train", "validation"))
    assert train
    assert validation
    assert not train & validation


def test_calibration_leaves_out_predictions_near_the_cap(run):
    """There training has clipped the truth."""
    validation = remaining_life.examples(run.cfg, "train").select(np.arange(300))
    layer = run.model.get_layer("quantiles")
    everywhere = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, cap=0.0))
    assert remaining_life.finish(everywhere, validation)["mean_offset"] > 0
    layer.offset.assign(0 * layer.offset)
    nowhere = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, cap=0.001))
    assert remaining_life.finish(nowhere, validation)["mean_offset"] == 0
    off = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, calibrate=False))
    assert remaining_life.finish(off, validation) == {}
