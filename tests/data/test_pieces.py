"""Piano rolls and folders of MIDI files: splits are found, and errors name the file."""

import gzip
import json

import pytest

from zoo.data.formats import midi, pieces
from zoo.errors import InputError


def read(data, split="train", grid=4):
    found = pieces.pieces(str(data), split, sample=lambda split: [], grid=grid)
    return None if found is None else list(found)


def test_rolls_have_their_splits_in_one_file(tmp_path):
    rolls = {"train": [[[64, 60], [], [-1, 62, 62]], []], "valid": [[[50]]]}
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(rolls).encode()))
    for data in (tmp_path, tmp_path / "a.json.gz"):
        assert read(data) == [{"piece": "60 64 | | 62 |", "name": "train 1"}]  # a piece without steps is left out
        assert read(data, "validation") == [{"piece": "50 |", "name": "valid 1"}]
        assert read(data, "test") is None
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(InputError, match=r"several files of piano rolls.*a\.json\.gz, b\.json"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a JSON file"),
        ("[1]", "expected an object"),
        ('{"test": []}', 'has no "train"'),
        ('{"train": 3}', "train is '3': expected a list"),
        ('{"train": [[[60], 7]]}', "train piece 1 step 2 is '7': expected a list"),
        ('{"train": [[[60]], [[1], [60, 128]]]}', "train piece 2 step 2 has '128'"),
        ('{"train": [[[true]]]}', "has 'True'"),
        ('{"train": []}', "no train split"),
    ],
)
def test_wrong_rolls_are_named(content, words, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError) as error:
        read(tmp_path)
    assert words in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_midi_folders_are_splits_and_broken_files_are_left_out(tmp_path, capsys):
    for name in ("train/a.mid", "train/deep/b.MID", "test/c.midi"):
        midi.write([(60, 0, 2)], tmp_path / name, grid=4, tempo=60)
    (tmp_path / "train" / "broken.mid").write_bytes(b"MThd no")
    assert [example["name"] for example in read(tmp_path)] == ["train/a.mid", "train/deep/b.MID"]
    assert "left out" in (printed := capsys.readouterr().out)
    assert str(tmp_path / "train" / "broken.mid") in printed
    assert read(tmp_path, "test") == [{"piece": "60 | 60~ |", "name": "test/c.midi"}]
    assert read(tmp_path, "validation") is None


def test_a_flat_folder_has_one_split(tmp_path):
    with pytest.raises(InputError, match="no train split"):
        read(tmp_path)
    (tmp_path / "a.mid").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.mid is not a readable MIDI file"):
        read(tmp_path)
    midi.write([(60, 0, 1)], tmp_path / "b.mid", grid=4, tempo=60)
    assert len(read(tmp_path)) == 1
    assert read(tmp_path, "test") is None
