"""Records of units that wear out: both layouts, and the windows into them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from zoo.data import lives
from zoo.data.formats import failures
from zoo.data.formats.failures import Columns, Unit
from zoo.data.samples import machines
from zoo.errors import InputError

HEADER = "unit,cycle,heat,load\n"
NAN = float("nan")


def read(folder: Path, split: str = "train", columns: Columns = Columns(), **texts: str):  # noqa: B008
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    return failures.read(str(folder), split, columns)


def test_a_unit_fails_right_after_its_last_row(tmp_path):
    one, other = read(tmp_path, train=HEADER + "a,1,20,0.5\nb,10,1,1\na,2,NA,0.5\na,5,22,\nb,11,2,2\n")
    assert (one.name, one.columns, one.told) == ("a", ("heat", "load"), False)
    np.testing.assert_array_equal(one.values, np.array([[20, 0.5], [NAN, 0.5], [22, NAN]], np.float32))
    assert one.cycles.tolist() == [1, 2, 5]
    assert one.life.tolist() == [4, 3, 0]
    assert other.life.tolist() == [1, 0]


def test_a_life_that_is_missing_follows_from_the_next_one(tmp_path):
    text = "unit,cycle,heat,life\na,1,20,\na,2,21,60\na,3,22,\na,5,23,7.5\n"
    (one,) = read(tmp_path, train=text)
    assert one.life.tolist() == [61, 60, 9.5, 7.5]
    (one,) = read(tmp_path, train="unit,cycle,heat\na,1700000000,1\na,1700000001,1\n")  # seconds since 1970
    assert one.life.tolist() == [1, 0]
    (one,) = read(tmp_path, columns=Columns(life="left"), train=text.replace("life", "left"))
    assert one.life[-1] == 7.5


def test_columns_are_those_that_are_named(tmp_path):
    text = "engine,day,heat,note\na,1,20,fine\na,2,21,loud\n"
    (one,) = read(tmp_path, columns=Columns("engine", "day", sensors=("heat",)), train=text)
    assert one.columns == ("heat",)
    with pytest.raises(InputError, match=r"train.csv line 2: note is 'fine'; expected a number"):
        read(tmp_path, columns=Columns("engine", "day"))


def test_a_file_of_questions_needs_no_lives(tmp_path):
    path = tmp_path / "asked.jsonl"
    path.write_text('{"unit": 7, "cycle": 1, "heat": null}\n{"unit": 7, "cycle": 2, "heat": 3.5}\n')
    (one,) = failures.question(str(path), Columns())
    assert (one.name, one.told) == ("7", False)
    assert np.isnan(one.life).all()
    (asked,) = lives.last([one])
    assert asked.keys() == {"unit", "cycle", "history"}
    with pytest.raises(InputError, match="no such file"):
        failures.question(str(tmp_path / "none.csv"), Columns())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows"),
        (HEADER, "has no rows"),
        ("unti,cycle,heat\na,1,2\n", "line 2: no column 'unit'; did you mean 'unti'?.*--unit-column"),
        ("unit,cycle\na,1\n", "line 2: no column of a sensor"),
        (HEADER + "a,1,hot,1\n", "line 2: heat is 'hot'; expected a number"),
        (HEADER + "a,2,1,1\na,2,1,1\n", "line 3: cycle of unit 'a' is '2' after 2; expected ascending"),
        (HEADER + "a,,1,1\n", "line 2: cycle of unit 'a' is ''"),
        (HEADER + " ,1,1,1\n", "line 2: no name of the unit"),
        ("unit,cycle,heat,life\na,1,1,-3\n", "line 2: life is -3; expected 0 or more"),
        ("unit,cycle,heat,life\na,1,1,4\na,2,1,\n", "the last row of unit 'a' has no 'life'"),
    ],
)
def test_what_cannot_be_read_is_told(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read(tmp_path, train=text)


def test_a_unit_belongs_to_one_split(tmp_path):
    rows = HEADER + "a,1,1,1\na,2,1,1\n"
    assert read(tmp_path, "validation", train=rows) is None
    with pytest.raises(InputError, match=r"test.csv: unit 'a' is in the training file too"):
        read(tmp_path, "test", test=rows)
    with pytest.raises(InputError, match="no train split"):
        read(tmp_path / "..", "train")


def cmapss(folder: Path, lives: str = "12\n40\n") -> str:
    def rows(unit: int, count: int) -> str:
        return "".join(f"{unit} {cycle} " + " ".join(map(str, range(24))) + "  \n" for cycle in range(1, count + 1))

    (folder / "train_FD009.txt").write_text(rows(1, 5) + rows(2, 3))
    (folder / "test_FD009.txt.gz").write_bytes(gzip.compress((rows(1, 2) + rows(2, 4)).encode()))
    (folder / "RUL_FD009.txt").write_text(lives)
    return str(folder)


def test_the_layout_of_cmapss(tmp_path):
    data = cmapss(tmp_path)
    train = failures.read(data, "train", Columns(), subset="FD009")
    test = failures.read(data, "test", Columns(), subset="FD009")
    assert [unit.life.tolist() for unit in train] == [[4, 3, 2, 1, 0], [2, 1, 0]]
    assert [unit.life.tolist() for unit in test] == [[13, 12], [43, 42, 41, 40]]
    assert train[0].columns[:4] == ("setting_1", "setting_2", "setting_3", "sensor_1")
    assert train[0].values.shape == (5, 24)
    assert failures.read(data, "validation", Columns(), subset="FD009") is None


def test_files_of_cmapss_that_do_not_fit_are_told(tmp_path):
    data = cmapss(tmp_path, lives="12\n")
    with pytest.raises(InputError, match=r"RUL_FD009.txt has 1 lives for the 2 units of test_FD009.txt.gz"):
        failures.read(data, "test", Columns(), subset="FD009")
    with pytest.raises(InputError, match=r"no train_FD002.txt or train_FD002.txt.gz .*--subset"):
        failures.read(data, "train", Columns(), subset="FD002")
    (tmp_path / "train_FD009.txt").write_text("1 2 3\n")
    with pytest.raises(InputError, match=r"train_FD009.txt line 1: 3 words; expected 26 numbers"):
        failures.read(data, "train", Columns(), subset="FD009")


def unit(name: str, count: int) -> Unit:
    values = np.arange(count, dtype=np.float32)[:, None]
    return Unit(name, ("heat",), np.arange(1.0, count + 1), values, np.arange(count - 1.0, -1, -1))


def test_windows_end_after_each_cycle():
    found = lives.windows([unit("a", 6), unit("b", 2)], lookback=4, shortest=3, stride=2)
    assert len(found) == 3
    told = [(one["unit"], one["cycle"], one["life"], one["history"][:, 0].tolist()) for one in found]
    assert told == [("a", 4, 2, [0, 1, 2, 3]), ("a", 6, 0, [2, 3, 4, 5]), ("b", 2, 0, [0, 1])]


def test_the_last_window_is_the_whole_history():
    (one,) = lives.last([unit("a", 6)])
    assert one["history"].shape == (6, 1)
    assert one["life"] == 0


def test_the_sample_has_units_that_failed_and_units_that_run():
    train, test = machines.units("train"), machines.units("test")
    assert all(one.life[-1] == 0 for one in train)
    assert all(one.life[-1] > 0 for one in test)
    lengths = [len(one.cycles) for one in train]
    assert max(lengths) > 3 * min(lengths)  # they wear out at different rates
    assert 0.02 < np.isnan(np.concatenate([one.values for one in train])).mean() < 0.05
    assert not {one.name for one in train} & {one.name for one in test}
