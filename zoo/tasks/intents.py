"""Intents: one request in; its intent, or none of these, and its slots out, such as the city of a weather request.

    python -m zoo.tasks.intents                                         # bundled sample, a minute
    python -m zoo.tasks.intents --data DIR --label-column category      # train.csv: many classes, no slots
    python -m zoo.tasks.intents --data DIR --out-of-scope oos           # rows of this label are none of the intents

Word, letters, prefixes and suffixes → BiLSTM → max over time → intent, and a CRF over the same steps → slots. A request
whose largest probability is below a threshold is rejected; validation chooses temperature and threshold.
With --wide ngrams: + weight * log odds of a linear classifier of n-grams, fitted apart (zoo/training/wide.py)
Numbers and cost: tasks/intents/card.md
Data: CLINC150, Larson et al. 2019, https://aclanthology.org/D19-1131; SNIPS, Coucke et al. 2018,
https://arxiv.org/abs/1805.10190; Banking77, Casanueva et al. 2020, https://aclanthology.org/2020.nlp4convai-1.5
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import cache, spans, splits, text, words
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import requests
from zoo.data.samples import requests as sample
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import adversarial, callbacks, losses, optimizers, rejection, wide


@dataclass(frozen=True)
class Config(options.Columns, options.Words, options.Spelling, options.Classifier, options.Recurrent, options.Training):
    monitor: Literal["val_whole_request_accuracy", "val_accuracy", "val_macro_f1", "val_slot_f1", "val_loss"] = (
        "val_whole_request_accuracy"
    )
    epochs: int = 8
    out_of_scope: str = option(
        "", "the label of requests that are none of the intents; empty: the data has none", basic=True
    )
    out_of_scope_share: float = option(
        0.1, "share of requests expected out of scope; it moves the threshold that validation chooses", low=0, high=1
    )
    rejected: float = option(
        0.0, "share of validation that the threshold rejects where no request is out of scope", low=0, high=0.5
    )
    pooling: Literal["last", "max", "mean", "attention", "max+mean", "max+mean+last"] = "max"
    slot_weight: float = option(1.0, "weight of the loss of the slots beside that of the intent", low=0)
    label_smoothing: float = option(0.0, "share of probability spread over the intents", low=0, high=0.95)


METRICS = (
    Metric("accuracy", better="max", format=".2%"),
    Metric("macro_f1", better="max", format=".2%"),
    Metric("out_of_scope_recall", better="max", format=".1%"),
    Metric("out_of_scope_precision", better="max", format=".1%"),
    Metric("slot_f1", better="max", format=".2%"),
    Metric("whole_request_accuracy", better="max", format=".2%"),
    Metric("calibration_error", better="min", format=".3f"),
)
SPLIT = splits.stratified("intent")  # --group-column cuts by group instead
LABELS = "intent"
NONE = "none of these"  # for people; in answers the intent is ""
MISTAKES = 25  # pairs of intents in the picture of the most frequent mistakes


def examples(cfg: Config, split: str) -> Examples | None:
    """{"text": str, "intent": str}, with "tokens" and "slots" (lists of str, BIO) where the data has slots.

    The intent of a request out of scope is "".
    """
    return requests.examples(cfg, split, sample=sample.examples)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The features of the training split's words, its intents behind "" for none of them, and its slots if any."""
    what = f"--data {cfg.data}: every training label"
    intents = text.Vocabulary(["", *text.choices((e["intent"] for e in train if e["intent"]), what=what).tokens])
    types = {span.type for e in train for span in spans.read(e.get("slots", []))}
    slots = {"slots": text.Vocabulary(spans.bio(types))} if types else {}

    def tokens() -> Iterator[str]:
        for batch in text.in_batches(example["text"] for example in train):
            yield from words.split(batch).flat_values.numpy()

    known = (token for example in train for token in example["tokens"]) if types else tokens()
    ngrams = wide.parts(cfg, train, intents.tokens, key="intent")
    return codecs.Codec(**words.learn(cfg, known), intents=intents, **slots, **ngrams)


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict, dict]:
    """Words, letters and affixes; the intent int32[B], and slots int32[B, ragged] where there are any."""
    y = {"intent": codec.intents(batch["intent"])}
    tokens = batch["tokens"] if hasattr(codec, "slots") else words.never_empty(words.split(batch["text"]))
    if hasattr(codec, "slots"):
        y["slots"] = tf.maximum(codec.slots(batch["slots"]), 0)  # O for a slot that training does not have
    x: dict[str, Any] = words.features(cfg, codec, tokens)
    if cfg.wide == "ngrams":
        x["wide"] = cache.Entries(codec.wide.log_odds(batch["text"]))  # float32[B, intents]
    return x, y


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    inputs, keep_mask, vectors = layers.read_words(cfg, words.sizes(codec), unknown=codec.words.unknown)
    vectors = adversarial.Shift(name="shift")(vectors)
    steps, state = layers.RecurrentEncoder.of(cfg, name="encoder")(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    summary = layers.Pooling(cfg.pooling, name="pooling")(steps, state, keep_mask)
    summary = keras.layers.Dropout(cfg.dropout, name="dropout")(summary)
    logits = keras.layers.Dense(len(codec.intents), dtype="float32", name="logits")(summary)  # [B, intents]
    if cfg.wide == "ngrams":
        inputs["wide"] = keras.Input([len(codec.intents)], dtype="float32", name="wide")
        logits = layers.Blend(dtype="float32", name="blend")(logits, inputs["wide"])
    outputs = {"intent": layers.Rejection(name="rejection")(logits)}
    loss = {"intent": losses.SequenceCrossentropy(cfg.label_smoothing)}
    if hasattr(codec, "slots"):
        dropped = keras.layers.Dropout(cfg.dropout, name="slots_dropout")(steps)
        scores = keras.layers.Dense(len(codec.slots), dtype="float32", name="scores")(dropped)  # [B, T, slot tags]
        crf = layers.crf.CRF(len(codec.slots), allowed=spans.allowed(codec.slots.tokens), name="log_probs")
        outputs["slots"], loss["slots"] = crf(scores, keep_mask), losses.TagLoss()
    network = adversarial.AdversarialModel(inputs, outputs, strength=cfg.adversarial, name="intents")
    weights = {"intent": 1.0, "slots": cfg.slot_weight}
    network.compile(optimizers.adamw(cfg), loss, loss_weights={name: weights[name] for name in loss})
    return network


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    """Words or a text in; intent, probabilities and spans out. The intent of a rejected request is ""."""
    threshold = model.get_layer("rejection").threshold
    slotted = hasattr(codec, "slots")
    parts = keras.Model(model.input, model.output | {"network": model.get_layer("logits").output})

    def read(tokens: tf.Tensor, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        x, lengths = answers.tags.read(tokens, partial(words.features, cfg, codec))
        if cfg.wide == "ngrams":
            x["wide"] = codec.wide.log_odds(texts)
        outputs = parts(x, training=False)
        found = answers.labels.or_none(outputs["intent"], codec.intents, tf.convert_to_tensor(threshold))
        if cfg.wide == "ngrams":
            found["network_probabilities"] = tf.nn.softmax(outputs["network"])
        if slotted:
            tagged = answers.tags.answer(outputs["slots"], lengths, tags=codec.slots)
            found |= {"slots": tagged.answer["tags"], "slots_lengths": lengths}
            found |= answers.spans.answer(
                outputs["slots"], tagged.best, tagged.every, tokens, lengths, tags=codec.slots
            )
        return found

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="tokens")])
    def from_tokens(tokens):
        return read(tokens, tf.strings.strip(tf.strings.reduce_join(tokens, axis=1, separator=" ")))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def from_text(texts):
        tokens = words.split(texts)
        found = read(tokens.to_tensor(), texts)
        if slotted:
            found |= {"tokens": tokens.to_tensor(), "tokens_lengths": tf.cast(tokens.row_lengths(), tf.int32)}
            found |= answers.spans.characters(texts, tokens, found)
        return found

    def numeric(y: dict) -> dict:
        found = {"probabilities": tf.nn.softmax(y["intent"])}
        return found | ({"slots": layers.crf.best_tags(y["slots"])[0]} if slotted else {})

    # An example that has both is asked by its tokens: its slots belong to them.
    return answers.service.Service(codec, model, numeric=numeric, tokens=from_tokens, serving_default=from_text)


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    return metrics.intents.scores(answers, examples=examples)


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    """Requests out of scope are a class of their own; slots are those of the dictionary."""
    texts, labels = [e["text"] for e in train], [e["intent"] for e in train]
    found, cost = baselines.labels.linear_svm(texts, labels, [e["text"] for e in test], seed=cfg.seed)
    name, answers = f"TF-IDF of 1–2-grams + linear SVM, C = {cost:g}", [{"intent": intent} for intent in found]
    if hasattr(codec, "slots"):
        name += ", dictionary of slots"
        known = ({"tokens": e["tokens"], "tags": e["slots"]} for e in train)
        tagged = baselines.spans.dictionary(known, test).answers or []
        answers = [answer | {"slots": other["tags"]} for answer, other in zip(answers, tagged, strict=True)]
    return baselines.Baseline(name, answers)


