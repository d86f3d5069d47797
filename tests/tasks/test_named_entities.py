"""Laws of named entities: valid tags and their spans whatever the sentence is; hostile input is answered or refused."""

from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import run_dir
from zoo.data import spans
from zoo.data.codec import Codec
from zoo.data.samples import entity_sentences
from zoo.errors import InputError
from zoo.run import Run
from zoo.tasks import language_model, named_entities

SIZES = {"units": 4, "embedding": 4, "character_features": 6, "affix_embedding": 2, "max_characters": 8}
SENTENCES = [
    {"tokens": ["Ann", "Lee", "left", "Oslo", "."], "tags": ["B-PER", "I-PER", "O", "B-LOC", "O"]},
    {"tokens": ["In", "Port", "Vila", "<pad>"], "tags": ["O", "B-LOC", "I-LOC", "O"]},
]


def run_of(**options) -> Run:
    """Untrained: these tests must hold for any weights."""
    cfg = named_entities.Config(**SIZES, min_count=1, **options)
    codec = named_entities.codec(cfg, SENTENCES)
    model = named_entities.model(cfg, codec)
    scores = model.get_layer("scores")
    scores.bias.assign(np.array([0.0, 0.3, 0.6, 0.2, 0.5]))  # so that there are spans of both types, and O
    return Run(named_entities, cfg, codec, model, Path())


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of()


HOSTILE = [
    ["Oslo"],
    ["Ann"] * 400,
    ["x" * 200],
    [],
    ["<pad>", "B-PER", "O"],
    ["👩‍👩‍👧", "🐟", "🏴\U000e0067\U000e007f"],
    ["אן", "לי", "גרה", "\u202e", "באוסלו"],
    ["In", "", "Oslo", "\0", "\ufffd"],
]


def test_any_sentence_has_valid_tags_and_their_spans(run):
    for tokens, answer in zip(HOSTILE, run.predict(HOSTILE), strict=True):
        assert len(answer["tags"]) == len(answer["probabilities"]) == len(tokens)
        found = list(map(spans.Span, answer["span_start"], answer["span_end"], answer["span_type"]))
        assert spans.write(found, len(tokens)) == answer["tags"]
        clean = [token.replace("\0", "\ufffd") for token in tokens]  # control characters never reach an answer
        assert answer["span_text"] == [" ".join(clean[span.start : span.end]) for span in found]
        assert all(0 <= probability <= 1 + 1e-5 for probability in answer["span_probability"])
    assert any(answer["span_type"] for answer in run.predict(HOSTILE))


def test_answers_do_not_depend_on_the_company(run):
    for tokens, answer in zip(HOSTILE, run.predict(HOSTILE), strict=True):
        (alone,) = run.predict([tokens])
        assert alone["tags"] == answer["tags"]
        np.testing.assert_allclose(alone["span_probability"], answer["span_probability"], atol=1e-5)


def test_a_text_has_the_spans_of_its_words_and_their_characters(run):
    texts = ["Ann Lee\tleft  Oslo.", "", "🐟 Ann-Lee's \u202eאב!"]
    for text, answer in zip(texts, run.predict(texts), strict=True):
        (of_words,) = run.predict([answer["tokens"]])
        assert answer["tags"] == of_words["tags"]
        assert answer["span_start"] == of_words["span_start"]
        places = zip(answer["span_start_character"], answer["span_end_character"], strict=True)
        assert [text[start:end] for start, end in places] == answer["span_text"]
        parts = zip(answer["span_start"], answer["span_end"], strict=True)
        assert [t.replace(" ", "").replace("\t", "") for t in answer["span_text"]] == [
            "".join(answer["tokens"][start:end]) for start, end in parts
        ]


def test_served_answer_is_padded_on_the_right(run):
    answer = run.service(tokens=tf.constant([["Ann", "Lee", "left"], ["", "", ""]]))
    lengths = answer["span_lengths"].numpy()
    assert lengths[1] == 0
    for name in ("type", "start", "end", "text", "probability"):
        assert answer[f"span_{name}"].shape == (2, max(lengths))
    assert run.service(tokens=tf.zeros([2, 0], tf.string))["span_type"].shape == (2, 0)


def test_a_gazetteer_is_read_and_changes_answers(tmp_path):
    (tmp_path / "names.tsv").write_text("LOC\tPort Vila\nPER\tAnn\n")
    run = run_of(gazetteer=str(tmp_path / "names.tsv"))
    x, _ = named_entities.encode(
        run.cfg, run.codec, {key: tf.ragged.constant([e[key] for e in SENTENCES]) for key in ("tokens", "tags")}
    )
    assert x["gazetteer"].row_lengths().numpy().tolist() == [5, 4]
    assert x["gazetteer"].flat_values.numpy().sum(axis=0).tolist() == [1, 1, 1, 0]
    known, other = run.predict([["Port", "Vila"], ["Port", "Ila"]], signature="every_tag")
    assert known["probabilities"][0] != other["probabilities"][0]


def language_model_run(folder: Path, **options) -> Path:
    """An untrained run of language_model, as far as another task reads it."""
    cfg = language_model.Config(units=3, embedding=2, min_count=1, direction="both", **options)
    codec = language_model.codec(cfg, [{"text": "Ann Lee left Oslo ."}])
    codec.save(folder / "codec")
    run_dir.save_model(language_model.model(cfg, codec), folder)
    return folder


