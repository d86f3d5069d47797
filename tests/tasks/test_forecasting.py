"""Laws of forecasting: missing cells, quantiles in order, live steps, files in and tables out."""

import csv
import json

import keras
import numpy as np
import pytest

from tests.conftest import Trained, small
from zoo import cli, trainer
from zoo import task as tasks
from zoo.data import batching, cache
from zoo.data.examples import Examples
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import forecasting

SMALL = {"units": 6, "lookback": 9, "horizon": 5, "season": 6, "segment": 4}


def run_of(tmp_path, **options) -> Run:
    """Untrained: the laws must hold for any weights."""
    cfg = forecasting.Config(**{**SMALL, **options})
    codec = forecasting.codec(cfg, Examples(lambda: iter(())))
    return Run(forecasting, cfg, codec, forecasting.model(cfg, codec), tmp_path)


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"network": "segments", "anchor": "last", "scale": "train"},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "defaults",
)
def run(request, tmp_path_factory) -> Run:
    return run_of(tmp_path_factory.mktemp("run"), **request.param)


def questions(run: Run, count: int = 4) -> list[dict]:
    examples = forecasting.examples(run.cfg, "test")
    return [example for example, _ in zip(examples, range(count), strict=False)]


def test_quantiles_never_cross(run):
    weights = run.model.get_weights()
    run.model.set_weights([np.random.default_rng(0).normal(0, 2, weight.shape) for weight in weights])  # offsets too
    quantiles = np.array([answer["quantiles"] for answer in run.predict(questions(run))])
    run.model.set_weights(weights)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert (np.diff(quantiles, axis=-1) > 0).any()


def test_the_content_of_a_missing_cell_never_changes_an_answer(run):
    (asked,) = questions(run, 1)
    holes = np.random.default_rng(0).random(asked["history"].shape) < 0.4
    filled = (asked | {"history": np.where(holes, hole, asked["history"])} for hole in (np.nan, np.inf))
    one, other = (run.predict([question])[0] for question in filled)
    assert one == other
    assert np.isfinite(one["quantiles"]).all()


def test_a_history_without_any_value_and_one_of_one_step_are_answered(run):
    (asked,) = questions(run, 1)
    for history in (np.full_like(asked["history"], np.nan), asked["history"][-1:]):
        (answer,) = run.predict([asked | {"history": history}])
        assert np.isfinite(answer["quantiles"]).all()


def test_live_steps_equal_the_answer_to_the_whole_history(run):
    (asked,) = questions(run, 1)
    history = np.concatenate([asked["history"]] * 2)[: run.cfg.lookback + 3]  # longer than the lookback
    state, steps = np.zeros([1, len(history[0])], np.float32), 0
    for i, observation in enumerate(history):
        question = asked | {"observation": observation, "history": state, "steps": steps}
        (answer,) = run.predict([question], signature="step")
        state, steps = np.array(answer["history"], np.float32), answer["steps"]
        (whole,) = run.predict([asked | {"history": history[: i + 1]}])
        np.testing.assert_allclose(answer["quantiles"], whole["quantiles"], rtol=1e-5, atol=1e-4)
    assert steps == run.cfg.lookback


def test_answers_are_in_the_units_of_the_user(run):
    """With scales of the window, a series in other units gets the same forecast in these units."""
    if run.cfg.scale != "window":
        pytest.skip("a fixed scale")
    (asked,) = questions(run, 1)
    history = asked["history"].copy()
    history[:, 0] = 1000 * history[:, 0]
    plain, larger = run.predict([asked, asked | {"history": history}])
    np.testing.assert_allclose(larger["forecast"], 1000 * np.array(plain["forecast"]), rtol=1e-3)


def test_calibration_moves_the_quantiles_to_their_level(tmp_path):
    run = run_of(tmp_path)
    validation = forecasting.examples(run.cfg, "validation")

    def below() -> float:
        quantiles, truth = forecasting.arrays(run.predict(validation), validation)
        seen = np.isfinite(truth)
        return float((truth <= quantiles[..., -2])[seen].mean())  # the level 0.95

    assert abs(below() - 0.95) > 0.02
    assert forecasting.finish(run, validation)["mean_offset"] > 0
    assert below() == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": "0.1,x"}, "expected numbers like"),
        ({"levels": "0.1,0.9"}, "0.5 among them"),
        ({"levels": "0.2,0.5,0.8"}, "lacks the ends 0.1, 0.9 of --interval 0.8"),
        ({"data": "x", "targets": ""}, "name a target"),
        ({"anchor": "long_season"}, "needs --long-season"),
        ({"data": "x", "known": "value"}, "no column twice"),
    ],
)
def test_wrong_options_are_told(options, words):
    with pytest.raises(InputError, match=words):
        forecasting.examples(forecasting.Config(**options), "train")


def test_an_unknown_baseline_is_told_before_anything_is_trained(fails):
    assert "did you mean 'seasonal'?" in fails("--baselines", "seasonl", task="forecasting")


