"""Laws of intents: every request has an answer, the threshold rejects, and slots are valid BIO."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo import options, trainer
from zoo.data.examples import Examples
from zoo.data.spans import read, write
from zoo.errors import InputError
from zoo.run import Run, load_splits
from zoo.tasks import intents

SIZES = {"units": 4, "embedding": 4, "character_features": 6, "affix_embedding": 2, "max_characters": 8}
SLOTTED = [
    {"text": "play jazz", "intent": "play", "tokens": ["play", "jazz"], "slots": ["O", "B-genre"]},
    {
        "text": "rain in new york",
        "intent": "rain",
        "tokens": ["rain", "in", "new", "york"],
        "slots": ["O", "O", "B-city", "I-city"],
    },
    {"text": "who are you", "intent": "", "tokens": ["who", "are", "you"], "slots": ["O", "O", "O"]},
]
PLAIN = [{"text": example["text"], "intent": example["intent"]} for example in SLOTTED]
HOSTILE = ["", " \t", "play", "play " * 400, "x" * 200, "🐟👩‍👩‍👧", "שלום עולם", "<pad> <unk>", "\0\ud7ff�"]


def run_of(examples, **changes) -> Run:
    """Untrained: these tests must hold for any weights."""
    cfg = intents.Config(**SIZES, **changes)
    codec = intents.codec(cfg, examples)
    return Run(intents, cfg, codec, intents.model(cfg, codec), Path())


@pytest.fixture(scope="module", params=[SLOTTED, PLAIN], ids=["slots", "no slots"])
def run(request) -> Run:
    return run_of(request.param, min_count=1)


def reject(run: Run, threshold: float) -> None:
    run.model.get_layer("rejection").set_weights([np.float32(1), np.float32(threshold)])


def test_every_request_is_answered(run):
    reject(run, 0.0)
    for text, answer in zip(HOSTILE, run.predict(HOSTILE), strict=True):
        (alone,) = run.predict([text])
        assert alone["intent"] == answer["intent"]
        assert sum(answer["probabilities"]) == pytest.approx(1)
        assert answer["labels"] == ["", "play", "rain"]
        assert answer["in_scope"] == (answer["intent"] != "")
        if hasattr(run.codec, "slots"):
            assert len(answer["slots"]) == len(answer["tokens"])
            assert write(read(answer["slots"]), len(answer["slots"])) == answer["slots"], "valid BIO"
        assert intents.show({"text": text}, answer)


def test_a_request_below_the_threshold_has_no_intent(run):
    reject(run, 1.1)
    try:
        for answer in run.predict(HOSTILE):
            assert answer["intent"] == ""
            assert answer["in_scope"] is False
            assert answer["probability"] == pytest.approx(max(answer["probabilities"][1:]))
    finally:
        reject(run, 0.0)


def test_tokens_are_answered_as_their_text_is():
    run = run_of(SLOTTED, min_count=1)
    (of_text,), (of_tokens,) = run.predict(["rain in new york"]), run.predict([["rain", "in", "new", "york"]])
    assert of_text["slots"] == of_tokens["slots"]
    np.testing.assert_allclose(of_text["probabilities"], of_tokens["probabilities"], atol=1e-6)
    for start, end, text in zip(
        of_text["span_start_character"], of_text["span_end_character"], of_text["span_text"], strict=True
    ):
        assert "rain in new york"[start:end] == text


def test_the_threshold_is_in_the_served_graph(run):
    """A server sees the threshold that was set after the graph was traced."""
    ask = run.service.functions["serving_default"]
    assert not ask(tf.constant(["play"]))["in_scope"].numpy()[0] or ask(tf.constant(["play"]))["intent"].numpy()[0]
    reject(run, 1.1)
    try:
        assert not ask(tf.constant(["play"]))["in_scope"].numpy()[0]
    finally:
        reject(run, 0.0)


def test_examples_of_a_table_name_requests_out_of_scope(tmp_path):
    (tmp_path / "train.csv").write_text("text,category\nhi,greet\nbye,leave\nwhat,oos\n")
    cfg = intents.Config(data=str(tmp_path), label_column="category", out_of_scope="oos")
    assert [example["intent"] for example in intents.examples(cfg, "train")] == ["greet", "leave", ""]
    assert intents.examples(cfg, "test") is None


def test_examples_of_conll_have_slots_in_bio(tmp_path):
    (tmp_path / "my_train.conll").write_text("# intent = rain\nrain\tO\nin\tO\nnew\tB-city\nyork\tE-city\n\n" * 2)
    (example, _) = intents.examples(intents.Config(data=str(tmp_path)), "train")
    assert example == SLOTTED[1]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_unknown_intent_is_refused_before_training(tmp_path, split):
    rows = "".join(f"hi {i},{'ab'[i % 2]}\n" for i in range(8))
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows + ("hm,c\n" if name == split else ""))
    cfg = intents.Config(data=str(tmp_path), **SIZES)
    with pytest.raises(InputError, match=f"intent 'c' of {split} is not in train"):
        trainer.train(intents, cfg, directory=tmp_path / "run")


def test_requests_out_of_scope_may_be_missing_in_train(tmp_path):
    rows = "".join(f"hi {i},{'ab'[i % 2]}\n" for i in range(8))
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows + ("hm,oos\n" if name != "train" else ""))
    cfg = intents.Config(data=str(tmp_path), out_of_scope="oos", **SIZES)
    found = load_splits(intents, cfg)
    _, y = intents.encode(
        cfg, intents.codec(cfg, found["train"]), {"text": tf.constant(["hm"]), "intent": tf.constant([""])}
    )
    assert y["intent"].numpy().tolist() == [0]


def test_validation_without_requests_out_of_scope_rejects_the_stated_share():
    examples = [{"text": f"{word} it {i}", "intent": word} for i in range(50) for word in ("play", "stop")]
    run = run_of(examples)
    validation = Examples(lambda: iter(examples))
    for share in (0.0, 0.1):
        reject(run, 0.0)
        cfg = options.configure(intents.Config, None, {**SIZES, "rejected": share})
        intents.finish(Run(intents, cfg, run.codec, run.model, Path()), validation)
        rejected = [
            answer["intent"] == "" and answer["labels"][np.argmax(answer["probabilities"])] != ""
            for answer in run.predict(examples)
        ]
        assert np.mean(rejected) == pytest.approx(share, abs=0.02)


def test_ngrams_are_weighed_before_the_threshold_is_chosen():
    examples = [{"text": f"{word} it {i}", "intent": word} for i in range(20) for word in ("play", "stop", "")]
    run = run_of(examples, wide="ngrams")
    found = intents.finish(run, Examples(lambda: iter(examples)))
    assert found["val_accuracy"] == found["val_out_of_scope_recall"] == 1  # n-grams tell these, chance weights do not
    (of_text,), (of_tokens,) = run.predict(["play it 3"]), run.predict([["play", "it", "3"]])
    np.testing.assert_allclose(of_text["probabilities"], of_tokens["probabilities"], atol=1e-6)
    assert of_text["intent"] == "play"
    assert max(of_text["network_probabilities"]) < 0.5 < of_text["probability"]


def test_a_line_for_people_shows_mistakes():
    answer = {
        "intent": "play",
        "probability": 0.98,
        "slots": ["O", "O", "B-city", "O"],
        "tokens": ["rain", "in", "new", "york"],
    }
    assert intents.show(SLOTTED[1], answer) == "play 0.980: rain in [new: city] york (truth: rain; [new york: city])"
    assert intents.show({"text": "rain in new york"}, answer) == "play 0.980: rain in [new: city] york"
    assert intents.show(PLAIN[2], {"intent": "", "probability": 0.2}) == "none of these 0.200: who are you"
