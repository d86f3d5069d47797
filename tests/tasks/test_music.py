"""Laws of music: pieces are scored, continued and harmonised alike in both forms, with and without held notes."""

import wave
from pathlib import Path

import mido
import numpy as np
import pytest
import tensorflow as tf

from zoo import cli
from zoo.data import notes
from zoo.data.examples import Examples
from zoo.data.formats import midi
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import music

PIECES = ["48 64 67 | 48~ 65 | | 50 | 60 64 67 72 |", "60 | 62 | 64~ 66 |", "48 |"]


def run_of(directory: Path = Path(), held: bool = True, **options) -> Run:
    """Untrained: the laws must hold for any weights."""
    small = {"units": 6, "embedding": 5, "length": 4, "bar": 3, "reach": 3, "particles": 5, "voices": 4}
    cfg = music.Config(**{**small, **options})
    train = [{"piece": piece if held else piece.replace("~", ""), "name": piece[:4]} for piece in PIECES]
    codec = music.codec(cfg, Examples(lambda: iter(train)))
    return Run(music, cfg, codec, music.model(cfg, codec), directory)


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"held": False, "reach": 0, "cell": "gru", "layers": 2, "top_k": 5},
        {"form": "stream", "streams": 2, "variational": False},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "defaults",
)
def run(request, tmp_path_factory) -> Run:
    return run_of(tmp_path_factory.mktemp("run"), **request.param)


def test_a_score_is_that_of_the_model(run):
    asked = [{"piece": piece} for piece in (*PIECES, "", "67 64 60")]
    for question, answer in zip(asked, run.predict(asked), strict=True):
        x, y = music.encode(run.cfg, run.codec, {"piece": tf.constant([question["piece"]])})
        x = (
            {k: tf.cast(v, tf.int32).to_tensor() if k == "tokens" else v for k, v in x.items()}
            if isinstance(x, dict)
            else x.to_tensor()
        )
        log_probs = tf.nn.log_softmax(run.model(x, training=False))
        expected = tf.gather(log_probs, y.to_tensor(), batch_dims=2)[0].numpy()
        np.testing.assert_allclose(answer["log_probabilities"], expected, atol=1e-4)
        np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, atol=1e-5)
        steps = question["piece"].count("|") or int(bool(question["piece"]))
        assert len(answer["nats"]) == steps
        assert sum(answer["nats"]) == pytest.approx(-expected[:-1].sum(), rel=1e-4, abs=1e-5)  # without the end
        assert answer["nll"] == pytest.approx(np.mean(answer["nats"] or [0]), rel=1e-4)


def test_steps_one_by_one_are_the_score(run):
    (answer,) = run.predict([{"piece": PIECES[0]}])
    token, state = notes.END_ID, [0.0] * run.service.inputs_of("step")["state"].shape[1]
    for written, expected in zip(answer["tokens"], answer["log_probabilities"], strict=True):
        (now,) = run.predict([{"token": token, "state": state}])
        token, state = run.codec.tokens.tokens.index(written), now["state"]
        assert np.log(now["probabilities"][token]) == pytest.approx(expected, abs=1e-4)


def test_a_continuation_keeps_the_primer_and_depends_on_its_seed_alone(run):
    questions = [{"primer": primer, "length": 6, "seed": seed} for seed, primer in enumerate([*PIECES, ""])]
    for question, answer in zip(questions, run.predict(questions), strict=True):
        primer = run.codec.tokens.decode(run.codec.tokens.encode(tf.constant([question["primer"]])).to_tensor())
        assert answer["piece"].startswith(primer.numpy()[0].decode())
        chords = notes.read(answer["piece"])
        assert answer["given"] <= len(chords) <= answer["given"] + 6
        assert all(len(chord) <= run.cfg.voices for chord in chords)
        assert all(sorted({pitch for pitch, _ in chord}) == [pitch for pitch, _ in chord] for chord in chords)
        assert run.predict([question])[0]["piece"] == answer["piece"]
        assert run.predict([question | {"length": 0}])[0]["piece"] == primer.numpy()[0].decode()


