"""Lists of recordings as users have them: sounds in folders and archives, features in one array, joined strings."""

import json
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import audio
from zoo.data.formats import recordings
from zoo.data.samples import digits
from zoo.errors import InputError

COLUMNS = recordings.Columns()


def sound(length=800) -> bytes:
    return audio.to_wav(np.sin(np.arange(length) / 3).astype("float32") / 2, 8000)


def write(folder, rows: list[dict], sounds=()) -> None:
    for name in sounds:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sound())
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(folder, split="train", **options) -> list[dict] | None:
    options = {"columns": COLUMNS} | options
    found = recordings.recordings(str(folder), split, sample=digits.examples, **options)
    return None if found is None else list(found)


def row(name: str, speaker="ann", text="go on", **more) -> dict:
    return {"audio": name, "text": text, "speaker": speaker} | more


def test_sounds_are_read_from_folders_and_archives(tmp_path):
    write(tmp_path, [row("a/one.wav"), row("two.wav", text=" go \n off "), row("1.wav", split="dev")], ["a/one.wav"])
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for name in ("said/two.wav", "1.wav"):
            (tmp_path / "outside").write_bytes(sound(900))
            archive.add(tmp_path / "outside", name)
    one, two = read(tmp_path)
    assert (one["audio_bytes"], two["audio_bytes"]) == (sound(), sound(900))
    assert (two["text"], two["speaker"]) == ("go off", "ann")
    assert [example["audio"] for example in read(tmp_path, "validation")] == ["1.wav"]
    assert read(tmp_path, "test") is None


def test_features_are_read_from_one_array(tmp_path):
    array = np.arange(40, dtype=np.float16).reshape(20, 2)
    np.savez(tmp_path / "frames.npz", features=array)
    write(tmp_path, [{"id": "x", "offset": 3, "frames": 4, "text": "A", "speaker": "ann"}])
    (one,) = read(tmp_path)
    assert one["audio"] == "x"
    np.testing.assert_array_equal(one["features"], array[3:7].astype(np.float32))
    write(tmp_path, [{"id": "x", "offset": 18, "frames": 4, "text": "A"}])
    with pytest.raises(InputError, match=r"list\.jsonl line 1: frames 18 to 22 are not among the 20"):
        read(tmp_path)


def test_strings_are_joined_from_recordings_of_one_speaker(tmp_path):
    rows = [row(f"{name}{i}.wav", name, text=i) for name in ("ann", "bob") for i in range(4)]
    write(tmp_path, rows, [one["audio"] for one in rows])
    options = {"join": (3, 5), "joined": 6, "test_speakers": ["bob"]}
    train, test = read(tmp_path, **options), read(tmp_path, "test", **options)
    assert len(train) == len(test) == 6
    assert {example["speaker"] for example in train} == {"ann"}
    assert {len(example["text"].split()) for example in train} <= {3, 4, 5}
    for example in train:
        samples, lengths = audio.decode(tf.constant([example["audio_bytes"]]), rate=8000)
        count = len(example["text"].split())
        assert 800 * count + 400 * (count + 1) <= lengths[0] + count <= 800 * count + 2401 * (count + 1)
        assert not samples[0, :400].numpy().any()
    assert [example["audio_bytes"] for example in train] == [e["audio_bytes"] for e in read(tmp_path, **options)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("no.wav")], r"list\.jsonl line 1: there is no 'no\.wav'"),
        ([row("../list.jsonl")], r"line 1: there is no"),
        ([row("a.wav"), row("")], r"line 2: expected 'audio', the name of a sound file"),
        ([row("a.wav", text=" ")], r"line 1: expected a 'text'"),
        ([row("a.wav", split="test")], "no line of the list is of the train split"),
        ([], "is empty"),
    ],
)
def test_faults_of_a_list_are_named(rows, message, tmp_path):
    write(tmp_path, rows, ["a.wav"])
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_other_faults_are_named(tmp_path):
    with pytest.raises(InputError, match="expected one"):
        read(tmp_path)
    write(tmp_path, [row("a.txt")])
    (tmp_path / "a.txt").write_text("no sound")
    with pytest.raises(InputError, match=r"a\.txt is neither WAV nor FLAC"):
        read(tmp_path)
    with pytest.raises(InputError, match="--test-speakers 'eve'"):
        read(tmp_path, test_speakers=["eve"])
    (tmp_path / "frames.npz").write_text("no array")
    with pytest.raises(InputError, match=r"frames\.npz cannot be read"):
        read(tmp_path)


def test_questions_are_sounds_lists_and_arrays(tmp_path):
    write(tmp_path, [row("a.wav"), row("a.wav")], ["a.wav"])
    np.save(tmp_path / "one.npy", np.ones([5, 3]))

    def asked(name):
        return list(recordings.questions(tmp_path / name, COLUMNS))

    assert asked("a.wav")[0]["audio_bytes"] == sound()
    assert len(asked("list.jsonl")) == 2
    assert asked("one.npy")[0]["features"].shape == (5, 3)
    with pytest.raises(InputError, match="cannot be read"):
        asked("nothing.wav")


def test_the_sample_has_no_voice_in_both_splits():
    train, test = (list(digits.examples(split)) for split in ("train", "test"))
    assert not {example["speaker"] for example in train} & {example["speaker"] for example in test}
    assert {word for example in train for word in example["text"].split()} == set(digits.WORDS)
    samples, lengths = audio.decode(tf.constant([example["audio_bytes"] for example in test]), rate=digits.RATE)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=1e-3)
    assert 0.2 < lengths.numpy().min() / digits.RATE < lengths.numpy().max() / digits.RATE < 6
