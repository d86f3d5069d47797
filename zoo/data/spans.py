"""Spans of tokens, such as names, and their tags: B-PER begins a span of type PER, I-PER continues it, O is outside.

    spans.read(["B-PER", "I-PER", "O"])         # [Span(start=0, end=2, type="PER")]
    spans.write([Span(0, 2, "PER")], 3)         # ["B-PER", "I-PER", "O"]

Three schemes are read. BIO is as above (Ramshaw & Marcus 1995, with B on every span: IOB2). In IOB1, B only separates a
span from one of the same type just before it. BIOES also marks the last token of a span with E, and a span of one token
with S; BILOU calls these two L and U. Everything inside the zoo is BIO.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from zoo.data import remarks
from zoo.errors import InputError

Scheme = Literal["BIO", "IOB1", "BIOES"]
SCHEMES: tuple[Scheme, ...] = ("BIO", "IOB1", "BIOES")
MARKS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}


class Span(NamedTuple):
    """The tokens from `start` up to `end`, which is not part of it."""

    start: int
    end: int
    type: str

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


class InvalidTag(InputError):
    """The tag at `position` of a sentence is not valid there."""

    def __init__(self, position: int, message: str):
        super().__init__(message)
        self.position = position


def parts(tag: str) -> tuple[str, str]:
    """The mark of a tag (B, I, E, S or O) and its type, which is "" outside.

    Raises:
        ValueError: the tag is of no scheme.
    """
    if tag == "O":
        return "O", ""
    mark, dash, kind = tag.partition("-")
    if not dash or not kind.isprintable() or not kind.strip() or mark not in MARKS:
        raise ValueError(f"the tag is {tag!r}; expected O, or B-TYPE, I-TYPE, E-TYPE or S-TYPE")
    return MARKS[mark], kind


def read(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence, in order.

    A sequence that breaks its scheme has spans too, by the rules of conlleval: a tag that should continue a span and
    finds none of its type begins one.

    Raises:
        InvalidTag: a tag is of no scheme.
    """
    found: list[Span] = []
    start, current = -1, ""  # of the open span; -1: none
    for position, tag in enumerate(tags):
        try:
            mark, kind = parts(tag)
        except ValueError as error:
            raise InvalidTag(position, str(error)) from None
        begins = mark in "BS" or (mark in "IE" and (start < 0 or kind != current))
        if start >= 0 and (begins or mark == "O"):
            found.append(Span(start, position, current))
            start = -1
        if begins:
            start, current = position, kind
        if mark in "ES":
            found.append(Span(start, position + 1, current))
            start = -1
    return [*found, Span(start, len(tags), current)] if start >= 0 else found


def write(spans: Iterable[Span], length: int, scheme: Scheme = "BIO") -> list[str]:
    """The tags of a sentence of `length` tokens.

    Args:
        spans: in order, none of them overlapping.
    """
    tags = ["O"] * length
    before = Span(-1, -1, "")
    for span in spans:
        marks = ["I"] * (span.end - span.start)
        if scheme == "BIOES":
            marks[-1] = "E"
            marks[0] = "B" if len(marks) > 1 else "S"
        elif scheme == "BIO" or (before.end, before.type) == (span.start, span.type):
            marks[0] = "B"
        tags[span.start : span.end] = [f"{mark}-{span.type}" for mark in marks]
        before = span
    return tags


def detect(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that fits most sentences; BIO if several do. A sentence with a tag of no scheme does not count."""
    broken = dict.fromkeys(SCHEMES, 0)
    for tags in sentences:
        try:
            found, known = read(tags), _normal(tags)
        except InvalidTag:
            continue
        for scheme in SCHEMES:
            broken[scheme] += write(found, len(tags), scheme) != known
    return min(SCHEMES, key=broken.__getitem__)


def to_bio(tags: Sequence[str], scheme: Scheme, *, refuse: bool = False) -> list[str]:
    """The tags of a sentence as BIO. Those that break the scheme are read by the rules of `read`, and counted.

    Args:
        refuse: raise an error instead.
    Raises:
        InvalidTag: a tag is of no scheme; with `refuse`, also a tag that cannot stand where it does.
    """
    found, known = read(tags), _normal(tags)
    expected = write(found, len(tags), scheme)
    if expected != known and refuse:
        position = next(i for i, pair in enumerate(zip(known, expected, strict=True)) if pair[0] != pair[1])
        raise InvalidTag(
            position,
            f"the tag {tags[position]!r} breaks the scheme {scheme}, expected {expected[position]!r}; "
            "--invalid-tags repair reads it as that",
        )
    if scheme != "BIO":
        remarks.note(f"sentences in the scheme {scheme}, turned into BIO", 1)
    if expected != known:
        remarks.note(f"sentences with tags that break the scheme {scheme}, repaired", 1)
    return write(found, len(tags))


def _normal(tags: Sequence[str]) -> list[str]:
    """BILOU as BIOES; other tags as they are."""
    return ["-".join(filter(None, parts(tag))) for tag in tags]


def bio(types: Iterable[str]) -> list[str]:
    """Every tag for these types: O, and for each type B and I."""
    return ["O", *(f"{mark}-{kind}" for kind in sorted(set(types)) for mark in "BI")]


def allowed(tags: Sequence[str]) -> list[list[bool]]:
    """What `layers.crf.CRF` may choose among BIO tags: an I follows only a B or an I of its type.

    Returns:
        bool[N + 1][N]: whether tag j may follow tag i, and in the last row whether it may come first.
    """
    marks = [parts(tag) for tag in tags]
    return [
        [mark != "I" or (before in "BI" and kind == type_before) for mark, kind in marks]
        for before, type_before in [*marks, ("O", "")]
    ]


def form(tokens: Sequence[str], span: Span) -> str:
    """The text of a span in lower case, with a blank between tokens."""
    return " ".join(" ".join(tokens[span.start : span.end]).lower().split())


def marked(tokens: Sequence[str], spans: Iterable[Span]) -> str:
    """A sentence in which spans have brackets and their type: "[Ann Lee PER] is here"."""
    words = list(tokens)
    for span in spans:
        words[span.start] = "[" + words[span.start]
        words[span.end - 1] += f" {span.type}]"
    return " ".join(words)


def widened(found: Iterable[Span], starts: Sequence[int], ends: Sequence[int]) -> list[Span]:
    """Spans of characters as spans of the tokens that they touch.

    A span that does not end where tokens do is widened to whole tokens, and one without a token is left out; both are
    counted in a remark.

    Args:
        found: in characters.
        starts, ends: the characters at which tokens begin, and those after their ends.
    Raises:
        ValueError: two spans share a token.
    """
    spans: list[Span] = []
    for span in sorted(found):
        touched = [i for i in range(len(starts)) if starts[i] < span.end and span.start < ends[i]]
        exact = touched and (starts[touched[0]], ends[touched[-1]]) == span[:2]
        if not exact:
            remarks.note("entities that do not begin and end where words do, widened to whole words", 1)
        if touched:
            spans.append(Span(touched[0], touched[-1] + 1, span.type))
    for one, after in pairwise(spans):
        if one.overlaps(after):
            raise ValueError(
                f"the entities {one.type} and {after.type} share a word; expected no entity inside another"
            )
    return spans
