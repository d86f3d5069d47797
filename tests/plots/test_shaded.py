"""Shaded text: the page gives the text back, and unlikely tokens are darker."""

import html
import re

import numpy as np

from zoo.plots import shaded

TOKENS = ["<a", " &\n", "b", '"c"']
LOG_PROBS = [0.0, -1.0, -3.0, -50.0]


def test_the_page_gives_the_text_back(tmp_path):
    shaded.page(LOG_PROBS, tmp_path / "new" / "page.html", tokens=TOKENS, title="<title>")
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    body = page.split('<p class="text">')[1].split("</p>")[0]
    assert html.unescape(re.sub("<[^>]*>", "", body)).replace("↵", "") == "".join(TOKENS)
    assert "<title>&lt;title&gt;</title>" in page
    assert f"perplexity {np.exp(-np.mean(LOG_PROBS)):.1f} over 4 tokens" in page
    assert [float(share.rstrip("%")) for share in re.findall(r"([\d.e-]+%?)\">", body)][:3] == [100, 36.79, 4.98]


def test_unlikely_tokens_are_darker():
    light = [int(shaded._colors(value)[0][3:5], 16) for value in (0.0, -1.0, -3.0, -6.0, -10.0)]
    assert light == sorted(light, reverse=True)
    assert shaded._colors(-1e9) == shaded._colors(-np.inf) == shaded._colors(-10.0)


def test_tokens_stand_in_lines():
    """A token that does not fit goes to the next line without its blank; one longer than a line is cut."""
    pieces = list(shaded._pieces(["ab", " cd", " ef", "\n", "123456789"], columns=6))
    assert pieces == [
        (0, 0, "ab", 0),
        (0, 2, " cd", 1),
        (1, 0, "ef", 2),
        (1, 2, "↵", 3),
        (2, 0, "123456", 4),
        (3, 0, "789", 4),
    ]
