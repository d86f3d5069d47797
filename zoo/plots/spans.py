"""Sentences with their spans in colour, the true ones above the predicted ones, as a page and as a picture."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib import colormaps
from matplotlib.colors import to_hex

from zoo.data.spans import Span
from zoo.plots import cells

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.8 system-ui, sans-serif; max-width: 60em; margin: 2em auto; color: #222; background: #fff }}
mark {{ padding: 0.15em 0.3em; border-radius: 4px; color: #222 }}
mark small {{ font-weight: bold; margin-left: 0.2em }}
div {{ margin: 0.8em 0; padding-left: 0.6em; border-left: 4px solid #ddd }}
div.wrong {{ border-color: #c33 }}
p {{ margin: 0; overflow-wrap: anywhere }}
i {{ color: #777; font-size: 80%; display: inline-block; width: 3.5em }}
</style></head><body>
<h1 style="font-size: 1.2em">{title}</h1>
<p>{legend} · a red line marks a sentence with mistakes</p>
{sentences}
</body></html>
"""


class Marked(NamedTuple):
    """A sentence with the spans that a model found in it, and the true ones if they are known."""

    tokens: Sequence[str]
    predicted: Sequence[Span]
    truth: Sequence[Span] | None = None

    def lines(self) -> list[tuple[str, Sequence[Span]]]:
        """(what the spans are, spans): one line where all of them are right, two where they are not."""
        if self.truth is None or list(self.truth) == list(self.predicted):
            return [("", self.predicted)]
        return [("true", self.truth), ("found", self.predicted)]


def page(sentences: Sequence[Marked], path: Path, *, title: str = "spans") -> None:
    """Writes an HTML page."""
    colors = _colors(sentences)
    shown = []
    for sentence in sentences:
        lines = sentence.lines()
        rows = "".join(f"<p><i>{what}</i>{_html(sentence.tokens, spans, colors)}</p>" for what, spans in lines)
        shown.append(f"<div{' class=wrong' * (len(lines) > 1)} dir=auto>{rows}</div>")
    legend = " ".join(f'<mark style="background:{color}">{html.escape(kind)}</mark>' for kind, color in colors.items())
    filled = PAGE.format(title=html.escape(title), legend=legend, sentences="\n".join(shown))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(filled, encoding="utf-8", errors="replace")


def picture(sentences: Sequence[Marked], path: Path, *, columns: int = 96, lines: int = 60) -> None:
    """The same as a PNG picture: as many sentences as fit into `lines` lines of `columns` characters."""
    colors = _colors(sentences)
    filled: dict[tuple[int, int], cells.Cell] = {}
    line = 0
    for sentence in sentences:
        for what, spans in sentence.lines():
            cells.fill(filled, line, 0, what, "white", "gray")
            column = 6
            for word, kind, joined in _words(sentence.tokens, spans):
                if column > 6 and column + len(word) > columns:
                    line, column, joined = line + 1, 6, False
                color = colors.get(kind, "white")
                if joined:
                    filled[line, column - 1] = " ", color, "black"
                column = cells.fill(filled, line, column, word[: columns - column], color, "black") + 1
            line += 1
        line += 1
        if line >= lines:
            break
    cells.draw(filled, path, columns=columns)


def _colors(sentences: Sequence[Marked]) -> dict[str, str]:
    """Type → colour."""
    types = sorted({span.type for sentence in sentences for _, spans in sentence.lines() for span in spans})
    palette = colormaps["Pastel1"].colors + colormaps["Set3"].colors  # type: ignore[attr-defined]
    return {kind: to_hex(palette[i % len(palette)]) for i, kind in enumerate(types)}


def _words(tokens: Sequence[str], spans: Sequence[Span]) -> Iterator[tuple[str, str, bool]]:
    """(word, type of its span or "", whether it continues the span of the word before); the last word has the type."""
    inside = {place: span for span in spans for place in range(span.start, span.end)}
    for place, token in enumerate(tokens):
        span = inside.get(place)
        if span is None:
            yield token, "", False
        else:
            yield token + f"·{span.type}" * (place == span.end - 1), span.type, place > span.start


def _html(tokens: Sequence[str], spans: Sequence[Span], colors: dict[str, str]) -> str:
    shown, place = [], 0
    for span in spans:
        shown += [html.escape(token) for token in tokens[place : span.start]]
        words = html.escape(" ".join(tokens[span.start : span.end]))
        kind = html.escape(span.type)
        shown.append(f'<mark style="background:{colors[span.type]}">{words} <small>{kind}</small></mark>')
        place = span.end
    return " ".join([*shown, *map(html.escape, tokens[place:])])
