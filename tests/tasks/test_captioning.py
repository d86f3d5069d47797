"""What only captioning promises; tests/laws/ has what every task promises. On the trained task: `make slow`."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo import cli
from zoo.data import images, text
from zoo.data.samples import scenes
from zoo.tasks import captioning
from zoo.training import pretrained

trained_captioner = pytest.mark.parametrize("trained", ["captioning"], indirect=True)


def picture(kind: str, mode: str = "RGB", size=(50, 30)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


@trained_captioner
def test_every_kind_of_picture_has_a_caption(trained):
    kinds = [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("GIF", "P")]
    files = [picture(*kind) for kind in kinds] + [picture("PNG", size=(1, 1)), picture("JPEG", size=(6000, 4000))]
    for answer in trained.run.predict(files):
        assert answer["caption"] == answer["caption"].strip().lower()
        assert answer["score"] <= 0


@trained_captioner
def test_a_broken_picture_is_one_line(trained, tmp_path, capsys):
    (tmp_path / "text.jpg").write_bytes(b"no picture at all")
    (tmp_path / "cut.jpg").write_bytes(picture("JPEG", size=(300, 300))[:400])
    (tmp_path / "fine.png").write_bytes(picture("PNG"))
    for broken in ("text.jpg", "cut.jpg"):
        files = [str(tmp_path / "fine.png"), str(tmp_path / broken)]
        assert cli.main(["predict", str(trained.run.directory), *files]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: input 2 of 2: ")
    assert cli.main(["predict", str(trained.run.directory), files[0]]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{files[0]}: ")


@trained_captioner
def test_attention_is_a_share_of_the_grid_for_every_word(trained, tmp_path):
    example = next(iter(trained.run.test))
    answer = trained.run.predict([example], signature="attention")[0]
    weights = np.array(answer["weights"])
    assert weights.shape == (len(answer["tokens"]), trained.run.codec.network.cnn.positions)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-4)
    captioning.attention(trained.run, example, tmp_path / "attention.png")
    assert (tmp_path / "attention.png").stat().st_size > 1000


@trained_captioner
def test_captions_end_and_hold_known_words_only(trained):
    words = set(trained.run.codec.words.tokens)
    for answer in trained.run.predict(list(trained.run.test)[:8]):
        said = answer["caption"].split()
        assert len(said) <= trained.run.cfg.max_length
        assert set(said) <= words
        assert not {text.UNKNOWN, text.PADDING} & set(said)


def test_the_nearest_picture_is_the_picture_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = pretrained.Network.make("small", size=32, width=1.0, weights="none")
    examples = list(scenes.examples("train"))[:6]
    _, rows = images.nearest(network, examples, examples[::-1])
    assert list(rows) == [5, 4, 3, 2, 1, 0]
