"""The generated sample of music keeps the rules of voice leading."""

from itertools import pairwise

from zoo.data import notes
from zoo.data.samples import cadences


def test_pieces_are_in_four_voices_and_seldom_break_a_rule():
    broken = moves = 0
    for example in cadences.examples("test"):
        chords = [[pitch for pitch, _ in chord] for chord in notes.read(example["piece"])]
        assert len(chords) in (16, 32)
        assert all(len(chord) == 4 for chord in chords)
        for before, after in pairwise(chords):
            moves += 1
            broken += int(cadences._costs(cadences.np.array(before), cadences.np.array([after]))[0] >= cadences.BROKEN)
        for chord, (low, high) in zip(zip(*chords, strict=True), cadences.RANGES, strict=True):
            assert low <= min(chord) <= max(chord) <= high
        assert [held for _, held in notes.read(example["piece"])[-1]] == [True] * 4  # the last chord sounds on
    assert broken < 0.1 * moves
