"""The errors that users can fix themselves."""

import sys

import pytest

from zoo import errors
from zoo.data import subwords


def test_needs_names_the_package_and_the_extra() -> None:
    errors.needs("json", "numpy", extra="translation")
    with pytest.raises(errors.InputError) as caught:
        errors.needs("json", "no_such_package", extra="translation")
    assert str(caught.value) == "translation needs no_such_package: pip install 'sequence-task-zoo[translation]'"


def test_subwords_without_sentencepiece_say_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(errors.InputError, match=r"needs sentencepiece: pip install 'sequence-task-zoo\[translation\]'"):
        subwords.Subwords.learn_from(["a b"], size=20)
