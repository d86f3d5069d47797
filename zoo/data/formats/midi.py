"""MIDI files: read as chords on a time grid, and written from notes."""

from collections.abc import Iterable
from pathlib import Path

from zoo import errors
from zoo.data.notes import PITCHES, Chord, Span
from zoo.errors import InputError

DRUMS = 9  # the channel of percussion, counted from 0
LONGEST = 20_000  # steps of a file; more are hours of music, or a damaged file
TICKS = 480  # of a quarter note, in files that are written
VELOCITY = 80


def read(path: Path, *, grid: int) -> list[Chord]:
    """The chords of a file, all instruments together, without percussion and without the silence at its beginning.

    Notes begin at the nearest step and last a step at least.

    Args:
        grid: steps of a quarter note.
    Raises:
        InputError: the file is damaged, has no notes, or has more than 20,000 steps.
    """
    errors.needs("mido", extra="music")
    import mido

    try:
        file = mido.MidiFile(path)
        if file.ticks_per_beat <= 0:
            raise ValueError("its time is in frames, not in quarter notes")
        struck = _struck(mido.merge_tracks(file.tracks))
    except Exception as error:  # mido raises many kinds of errors on damaged files
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"{path} is not a readable MIDI file: {reason}") from error
    if not struck:
        raise InputError(f"{path} has no notes: expected a MIDI file with notes outside of the percussion channel")

    def step(tick: int) -> int:
        return (2 * tick * grid + file.ticks_per_beat) // (2 * file.ticks_per_beat)

    spans = [(pitch, step(on), max(step(off), step(on) + 1)) for pitch, on, off in struck]
    first, end = min(on for _, on, _ in spans), max(off for _, _, off in spans)
    if end - first > LONGEST:
        raise InputError(f"{path} has {end - first:,} steps: expected at most {LONGEST:,}; --grid sets their length")
    chords: list[dict[int, bool]] = [{} for _ in range(end - first)]  # pitch → held
    for pitch, on, off in sorted(spans, key=lambda span: span[1]):
        for place in range(on, off):
            chord = chords[place - first]
            chord[pitch] = place > on and chord.get(pitch, True)  # struck wins over held
    return [sorted(chord.items()) for chord in chords]


def _struck(messages: Iterable) -> list[tuple[int, int, int]]:
    """Pitch, first tick and end of every note that ends. A note that is struck again ends there."""
    found, tick = [], 0
    begun: dict[tuple[int, int], int] = {}
    for message in messages:
        tick += message.time
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        key = (message.channel, message.note)
        if key in begun:
            found.append((message.note, begun.pop(key), tick))
        if message.type == "note_on" and message.velocity:
            begun[key] = tick
    return found


def write(spans: Iterable[Span], path: Path, *, grid: int, tempo: int) -> None:
    """Writes notes as a MIDI file with one track; missing folders are made.

    Args:
        grid: steps of a quarter note.
        tempo: quarter notes per minute.
    """
    errors.needs("mido", extra="music")
    import mido

    events = []
    for pitch, first, end in spans:
        events += [(first, 1, pitch), (end, 0, pitch)]  # at the same time, ends come first
    track, now = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))]), 0
    for step, on, pitch in sorted(events):
        tick = step * TICKS // grid
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, note=pitch % PITCHES, velocity=VELOCITY * on, time=tick - now))
        now = tick
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=TICKS, tracks=[track]).save(path)
