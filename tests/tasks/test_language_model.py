"""Laws of language models: a text is continued and scored alike in every unit, form and direction."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import text
from zoo.data.examples import Examples
from zoo.run import Run
from zoo.tasks import language_model

TEXTS = [{"text": line} for line in ("the dog barks .", "the cats ( all of them ) sleep .", "a dog sleeps .") * 3]


def run_of(**options) -> Run:
    """Untrained: the laws must hold for any weights."""
    cfg = language_model.Config(
        **{"units": 6, "embedding": 5, "vocabulary": 60, "min_count": 1, "length": 4, **options}
    )
    codec = language_model.codec(cfg, Examples(lambda: iter(TEXTS)))
    return Run(language_model, cfg, codec, language_model.model(cfg, codec), Path())


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"unit": "tokens", "form": "documents", "tied": False, "layers": 2, "embedding": 6},
        {"unit": "characters", "cell": "gru", "residual": True, "layers": 2},
        {"unit": "subwords", "direction": "backward", "top_k": 3},
        {"unit": "characters", "form": "documents", "direction": "backward", "top_p": 0.9},
        {"unit": "uncased", "direction": "both", "sampled": 5},
        {"cell": "transformer", "layers": 2, "window": 3},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def run(request) -> Run:
    return run_of(**request.param)


def test_a_continuation_keeps_the_prompt_and_depends_on_its_seed_alone(run):
    prompts = ["the dog", "", "all of the cats sleep", "zebra 日"]
    questions = [{"prompt": prompt, "length": 5, "seed": seed} for seed, prompt in enumerate(prompts)]
    answers = run.predict(questions)
    for question, answer in zip(questions, answers, strict=True):
        keeps = str.endswith if run.cfg.direction == "backward" else str.startswith
        assert keeps(answer["text"], question["prompt"])
        assert run.predict([question])[0]["text"] == answer["text"]
        assert "<" not in answer["text"]
    assert run.predict(["the dog"])[0]["text"]  # a bare text is a prompt


def test_a_score_is_that_of_the_model(run):
    found = [{"text": "the dog sleeps ."}, {"text": ""}, {"text": "the cats ( all of them ) sleep . " * 4}]
    for example, answer in zip(found, run.predict(found), strict=True):
        x, y = language_model.encode(run.cfg, run.codec, {"text": tf.constant([example["text"]])})
        x = (
            {k: v.to_tensor() if isinstance(v, tf.RaggedTensor) else v for k, v in x.items()}
            if isinstance(x, dict)
            else x
        )
        logits = run.model(x if isinstance(x, dict) else x.to_tensor(), training=False)
        y = y.to_tensor()
        if run.cfg.direction == "both":
            logits, y = logits[:, :, 0], y[:, :, 0]
        expected = tf.gather(tf.nn.log_softmax(logits), y, batch_dims=2)[0]
        np.testing.assert_allclose(answer["log_probabilities"], expected, atol=1e-5)
        assert answer["tokens"][-1] == text.END
        assert answer["log_probability"] == pytest.approx(float(tf.reduce_sum(expected)), rel=1e-5)


def test_steps_one_by_one_are_the_score(run):
    (answer,) = run.predict(["the dog"], signature="score")
    token, state = text.END_ID, np.zeros(run.model.get_layer(language_model.directions(run.cfg)[0]).state_size).tolist()
    ids = run.codec.tokens.tokens.index
    for written, expected in zip(answer["tokens"], answer["log_probabilities"], strict=True):
        (now,) = run.predict([{"token": token, "state": state}])
        token, state = ids(written), now["state"]
        assert np.log(now["probabilities"][token]) == pytest.approx(expected, abs=1e-4)


def test_next_tokens_are_the_likeliest(run):
    (answer,) = run.predict(["the"], signature="next")
    assert answer["probabilities"] == sorted(answer["probabilities"], reverse=True)
    assert len(set(answer["tokens"])) == len(answer["tokens"]) == 10


def test_a_stream_of_one_row_is_scored_as_one_text():
    """The perplexity that the state's way through the windows gives is that of one long sequence."""
    run = run_of(unit="tokens", streams=1, bptt=4)
    x, y = language_model.encode(run.cfg, run.codec, {"text": tf.constant([e["text"] for e in TEXTS])})
    one = {"tokens": x["tokens"].flat_values[None], "fresh": tf.ones([1], tf.int32)}
    chosen = tf.gather(tf.nn.log_softmax(run.model(one, training=False)), y.flat_values[None], batch_dims=2)
    found = run.model_metrics(Examples(lambda: iter(TEXTS)))
    assert found["perplexity"] == pytest.approx(float(np.exp(-tf.reduce_mean(chosen))), rel=1e-5)
    size = sum(len(e["text"]) + 2 for e in TEXTS) - len(TEXTS)  # `tokens`: a blank after each token ends the line
    assert found["nats_per_character"] == pytest.approx(float(-tf.reduce_sum(chosen)) / size, rel=1e-5)


def test_characters_come_back_as_they_were():
    line = "Ab,  c! é日\n\tx"
    units = text.Characters.learn_from([line], size=99)
    assert units.decode(units.encode(tf.constant([line])).to_tensor()).numpy()[0].decode() == line.replace("\t", " ")
