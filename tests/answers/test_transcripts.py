"""Searches for texts equal brute force over all texts where the beam is wide; padding and neighbours change nothing."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf

from zoo.answers import transcripts
from zoo.data.lexicon import Lexicon, read
from zoo.errors import InputError
from zoo.layers import ctc

SYMBOLS = ("a", "b", " ")
TEXTS = ["a ab", "ab", "ba a", "a a ab"]
LENGTHS = np.array([6, 4, 5, 1])
KEEP = np.arange(6) < LENGTHS[:, None]


def log_probs_of(seed=0, strength=2.0) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(len(LENGTHS), 6, 4)).astype("float32") * strength
    return ctc.CTC(3)(scores, KEEP).numpy()


def every_text(log_probs: np.ndarray) -> dict[str, float]:
    """Each text and log p(text), the sum over its alignments."""
    found = defaultdict(list)
    for path in itertools.product(range(4), repeat=len(log_probs)):
        text = "".join(SYMBOLS[symbol] for symbol, _ in itertools.groupby(path) if symbol < 3)
        found[text].append(sum(log_probs[t, symbol] for t, symbol in enumerate(path)))
    return {text: float(np.logaddexp.reduce(chances)) for text, chances in found.items()}


def texts_of(symbols: tf.Tensor) -> list[str]:
    return ["".join(SYMBOLS[symbol] for symbol in row if symbol >= 0) for row in symbols.numpy()]


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_likeliest_text(seed):
    log_probs = log_probs_of(seed)
    found = texts_of(transcripts.beam(tf.constant(log_probs), beams=200))
    for i, length in enumerate(LENGTHS):
        chances = every_text(log_probs[i, :length])
        assert chances[found[i]] == pytest.approx(max(chances.values()), abs=1e-4)


def test_greedy_is_the_text_of_the_best_alignment():
    log_probs = log_probs_of()
    for i, found in enumerate(texts_of(transcripts.greedy(tf.constant(log_probs)))):
        best = log_probs[i, : LENGTHS[i]].argmax(axis=1)
        assert found == "".join(SYMBOLS[symbol] for symbol, _ in itertools.groupby(best) if symbol < 3)
    nothing = ctc.CTC(3)(np.array([[[0, 0, 0, 9.0]]], "float32"), np.array([[True]]))
    for search in (transcripts.greedy, lambda x: transcripts.beam(x, beams=4)):
        assert search(nothing).numpy().tolist() == [[-1]]


def score_of(text: str, chance: float, lexicon: Lexicon, weight: float, bonus: float) -> float | None:
    """The score that the search looks for, or None if the text does not consist of words."""
    words = text.split(" ") if text else []
    if not set(words) <= set(lexicon.words):
        return None
    size, bigrams = len(lexicon.words), lexicon.bigrams.numpy()
    ids = [size, *map(lexicon.words.index, words), size]
    return chance + sum(weight * bigrams[pair] for pair in itertools.pairwise(ids)) + bonus * len(words)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("weight", "bonus"), [(0.0, 0.0), (1.0, 0.0), (0.7, 2.0)])
def test_a_wide_beam_finds_the_best_words(seed, weight, bonus):
    log_probs, lexicon = log_probs_of(seed), Lexicon.of(TEXTS, SYMBOLS)
    answer = transcripts.words(
        tf.constant(log_probs), lexicon, weight=tf.constant(weight), bonus=tf.constant(bonus), beams=300
    )
    for i, found in enumerate(texts_of(answer)):
        scored = {
            text: score_of(text, chance, lexicon, weight, bonus)
            for text, chance in every_text(log_probs[i, : LENGTHS[i]]).items()
        }
        known = {text: score for text, score in scored.items() if score is not None}
        assert known[found] == pytest.approx(max(known.values()), abs=1e-3)


@pytest.mark.parametrize("beams", [1, 3, 16])
def test_a_narrow_beam_answers_each_row_alone(beams):
    """Also with more padding; and it writes nothing but words."""
    log_probs, lexicon = log_probs_of(strength=0.5), Lexicon.of(TEXTS, SYMBOLS)

    def search(part):
        return texts_of(
            transcripts.words(tf.constant(part), lexicon, weight=tf.constant(1.0), bonus=tf.constant(0.5), beams=beams)
        )

    padding = np.broadcast_to(np.array([ctc.NEVER] * 3 + [0.0], "float32"), (1, 3, 4))
    for i, found in enumerate(search(log_probs)):
        assert search(np.concatenate([log_probs[i : i + 1], padding], axis=1)) == [found]
        assert not found or set(found.split(" ")) <= set(lexicon.words)


def test_bigrams_are_a_distribution_that_prefers_what_was_said():
    lexicon = Lexicon.of(TEXTS, SYMBOLS, more=["bb", "c"])
    assert lexicon.words == ("a", "ab", "ba", "bb")  # c has a character that was never heard
    np.testing.assert_allclose(np.exp(lexicon.bigrams).sum(axis=1), 1, atol=1e-5)
    chances = lexicon.bigrams.numpy()
    assert chances[0, 1] > chances[0, 2] > chances[0, 3] - 1e-6  # "a ab" was said, "a ba" was not


def test_a_lexicon_survives_its_file(tmp_path):
    lexicon = Lexicon.of(TEXTS, SYMBOLS)
    lexicon.save(tmp_path / "lexicon.npz")
    loaded = Lexicon.load(tmp_path / "lexicon.npz")
    assert (loaded.words, loaded.symbols) == (lexicon.words, lexicon.symbols)
    np.testing.assert_array_equal(loaded.bigrams, lexicon.bigrams)
    np.testing.assert_array_equal(loaded.children, lexicon.children)


def test_words_of_a_dictionary_and_faults(tmp_path):
    (tmp_path / "a.dic").write_text("A AH\nA(2) EY\nAND  AE N D\n\n")
    assert read(str(tmp_path / "a.dic")) == ["A", "AND"]
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no training text has two words"):
        Lexicon.of(["a"], ("a", "b"))
