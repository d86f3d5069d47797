"""Laws of anomaly detection: missing cells, live steps, look-ahead, thresholds without labels, tables of alarms."""

import csv

import numpy as np
import pytest

from zoo import cli
from zoo.data.examples import Examples
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import anomaly_detection

SMALL = {"units": 5, "frame": 6, "code": 2, "smooth": 3, "end": "1700"}


def run_of(tmp_path, **options) -> Run:
    """Untrained, with thresholds in the midst of its scores."""
    cfg = anomaly_detection.Config(**{**SMALL, **options})
    codec = anomaly_detection.codec(cfg, Examples(lambda: iter(())))
    run = Run(anomaly_detection, cfg, codec, anomaly_detection.model(cfg, codec), tmp_path)
    anomaly_detection.finish(run, Examples(lambda: iter(())))
    return run


@pytest.fixture(
    scope="module",
    params=[{}, {"network": "predictor", "recent": 30, "quiet": 4, "threshold": "tail", "shared_threshold": True}],
    ids=["autoencoder", "predictor"],
)
def run(request, tmp_path_factory) -> Run:
    return run_of(tmp_path_factory.mktemp("run"), **request.param)


def asked(run: Run, steps: int) -> dict:
    question = next(iter(anomaly_detection.examples(run.cfg, "test")))
    return question | {"history": question["history"][:steps]}


def test_the_content_of_a_missing_cell_never_changes_an_answer(run):
    question = asked(run, 40)
    holes = np.random.default_rng(0).random(question["history"].shape) < 0.4
    filled = (question | {"history": np.where(holes, hole, question["history"])} for hole in (np.nan, np.inf))
    one, other = (run.predict([question])[0] for question in filled)
    assert one == other
    assert np.isfinite(one["score"]).all()


def test_a_step_knows_nothing_of_later_ones(run):
    whole, part = (run.predict([asked(run, steps)])[0] for steps in (60, 37))
    assert part["alarm"] == whole["alarm"][:37]
    np.testing.assert_allclose(part["score"], whole["score"][:37], rtol=1e-4, atol=1e-4)


def test_live_steps_equal_the_answer_to_the_whole_series(run):
    question = asked(run, 45)
    (whole,) = run.predict([question])
    sensors = question["history"].shape[1]
    state = {"history": np.zeros([run.cfg.frame, sensors], np.float32), "steps": 0, "memory": np.zeros(4, np.float32)}
    for i, observation in enumerate(question["history"]):
        (answer,) = run.predict([question | state | {"observation": observation}], signature="step")
        state = {name: answer[name] for name in state}
        assert answer["alarm"] == whole["alarm"][i]
        for name in ("score", "errors", "expected"):
            np.testing.assert_allclose(answer[name], whole[name][i], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_look_ahead_moves_the_answer_to_earlier_steps(tmp_path):
    causal, later = (run_of(tmp_path, lookahead=steps) for steps in (0, 4))
    later.model.set_weights(causal.model.get_weights())
    one, other = (run.predict([asked(run, 50)])[0] for run in (causal, later))
    assert other["score"][:46] == one["score"][4:]
    assert other["score"][46:] == [one["score"][-1]] * 4


def test_a_series_of_one_step_one_without_values_and_a_new_one_are_answered(run):
    question = asked(run, 30)
    for history in (question["history"][:1], np.full_like(question["history"], np.nan)):
        (answer,) = run.predict([question | {"history": history, "series": "another pump"}])
        assert len(answer["score"]) == len(history)
        assert np.isfinite(answer["score"]).all()


def test_about_as_many_held_out_steps_are_flagged_as_the_risk_says(tmp_path):
    run = run_of(tmp_path, risk=0.1)
    for question in anomaly_detection.examples(run.cfg, "test"):
        (answer,) = run.predict([question | {"history": question["history"][: question["first"]]}])
        held_out = np.array(answer["alarm"])[1200:]
        assert held_out.mean() == pytest.approx(0.1, abs=0.02)


def test_alarms_become_rows_of_a_table(tmp_path):
    run = run_of(tmp_path)
    question = asked(run, 8) | {"first": 2, "times": np.array([f"t{i}" for i in range(8)])}
    errors = np.zeros([8, 6])
    errors[4, [5, 1]] = [9, 8]
    answer = {"alarm": [True, False, False, True, True, False, False, True], "errors": errors, "threshold": 2.0}
    found = list(anomaly_detection.rows(run.cfg, question, answer | {"score": [4, 0, 0, 3, 6, 0, 0, 2.5]}))
    assert [(row["start"], row["end"], row["severity"]) for row in found] == [("t3", "t4", 3.0), ("t7", "t7", 1.25)]
    assert found[0]["sensors"].split()[:2] == ["vibration", "flow"]


@pytest.mark.slow
def test_own_files_train_and_a_file_gives_a_table_of_alarms(tmp_path, monkeypatch):
    from tests.tasks.anomaly_detection import TINY, write_good

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_good(tmp_path / "data")
    options = {
        **TINY,
        "data": "data",
        "limit": 40,
        "end": None,
        "baselines": "all,random,pca,forest,seasonal",
        "season": 35,
    }
    from zoo import trainer

    run = trainer.train(anomaly_detection, anomaly_detection.Config(**options), directory="run")
    assert run.metrics["metrics"].keys() == {metric.name for metric in anomaly_detection.METRICS}
    (tmp_path / "data").rename("today")  # an answer does not need the training data
    assert cli.main(["predict", "run", "--input", "today/pump.csv", "--output", "alarms.csv"]) == 0
    with open("alarms.csv") as file:
        assert all(row["series"] == "series" and float(row["severity"]) >= 1 for row in csv.DictReader(file))


def test_sensors_are_named_once(tmp_path):
    with pytest.raises(InputError, match="or one twice"):
        anomaly_detection.sensors(anomaly_detection.Config(data=str(tmp_path), sensors="a,a"))