def watch(run, validation: Examples) -> list[keras.callbacks.Callback]:
    return [callbacks.FreeRunning(lambda: run.score(validation))]


def finish(run, validation: Examples) -> dict[str, float]:
    found, logits, cfg = {}, None, run.cfg
    if cfg.wide == "ngrams":
        apart = wide.both(run, validation)
        found = wide.choose_weight(run, validation, run.codec.intents, key="intent", apart=apart)
        logits = wide.blended(run, apart)
    return found | rejection.choose(
        run, validation, out_of_scope_share=cfg.out_of_scope_share, rejected=cfg.rejected, logits=logits
    )


def quality(example: dict, answer: dict) -> float:
    """The probability given to the true intent, times the F1 of the slots."""
    chances = dict(zip(answer["labels"], answer["probabilities"], strict=True))
    slots = (spans.read(found.get("slots", [])) for found in (answer, example))
    return chances.get(example["intent"], 0.0) * metrics.spans.quality(*slots)


def show(example: dict, answer: dict) -> str:
    """play_music 0.98: play [nina: singer] in the kitchen (truth: get_weather; [kitchen: room])"""
    request = {**answer, **example}  # the answer to a text has its tokens; only an example has the truth
    found, true = (spans.read(one.get("slots", [])) for one in (answer, request))
    words = request.get("tokens") or str(request.get("text", "")).split()
    starts, ends = {span.start for span in found}, {span.end - 1: span.type for span in found}
    told = [f"{'[' if i in starts else ''}{word}{f': {ends[i]}]' if i in ends else ''}" for i, word in enumerate(words)]
    truth = [request["intent"] or NONE] if request["intent"] != answer["intent"] else []
    truth += [f"[{' '.join(words[span.start : span.end])}: {span.type}]" for span in true if span not in found]
    line = f"{answer['intent'] or NONE} {answer['probability']:.3f}: {' '.join(told)}"
    return line + (f" (truth: {'; '.join(truth)})" if truth else "")


def draw(run, answers: list[dict], examples: Examples) -> None:
    truth, given = ([one["intent"] for one in part] for part in (examples, answers))
    known = np.array([name != "" for name in truth])
    confidence, right = metrics.intents.confidences(answers, truth)
    score = np.array([answer["probability"] for answer in answers])
    folder, threshold = run.directory / "plots", float(run.model.get_layer("rejection").get_weights()[1])
    plots.calibration.reliability(confidence[known], right[known], folder / "reliability.png")
    plots.calibration.rejection(score, known, threshold, folder / "rejection.png")
    true_names, names = ([name or NONE for name in part] for part in (truth, given))
    mistakes = metrics.intents.confused(names, truth=true_names, most=MISTAKES)
    plots.confusion.pairs(mistakes, folder / "confused.png")
    table = metrics.tags.table(names, truth=true_names)
    (run.directory / "per_intent.txt").write_text(table, encoding="utf-8")
    if hasattr(run.codec, "slots"):
        found, true = ([spans.read(one["slots"]) for one in part] for part in (answers, examples))
        table = metrics.spans.table(found, truth=true)
        (run.directory / "per_slot.txt").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="intents"))
