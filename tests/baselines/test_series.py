"""Classical forecasts: exact values by hand, coverage on simulated series, and no history that breaks a method."""

import numpy as np
import pytest

from zoo.baselines import series
from zoo.baselines.series import LOCAL, Lags, local

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAN = np.nan


def median(name, history, *, horizon, season):
    return local(name, np.array(history), horizon=horizon, season=season, levels=[0.5])[:, 0]


def trend_and_season(length: int, *, seed: int = 0) -> np.ndarray:
    steps = np.arange(length)
    noise = np.random.default_rng(seed).normal(size=length)
    return 100 + 0.2 * steps + 5 * np.sin(2 * np.pi * steps / 12) + 0.5 * noise


def test_point_forecasts_by_hand():
    history = [1.0, 2.0, 3.0, 5.0, 7.0, 9.0, 13.0]
    assert median("last", history, horizon=2, season=3).tolist() == [13, 13]
    assert median("seasonal", history, horizon=5, season=3).tolist() == [7, 9, 13, 7, 9]
    assert median("mean", history, horizon=2, season=3) == pytest.approx([29 / 3, 29 / 3])


def test_missing_values_are_passed_over():
    history = [1.0, 2.0, 3.0, 5.0, NAN, 9.0, NAN]
    assert median("last", history, horizon=1, season=3).tolist() == [9]
    assert median("seasonal", history, horizon=3, season=3).tolist() == [2, 9, 5]
    assert median("mean", history, horizon=1, season=3) == pytest.approx([17 / 3])


def test_less_than_a_season_gets_the_last_value():
    values = trend_and_season(12)
    steps = {"horizon": 14, "levels": LEVELS}
    np.testing.assert_array_equal(
        local("seasonal", values, season=12, **steps), local("last", values, season=1, **steps)
    )


def test_intervals_by_hand():
    """Differences at lag 1 are 1, 2, 3, 4 and at lag 2 they are 3, 5, 7; their medians are removed."""
    quantiles = local("last", np.array([0.0, 1, 3, 6, 10]), horizon=2, season=1, levels=[0.25, 0.5, 0.75])
    np.testing.assert_allclose(quantiles, [[10 - 0.75, 10, 10 + 0.75], [10 - 1, 10, 10 + 1]])


@pytest.mark.parametrize("name", ["seasonal", "ar", "arima", "ets", "theta"])
def test_it_beats_the_last_value_on_trend_and_season(name):
    values = trend_and_season(156)
    history, truth = values[:132], values[132:]
    quantiles = local(name, history, horizon=24, season=12, levels=LEVELS)
    error = np.abs(quantiles[:, 2] - truth).mean()
    assert error < 0.8 * np.abs(history[-1] - truth).mean()
    if name in ("arima", "ets", "theta"):  # they know the trend, too
        assert error < 2
        assert ((quantiles[:, 0] < truth) & (truth < quantiles[:, -1])).mean() > 0.7


def test_normal_intervals_grow_like_those_of_a_random_walk():
    """The deviation at step h is √h times that at step 1."""
    walk = np.cumsum(np.random.default_rng(0).normal(size=400))
    for name in ("ets", "theta", "arima"):
        quantiles = local(name, walk, horizon=16, season=1, levels=[0.16, 0.84])
        width = np.ptp(quantiles, axis=1)
        assert width[0] == pytest.approx(2, rel=0.15), name
        assert width[-1] / width[0] == pytest.approx(4, rel=0.25), name


def test_ewma_covers_noise_and_follows_its_volatility():
    noise = np.random.default_rng(0).normal(size=1500)
    below = []
    for now in range(500, 1500, 5):
        quantiles = local("ewma", noise[now - 500 : now], horizon=1, season=1, levels=[0.05])
        below.append(noise[now] < quantiles[0, 0])
    assert 0.02 < np.mean(below) < 0.09
    calm = local("ewma", noise, horizon=3, season=1, levels=LEVELS)
    jump = local("ewma", np.append(noise, 5 * noise[:60]), horizon=3, season=1, levels=LEVELS)
    assert np.ptp(jump[0]) > 3 * np.ptp(calm[0])
    np.testing.assert_array_equal(jump[0], jump[2])


def test_garch_follows_volatility_and_returns_to_its_mean():
    rng = np.random.default_rng(0)
    variance, returns = 1.0, []
    for _ in range(1500):
        returns.append(0.1 + np.sqrt(variance) * rng.normal())
        variance = 0.1 + 0.2 * (returns[-1] - 0.1) ** 2 + 0.7 * variance
    calm = np.ptp(local("garch", np.append(returns, [0.1] * 10), horizon=20, season=1, levels=LEVELS), axis=1)
    wild = np.ptp(local("garch", np.append(returns, [4.0, -4.0, 4.0]), horizon=20, season=1, levels=LEVELS), axis=1)
    assert wild[0] > 1.5 * calm[0]
    assert wild[0] > wild[-1] > calm[-1] > calm[0]


