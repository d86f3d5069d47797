"""A small synthesiser: notes as sound waves, and WAV files."""

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zoo.data.notes import Span

RATE = 16_000  # samples a second
PARTIALS = (1.0, 0.5, 0.3, 0.15, 0.1)  # the strengths of the overtones
ATTACK, RELEASE = 0.02, 0.08  # seconds
LOUDEST = 0.8  # of the largest value that a sample can have


def synthesise(spans: Iterable[Span], *, seconds: float, rate: int = RATE) -> np.ndarray:
    """Additive synthesis: each note is a few sine waves that fade in quickly, decay and fade out.

    Args:
        spans: notes.
        seconds: length of a step.
        rate: samples a second.
    Returns:
        float32[N], from -1 to 1.
    """
    notes = list(spans)
    end = max((last for _, _, last in notes), default=1)
    found = np.zeros(int(rate * (end * seconds + RELEASE)) + 1, np.float32)
    for pitch, first, last in notes:
        length = (last - first) * seconds + RELEASE
        time = np.arange(int(rate * length)) / rate
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        overtones = [(k, strength) for k, strength in enumerate(PARTIALS, 1) if k * frequency < rate / 2]
        sound = sum(strength * np.sin(2 * np.pi * k * frequency * time) for k, strength in overtones)
        shape = np.minimum(time / ATTACK, 1) * np.minimum((length - time) / RELEASE, 1) * np.exp(-0.8 * time)
        start = int(rate * first * seconds)
        found[start : start + len(time)] += (sound * shape).astype(np.float32)
    return LOUDEST * found / max(float(np.abs(found).max()), 1e-9)


def write(samples: np.ndarray, path: Path, *, rate: int = RATE) -> None:
    """Writes float[N] as a mono WAV file of 16 bits; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