def test_a_file_is_forecast_from_its_end(trained_forecasting: Trained, tmp_path, capsys):
    run = trained_forecasting.run
    rows = [f"2024-05-0{1 + hour // 24} {hour % 24:02}:00,{40 + hour % 24},0.5,10" for hour in range(60)]
    known = [f"2024-05-03 {hour:02}:00,,,12" for hour in range(12, 15)]
    path = tmp_path / "town.csv"
    path.write_text("\n".join(["time,load,cloud,temperature", *rows, *known]) + "\n")
    assert cli.main(["predict", str(run.directory), str(path)]) == 0
    assert "series from 2024-05-03 12:00: " in capsys.readouterr().out
    table = tmp_path / "out.csv"
    assert cli.main(["predict", str(run.directory), "--input", str(path), "--output", str(table)]) == 0
    found = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["step"] for row in found] == [str(h + 1) for h in range(run.cfg.horizon)]
    assert float(found[0]["q0.1"]) < float(found[0]["q0.5"]) < float(found[0]["q0.9"])
    lines = tmp_path / "out.jsonl"
    assert cli.main(["predict", str(run.directory), "--input", str(path), "--output", str(lines)]) == 0
    (answer,) = map(json.loads, lines.read_text().splitlines())
    assert answer["time"] == "2024-05-03 12:00"
    picture = tmp_path / "f.png"
    assert cli.main(["predict", str(run.directory), str(path), "--forecast", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_backtest_scores_the_parts_of_the_test_split_in_turn(trained_forecasting: Trained, capsys, tmp_path):
    rows = [f"{40 + hour % 24},0.5,{hour % 7}" for hour in range(500)]
    (tmp_path / "a.csv").write_text("\n".join(["load,cloud,temperature", *rows]) + "\n")
    cfg = forecasting.Config(data=str(tmp_path), targets="load", past="cloud", known="temperature", **SMALL)
    parts = forecasting.folds(cfg, 3)
    found = [forecasting.source(part)[0] for part in parts]
    assert [(one.validation, one.test, len(one.values)) for one in found] == [
        (402, 452, 468),
        (418, 468, 484),
        (434, 484, 500),
    ]
    with pytest.raises(InputError, match="parts of 4, too few for a horizon of 5"):
        forecasting.folds(cfg, 12)
    run = trained_forecasting.run
    assert cli.main(["evaluate", str(run.directory), "--backtest", "2", "--json"]) == 0
    assert all(row["mase"] > 0 for row in json.loads(capsys.readouterr().out))


@pytest.fixture(scope="module")
def trained_forecasting(tmp_path_factory) -> Trained:
    task = tasks.get("forecasting")
    run = trainer.train(task, task.Config(**small(task, epochs=1)), directory=tmp_path_factory.mktemp("f") / "run")
    return Trained(task, Run.load(run.directory), run.directory, "")


def test_what_follows_the_split_never_changes_what_is_learned(tmp_path):
    """Neither the scaler nor a training window knows a value from validation on."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)

    def learned(name: str, tail) -> tuple[dict, list]:
        rows = [*values[:320], *tail]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.csv").write_text("\n".join(["value", *map(str, rows)]) + "\n")
        cfg = forecasting.Config(data=str(folder), **SMALL | {"season": 7})
        scaler = forecasting.codec(cfg, Examples(lambda: iter(()))).scaler
        return vars(scaler), [example["target"].tolist() for example in forecasting.examples(cfg, "train")]

    (one, windows), (other, same) = learned("a", values[320:]), learned("b", values[320:] * 50 + 9)
    np.testing.assert_array_equal(one["mean"], other["mean"])
    np.testing.assert_array_equal(one["std"], other["std"])
    assert windows == same


@pytest.mark.parametrize("network", ["steps", "segments"])
def test_a_sine_is_learned(network, tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(["value", *(f"{np.sin(i / 3):.4f}" for i in range(600))]) + "\n")
    options = SMALL | {"cell": "lstm", "units": 16, "lookback": 20, "dropout": 0.0, "anchor": "last"}
    cfg = forecasting.Config(data=str(tmp_path), network=network, **options)
    codec = forecasting.codec(cfg, Examples(lambda: iter(())))
    keras.utils.set_random_seed(0)
    run = Run(forecasting, cfg, codec, forecasting.model(cfg, codec), tmp_path)
    encoded = cache.encode(forecasting.examples(cfg, "train"), lambda batch: forecasting.encode(cfg, codec, batch))
    batches = batching.bucketed(cfg, encoded, seed=0)
    run.model.optimizer.learning_rate = 1e-2
    run.model.fit(batches.for_training(), steps_per_epoch=len(batches), epochs=20, shuffle=False, verbose=0)
    scores = run.score(forecasting.examples(cfg, "test"))
    assert scores["mae"] < 0.2, scores  # the mean absolute value of a sine is 0.64
