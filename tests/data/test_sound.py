"""The synthesiser plays the right pitch at the right time, and its files are read by Python's own module."""

import wave

import numpy as np

from zoo.data import sound


def test_a_note_has_its_frequency_and_its_time(tmp_path):
    samples = sound.synthesise([(69, 1, 3)], seconds=0.5)  # A4, 440 Hz, from half a second on
    assert not samples[: sound.RATE // 2].any()
    assert np.abs(samples).max() <= 1
    played = samples[sound.RATE // 2 : sound.RATE // 2 + sound.RATE]
    assert abs(np.abs(np.fft.rfft(played)).argmax() - 440) <= 1
    sound.write(samples, tmp_path / "deep" / "a.wav")
    with wave.open(str(tmp_path / "deep" / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (sound.RATE, 1, len(samples))


def test_silence_and_the_highest_notes_are_sounds():
    assert not sound.synthesise([], seconds=0.1).any()
    assert np.isfinite(sound.synthesise([(127, 0, 1), (0, 0, 1)], seconds=0.1)).all()
