"""Pictures of spans: every sentence is there, mistakes twice, and no text breaks the page."""

from zoo.data.spans import Span
from zoo.plots import spans

SENTENCES = [
    spans.Marked(["Ann", "Lee", "in", "Oslo", "."], [Span(0, 2, "PER"), Span(3, 4, "ORG")], [Span(0, 2, "PER")]),
    spans.Marked(["<b>", "🐟", "日本", "אב", "x" * 200], [Span(0, 1, "A&B"), Span(1, 5, "PER")]),
    spans.Marked(["I"], []),
]


def test_page_has_truth_and_prediction_where_they_differ(tmp_path):
    spans.page(SENTENCES, tmp_path / "plots" / "spans.html", title="a < b")
    page = (tmp_path / "plots" / "spans.html").read_text(encoding="utf-8")
    assert page.count("Ann Lee <small>PER</small>") == 2
    assert page.count("class=wrong") == 1
    assert "<b>" not in page
    assert "A&amp;B" in page
    assert "<title>a &lt; b</title>" in page


def test_picture_of_any_text(tmp_path):
    spans.picture(SENTENCES, tmp_path / "spans.png", columns=40)
    assert (tmp_path / "spans.png").read_bytes()[:4] == b"\x89PNG"
    spans.picture([], tmp_path / "none.png")
    spans.picture(SENTENCES * 50, tmp_path / "many.png", lines=10)


def test_words_carry_the_type_of_their_span():
    tokens, predicted, _ = SENTENCES[0]
    assert list(spans._words(tokens, predicted)) == [
        ("Ann", "PER", False),
        ("Lee·PER", "PER", True),
        ("in", "", False),
        ("Oslo·ORG", "ORG", False),
        (".", "", False),
    ]
