"""Laws of part-of-speech tagging: one tag a word whatever the sentence is, and metrics a person can check."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo import cli, trainer
from zoo.data import words
from zoo.data.samples import tagged_sentences
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import pos_tagging

SIZES = {"units": 4, "embedding": 4, "character_features": 6, "affix_embedding": 2, "max_characters": 8}


def run_of(examples, **options) -> Run:
    """Untrained: these tests must hold for any weights."""
    cfg = pos_tagging.Config(**SIZES, **options)
    codec = pos_tagging.codec(cfg, examples)
    return Run(pos_tagging, cfg, codec, pos_tagging.model(cfg, codec), Path())


SENTENCES = [
    {"tokens": ["They", "can", "fish", "."], "tags": ["PRON", "AUX", "VERB", "PUNCT"]},
    {"tokens": ["the", "can", "<pad>", "!"], "tags": ["DET", "NOUN", "X", "PUNCT"]},
]


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of(SENTENCES, min_count=1)


def test_every_word_gets_a_tag_whatever_the_sentence():
    """With the choices that are not the defaults: the rest of this file runs with those."""
    sentences = [["fish"], ["can"] * 400, ["x" * 200], [], ["<pad>", "can"], SENTENCES[0]["tokens"], ["日", "🐟"]]
    run = run_of(SENTENCES, characters="rnn", affixes=0, output="softmax", casing=True)
    for tokens, answer in zip(sentences, run.predict(sentences), strict=True):
        assert len(answer["tags"]) == len(answer["probabilities"]) == len(tokens)
        assert set(answer["tags"]) <= set(run.codec.tags.tokens)


def test_answers_do_not_depend_on_the_company(run):
    sentences = [["fish"], ["can"] * 400, ["x" * 200], [], ["<pad>", "can"], ["can", "", "fish"]]
    for tokens, answer in zip(sentences, run.predict(sentences), strict=True):
        (alone,) = run.predict([tokens])
        assert alone["tags"] == answer["tags"]
        assert len(alone["tags"]) == len(tokens)
        np.testing.assert_allclose(alone["probabilities"], answer["probabilities"], atol=1e-5)


def test_served_answer_keeps_the_width_of_the_question(run):
    tokens = tf.constant([["They", "can", "", ""], ["", "", "", ""]])
    answer = run.service(tokens=tokens)
    assert answer["lengths"].numpy().tolist() == [2, 0]
    assert answer["tags"].shape == answer["probabilities"].shape == tokens.shape
    assert set(answer["tags"].numpy()[:, 2:].ravel()) == {b""}
    assert not answer["probabilities"].numpy()[:, 2:].any()
    assert run.service(tokens=tf.zeros([2, 0], tf.string))["tags"].shape == (2, 0)


def test_text_is_answered_as_its_words_are(run):
    (of_text, empty), (of_words,) = run.predict(["They can fish.", ""]), run.predict([["They", "can", "fish", "."]])
    assert of_text["tokens"] == ["They", "can", "fish", "."]
    assert of_text["tags"] == of_words["tags"]
    np.testing.assert_allclose(of_text["probabilities"], of_words["probabilities"], atol=1e-6)
    assert empty == {"tokens": [], "tags": [], "probabilities": []}


def test_probabilities_of_every_tag_sum_to_one_and_hold_the_chosen_ones(run):
    tokens = SENTENCES[0]["tokens"]
    (answer,), (every,) = run.predict([tokens]), run.predict([tokens], signature="every_tag")
    every = np.array(every["probabilities"])
    np.testing.assert_allclose(every.sum(axis=-1), np.ones(4), rtol=1e-5)
    chosen = [every[i, run.codec.tags.tokens.index(tag)] for i, tag in enumerate(answer["tags"])]
    np.testing.assert_allclose(chosen, answer["probabilities"], rtol=1e-5)


def test_letters_and_affixes_tell_unknown_words_apart(run):
    (one, other) = run.predict([["zzly"], ["qqed"]], signature="every_tag")
    assert one["probabilities"] != other["probabilities"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("They don't know.", "They do n't know ."),
        ("Ann's dog can't — it’s old", "Ann 's dog ca n't — it ’s old"),
        ("I cannot pay $1,000.50 (well-known).", "I can not pay $ 1,000.50 ( well - known ) ."),
        ("See www.a.org/b?c=1, or write to x.y@z.com!!!", "See www.a.org/b?c=1 , or write to x.y@z.com !!!"),
        ("Mr. U.S. waited until 10:30...", "Mr. U.S. waited until 10:30 ..."),
        ("Größe 日本!", "Größe 日本 !"),
        (" \t\n ", ""),
        ("", ""),
    ],
)
def test_split_by_the_rules(text, tokens):
    assert [token.decode() for token in words.split(tf.constant([text])).to_list()[0]] == tokens.split()


def test_split_loses_no_character():
    texts = ["a..b--c!?,;'x' n't 's cannot't", "‹(„x“)›", "’s'", "\x00\x07a\x1f"]
    for text, tokens in zip(texts, words.split(tf.constant(texts)).to_list(), strict=True):
        assert "".join(token.decode() for token in tokens) == "".join(c for c in text if c > " ")


def test_letters_and_affixes_of_a_word():
    assert [b"".join(row) for row in words.letters(tf.constant(["Walking", "is", ""]), 4).to_list()] == [
        b"Wang",
        b"is",
        b"",
    ]
    (row, short) = words.affixes(tf.constant(["Über", "I"]), 2).numpy().tolist()
    assert [part.decode() for part in row] == ["ü…", "…r", "üb…", "…er"]
    assert [part.decode() for part in short] == ["i…", "…i", "i…", "…i"]


def test_shapes_of_words():
    found = (
        words.shapes(tf.constant(["Ann", "U.S.", "21st-century", "iPhone", "日本", "Ǆabc", "", "٣.٤"])).numpy().tolist()
    )
    assert [shape.decode() for shape in found] == ["Xx", "X.X.", "dx-x", "xXx", "c", "Xx", "", "d.d"]


@pytest.mark.parametrize("inside", [False, True], ids=["eager", "in tf.data"])
def test_features_are_as_long_as_the_sentence(run, inside):
    tokens = tf.ragged.constant([["They"], ["can", "fish", "x" * 200]])
    features = words.features(run.cfg, run.codec, tokens)
    if inside:
        dataset = tf.data.Dataset.from_tensors(tokens).map(lambda t: words.features(run.cfg, run.codec, t))
        (features,) = list(dataset)
    assert features.keys() == {"words", "characters", "affixes"}
    for name, width in (("characters", (8,)), ("affixes", (6,)), ("words", ())):
        assert features[name].row_lengths().numpy().tolist() == [1, 3]
        assert features[name].flat_values.shape == (4, *width)


def test_new_words_are_those_that_train_does_not_have_as_written(run):
    examples = [{"tokens": ["they", "They"], "tags": ["PRON", "PRON"]}]
    scores = pos_tagging.score(run.cfg, run.codec, [{"tags": ["X", "PRON"]}], examples)
    assert scores["oov_accuracy"] == 0
    assert scores["accuracy"] == 0.5


def test_sample_needs_context_and_spelling():
    train, test = (list(tagged_sentences.examples(split)) for split in ("train", "test"))
    tags = defaultdict(set)
    for example in train:
        assert len(example["tokens"]) == len(example["tags"])
        for token, tag in zip(example["tokens"], example["tags"], strict=True):
            tags[token].add(tag)
    assert tags["can"] == {"AUX", "NOUN"}
    assert tags["that"] == {"DET", "SCONJ"}
    assert tags["light"] == {"ADJ", "NOUN"}
    assert tags["to"] == {"PART", "ADP"}
    pairs = [pair for example in test for pair in zip(example["tokens"], example["tags"], strict=True)]
    new = [(token, tag) for token, tag in pairs if token.lower() not in tags]
    assert len(new) > 0.05 * len(pairs)
    endings = {ending: tag for tag, list_ in tagged_sentences.ENDINGS.items() for ending in list_}
    right = [any(token.endswith(ending) and tag == t for ending, t in endings.items()) for token, tag in new]
    assert np.mean(right) > 0.95  # the rest: known words that only begin a sentence in test


@pytest.mark.slow
def test_any_treebank_is_enough(tmp_path, capsys):
    """Other tags, one file, sentences of 1 and 400 words, a word of 200 letters, a tag that only test has: it runs."""
    rows = [["x" * 200], ["ja"] * 400, *([f"w{i}", "nein"] for i in range(20))]
    text = "".join(
        "".join(f"{n}\t{w}\t_\tTAG{len(w) % 3}\t_\t_\t0\t_\t_\t_\n" for n, w in enumerate(row, 1)) + "\n"
        for row in rows
    )
    (tmp_path / "train.conllu").write_text(text)
    (tmp_path / "test.conllu").write_text(text.replace("TAG1", "NEU"))
    cfg = pos_tagging.Config(data=str(tmp_path), epochs=1, **SIZES)
    run = trainer.train(pos_tagging, cfg, directory=tmp_path / "run")
    assert run.metrics["metrics"].keys() == {"accuracy", "oov_accuracy", "sentence_accuracy"}
    assert "NEU" in (tmp_path / "run" / "per_tag.txt").read_text()
    assert "tags 'NEU' of test is not in train" in capsys.readouterr().out
    assert cli.main(["predict", str(tmp_path / "run"), "Ja, nein.", "", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["text"] == "Ja, nein."
    assert first["tokens"] == ["Ja", ",", "nein", "."]
    assert len(first["tags"]) == 4
    assert second["tokens"] == second["tags"] == []


def test_one_tag_is_nothing_to_learn():
    examples = [{"tokens": ["a"], "tags": ["_"]}]
    with pytest.raises(InputError, match="need at least two classes"):
        pos_tagging.codec(pos_tagging.Config(column="xpos"), examples)
