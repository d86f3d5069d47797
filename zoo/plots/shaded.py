"""How well a language model predicts: each token shaded by its probability, and its loss by position and frequency."""

import html
import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from zoo.plots import canvas, cells

UNLIKELY = 10.0  # nats: the darkest shade, P = 0.00005
LEGEND = (1.0, 0.3, 0.1, 0.01, 0.001)  # probabilities
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.7 ui-monospace, monospace; max-width: 60em; margin: 2em auto; color: #222; background: #fff }}
p.text {{ white-space: pre-wrap; overflow-wrap: anywhere }}
span {{ padding: 0.15em 0; border-radius: 2px }}
</style></head><body>
<h1 style="font-size: 1.1em">{title}</h1>
<p>probability: {legend} · perplexity {perplexity:.1f} over {count:,} tokens</p>
<p class="text">{text}</p>
</body></html>
"""


def page(log_probs: Sequence[float] | np.ndarray, path: Path, *, tokens: Sequence[str], title: str = "") -> None:
    """Writes an HTML page of the text in which unlikely tokens are dark; pointing at a token shows its probability.

    Args:
        log_probs: float[N], log P of each token, in nats.
        tokens: N strings that give the text when joined, blanks and line feeds included.
    """
    values = np.asarray(log_probs, float)
    spans = [
        f'<span style="{_css(value)}" title="{html.escape(repr(token))} {_percent(value)}">{_visible(token)}</span>'
        for token, value in zip(tokens, values, strict=True)
    ]
    legend = " ".join(f'<span style="{_css(math.log(p))}">&nbsp;{p:g}&nbsp;</span>' for p in LEGEND)
    perplexity = math.exp(min(-values.mean(), 700)) if len(values) else math.nan
    title = html.escape(title or "probability of each token")
    filled = PAGE.format(title=title, legend=legend, perplexity=perplexity, count=len(values), text="".join(spans))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(filled, encoding="utf-8")


def text(
    log_probs: Sequence[float] | np.ndarray, path: Path, *, tokens: Sequence[str], columns: int = 88, lines: int = 60
) -> None:
    """The same as a PNG picture: the first `lines` lines of the text, in a font of equal widths, `columns` a line.

    Args:
        log_probs, tokens: as in `page`.
    """
    values = np.asarray(log_probs, float)
    filled: dict[tuple[int, int], cells.Cell] = {}
    column = 0
    for probability in LEGEND:
        column = cells.fill(filled, 0, column, f" {probability:g} ", *_colors(math.log(probability))) + 1
    for line, column, characters, index in _pieces(tokens, columns):
        if line >= lines:
            break
        cells.fill(filled, line + 2, column, characters, *_colors(values[index]))
    cells.draw(filled, path, columns=columns, title="probability of each token")


def by_position(log_probs: np.ndarray, path: Path, *, weights: np.ndarray | None = None) -> None:
    """The mean loss at each position of the windows or texts, with its 95 % interval.

    Positions are in groups that double in length, because the loss falls fast at first and slowly later.

    Args:
        log_probs: float[rows, T], log P of each token, in nats.
        weights: float[rows, T], 0 on padding; 1 everywhere if None.
    """
    values = -np.asarray(log_probs, float)
    real = np.ones(values.shape, bool) if weights is None else np.asarray(weights) > 0
    steps = values.shape[1]
    edges = [*(2**power - 1 for power in range(max((steps + 1).bit_length() - 1, 1))), steps]
    places, means, errors = [], [], []
    for first, last in pairwise(edges):
        group = values[:, first:last][real[:, first:last]]
        if len(group):
            places.append((first + last + 1) / 2)  # positions from 1
            means.append(group.mean())
            errors.append(1.96 * group.std() / math.sqrt(len(group)))
    figure, panel = canvas.panel(size=(5.5, 3.4))
    panel.errorbar(places, means, errors, marker="o", markersize=4, capsize=3)
    panel.set(xlabel="tokens from the start", ylabel="nats per token", xscale="log")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.axhline(values[real].mean(), color="grey", linewidth=0.8, linestyle="--", label="mean of all")
    panel.legend()
    canvas.save(figure, path)


def by_frequency(log_probs: np.ndarray, path: Path, *, counts: np.ndarray) -> None:
    """Perplexity of frequent and of rare tokens; under each bar the share of the tokens that it stands for.

    Args:
        log_probs: float[N], log P of each token, in nats.
        counts: int[N], how often this token occurs in the training data.
    """
    values, counts = np.asarray(log_probs, float), np.asarray(counts)
    group = np.where(counts > 0, np.log10(np.maximum(counts, 1)).astype(int) + 1, 0)
    groups = np.unique(group)
    perplexities = [math.exp(min(-values[group == one].mean(), 700)) for one in groups]
    labels = [f"{_range(int(one))}\n{(group == one).mean():.1%}" for one in groups]
    figure, panel = canvas.panel(size=(max(3.2, 1.25 * len(groups) + 1), 3.4))
    bars = panel.bar(range(len(groups)), perplexities, color="#7aa6c2")
    panel.bar_label(bars, [f"{value:,.1f}" if value < 1000 else f"{value:,.0f}" for value in perplexities], fontsize=8)
    panel.set_xticks(range(len(groups)), labels, fontsize=8)
    panel.set(xlabel="occurrences in training, share of the tokens", ylabel="perplexity", yscale="log")
    panel.set_ylim(1, 3 * max(perplexities))
    canvas.save(figure, path)


def _range(power: int) -> str:
    """1 is "1–9", 2 is "10–99", and so on; 0 is "never"."""
    return "never" if power == 0 else f"{10 ** (power - 1):,}–{10**power - 1:,}"


def _colors(value: float) -> tuple[str, str]:
    """The background and the ink of a token: white on dark for one with `UNLIKELY` nats or more."""
    share = min(-float(value) / UNLIKELY, 1.0) if value < 0 else 0.0
    return _palette(round(share * 64))


@cache
def _palette(level: int) -> tuple[str, str]:
    return to_hex(colormaps["Oranges"](0.85 * level / 64)), "white" if level > 48 else "black"


def _css(value: float) -> str:
    background, ink = _colors(value)
    return f"background:{background};color:{ink}"


def _percent(value: float) -> str:
    return f"{math.exp(value):.2%}" if value > math.log(0.0005) else f"{math.exp(value):.1e}"


def _visible(token: str) -> str:
    """A token in HTML; a line feed has a mark of its own, or its shade could not be seen."""
    return html.escape(token).replace("\n", "↵\n")


def _pieces(tokens: Sequence[str], columns: int) -> Iterator[tuple[int, int, str, int]]:
    """Where each token stands: (line, column, characters, index of the token).

    A token that does not fit goes to the next line, without the blank that it begins with; one that is longer than a
    line is cut.
    """
    line = column = 0
    for index, token in enumerate(tokens):
        for part in token.replace("\t", " ").splitlines(keepends=True):
            ends = part.endswith("\n")
            part = part.rstrip("\r\n") + ("↵" if ends else "")
            if column and column + len(part) > columns:
                line, column, part = line + 1, 0, part.lstrip(" ")
            while part:
                yield line, column, part[: columns - column], index
                column, part = column + len(part[: columns - column]), part[columns - column :]
                if part:
                    line, column = line + 1, 0
            if ends:
                line, column = line + 1, 0
