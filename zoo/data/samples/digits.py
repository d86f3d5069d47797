"""The bundled sample of speech: strings of spoken digits by made-up voices, from a small formant synthesiser.

A vowel is a buzz with peaks in its spectrum, the formants, which the shape of the mouth decides. A hiss is noise with
one broad peak. A word is a row of such sounds that glide into each other: Klatt 1980, https://doi.org/10.1121/1.383940
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zoo.data import audio

RATE = 8_000  # samples a second
STEP = 40  # samples from one spectrum to the next, 5 ms
FORMANTS = ((80.0, 1.0), (100.0, 0.6), (140.0, 0.35))  # width in Hz and strength of each
COUNTS = {"train": (16, 20), "test": (4, 15)}  # voices, strings of each


@dataclass(frozen=True)
class Sound:
    """A phone: its formants in Hz, the strengths of buzz and hiss, the peak of the hiss in Hz, and milliseconds."""

    formants: tuple[float, float, float]
    buzz: float
    hiss: float
    peak: float
    ms: float


NEUTRAL = (500.0, 1500.0, 2500.0)


def _vowel(first: float, second: float, third: float, ms: float = 110, buzz: float = 1.0) -> Sound:
    return Sound((first, second, third), buzz, 0.0, 3000.0, ms)


def _hiss(peak: float, strength: float, ms: float = 90, buzz: float = 0.0) -> Sound:
    return Sound(NEUTRAL, buzz, strength, peak, ms)


SOUNDS = {
    "iy": _vowel(270, 2290, 3010),
    "ih": _vowel(390, 1990, 2550, 70),
    "eh": _vowel(530, 1840, 2480, 80),
    "ey": _vowel(430, 2150, 2700, 80),
    "ah": _vowel(640, 1190, 2390, 90),
    "ao": _vowel(570, 840, 2410, 90),
    "uw": _vowel(300, 870, 2240, 100),
    "ay": _vowel(730, 1200, 2440, 90),
    "ow": _vowel(480, 900, 2300, 90),
    "r": _vowel(350, 1060, 1480, 60, 0.7),
    "w": _vowel(300, 650, 2200, 60, 0.6),
    "n": _vowel(250, 1400, 2300, 70, 0.4),
    "v": _hiss(2800, 0.06, 50, 0.3),
    "z": _hiss(3600, 0.25, 80, 0.3),
    "s": _hiss(3700, 0.5, 110),
    "f": _hiss(2600, 0.12, 90),
    "th": _hiss(3100, 0.08, 80),
    "k": _hiss(1800, 0.5, 30),
    "t": _hiss(3300, 0.5, 30),
    "-": _vowel(*NEUTRAL, 50, 0.0),  # the silence before a stop
}
WORDS = {
    "zero": "z ih r ow",
    "one": "w ah n",
    "two": "- t uw",
    "three": "th r iy",
    "four": "f ao r",
    "five": "f ay ih v",
    "six": "s ih - k s",
    "seven": "s eh v eh n",
    "eight": "ey ih - t",
    "nine": "n ay ih n",
}


def examples(split: str) -> Iterator[dict]:
    """{"audio": name, "audio_bytes": WAV, "text": str, "speaker": str} for "train" or "test", which share no voice."""
    yield from _examples(split)


@lru_cache(maxsize=2)
def _examples(split: str) -> list[dict]:
    voices, strings = COUNTS[split]
    return [_example(f"{split} voice {voice}", number) for voice in range(voices) for number in range(strings)]


def _example(speaker: str, number: int) -> dict:
    voice = np.random.default_rng([*speaker.encode()])
    pitch, size, speed = voice.uniform(90, 220), voice.uniform(0.9, 1.2), voice.uniform(0.8, 1.25)
    rng = np.random.default_rng([*speaker.encode(), number])
    words = rng.choice(list(WORDS), rng.integers(1, 5)).tolist()
    samples = speak(words, pitch=pitch, size=size, speed=speed, rng=rng)
    return {
        "audio": f"{speaker} {number}".replace(" ", "_") + ".wav",
        "audio_bytes": audio.to_wav(samples, RATE),
        "text": " ".join(words),
        "speaker": speaker,
    }


def speak(words: list[str], *, pitch: float, size: float, speed: float, rng: np.random.Generator) -> np.ndarray:
    """Words as sound, float32[N] from -1 to 1.

    Args:
        words: keys of `WORDS`.
        pitch: of the voice, in Hz.
        size: multiplies the formants; a shorter throat has higher ones.
        speed: divides the durations.
        rng: of the small differences from one time to the next, of the noise, and of the gaps between words.
    """
    sounds = []
    for word in words:
        sounds += [_pause(rng.uniform(40, 200)), *(SOUNDS[phone] for phone in WORDS[word].split())]
    sounds.append(_pause(rng.uniform(40, 200)))
    steps = [max(round(s.ms * rng.uniform(0.85, 1.15) / speed * RATE / 1000 / STEP), 2) for s in sounds]
    track = np.array([[*s.formants, s.buzz, s.hiss, s.peak] for s in sounds])
    track[:, :3] *= size * rng.normal(1, 0.02, (len(track), 3))
    track = _smooth(np.repeat(track, steps, axis=0))  # [T, 6]
    sound = _buzz(track, pitch * rng.uniform(0.95, 1.05)) + _hissing(track, rng)
    sound += rng.normal(0, 0.003, len(sound))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def _pause(ms: float) -> Sound:
    return _vowel(*NEUTRAL, ms, 0.0)


def _smooth(track: np.ndarray, width: int = 7) -> np.ndarray:
    """Neighbouring sounds glide into each other."""
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(track, ((width // 2, width // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, window / window.sum(), "valid") for column in padded.T], axis=1)


def _peak(hertz: float | np.ndarray, centre: np.ndarray, width: float) -> np.ndarray:
    """The strength of a resonance, 1 at its centre."""
    return 1 / np.sqrt(1 + ((hertz - centre) / (width / 2)) ** 2)


def _buzz(track: np.ndarray, pitch: float) -> np.ndarray:
    """Harmonics of the pitch, which falls by a tenth; each as strong as the formants make its frequency."""
    count = len(track) * STEP
    time = np.arange(count) / STEP
    hertz = pitch * np.linspace(1.05, 0.95, count)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    turn, last, wave = 2 * np.cos(phase), np.zeros(count), np.sin(phase)
    sound = np.zeros(count)
    for k in range(1, int(RATE / 2 / (1.05 * pitch))):
        own = k * pitch
        peaks = [share * _peak(own, track[:, i], width) for i, (width, share) in enumerate(FORMANTS)]
        strength = np.sum(peaks, axis=0)
        sound += np.interp(time, np.arange(len(track)), strength * track[:, 3] / k**0.5) * wave
        last, wave = wave, turn * wave - last  # sin((k + 1) x) from the two before
    return 0.3 * sound


def _hissing(track: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise with one peak, made piece by piece in the spectrum, with overlapping windows."""
    size = 4 * STEP
    sound = np.zeros(len(track) * STEP + size)
    window, hertz = np.hanning(size), np.fft.rfftfreq(size, 1 / RATE)
    some = np.flatnonzero(track[:, 4] > 0)
    noise = np.fft.rfft(rng.normal(size=(len(some), size)) * window)
    pieces = np.fft.irfft(noise * _peak(hertz, track[some, 5:6], 900) * track[some, 4:5], size)
    for i, piece in zip(some, pieces, strict=True):
        sound[i * STEP : i * STEP + size] += piece
    return 0.5 * sound[size // 2 : len(track) * STEP + size // 2]
