"""Laws of translation: every sentence is answered, alone as in company, and metrics a person can check."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo.baselines.translation import word_for_word
from zoo.data import batching, cache
from zoo.data.examples import Examples
from zoo.data.samples import sentence_pairs
from zoo.run import Run
from zoo.tasks import translation

PAIRS = [
    {"source": "The dog sleeps.", "target": "Der Hund schläft."},
    {"source": "A cat sees the dog, Ümit!", "target": "Eine Katze sieht den Hund, Ümit!"},
    {"source": "Today a cat sleeps.", "target": "Heute schläft eine Katze."},
    {"source": "OK", "target": "OK"},
]
ODD = ["", " \t ", "dog", "The dog sleeps. " * 50, "犬が寝ている", b"\xff\xfe \x00".decode("latin1"), "<pad> <end>"]


def run_of(**options) -> Run:
    """Untrained: these tests must hold for any weights."""
    cfg = translation.Config(units=6, embedding=8, vocabulary=90, **options)
    examples = Examples(lambda: iter(PAIRS))
    codec = translation.codec(cfg, examples)
    return Run(translation, cfg, codec, translation.model(cfg, codec), Path())


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of(scheduled_sampling=0.5)


@pytest.fixture(scope="module")
def other() -> Run:
    """With the choices that are not the defaults."""
    return run_of(
        tokens="words",
        cell="lstm",
        layers=2,
        attention="bahdanau",
        attend="before",
        bridge="zeros",
        tied=False,
        beams=2,
    )


def test_a_transformer_reads_and_a_gru_writes():
    run = run_of(cell="transformer", layers=2, beams=1)
    assert run.model.get_layer("encoder").cell == "transformer"
    assert run.model.get_layer("decoder").cells[0].cell == "gru"
    together = run.predict([pair["source"] for pair in PAIRS])
    for pair, answer in zip(PAIRS, together, strict=True):
        (alone,) = run.predict([pair["source"]])
        assert alone["translation"] == answer["translation"]


@pytest.mark.parametrize("which", ["run", "other"])
def test_every_sentence_is_answered_alone_as_in_company(which, request):
    run = request.getfixturevalue(which)
    asked = [*ODD, *(pair["source"] for pair in PAIRS)]
    together = run.predict(asked, signature="n_best")
    for text, answer in zip(asked, together, strict=True):
        (alone,) = run.predict([text], signature="n_best")
        assert alone.keys() == answer.keys()
        for name, value in alone.items():
            if name in ("scores", "attention"):
                np.testing.assert_allclose(value, answer[name], atol=1e-5)
            else:
                assert value == answer[name], name


def test_nothing_is_the_answer_to_nothing(run):
    for answer in run.predict(["", "  \n"]):
        assert answer == {"translation": "", "score": 0.0}


def test_an_answer_is_not_much_longer_than_the_question(run):
    for text in ("dog", "The dog sleeps. " * 50):
        read, written = (run.predict([text], signature="n_best")[0][f"{side}_tokens"] for side in ("source", "target"))
        assert 1 <= len(written) <= min(2 * len(read) + 10, run.cfg.max_length)
    assert len(read) == run.cfg.max_length, "the rest of a longer one is not read"


def test_n_best_are_in_order_with_the_attention_of_the_best(run):
    (answer,) = run.predict(["A cat sees the dog."], signature="n_best")
    (best,) = run.predict(["A cat sees the dog."])
    assert answer["translations"][0] == best["translation"]
    assert answer["scores"][0] == pytest.approx(best["score"], abs=1e-5)
    assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert len(answer["translations"]) == run.cfg.beams
    weights = np.array(answer["attention"])
    assert weights.shape == (len(answer["target_tokens"]), len(answer["source_tokens"]))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert answer["source_tokens"][-1] == "<end>"


def test_attention_is_drawn(run, tmp_path):
    translation.attention(run, PAIRS[0], tmp_path / "attention.png")
    assert (tmp_path / "attention.png").read_bytes()[:4] == b"\x89PNG"


def test_joint_subwords_know_both_languages():
    joint, apart = run_of().codec, run_of(tokens="separate").codec
    texts = tf.constant(["Katze", "cat", "ä"])
    assert joint.source.tokens == joint.target.tokens
    assert joint.source.unknown not in joint.source.encode(texts).flat_values
    assert apart.source.unknown in apart.source.encode(texts).flat_values
    assert set(apart.source.tokens) != set(apart.target.tokens)


def test_the_output_bias_starts_at_the_frequency_of_tokens(run):
    ids = run.codec.target.encode(tf.constant([pair["target"] for pair in PAIRS])).flat_values.numpy()
    counts = np.bincount(ids, minlength=len(run.codec.target)) + 1.0
    counts[run.codec.target.end] += len(PAIRS)
    bias = run.model.get_layer("decoder").output_bias
    np.testing.assert_allclose(bias, np.log(counts / counts.sum()), rtol=1e-5)


def test_perplexity_is_of_all_tokens(run):
    examples = Examples(lambda: iter(PAIRS))
    encoded = cache.encode(examples, lambda batch: translation.encode(run.cfg, run.codec, batch))
    total = count = 0
    for row in range(len(PAIRS)):
        x, y, weight = batching.pad(encoded, batching.Batch(np.array([row]), tuple(map(int, encoded.lengths[row]))))
        log_probs = tf.nn.log_softmax(run.model(x, training=False))
        total -= tf.reduce_sum(tf.gather(log_probs, y, batch_dims=2)).numpy()
        count += weight.sum()
    assert run.model_metrics(examples) == {"perplexity": pytest.approx(np.exp(total / count), rel=1e-4)}


def test_validation_is_translated_greedily_and_the_sampling_rate_moves(run):
    examples = Examples(lambda: iter(PAIRS))
    bleu, ramp = translation.watch(run, examples)
    greedy = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, beams=1))
    logs = {}
    bleu.on_epoch_end(0, logs)
    assert logs["val_bleu"] == greedy.score(examples)["bleu"]
    ramp.set_params({"epochs": 3})
    ramp.on_epoch_begin(1)
    assert float(run.model.get_layer("decoder").sampling_rate) == 0.25
    ramp.on_epoch_begin(0)
    assert not translation.watch(run_of(monitor="val_perplexity"), examples)


def test_the_sample_cannot_be_translated_word_for_word():
    train, test = (list(sentence_pairs.examples(split)) for split in ("train", "test"))
    known = {pair["en"] for pair in train}
    assert np.mean([pair["en"] in known for pair in test]) < 0.1
    for one, other in (("en", "de"), ("de", "en")):
        meanings = {}
        assert all(meanings.setdefault(pair[one], pair[other]) == pair[other] for pair in train), "one right answer"
        renamed = [[{"source": pair[one], "target": pair[other]} for pair in part] for part in (train, test)]
        answers = word_for_word(*renamed).answers
        right = [answer["translation"] == pair["target"] for answer, pair in zip(answers, renamed[1], strict=True)]
        assert np.mean(right) < 0.2
