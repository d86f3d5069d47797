"""The laws of every task, asked of sentiment with self-attention in place of recurrence."""

import pytest

from tests.conftest import Trained, small
from tests.laws.test_learning import test_every_trainable_weight_gets_a_gradient, test_four_examples_can_be_memorised
from tests.laws.test_padding import (
    test_neighbours_never_change_an_answer,
    test_neighbours_never_change_an_output,
    test_padding_never_changes_an_output,
    test_padding_never_changes_the_loss_or_a_metric,
)
from tests.laws.test_saving import test_keras_file_gives_the_same_outputs, test_loaded_run_gives_the_recorded_metrics
from zoo import trainer
from zoo.tasks import sentiment

__all__ = [
    "test_every_trainable_weight_gets_a_gradient",
    "test_four_examples_can_be_memorised",
    "test_keras_file_gives_the_same_outputs",
    "test_loaded_run_gives_the_recorded_metrics",
    "test_neighbours_never_change_an_answer",
    "test_neighbours_never_change_an_output",
    "test_padding_never_changes_an_output",
    "test_padding_never_changes_the_loss_or_a_metric",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("transformer")
    cfg = sentiment.Config(**small(sentiment, cell="transformer", layers=2, wide="none"))
    run = trainer.train(sentiment, cfg, directory=folder / "run")
    return Trained(sentiment, run, run.export(folder / "saved_models"), "")


def test_it_is_exported(trained):
    """Which compares each signature with `predict`."""
    assert (trained.version / "saved_model.pb").is_file()