HOSTILE = {
    "gaps": np.where(np.arange(60) % 7 < 2, NAN, trend_and_season(60)),
    "infinities": np.append(trend_and_season(30), [np.inf, -np.inf]),
    "nothing observed": np.full(30, NAN),
    "empty": np.zeros(0),
    "one value": np.array([3.0]),
    "one observed value": np.append(np.full(30, NAN), 3.0),
    "two values": np.array([3.0, 4.0]),
    "twenty values": trend_and_season(20),
    "constant": np.full(60, 3.0),
    "zeros": np.zeros(60),
    "one step": np.repeat([0.0, 1.0], 30),
    "huge": 1e12 * trend_and_season(60),
    "tiny": 1e-12 * trend_and_season(60),
}


@pytest.mark.parametrize("name", LOCAL)
def test_every_history_gets_finite_ascending_quantiles(name):
    for case, history in HOSTILE.items():
        quantiles = LOCAL[name](history, horizon=15, season=12, levels=LEVELS)
        assert quantiles.shape == (15, 5), case
        assert quantiles.dtype == np.float64, case
        assert np.isfinite(quantiles).all(), case
        assert (np.diff(quantiles, axis=1) >= 0).all(), case
        if case in ("constant", "one value", "one observed value"):
            np.testing.assert_allclose(quantiles, 3, err_msg=case)


def test_a_fit_that_fails_gets_the_last_value(monkeypatch):
    def fail(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setitem(series.METHODS, "ets", fail)
    values = trend_and_season(60)
    steps = {"horizon": 3, "season": 12, "levels": LEVELS}
    np.testing.assert_array_equal(local("ets", values, **steps), local("last", values, **steps))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="did you mean 'arima'"):
        local("arma", np.ones(9), horizon=1, season=1, levels=LEVELS)
    with pytest.raises(ValueError, match="levels are"):
        local("last", np.ones(9), horizon=1, season=1, levels=[0.9, 0.1])
    with pytest.raises(ValueError, match="horizon is 0"):
        local("last", np.ones(9), horizon=0, season=1, levels=LEVELS)


def windows(count: int, *, lags: int = 8, horizon: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the process y(t) = 1.2 y(t−1) − 0.6 y(t−2) + noise."""
    noise = np.random.default_rng(0).normal(size=count + lags + horizon + 100)
    y = np.zeros(len(noise))
    for t in range(2, len(y)):
        y[t] = 1.2 * y[t - 1] - 0.6 * y[t - 2] + noise[t]
    rows = np.lib.stride_tricks.sliding_window_view(y[100:], lags + horizon)[:count]
    return rows[:, :lags], rows[:, lags:, None]


@pytest.mark.parametrize("kind", series.GLOBAL)
def test_lags_learn_a_linear_process(kind):
    past, target = windows(2500)
    lags = Lags.fit(kind, past[:2000], target[:2000], levels=[0.1, 0.5, 0.9])
    quantiles, truth = lags(past[2010:]), target[2010:]
    assert quantiles.shape == (490, 3, 1, 3)
    known = 1.2 * past[2010:, -1] - 0.6 * past[2010:, -2]  # the best forecast of one step; its error is the noise
    error = np.abs(quantiles[:, 0, 0, 1] - truth[:, 0, 0]).mean()
    assert error < np.abs(known - truth[:, 0, 0]).mean() * (1.05 if kind == "ridge" else 1.2)
    assert error < 0.8 * np.abs(past[2010:, -1] - truth[:, 0, 0]).mean()
    covered = (quantiles[..., 0] < truth) & (truth < quantiles[..., 2])
    assert 0.7 < covered.mean() < 0.9
    np.testing.assert_allclose(np.concatenate([lags(past[2010:2015]), lags(past[2015:2020])]), quantiles[:10])


@pytest.mark.parametrize("kind", series.GLOBAL)
def test_lags_read_gaps_and_leave_incomplete_targets_out(kind):
    past, target = (array.copy() for array in windows(300))
    past[::3, 2] = NAN
    past[:, 5] = NAN
    target = np.concatenate([target, 100 + target], axis=2)
    target[::4, 1, 0] = NAN
    quantiles = Lags.fit(kind, past, target, levels=LEVELS)(np.full((2, 8), NAN))
    assert quantiles.shape == (2, 3, 2, 5)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    np.testing.assert_allclose(quantiles[:, :, 1, 2], 100, atol=3)


def test_lags_of_one_output():
    past, target = windows(200, horizon=1)
    for kind in series.GLOBAL:
        assert Lags.fit(kind, past, target, levels=[0.5])(past[:4]).shape == (4, 1, 1, 1)


def test_lags_need_rows():
    past, target = windows(30)
    with pytest.raises(ValueError, match="0 rows have all targets"):
        Lags.fit("ridge", past, np.full_like(target, NAN), levels=LEVELS)
    with pytest.raises(ValueError, match="expected ridge or mlp"):
        Lags.fit("forest", past, target, levels=LEVELS)
