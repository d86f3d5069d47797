"""The errors that users can fix themselves."""

import sys

import pytest

from zoo import errors
from zoo.data import subwords
from zoo.tasks import captioning, translation


def test_needs_names_the_package_and_the_extra() -> None:
    errors.needs("json", "numpy", extra="translation")
    with pytest.raises(errors.InputError) as caught:
        errors.needs("json", "no_such_package", extra="translation")
    assert str(caught.value) == "translation needs no_such_package: pip install 'sequence-task-zoo[translation]'"


@pytest.mark.parametrize(
    ("task", "package"), [(captioning, "pycocoevalcap"), (translation, "sacrebleu")], ids=["captioning", "translation"]
)
def test_what_scores_an_epoch_is_asked_for_before_training(monkeypatch, task, package) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.InputError, match=f"needs {package}: pip install"):
        task.codec(task.Config(), [])


def test_subwords_without_sentencepiece_say_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(errors.InputError, match=r"needs sentencepiece: pip install 'sequence-task-zoo\[translation\]'"):
        subwords.Subwords.learn_from(["a b"], size=20)