def test_a_harmonisation_keeps_the_given_voice(run):
    melody = "72 | 74 | | 60~ |"
    top, bass = run.predict([{"melody": melody, "seed": 1}, {"melody": melody, "bass": 1}], signature="harmonise")
    for answer, place in ((top, -1), (bass, 0)):
        chords = notes.read(answer["piece"])
        assert [chord[place][0] for i, chord in enumerate(chords) if i != 2] == [72, 74, 60]
        assert len(chords) == 4
    assert run.predict([{"melody": "", "seed": 1}], signature="harmonise")[0]["piece"] == ""


def test_the_next_chord_is_a_distribution(run):
    (answer,) = run.predict([{"piece": PIECES[1]}], signature="next")
    assert answer["probabilities"] == sorted(answer["probabilities"], reverse=True)
    assert 0 < sum(answer["probabilities"]) <= 1 + 1e-5
    assert len(set(answer["chords"])) == music.LIKELIEST
    assert "silence" in music.show({}, {"chords": ["|", "60 |"], "probabilities": [0.5, 0.1]})


@pytest.mark.parametrize("wrong", [{"primer": "H"}, {"primer": "", "length": 5000}])
def test_bad_questions_are_one_line(run, wrong):
    with pytest.raises(InputError, match=r"expected (pitches from|a length of)"):
        run.predict([wrong])


def test_only_training_is_transposed():
    run = run_of(transpose=5)
    x = np.array([[notes.END_ID, 63, 67, notes.STEP_ID, 0], [notes.END_ID, 70, 2, 71, 2]], np.int32)
    y = np.array([[63, 67, 2, 1, 0], [70, 2, 71, 2, 1]], np.int32)
    moved = [music.transposed(run.cfg, (x, y, None), np.arange(2), epoch, 0) for epoch in range(20)]
    by = np.array([[(one[0] - x)[row, 1] for row in (0, 1)] for one in moved])
    assert len(set(by[:, 0])) > 3
    assert (abs(by) <= 5).all()
    assert (by[:, 0] != by[:, 1]).any()
    second = music.transposed(run.cfg, (x[1:], y[1:], None), np.array([1]), 0, 0)  # of two processes
    assert second[0][0].tolist() == moved[0][0][1].tolist()
    for one, (first, _) in zip(moved, by, strict=True):
        assert one[0][0].tolist() == [1, 63 + first, 67 + first, 2, 0]
        assert one[1][0].tolist() == [63 + first, 67 + first, 2, 1, 0]


def test_artifacts_of_a_midi_file(run, tmp_path):
    midi.write([(60, 0, 4), (64, 0, 2), (65, 2, 4)], tmp_path / "in.mid", grid=run.cfg.grid, tempo=60)
    (question,) = music.questions(run.cfg, run.codec, str(tmp_path / "in.mid"))
    for name, make in music.ARTIFACTS.items():
        make(run, question, tmp_path / name)
    assert mido.MidiFile(tmp_path / "midi.mid").tracks
    with wave.open(str(tmp_path / "wav.wav")) as file:
        assert file.getnframes() > 0
    for name in ("piano-roll.png", "probabilities.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    spans, given = music.composed(run, question)
    assert given == 4
    assert {(60, 0), (64, 0)} <= {(pitch, first) for pitch, first, _ in spans}


@pytest.mark.parametrize("trained", ["music"], indirect=True)
def test_a_file_is_continued_on_the_command_line(trained, tmp_path, capsys):
    """From a MIDI file to a MIDI file and a sound."""
    names = [str(tmp_path / name) for name in ("in.mid", "out.mid", "out.wav", "broken.mid")]
    midi.write([(60, 0, 4), (64, 1, 4)], Path(names[0]), grid=4, tempo=60)
    assert cli.main(["predict", str(trained.run.directory), names[0], "--midi", names[1], "--wav", names[2]]) == 0
    assert capsys.readouterr().out.startswith("60 | 60~ 64 | 60~ 64~ | 60~ 64~ |")
    assert mido.MidiFile(names[1]).tracks
    assert Path(names[2]).stat().st_size > 1000
    Path(names[3]).write_bytes(b"MThd broken")
    assert cli.main(["predict", str(trained.run.directory), names[3]]) == 2
    assert f"{names[3]} is not a readable MIDI file" in capsys.readouterr().err
