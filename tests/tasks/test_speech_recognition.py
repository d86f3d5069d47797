"""What is particular to speech recognition: both kinds of data, searches, live speech, augmentation, faults."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks.speech_recognition import TINY, write_good
from zoo.data import audio, cache, remarks
from zoo.data.samples import digits
from zoo.errors import InputError
from zoo.tasks import speech_recognition as task

SMALL = {"units": 4, "layers": 1, "bands": 8, "rate": 8000, "stack": 3, "before": 2, "dropout": 0.0}


def service_of(train, **options):
    cfg = task.Config(**SMALL | options)
    codec = task.codec(cfg, train)
    model = task.model(cfg, codec)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.6, weight.shape) for weight in model.get_weights()])
    return cfg, codec, model, task.serve(cfg, codec, model)


@pytest.fixture(scope="module")
def said() -> list[dict]:
    return list(digits.examples("test"))[:4]


@pytest.fixture(scope="module")
def frames() -> list[dict]:
    """Features from elsewhere."""
    random = np.random.default_rng(1)
    return [
        {
            "audio": str(i),
            "features": random.normal(size=(20 + 5 * i, 5)).astype("float32"),
            "text": "go on",
            "speaker": "",
        }
        for i in range(5)
    ]


@pytest.mark.parametrize("decode", ["greedy", "beam", "lexicon"])
def test_a_sound_and_its_features_have_the_same_answer(said, decode):
    _, codec, _, service = service_of(said, decode=decode, beams=8)
    answers = service.answer(said)
    features = [{"features": task.heard(codec, tf.constant([e["audio_bytes"]]))[0][0].numpy()} for e in said]
    for one, other, example in zip(answers, service.answer(features), said, strict=True):
        assert one["text"] == other["text"]
        assert one["score"] == pytest.approx(other["score"], rel=1e-4, abs=1e-4)
        assert len(one["symbols"]) == len(one["times"])
        assert one["times"] == sorted(one["times"])
        assert all(0 <= time < len(example["audio_bytes"]) / 2 / 8000 for time in one["times"])
        assert "".join(one["symbols"]).strip() == one["text"]
        if decode == "lexicon":
            assert set(one["text"].split()) <= set(codec.lexicon.words)


def test_given_features_are_the_main_input(frames):
    _, codec, _, service = service_of(frames)
    assert codec.features.kind == "given"
    assert list(service.inputs) == ["features", "frames"]
    together = service.answer(frames)
    for example, among_many in zip(frames, together, strict=True):
        (alone,) = service.answer([{"features": example["features"]}])
        assert alone["text"] == among_many["text"]
        assert alone["score"] == pytest.approx(among_many["score"], rel=1e-4)


def test_words_as_symbols(said):
    _, codec, _, service = service_of(said, symbols="words")
    assert set(codec.symbols.tokens) <= set(digits.WORDS)
    (answer, *_) = service.answer(said)
    assert answer["text"] == " ".join(answer["symbols"])
    with pytest.raises(InputError, match="--decode lexicon spells words"):
        service_of(said, symbols="words", decode="lexicon")


def test_pieces_of_a_sound_are_heard_as_the_whole_is(said):
    _, codec, _, service = service_of(said, bidirectional=False, normalise="running", layers=2)
    samples = audio.decode(tf.constant([said[0]["audio_bytes"]]), rate=8000)[0][0, :7200].numpy()
    silence = np.zeros(120, np.float32)  # a frame is 200 samples, 80 from the one before
    whole = codec.features(tf.constant([np.concatenate([silence, samples])]), tf.constant([7320]))[0][0].numpy()
    (answer,) = service.answer([{"features": whole}])
    state = [0.0] * service.inputs_of("step")["state"].shape[1]
    written, chances = [], []
    for begin, end in ((0, 240), (240, 2400), (2400, 2640), (2640, 7200)):
        (step,) = service.answer([{"samples": samples[begin:end], "state": state}], signature="step")
        state = step["state"]
        written += [symbol for symbol in step["symbols"] if symbol]
        chances += step["probabilities"]
    assert written == answer["symbols"]
    log_probs = np.log(np.array(chances, "float64"))
    assert len(log_probs) == 30
    score = log_probs.max(axis=1).sum()
    assert score < answer["score"] + 1e-3  # the best alignment is one of those of the text


def test_pieces_of_given_features(frames):
    _, _, _, service = service_of(frames, bidirectional=False, normalise="running")
    features = frames[-1]["features"][:39]
    (answer,) = service.answer([{"features": features}])
    state = [0.0] * service.inputs_of("step")["state"].shape[1]
    written = []
    for begin in range(0, 39, 3):
        question = {"features": features[begin : begin + 3], "state": state}
        (step,) = service.answer([question], signature="step")
        state = step["state"]
        written += [symbol for symbol in step["symbols"] if symbol]
    assert written == answer["symbols"]


def test_only_a_model_that_sees_no_later_frame_has_steps(said):
    assert "step" not in service_of(said, bidirectional=False)[3].functions


def test_augmented_batches_depend_on_their_place_alone(said):
    cfg, codec, *_ = service_of(said, shapes=1, batch_tokens=4000)
    encoded = cache.encode(said, lambda batch: task.encode(cfg, codec, batch))
    planned = task.plan(cfg, encoded, seed=0)
    x, y, weight = planned[0]
    rows = np.arange(len(x))
    one = task.augmented(cfg, (x, y, weight), rows, 1, 2)
    np.testing.assert_array_equal(one[0], task.augmented(cfg, (x, y, weight), rows, 1, 2)[0])
    half = task.augmented(cfg, (x[1:], y[1:], weight[1:]), rows[1:], 1, 2)
    np.testing.assert_array_equal(one[0][1:], half[0])
    assert (one[0] != task.augmented(cfg, (x, y, weight), rows, 2, 2)[0]).any()
    real = one[0][:, :, 0]
    assert set(np.unique(real)) <= {0, 1}
    assert not one[0][real == 0].any()
    np.testing.assert_array_equal(one[1], y)


def test_texts_that_cannot_be_learned_are_counted(frames):
    cfg, codec, *_ = service_of(frames)
    hard = [{**frames[0], "text": "go on" * 9}, {**frames[1], "text": "go up"}]
    with remarks.collect() as seen:
        cache.encode(hard, lambda batch: task.encode(cfg, codec, batch))
    assert [str(count) for count in seen.values()] == ["1 of 2", "2 of 50"]


def test_texts_longer_than_their_sound_change_no_weight(frames):
    cfg, codec, model, _ = service_of(frames)
    encoded = cache.encode([{**frames[0], "text": "go on" * 9}], lambda batch: task.encode(cfg, codec, batch))
    x, y, weight = task.plan(cfg, encoded, seed=None)[0]
    assert model.test_on_batch(x, y, sample_weight=weight) == 0


@pytest.mark.parametrize("value", ["a", "4-2", "0-3", "1-2-3"])
def test_a_wrong_join_is_named(value):
    with pytest.raises(InputError, match="--join"):
        task.examples(task.Config(join=value), "train")


@pytest.mark.slow
def test_a_run_on_features_from_a_folder(tmp_path, capsys):
    from zoo import cli

    random = np.random.default_rng(0)
    np.savez(tmp_path / "frames.npz", features=random.normal(size=(400, 5)).astype(np.float16))
    rows = [
        {"id": f"r{i}", "offset": 30 * i, "frames": 30, "text": "GO ON", "speaker": f"s{i % 4}",
         "split": "test" if i > 9 else "train"} for i in range(12)
    ]  # fmt: skip
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = {**TINY, "data": str(tmp_path), "decode": "greedy", "epochs": 1}
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    run, export = str(tmp_path / "run"), str(tmp_path / "export")
    assert cli.main([*words, "--run-dir", run, "--export-dir", export], task="speech_recognition") == 0
    np.save(tmp_path / "one.npy", random.normal(size=(25, 5)))
    capsys.readouterr()
    assert cli.main(["predict", run, str(tmp_path / "one.npy")]) == 0
    assert "one.npy" in capsys.readouterr().out


def test_broken_sounds_are_one_line(fails, tmp_path):
    write_good(tmp_path)
    (tmp_path / "3.wav").write_bytes((tmp_path / "3.wav").read_bytes()[:44])
    words = "3.wav: the WAV file is empty: it has no samples; take it out of the list"
    assert words in fails("--data", ".", task="speech_recognition")
