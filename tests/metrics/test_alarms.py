"""Metrics of anomaly detection, on series that a person can count."""

import numpy as np
import pytest

from zoo.metrics import alarms


def flags(text: str) -> np.ndarray:
    return np.array([letter != "." for letter in text])


def test_points_by_hand():
    found = alarms.points(flags("..xx.x...."), flags("..xxxx...."))
    assert found == {
        "f1": pytest.approx(6 / 7),
        "precision": 1.0,
        "recall": 0.75,
        "false_alarm_rate": 0.0,
        "miss_rate": 0.25,
    }
    assert alarms.points(flags("xxxx"), flags("x..."))["false_alarm_rate"] == 1.0
    assert np.isnan(alarms.points(flags("...."), flags("...."))["f1"])


def test_events_are_runs():
    assert alarms.events(flags("xx..x.xxx")) == [(0, 2), (4, 5), (6, 9)]
    assert alarms.events(flags("...")) == []


def test_events_by_hand():
    truth = flags("..xxxx....xx")
    found = alarms.by_event([(flags("x..xx......."), truth)])
    assert found["event_recall"] == 0.5
    assert found["event_f1"] == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert found["delay"] == 1.0
    assert alarms.by_event([(flags("............"), truth)])["event_f1"] == 0.0
    everything = alarms.by_event([(np.ones(12, bool), truth)])
    assert everything["event_recall"] == 1.0
    assert everything["event_f1"] == pytest.approx(2 * 0.5 / 1.5)


def test_nab_of_no_alarm_is_0_and_of_an_alarm_at_the_begin_of_each_window_100():
    truth = flags("....xxxx....xxxx....")
    assert alarms.nab([(flags("." * 20), truth)]) == 0
    assert alarms.nab([(flags("....x.......x......."), truth)]) == pytest.approx(100)
    assert np.isnan(alarms.nab([(flags("..x."), flags("...."))]))


def test_nab_rewards_early_alarms_and_counts_one_in_a_window():
    truth = flags("....xxxxxxxx........")
    early, late, twice = (
        alarms.nab([(flags(text), truth)])
        for text in ("....x...............", "...........x........", "....x..x............")
    )
    assert early == twice == pytest.approx(100)
    assert 50 < late < 80


def test_nab_charges_0_11_for_a_false_alarm_far_from_a_window():
    truth = flags("..........xxxx" + "." * 40)
    before = alarms.nab([(flags("x.........x..." + "." * 40), truth)])
    assert before == pytest.approx(100 - 100 * 0.11 / 2)
    soon, later = (
        alarms.nab([(np.arange(54) == step, truth) for step in (10,)])
        - alarms.nab([((np.arange(54) == 10) | (np.arange(54) == step), truth)])
        for step in (14, 50)
    )
    assert 0 < soon < later <= 5.5 + 1e-9


def test_unknown_steps_and_those_before_the_first_scored_one_do_not_count():
    truth = np.array([1, 0, 1, np.nan, 0.0])
    answer = {"alarm": [True, True, True, True, False], "score": [9.0, 9.0, 5.0, 9.0, 0.0]}
    found = alarms.scores([answer], [{"anomaly": truth, "first": 2}])
    assert (found["f1"], found["pr_auc"], found["false_alarm_rate"]) == (1.0, 1.0, 0.0)


def test_random_alarms_win_with_point_adjustment_alone():
    """Why it is not offered: events are long, and one lucky step would count for all of them."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.repeat([False, True], 200), 20)
    flagged = rng.random(len(truth)) < 0.05
    adjusted = flagged.copy()
    for first, end in alarms.events(truth):
        adjusted[first:end] |= flagged[first:end].any()
    assert alarms.points(flagged, truth)["f1"] < 0.1
    assert alarms.points(adjusted, truth)["f1"] > 0.95
