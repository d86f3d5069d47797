"""A codec's folder says what each file is, so that parts can be of any kind and come from anywhere."""

import json
from pathlib import Path

import pytest

from zoo.data import codec, text
from zoo.data.codec import Codec
from zoo.errors import InputError


@codec.register(".json")
class Scaler:
    """(x - mean) / scale: a part that the zoo does not know."""

    def __init__(self, mean: float, scale: float):
        self.mean, self.scale = mean, scale

    def __call__(self, value: float) -> float:
        return (value - self.mean) / self.scale

    def save(self, file: Path) -> None:
        file.write_text(json.dumps({"mean": self.mean, "scale": self.scale}))

    @classmethod
    def load(cls, file: Path) -> "Scaler":
        return cls(**json.loads(file.read_text()))


@codec.register(".json")
class Levels(Scaler):
    """Another kind of part with the same suffix."""


def test_a_part_of_ones_own_is_saved_and_loaded(tmp_path):
    Codec(load=Scaler(mean=10.0, scale=2.0), levels=Levels(0.0, 4.0), words=text.Vocabulary(["a"])).save(tmp_path)
    loaded = Codec.load(tmp_path)
    assert loaded.load(14.0) == 2.0
    assert isinstance(loaded.levels, Levels)
    assert loaded.levels(2.0) == 0.5
    assert loaded.words.tokens == ("a",)
    assert json.loads((tmp_path / "codec.json").read_text()) == {
        "load": {"kind": "Scaler", "module": __name__, "file": "load.json"},
        "levels": {"kind": "Levels", "module": __name__, "file": "levels.json"},
        "words": {"kind": "Vocabulary", "module": "zoo.data.text", "file": "words.txt"},
    }


def test_files_beside_the_parts_are_left_alone(tmp_path):
    Codec(words=text.Vocabulary(["a"])).save(tmp_path)
    (tmp_path / "notes.txt").write_text("written by a person")
    assert set(Codec.load(tmp_path)._parts) == {"words"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "codec.json").unlink(), r"not a complete codec: codec\.json cannot be read"),
        (lambda folder: (folder / "codec.json").write_text("{"), r"not a complete codec: codec\.json cannot be read"),
        (lambda folder: (folder / "codec.json").write_text("[1]"), r"not a complete codec"),
        (lambda folder: (folder / "codec.json").write_text('{"words": {}}'), r"not a complete codec"),
        (lambda folder: (folder / "scaler.json").write_text("?"), r"scaler\.json cannot be read as Scaler"),
        (lambda folder: (folder / "scaler.json").unlink(), r"scaler\.json cannot be read as Scaler"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    Codec(scaler=Scaler(0.0, 1.0)).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        Codec.load(tmp_path)


@pytest.mark.parametrize("module", ["elsewhere.parts", "zoo.data.nowhere", "zoo.data.text"])
def test_an_unknown_kind_says_what_to_import(tmp_path, module):
    index = {"scaler": {"kind": "Scalar", "module": module, "file": "scaler.json"}}
    (tmp_path / "codec.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=rf"unknown kind 'Scalar'; did you mean 'Scaler'\?; import .*: {module}"):
        Codec.load(tmp_path)


def test_a_folder_never_decides_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "codec.json").write_text('{"a": {"kind": "A", "module": "trap", "file": "a"}}')
    with pytest.raises(InputError, match="unknown kind 'A'"):
        Codec.load(tmp_path)


def test_two_kinds_of_one_name_and_parts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="two kinds of codec parts are called Vocabulary"):
        codec.register(".txt")(type("Vocabulary", (), {}))
    with pytest.raises(ValueError, match="words is a list"):
        Codec(words=["a", "b"])
    with pytest.raises(ValueError, match="cannot be the name of a part"):
        Codec(codec=Scaler(0.0, 1.0))
