"""A threshold is exceeded as often as it should be, by data like that which chose it."""

import numpy as np
import pytest

from zoo.training.thresholds import threshold


@pytest.mark.parametrize("how", ["quantile", "tail"])
@pytest.mark.parametrize("risk", [0.05, 0.01])
def test_fresh_scores_exceed_it_as_often_as_the_risk_says(how, risk):
    rng = np.random.default_rng(0)
    limit = threshold(rng.exponential(size=20_000), risk=risk, how=how)
    assert (rng.exponential(size=200_000) > limit).mean() == pytest.approx(risk, rel=0.1)


def test_a_tail_reaches_beyond_the_largest_score():
    scores = np.random.default_rng(0).exponential(size=5_000)
    limit = threshold(scores, risk=1e-5, how="tail")
    assert limit > scores.max() >= threshold(scores, risk=1e-5, how="quantile")
    assert limit == pytest.approx(-np.log(1e-5), rel=0.4)


def test_missing_scores_do_not_count_and_few_scores_have_a_quantile():
    assert threshold(np.array([1.0, np.nan, 3.0, np.inf]), risk=0.5, how="tail") == 2.0
    with pytest.raises(ValueError, match="no finite score"):
        threshold(np.array([np.nan]), risk=0.1, how="quantile")
