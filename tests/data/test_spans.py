"""Spans and their tags: every scheme gives the same spans, and what breaks a scheme is repaired or refused."""

import itertools

import pytest

from zoo.data import remarks, spans
from zoo.data.spans import Span

NAMES = [Span(0, 2, "PER"), Span(3, 4, "LOC"), Span(4, 6, "LOC")]
TAGS = {
    "BIO": "B-PER I-PER O B-LOC B-LOC I-LOC O",
    "IOB1": "I-PER I-PER O I-LOC B-LOC I-LOC O",
    "BIOES": "B-PER E-PER O S-LOC B-LOC E-LOC O",
}


@pytest.mark.parametrize("scheme", TAGS)
def test_each_scheme_is_read_written_and_detected(scheme):
    tags = TAGS[scheme].split()
    assert spans.read(tags) == NAMES
    assert spans.write(NAMES, len(tags), scheme) == tags
    assert spans.detect([["O"], tags]) == scheme
    assert spans.to_bio(tags, scheme, refuse=True) == TAGS["BIO"].split()


def test_bilou_is_bioes():
    tags = ["B-PER", "L-PER", "O", "U-LOC", "B-LOC", "L-LOC", "O"]
    assert spans.read(tags) == NAMES
    assert spans.detect([tags]) == "BIOES"


def test_every_sequence_of_tags_has_spans_that_write_and_read_gives_back():
    tags = ["O", "B-X", "I-X", "E-X", "S-X", "I-Y"]
    for sequence in itertools.product(tags, repeat=4):
        found = spans.read(sequence)
        assert all(0 <= span.start < span.end <= 4 for span in found)
        assert all(one.end <= after.start for one, after in itertools.pairwise(found))
        for scheme in spans.SCHEMES:
            assert spans.read(spans.write(found, 4, scheme)) == found
        assert {i for span in found for i in range(span.start, span.end)} == {i for i in range(4) if sequence[i] != "O"}


def test_broken_sequences_are_repaired_and_counted_or_refused():
    with remarks.collect() as seen:
        assert spans.to_bio(["O", "I-X", "I-Y", "I-Y"], "BIO") == ["O", "B-X", "B-Y", "I-Y"]
    assert {what: count.happened for what, count in seen.items()} == {
        "sentences with tags that break the scheme BIO, repaired": 1
    }
    with pytest.raises(spans.InvalidTag, match="'I-X' breaks the scheme BIO, expected 'B-X'") as error:
        spans.to_bio(["O", "I-X"], "BIO", refuse=True)
    assert error.value.position == 1


@pytest.mark.parametrize("tag", ["X", "", "B-", "-X", "B", "NOUN", "b-x", "1"])
def test_a_tag_of_no_scheme_is_refused(tag):
    with pytest.raises(spans.InvalidTag, match="expected O, or B-TYPE") as error:
        spans.read(["O", tag])
    assert error.value.position == 1


def test_allowed_are_the_sequences_that_need_no_repair():
    tags = spans.bio(["Y", "X"])
    assert tags == ["O", "B-X", "I-X", "B-Y", "I-Y"]
    allowed = spans.allowed(tags)
    for sequence in itertools.product(range(5), repeat=3):
        names = [tags[i] for i in sequence]
        valid = spans.write(spans.read(names), 3) == names
        assert valid == all(allowed[before][tag] for before, tag in itertools.pairwise([5, *sequence]))


def test_spans_of_characters_are_widened_to_words():
    starts, ends = [0, 4, 10], [3, 9, 11]  # "New Yorkers ," with a word that is longer than its entity
    with remarks.collect() as seen:
        assert spans.widened([Span(4, 8, "LOC"), Span(0, 3, "A"), Span(3, 4, "B")], starts, ends) == [
            Span(0, 1, "A"),
            Span(1, 2, "LOC"),
        ]
    (count,) = seen.values()
    assert count.happened == 2
    with pytest.raises(ValueError, match="share a word"):
        spans.widened([Span(0, 5, "A"), Span(6, 9, "B")], starts, ends)


def test_the_form_of_a_span():
    tokens = ["In", "New", "York"]
    assert spans.form(tokens, Span(1, 3, "LOC")) == "new york"
    assert spans.marked(tokens, [Span(0, 1, "X"), Span(1, 3, "LOC")]) == "[In X] [New York LOC]"
    assert tokens[0] == "In"
