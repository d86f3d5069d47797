"""The baselines of music are distributions over chords, and learn what they can."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.baselines import notes as baselines
from zoo.data import notes
from zoo.metrics import notes as metrics

TRAIN = ["48 64 | 48 65 | 50 | |"] * 4 + ["48 | 48 | 50 | 48 |"]


def ids(pieces, held=False):
    tokens = notes.Notes.of(held=held)
    return [np.append(row, notes.END_ID).astype(np.int32) for row in tokens.encode(tf.constant(pieces)).to_list()]


def test_independent_notes_have_their_frequencies():
    (answer,) = baselines.independent(TRAIN, ["48 | 60 |"]).answers
    on = {48: 11.5 / 21, 64: 4.5 / 21, 65: 4.5 / 21, 50: 5.5 / 21}
    silent = 125 * -np.log(20.5 / 21)  # less the two that follow are in the sum of the first step
    first = -np.log(on[48]) - sum(np.log(1 - on[p]) for p in (64, 65, 50)) + 124 / 125 * silent
    assert answer["nats"][0] == pytest.approx(first)
    assert answer["notes"].tolist() == [1, 1]
    assert answer["hits"].tolist() == [1, 0]  # 48 is likelier than not
    assert answer["false_notes"].tolist() == [0, 1]


def test_a_markov_chain_knows_which_notes_go_on():
    roll = ["60~ | 60~ | 60~ | 60 |"]
    held = ["60 | 60~ | 60~ | 60~ | 60 | 60~ |"] * 20
    found = metrics.scores(baselines.markov(held, held).answers)
    alone = metrics.scores(baselines.independent(held, held).answers)
    assert found["nll"] < alone["nll"]
    assert np.isfinite(metrics.scores(baselines.markov(["60 |"], roll).answers)["nll"])  # train has no held notes


@pytest.mark.parametrize("held", [False, True])
def test_ngrams_learn_a_piece_that_comes_again(held):
    found = metrics.scores(
        baselines.ngrams(ids(TRAIN, held), ids(TRAIN[:1], held), size=len(notes.Notes.of(held=held))).answers
    )
    alone = metrics.scores(baselines.independent(TRAIN, TRAIN[:1]).answers)
    assert found["nll"] < alone["nll"]
    assert found["frame_accuracy"] > 0.7
    assert found["nll_by_piece"] == pytest.approx(found["nll"])
