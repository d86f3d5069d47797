"""Sentiment: one text in, one label out, such as P(positive) of a film review.

    python -m zoo.tasks.sentiment                                    # bundled sample, seconds
    python -m zoo.tasks.sentiment --data tfds:imdb_reviews            # IMDB through TFDS
    python -m zoo.tasks.sentiment --data DIR --text-column body --label-column stars    # own files, two or more labels

Embedding → BiLSTM → max and mean over time → one logit per label. Numbers and cost: tasks/sentiment/card.md
With --wide ngrams: + weight * log odds of a linear classifier of n-grams, fitted apart (zoo/training/wide.py)
Data: IMDB reviews, Maas et al. 2011, https://aclanthology.org/P11-1015
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import cache, splits, text
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import tables
from zoo.data.samples import reviews
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import adversarial, losses, optimizers, transfer, wide


@dataclass(frozen=True)
class Config(options.Columns, options.Words, options.Classifier, options.Recurrent, options.Training):
    monitor: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    max_length: int = option(400, "largest number of tokens read from a text", low=3)
    keep: Literal["head", "tail", "both"] = option("both", "the part of a longer text that is read")
    word_dropout: float = option(0.0, "share of words replaced by <unk> in training", low=0, high=0.95)
    init_encoder: str | None = option(
        None, "a run of language_model to start from: its vocabulary, word vectors and recurrent layer"
    )
    pretrained_rate: float = option(
        0.3, "learning rate of what --init-encoder gave, as a share of the others'", low=0, high=1
    )
    frozen_epochs: int = option(
        0, "epochs before its recurrent layer learns too; its word vectors wait twice as long", low=0
    )


METRICS = (Metric("accuracy", better="max", format=".1%"), Metric("auc", better="max", format=".4f"))
SPLIT = splits.stratified("label")  # --group-column cuts by group instead
LABELS = "label"


def examples(cfg: Config, split: str) -> Examples | None:
    """{"text": str, "label": str}, and with --group-column "group": str."""
    return tables.classification(
        cfg.data,
        split,
        sample=reviews.examples,
        text_column=cfg.text_column,
        label_column=cfg.label_column,
        group_column=cfg.group_column,
    )


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The vocabulary, the labels, and with --wide ngrams the weights of n-grams."""
    if cfg.init_encoder:
        words = transfer.vocabulary(cfg.init_encoder)
    else:
        texts = (example["text"] for example in train)
        words = text.Uncased.learn_from(texts, size=cfg.vocabulary, min_count=cfg.min_count)
    labels = text.choices((e["label"] for e in train), what=f"--data {cfg.data}: every training label")
    return codecs.Codec(words=words, labels=labels, **wide.parts(cfg, train, labels.tokens))


def token_ids(cfg: Config, codec: codecs.Codec, texts: tf.Tensor) -> tf.RaggedTensor:
    """string[B] → int32[B, ragged]. A text stands between two <end>, which a language model reads before it."""
    ids = text.truncate(codec.words.encode(texts), cfg.max_length - 2, cfg.keep)
    return text.insert(text.insert(ids, text.END_ID, at="start"), text.END_ID, at="end")


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple:
    x = token_ids(cfg, codec, batch["text"])  # int32[B, ragged]
    if cfg.wide == "ngrams":
        x = {"tokens": x, "wide": cache.Entries(codec.wide.log_odds(batch["text"]))}  # float32[B, labels]
    return x, codec.labels(batch["label"])  # int32[B]


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    tokens = keras.Input([None], dtype="int32", name="tokens")  # [B, T]
    keep_mask = keras.ops.not_equal(tokens, 0)  # True = real token
    seen = layers.WordDropout(cfg.word_dropout, unknown=codec.words.unknown, name="word_dropout")(tokens)
    vectors = keras.layers.Embedding(len(codec.words), cfg.embedding, name="embedding")(seen)  # [B, T, embedding]
    vectors = adversarial.Shift(name="shift")(vectors)
    steps, state = layers.RecurrentEncoder.of(cfg, name="encoder")(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    summary = layers.Pooling(cfg.pooling, name="pooling")(steps, state, keep_mask)
    summary = keras.layers.Dropout(cfg.dropout, name="dropout")(summary)
    logits = keras.layers.Dense(len(codec.labels), dtype="float32", name="logits")(summary)  # [B, labels]
    inputs = tokens
    if cfg.wide == "ngrams":
        inputs = {"tokens": tokens, "wide": keras.Input([len(codec.labels)], dtype="float32", name="wide")}
        logits = layers.Blend(dtype="float32", name="blend")(logits, inputs["wide"])
    classifier = adversarial.AdversarialModel(inputs, logits, strength=cfg.adversarial, name="sentiment")
    classifier.compile(
        optimizers.adamw(cfg, pretrained=("encoder", "embedding") if cfg.init_encoder else ()),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return classifier


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    both = keras.Model(model.input, [model.output, model.get_layer("logits").output])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(texts):
        x = token_ids(cfg, codec, texts).to_tensor()
        if cfg.wide == "none":
            return answers.labels.answer(model(x, training=False), codec.labels)
        logits, network = both({"tokens": x, "wide": codec.wide.log_odds(texts)}, training=False)
        return answers.labels.answer(logits, codec.labels) | {"network_probabilities": tf.nn.softmax(network)}

    return answers.service.Service(
        codec, model, numeric=lambda logits: {"probabilities": tf.nn.softmax(logits)}, serving_default=classify
    )


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    truth, labels = [e["label"] for e in examples], codec.labels.tokens
    found = metrics.labels.scores(answers, truth=truth, labels=labels)
    if "network_probabilities" in answers[0]:  # a baseline has none
        alone = [labels[np.argmax(answer["network_probabilities"])] for answer in answers]
        found["network_accuracy"] = float(np.mean(np.array(alone) == truth))
    return found


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    return baselines.labels.nbsvm(train, test, seed=cfg.seed)


def start(cfg: Config, model: keras.Model) -> dict[str, str]:
    return transfer.start(model, cfg.init_encoder) if cfg.init_encoder else {}


def finish(run, validation: Examples) -> dict[str, float]:
    return wide.choose_weight(run, validation, run.codec.labels) if run.cfg.wide == "ngrams" else {}


def quality(example: dict, answer: dict) -> float:
    """The probability given to the true label."""
    return dict(zip(answer["labels"], answer["probabilities"], strict=True)).get(example["label"], 0.0)


def show(example: dict, answer: dict) -> str:
    truth = example.get("label", answer["label"])
    mark = "" if truth == answer["label"] else f" (truth: {truth})"
    words = " ".join(example["text"].split())
    return f"{answer['label']} {answer['probability']:.3f}{mark}: {words[:160]}{' …' if len(words) > 160 else ''}"


def draw(run, answers: list[dict], examples: Examples) -> None:
    truth, predicted = [example["label"] for example in examples], [answer["label"] for answer in answers]
    path = run.directory / "plots" / "confusion.png"
    plots.confusion.matrix(predicted, path, truth=truth, labels=run.codec.labels.tokens)


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="sentiment"))
