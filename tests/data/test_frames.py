"""Frames of series, their scales, and events from a file."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import frames
from zoo.data.formats import events
from zoo.data.formats.series import Series
from zoo.errors import InputError

NAN = float("nan")


def series(name: str, values, *, validation: int = 6, test: int = 8) -> Series:
    array = np.array(values, np.float32).reshape(len(values), -1)
    names = tuple(f"s{i}" for i in range(array.shape[1]))
    return Series(name, names, array, 100 + 10 * np.arange(len(array)), False, 10, validation, test)


def test_frames_end_in_their_split_and_begin_before_it():
    one = series("a", range(10))
    train, validation = (list(frames.frames([one], split, length=3)) for split in ("train", "validation"))
    assert [frame["history"][:, 0].tolist() for frame in train] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 5],
    ]
    assert [frame["history"][:, 0].tolist() for frame in validation] == [[4, 5, 6], [5, 6, 7]]
    assert len(frames.frames([one], "train", length=3, stride=4)) == 2


def test_a_split_without_steps_is_an_error():
    with pytest.raises(InputError, match="no series has a step of the validation split"):
        frames.frames([series("a", range(10), validation=8)], "validation", length=3)


def test_each_series_has_its_own_scale_and_another_one_that_of_all():
    scales = frames.SeriesScales.fit([series("a", [0, 2] * 5), series("b", [10, 30] * 5)])
    np.testing.assert_allclose(scales.mean[:, 0], [1, 20, 10.5])
    np.testing.assert_allclose(scales.std[:2, 0], [1, 10])
    assert scales.place(tf.constant(["b", "a", "new"])).numpy().tolist() == [1, 0, 2]


def test_a_constant_column_and_one_that_a_series_lacks():
    values = np.array([[1.0, NAN]] * 10)
    scales = frames.SeriesScales.fit([series("a", values), series("b", np.array([[5.0, 2.0], [5.0, 4.0]] * 5))])
    np.testing.assert_allclose(scales.mean[0], [1, 3])
    np.testing.assert_allclose(scales.std[0], [1, 1])


def test_scales_are_read_back(tmp_path):
    scales = frames.SeriesScales.fit([series("a", range(10))])
    scales.save(tmp_path / "scales.json")
    again = frames.SeriesScales.load(tmp_path / "scales.json")
    assert (again.columns, again.series) == (scales.columns, scales.series)
    np.testing.assert_array_equal(again.std, scales.std)


def test_inputs_by_hand():
    scales = frames.SeriesScales(["x"], ["a"], np.array([[10.0], [0.0]]), np.array([[2.0], [1.0]]))
    history = np.array([[[99], [10], [NAN], [14]], [[1000], [0], [0], [0]]], np.float32)
    found = frames.inputs(history, np.array([4, 1]), np.array([0, 1]), scales=scales, length=3)
    assert found.lengths.numpy().tolist() == [3, 1]
    np.testing.assert_allclose(found.scaled[:, :, 0], [[0, 0, 2], [frames.CLIP, 0, 0]])
    np.testing.assert_allclose(found.past[0], [[1, 0, 1, 0], [1, 0, 0, np.log(2)], [1, 2, 1, 0]], rtol=1e-6)
    np.testing.assert_array_equal(found.past[1, 1:], np.zeros([2, 4]))


def test_frames_up_to_some_steps_are_those_of_training():
    one = series("a", range(10))
    cut, lengths = frames.up_to(tf.constant(one.values[None]), tf.constant([0, 1, 5]), length=3)
    assert lengths.numpy().tolist() == [1, 2, 3]
    trained = [frame["history"][:, 0].tolist() for frame in frames.frames([one], "train", length=3)]
    for step, frame, length in zip([0, 1, 5], cut[0, :, :, 0].numpy(), lengths.numpy(), strict=True):
        assert frame[:length].tolist() == trained[step]


def write(folder: Path, content) -> Path:
    path = folder / "events.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_events_mark_the_steps_from_their_first_to_their_last_time(tmp_path):
    known = events.read(write(tmp_path, {"a.csv": [[110, 125], [180, 180]], "b": []}))
    assert events.marked(series("a", range(10)), known).tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 1, 0]
    assert not events.marked(series("b", range(10)), known).any()
    assert np.isnan(events.marked(series("c", range(10)), known)).all()
    dated = events.read(write(tmp_path, {"a": [["1970-01-01 00:01", "1970-01-01 00:02:00.000"]]}))
    assert dated == {"a": [(60, 120)]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ([1], "expected an object"),
        ({"a": [1]}, "not a list of pairs"),
        ({"a": [[5, 3]]}, "ends before it begins"),
        ({"a": [["soon", "later"]]}, "'soon' of 'a' is not a time"),
    ],
)
def test_bad_events_are_one_clear_line(content, words, tmp_path):
    with pytest.raises(InputError, match=words):
        events.read(write(tmp_path, content))
