"""What a task declares about its metrics."""

import subprocess
import sys

import pytest

from zoo.baselines import Baseline
from zoo.errors import InputError
from zoo.metrics import Metric, direction, from_model, reported_first

METRICS = (Metric("wer", better="min", format=".1%"), Metric("bleu"), Metric("nll", better="min", of="model"))


def test_the_direction_is_the_declared_one():
    names = ("val_wer", "wer", "val_bleu", "val_nll", "loss", "val_loss")
    assert [direction(name, METRICS) for name in names] == ["min", "min", "max", "min", "min", "min"]


def test_an_undeclared_metric_is_an_error_with_a_suggestion():
    with pytest.raises(InputError, match=r"'val_were'; did you mean 'val_wer'\?: expected one of val_loss, val_wer"):
        direction("val_were", METRICS)


def test_a_metric_of_which_no_value_is_better_cannot_be_monitored():
    coverage = Metric("coverage", better="none")
    assert coverage.arrow == ""
    with pytest.raises(InputError, match=r"expected one of val_loss, val_bleu$"):
        direction("val_coverage", (coverage, Metric("bleu")))


def test_the_reported_metric_comes_first_and_the_others_keep_their_order():
    assert [metric.name for metric in reported_first(METRICS, "nll")] == ["nll", "wer", "bleu"]
    assert reported_first(METRICS, None) == list(METRICS)
    with pytest.raises(InputError, match=r"reported is 'nil': expected one of wer, bleu, nll; did you mean 'nll'"):
        reported_first(METRICS, "nil")


def test_the_models_own_metrics_need_no_search():
    assert from_model(METRICS) == ["val_loss", "val_nll"]


def test_a_value_is_printed_as_declared():
    assert [metric.text(0.25) for metric in METRICS] == ["25.0%", "0.250", "0.250"]


@pytest.mark.parametrize("wrong", [{"better": "low"}, {"of": "logits"}, {"format": "d"}])
def test_a_wrong_declaration_fails_at_once(wrong):
    with pytest.raises(ValueError, match=r"."):
        Metric("wer", **wrong)


def test_a_baseline_has_answers_or_metrics():
    assert Baseline("n-grams", metrics={"perplexity": 80.0}).answers is None
    assert Baseline("majority", []).metrics is None
    for both in ({}, {"answers": [], "metrics": {}}):
        with pytest.raises(ValueError, match="either answers or metrics"):
            Baseline("nothing", **both)


def test_declarations_are_light():
    heavy = "[name for name in ('keras.src', 'tensorflow.python', 'numpy') if name in sys.modules]"
    program = f"import sys, zoo.metrics, zoo.baselines; print({heavy})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