@pytest.mark.parametrize("unit", ["tokens", "uncased"])
def test_a_language_model_gives_context(tmp_path, unit):
    folder = language_model_run(tmp_path, unit=unit)
    run = run_of(init_encoder=str(folder))
    origins = named_entities.start(run.cfg, run.model)
    assert set(origins) == {f"context_states, {part}" for part in ("embedding", "forward", "backward")}
    source, mine = keras.models.load_model(folder / "model.keras"), run.model.get_layer("context_states")
    np.testing.assert_array_equal(mine.embedding.get_weights()[0], source.get_layer("embedding").embeddings)
    for way in ("forward", "backward"):
        theirs = source.get_layer(way).stack[0].get_weights()
        for one, other in zip(mine.encoders[way].get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    run.codec.save(tmp_path / "again")
    again = Codec.load(tmp_path / "again").context
    names = tf.constant(["ann", "Ann", "new", "<pad>"])
    np.testing.assert_array_equal(again(names), run.codec.context(names))
    low, high, new, padding = run.codec.context(names).numpy()
    assert (low == high) == (unit == "uncased")
    assert new == padding == run.codec.context.vocabulary.unknown
    assert [len(answer["tags"]) for answer in run.predict(HOSTILE)] == list(map(len, HOSTILE))


def test_a_language_model_of_other_units_is_refused(tmp_path):
    with pytest.raises(InputError, match="--unit tokens or uncased"):
        run_of(init_encoder=str(language_model_run(tmp_path, unit="characters")))
    with pytest.raises(InputError, match="is not a trained run of language_model"):
        run_of(init_encoder="nowhere")


def test_rare_tags_weigh_more_if_classes_are_balanced():
    run = run_of(class_weights="balanced")
    counts = {"O": 4, "B-LOC": 2, "I-LOC": 1, "B-PER": 1, "I-PER": 1}
    assert run.model.loss.class_weights == pytest.approx([9 / 5 / counts[tag] for tag in run.codec.tags.tokens])
    assert run_of().model.loss.class_weights is None


def test_scores_by_hand(run):
    answers = [{"tags": ["B-PER", "I-PER", "O", "B-PER", "O"]}, {"tags": ["O", "B-LOC", "I-LOC", "O"]}]
    examples = [SENTENCES[0], {**SENTENCES[1], "tokens": ["In", "Port", "Moresby", "."]}]
    scores = named_entities.score(run.cfg, run.codec, answers, examples)
    assert scores == pytest.approx({"f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3, "unseen_f1": 1.0})
    assert [named_entities.quality(*pair) for pair in zip(examples, answers, strict=True)] == [0.5, 1.0]
    shown = named_entities.show(examples[0], answers[0])
    assert shown == "[Ann Lee PER] left [Oslo PER] . (truth: [Ann Lee PER] left [Oslo LOC] .)"


def test_rows_of_a_table_are_entities(run):
    question = {"text": "Ann Lee left Oslo."}
    (answer,) = run.predict([question])
    rows = list(named_entities.rows(run.cfg, question, answer))
    assert [row["span_text"] for row in rows] == answer["span_text"]
    assert all(row["sentence"] == question["text"] for row in rows)


def test_pictures_of_any_answers(run, tmp_path):
    drawn = Run(named_entities, run.cfg, run.codec, run.model, tmp_path)
    examples = [{"tokens": tokens or ["a"], "tags": ["O"] * max(len(tokens), 1)} for tokens in HOSTILE]
    named_entities.draw(drawn, drawn.predict(examples), examples)
    named_entities.draw(drawn, [{"tags": ["O"]}], [{"tokens": ["a"], "tags": ["O"]}])
    assert (tmp_path / "plots" / "spans.png").stat().st_size
    assert "missed" in (tmp_path / "per_type.txt").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"baselines": "crf,hmm"}, "expected names of dictionary, crf"),
        ({"data": "nowhere"}, "does not exist"),
        ({"data": "tfds:conll2003"}, "tfds"),
    ],
)
def test_wrong_options_are_one_line(options, says):
    with pytest.raises(InputError, match=says) as error:
        named_entities.examples(named_entities.Config(**options), "train")
    assert "\n" not in str(error.value)


def test_data_without_an_entity_is_refused():
    with pytest.raises(InputError, match="no entity to learn"):
        named_entities.codec(named_entities.Config(), [{"tokens": ["a"], "tags": ["O"]}])


def test_tags_that_break_the_scheme_are_refused_on_request(tmp_path):
    (tmp_path / "train.conll").write_text("Ann\tB-PER\nleft\tO\nOslo\tI-LOC\n")
    read = {mode: named_entities.Config(data=str(tmp_path), invalid_tags=mode) for mode in ("repair", "refuse")}
    (example,) = named_entities.examples(read["repair"], "train")
    assert example["tags"] == ["B-PER", "O", "B-LOC"]
    with pytest.raises(InputError, match="line 3: the tag 'I-LOC' breaks the scheme BIO"):
        list(named_entities.examples(read["refuse"], "train"))


def test_sample_needs_context_and_spelling():
    train, test = (list(entity_sentences.examples(split)) for split in ("train", "test"))
    types = defaultdict(set)
    for example in train:
        for span in spans.read(example["tags"]):
            types[spans.form(example["tokens"], span)].add(span.type)
    assert all(types[name.lower()] == {"PER", "ORG", "LOC"} for name in entity_sentences.EITHER)
    (dictionary,) = named_entities.baseline(named_entities.Config(baselines="dictionary"), None, train, test)
    answers, truth = named_entities.found(dictionary.answers), named_entities.found(test)
    right = sum(len({*a} & {*t}) for a, t in zip(answers, truth, strict=True))
    assert right < 0.5 * sum(map(len, truth))
