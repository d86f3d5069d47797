"""MIDI files are read on a grid, written so that they read as before, and refused in one line if they are damaged."""

import mido
import pytest

from zoo.data import notes
from zoo.data.formats import midi
from zoo.errors import InputError


def save(path, *messages, ticks: int = 480, kind: int = 1):
    """Messages with absolute times in ticks, each in order."""
    track, now = mido.MidiTrack(), 0
    for name, tick, values in messages:
        track.append(mido.Message(name, time=tick - now, **values))
        now = tick
    mido.MidiFile(ticks_per_beat=ticks, tracks=[track], type=kind).save(path)
    return path


def note(pitch: int, on: int, off: int, **values):
    yield "note_on", on, {"note": pitch, "velocity": 64, **values}
    yield "note_off", off, {"note": pitch, **values}


def saved(path, *groups, **how):
    return save(path, *sorted((m for group in groups for m in group), key=lambda m: m[1]), **how)


def test_notes_begin_at_the_nearest_step_and_are_held(tmp_path):
    path = saved(tmp_path / "a.mid", note(60, 480, 960), note(64, 490, 720), note(67, 820, 825))
    assert notes.write(midi.read(path, grid=2)) == "60 64 | 60~ 67 |"  # from the first note on, one step at least
    assert notes.write(midi.read(path, grid=1)) == "60 64 | 67 |"


def test_a_note_that_is_struck_again_ends(tmp_path):
    twice = [
        ("note_on", 0, {"note": 60}),
        ("note_on", 240, {"note": 60}),
        ("note_on", 480, {"note": 60, "velocity": 0}),
    ]
    assert notes.write(midi.read(save(tmp_path / "a.mid", *twice), grid=4)) == "60 | 60~ | 60 | 60~ |"


def test_percussion_is_left_out(tmp_path):
    path = saved(tmp_path / "a.mid", note(60, 0, 480), note(40, 0, 480, channel=9))
    assert notes.write(midi.read(path, grid=1)) == "60 |"
    with pytest.raises(InputError, match="has no notes"):
        midi.read(saved(tmp_path / "b.mid", note(40, 0, 480, channel=9)), grid=1)


@pytest.mark.parametrize("piece", ["48 64 | 48~ 65 | | 50 | 50 |", "60 |"])
@pytest.mark.parametrize("grid", [1, 3, 4])
def test_written_files_read_as_before(piece, grid, tmp_path):
    midi.write(notes.spans(piece, join=False), tmp_path / "deep" / "a.mid", grid=grid, tempo=90)
    assert notes.write(midi.read(tmp_path / "deep" / "a.mid", grid=grid)) == piece


@pytest.mark.parametrize(
    "content", [b"", b"MThd", b"\0" * 40, b"MThd\0\0\0\x06\0\x01\0\x01\0\0MTrk\0\0\0\0", b"text\n"]
)
def test_damaged_files_are_one_line(content, tmp_path):
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(InputError) as error:
        midi.read(tmp_path / "a.mid", grid=4)
    assert str(tmp_path / "a.mid") in str(error.value)
    assert "\n" not in str(error.value)


def test_hours_of_music_are_refused(tmp_path):
    path = saved(tmp_path / "a.mid", note(60, 0, 480), note(60, 480 * 30_000, 480 * 30_001))
    with pytest.raises(InputError, match="30,001 steps: expected at most 20,000"):
        midi.read(path, grid=1)
