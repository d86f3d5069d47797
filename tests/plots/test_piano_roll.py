"""Piano rolls are pictures, also of pieces without a note."""

from zoo.plots import piano_roll


def test_pictures_are_written(tmp_path):
    for name, spans in (("some", [(60, 0, 4), (64, 2, 3)]), ("none", [])):
        piano_roll.notes(spans, tmp_path / "a" / f"{name}.png", given=2, bar=4, title="a $ b")
        found = [(0, 60, 0.5), (1, 64, 0.9)] if spans else []
        piano_roll.probabilities(found, tmp_path / "b" / f"{name}.png", nats=[1.0, 2.0] if spans else [], bar=4)
        for folder in "ab":
            assert (tmp_path / folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
