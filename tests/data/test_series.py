"""Series from files, their windows, and the numbers made of them."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import series
from zoo.data.formats import series as files
from zoo.data.formats.series import Columns, Series
from zoo.errors import InputError

VALUE = Columns(("value",))
NAN = float("nan")


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(folder)


def hours(values, first: int = 0) -> str:
    lines = [f"2024-03-01 {first + hour:02}:00,{value}" for hour, value in enumerate(values)]
    return "\n".join(["time,value", *lines]) + "\n"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_table_is_a_series(name, tmp_path):
    (one,) = files.read(write(tmp_path, name, hours([1, "NA", 3.5, ""])), VALUE)
    np.testing.assert_array_equal(one.values[:, 0], [1, NAN, 3.5, NAN])
    assert (one.step, one.when(0), one.when(3)) == (3600, "2024-03-01 00:00", "2024-03-01 03:00")


def test_a_missing_row_is_a_step_with_missing_values(tmp_path):
    text = "time,value\n2024-03-01,1\n2024-03-02,2\n2024-03-05,5\n"
    (filled,) = files.read(write(tmp_path, "a.csv", text), VALUE)
    np.testing.assert_array_equal(filled.values[:, 0], [1, 2, NAN, NAN, 5])
    (ignored,) = files.read(str(tmp_path), Columns(("value",), gaps="ignore"))
    np.testing.assert_array_equal(ignored.values[:, 0], [1, 2, 5])
    assert (ignored.step, ignored.when(2), ignored.when(3)) == (0, "2024-03-05 00:00", "2024-03-05 00:00 + 1")


def test_the_time_may_stand_in_several_columns_or_be_a_number_or_absent(tmp_path):
    text = "year,month,day,hour,value\n2013,3,1,0,7\n2013,3,1,2,9\n2013,3,1,3,8\n2013,3,1,4,8\n"
    (one,) = files.read(write(tmp_path, "a.csv", text), Columns(("value",), time=("year", "month", "day", "hour")))
    assert (one.step, len(one.values), one.when(1)) == (3600, 5, "2013-03-01 01:00")
    (one,) = files.read(write(tmp_path, "a.csv", "time,value\n3,1\n5,2\n7,3\n"), VALUE)
    assert (one.step, one.when(2), len(one.values)) == (2, "7", 3)
    (one,) = files.read(write(tmp_path, "a.csv", "value\n1\n2\n"), VALUE)
    assert (one.step, one.when(1), one.when(2)) == (1, "1", "2")


def test_many_series_in_one_table_and_in_json_lines(tmp_path):
    table = "time,who,value\n2024-03-01 00:00,a,1\n2024-03-01 00:00,b,10\n2024-03-01 01:00,a,2\n2024-03-01 01:00,b,20\n"
    found = files.read(write(tmp_path, "t.csv", table), Columns(("value",), series="who"))
    assert {one.name: one.values[:, 0].tolist() for one in found} == {"a": [1, 2], "b": [10, 20]}
    (tmp_path / "t.csv").unlink()
    lines = '{"id": "a", "value": [1, null, 3]}\n{"id": "b", "start": "2024-03-01", "step": 60, "value": [4]}\n'
    with pytest.raises(InputError, match="some rows have a date"):
        files.read(write(tmp_path, "t.jsonl", lines), VALUE)
    lines = '{"id": "a", "start": "2024-03-01", "step": 60, "value": [1, null, 3]}\n'
    (one,) = files.read(write(tmp_path, "t.jsonl", lines), VALUE)
    assert one.when(2) == "2024-03-01 00:02"
    np.testing.assert_array_equal(one.values[:, 0], [1, NAN, 3])


def test_splits_begin_where_their_files_do_or_where_options_say(tmp_path):
    (one,) = files.read(write(tmp_path, "a.csv", hours(range(20))), VALUE)
    assert (one.validation, one.test, len(one.values)) == (16, 18, 20)  # a tenth each
    options = {"validation": "2024-03-01 05:00", "test": "-8", "end": "15"}
    (one,) = files.read(str(tmp_path), VALUE, **options)
    assert (one.validation, one.test, len(one.values)) == (5, 12, 15)
    (tmp_path / "a.csv").unlink()
    write(tmp_path, "test.csv", hours(range(8, 11), first=8))
    write(tmp_path, "train.csv", hours(range(8)))
    (one,) = files.read(str(tmp_path), VALUE, validation="-5")
    assert (one.validation, one.test, one.values[:, 0].tolist()) == (6, 8, list(range(11)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,value\n2024-03-01,1\n2024-03-01,2\n", "line 3: the time 2024-03-01 00:00 of 'series' is there twice"),
        ("time,value\n2024-03-02,1\n2024-03-01,2\n", "line 3: the time .* comes after a later one"),
        (
            "time,value\n2024-03-01,1\n2024-03-02,2\n2024-03-03,2\n2024-03-03 05:00,3\n",
            "line 5: .* is not a multiple of",
        ),
        ("time,value\n2024-03-01,1\nyesterday,2\n", "line 3: the time is 'yesterday'; expected a date"),
        ("time,value\n2024-03-01,1\n2024-03-02,warm\n", "line 3: value is 'warm'; expected a number"),
        ("time,valeu\n2024-03-01,1\n", "line 2: no column 'value'; did you mean 'valeu'"),
        ("time,value\n", "has no rows"),
        ("time,value\n1970-01-01 00:00,1\n1970-01-01 01:00,1\n2024-01-01 00:00,1\n", "line 4: a gap of 473,351 steps"),
    ],
)
def test_bad_tables_name_file_and_line(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        files.read(write(tmp_path, "a.csv", text), VALUE)


def test_impossible_splits_are_errors(tmp_path):
    folder = write(tmp_path, "a.csv", hours(range(20)))
    with pytest.raises(InputError, match="expected this order"):
        files.read(folder, VALUE, validation="15", test="10")
    with pytest.raises(InputError, match="'soon' is not a time"):
        files.read(folder, VALUE, test="soon")


# ---- windows

SHAPE = series.Shape(targets=1, past=0, known=0, lookback=4, horizon=2, season=3)


def counting(length: int = 20) -> Series:
    return Series(
        "n", ("value",), np.arange(length, dtype=np.float32)[:, None], 3600 * np.arange(length), True, 3600, 12, 16
    )


def test_every_target_belongs_to_one_split_and_no_window_sees_its_future():
    found = {split: list(series.windows([counting()], split, SHAPE)) for split in ("train", "validation", "test")}
    ranges = {"train": range(1, 12), "validation": range(12, 16), "test": range(16, 20)}
    for split, windows in found.items():
        targets = {int(value) for window in windows for value in window["target"][:, 0]}
        assert targets == set(ranges[split])
        for window in windows:
            assert window["history"][-1, 0] == window["target"][0, 0] - 1
            assert len(window["history"]) == min(4, window["position"])


def test_strides_reach_the_end_and_unobserved_targets_are_left_out():
    one = counting()
    assert [window["position"] for window in series.windows([one], "train", SHAPE, stride=3)] == [1, 4, 7, 10]
    one.values[14:16] = NAN
    assert [window["position"] for window in series.windows([one], "validation", SHAPE)] == [12, 13]


def test_a_split_that_is_too_short_says_so():
    with pytest.raises(InputError, match="the test split of 'n' has 4 steps, too few for a horizon of 5"):
        series.windows([counting()], "test", series.Shape(1, 0, 0, lookback=4, horizon=5, season=3))


def test_the_naive_error_is_that_of_the_season_before():
    values = np.array([[1.0], [5.0], [3.0], [NAN], [4.0], [5.0]])
    np.testing.assert_allclose(series.naive_error(values, 2), [(2 + 1) / 2])
    assert np.isnan(series.naive_error(np.ones([5, 1]), 2)).all()


def test_the_question_after_a_series_takes_the_known_future_from_its_end():
    shape = series.Shape(targets=1, past=0, known=1, lookback=4, horizon=3, season=1)
    values = np.array([[1, 7], [2, 7], [3, 7], [NAN, 8], [NAN, 9]], np.float32)
    asked = series.question(Series("n", ("y", "k"), values, 3600 * np.arange(5), True, 3600), shape)
    np.testing.assert_array_equal(asked["history"], values[:3])
    np.testing.assert_array_equal(asked["future"][:, 0], [8, 9, NAN])
    assert asked["time"] == "1970-01-01 03:00"
    assert "target" not in asked


# ---- inputs

FULL = series.Shape(targets=2, past=1, known=1, lookback=6, horizon=4, season=3)
SCALER = series.SeriesScaler("abcd", np.arange(4.0), np.arange(1.0, 5.0), 3600)


def made(history, lengths, future=None, *, scale="window", anchor="season", seconds=(7200, 7200)):
    history = tf.constant(history, tf.float32)
    future = tf.zeros([len(history), 4, 1]) if future is None else future
    seconds = tf.constant(seconds[: len(history)], tf.int64)
    return series.inputs(
        history, tf.constant(lengths), future, seconds, scaler=SCALER, shape=FULL, scale=scale, anchor=anchor
    )


def example(rng, steps: int) -> np.ndarray:
    values = rng.normal(5, 3, [1, steps, 4]).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = NAN
    return values


@pytest.mark.parametrize("scale", ["train", "window"])
@pytest.mark.parametrize("anchor", ["none", "last", "season"])
def test_the_content_of_a_missing_cell_never_changes_an_input(scale, anchor):
    rng = np.random.default_rng(0)
    history = example(rng, 9)
    other = np.where(np.isnan(history), np.float32(np.inf), history)
    plain, same = (made(h, [9], scale=scale, anchor=anchor) for h in (history, other))
    for a, b in zip(plain, same, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()


@pytest.mark.parametrize("scale", ["train", "window"])
@pytest.mark.parametrize("anchor", ["none", "last", "season"])
def test_neither_padding_nor_steps_before_the_lookback_change_an_input(scale, anchor):
    rng = np.random.default_rng(1)
    history = example(rng, 5)
    padded = np.concatenate([history, rng.normal(size=[1, 3, 4])], axis=1)
    longer = example(rng, 9)
    for a, b in (
        (made(history, [5], scale=scale, anchor=anchor), made(padded, [5], scale=scale, anchor=anchor)),
        (made(longer[:, -6:], [6], scale=scale, anchor=anchor), made(longer, [9], scale=scale, anchor=anchor)),
    ):
        steps = int(a.lengths[0])
        np.testing.assert_allclose(a.past[:, :steps], b.past[:, :steps], atol=1e-6)
        np.testing.assert_array_equal(b.past[:, steps:], 0)
        for name in ("future", "anchor", "level", "spread"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-6)


def test_values_flags_and_gaps_by_hand():
    history = np.array([[[4, 1, 1, 1], [NAN, 1, 1, 1], [8, 1, NAN, 1]]], np.float32)
    found = made(history, [3])
    assert found.level[0, 0, 0] == 6
    assert found.spread[0, 0, 0] == 2
    past = found.past.numpy()[0]
    np.testing.assert_allclose(past[:, 1], [-1, 0, 1])  # the first target, scaled
    np.testing.assert_allclose(past[:, 5], [1, 0, 1])  # observed
    np.testing.assert_allclose(past[:, 9], np.log1p([0, 1, 0]))  # steps since the last observation
    np.testing.assert_allclose(found.anchor[0, :, 0], [-1, 1, 1, -1])  # a season of 3; the missing one: the last value
    np.testing.assert_allclose(made(history, [3], anchor="last").anchor[0, :, 0], 1)


def test_the_calendar_goes_round():
    found = made(np.ones([1, 3, 4]), [3], seconds=[2 * 86_400])
    again = made(np.ones([1, 3, 4]), [3], seconds=[9 * 86_400])
    places = found.past[0, :, 13:].numpy(), again.past[0, :, 13:].numpy()
    assert places[0].shape[1] == 6
    np.testing.assert_allclose(
        places[0][:, :4], places[1][:, :4], atol=1e-5
    )  # day and week are the same, the year is not
    assert np.abs(places[0][:, 4:] - places[1][:, 4:]).max() > 0.01
    np.testing.assert_allclose(found.future[0, 0, 1:3], [0, 1], atol=1e-6)  # midnight


def test_sizes_are_those_of_the_inputs():
    found = made(np.ones([2, 3, 4]), [3, 2])
    assert series.sizes(FULL, SCALER, dated=True) == (found.past.shape[2], found.future.shape[2])


def test_a_history_without_a_step_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="the history has no step"):
        made(np.ones([1, 0, 4]), [0])


def test_the_scaler_reads_train_alone_and_is_saved(tmp_path):
    one = counting()
    scaler = series.SeriesScaler.fit([one])
    assert scaler.mean[0] == np.arange(12).mean()
    assert scaler.std[0] == np.arange(12).std()
    scaler.save(tmp_path / "s.json")
    again = series.SeriesScaler.load(tmp_path / "s.json")
    assert (again.columns, again.step) == (scaler.columns, 3600)
    np.testing.assert_array_equal(again.std, scaler.std)


def test_rows_out_of_order_are_an_error_unless_the_order_of_the_file_counts(tmp_path):
    data = write(tmp_path, "a.csv", "time,value\n2024-03-01,1\n2024-03-01,2\n2024-02-01,3\n")
    with pytest.raises(InputError, match=r"a\.csv line 3: the time 2024-03-01 00:00 of 'series' is there twice"):
        files.read(data, VALUE)
    (one,) = files.read(data, Columns(("value",), gaps="ignore"))
    assert one.values[:, 0].tolist() == [1, 2, 3]


def test_files_in_folders_are_series_and_semicolons_divide_columns(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "1.csv", f"time;value\n1;{ord(folder)}\n2;0\n")
    assert [one.name for one in files.read(str(tmp_path), VALUE)] == ["x/1", "y/1"]
    assert files.columns_of(str(tmp_path)) == ["time", "value"]


@pytest.mark.parametrize(("border", "step"), [("50%", 20), ("12.5%", 5), ("50%,15", 15), ("50%,30", 20), ("-4", 36)])
def test_a_split_begins_at_a_share_a_step_or_the_first_of_several(border, step, tmp_path):
    rows = "\n".join(f"{i},0" for i in range(40))
    (one,) = files.read(write(tmp_path, "a.csv", f"time,value\n{rows}\n"), VALUE, validation="3", test=border)
    assert one.test == step
