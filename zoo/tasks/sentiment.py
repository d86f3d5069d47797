"""Sentiment: one text in, one label out, such as P(positive) of a film review.

    python -m zoo.tasks.sentiment                                    # bundled sample, seconds
    python -m zoo.tasks.sentiment --data tfds:imdb_reviews            # IMDB through TFDS
    python -m zoo.tasks.sentiment --data DIR --text-column body --label-column stars    # own files, two or more labels

Embedding → BiLSTM → max and mean over time → one logit a label. Numbers and cost: tasks/sentiment/card.md
Data: IMDB reviews, Maas et al. 2011, https://aclanthology.org/P11-1015
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded for --help

from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf

from zoo import cli, export, layers, losses, metrics, optimizers, plots
from zoo.data import sources, synthetic, text
from zoo.task import Config as CommonConfig
from zoo.task import Run, Task, option


@dataclass(frozen=True)
class Config(CommonConfig):
    monitor: Literal["val_accuracy", "val_loss"] = option("val_accuracy", "what decides which epoch is kept")
    text_column: str = option("text", "the field or column with the text")
    label_column: str = option("label", "the field or column with the label: a name or a number")
    max_length: int = option(400, "tokens of a text that are read", low=2)
    keep: Literal["head", "tail", "both"] = option("both", "which end of a longer text is kept")
    vocabulary: int = option(20_000, "words that have a vector of their own", low=3)
    min_count: int = option(2, "rarer words are unknown words", low=1)
    embedding: int = option(64, "size of a word vector", low=1)
    units: int = option(64, "size of the recurrent state, each direction", low=1)
    cell: Literal["simple", "lstm", "gru"] = option("lstm", "recurrent cell")
    layers: int = option(1, "recurrent layers", low=1)
    bidirectional: bool = option(True, "read from both ends")
    residual: bool = option(False, "add each recurrent layer's input to its output")
    pooling: Literal["last", "max", "mean", "attention", "max+mean"] = option("max+mean", "one vector out of all steps")
    dropout: float = option(0.3, "share of features dropped before each layer", low=0, high=0.95)
    word_dropout: float = option(0.0, "share of words replaced by <unk> while training", low=0, high=0.95)
    variational: bool = option(True, "drop the same features at all steps of a text")


def examples(cfg: Config, split: str) -> sources.Examples | None:
    """{"text": str, "label": str}"""
    return sources.classification(
        cfg.data, split, sample=synthetic.reviews, text_column=cfg.text_column, label_column=cfg.label_column
    )


def codec(cfg: Config, train: sources.Examples) -> text.Codec:
    batches = text.in_batches(example["text"] for example in train)
    words = text.Vocabulary.learn(
        (text.tokenize(batch).flat_values.numpy() for batch in batches),
        size=cfg.vocabulary,
        min_count=cfg.min_count,
        first=(text.PADDING, text.UNKNOWN, text.END),
    )
    labels = text.choices((e["label"] for e in train), what=f"--data {cfg.data}: every training label")
    return text.Codec(words=words, labels=labels)


def token_ids(cfg: Config, codec: text.Codec, texts: tf.Tensor) -> tf.RaggedTensor:
    """string[B] → int32[B, ragged]. Every row ends with <end>, so that an empty text has a step too."""
    tokens = text.truncate(text.tokenize(texts), cfg.max_length - 1, cfg.keep)
    return codec.words(text.insert(tokens, text.END, at="end"))


def encode(cfg: Config, codec: text.Codec, batch: dict) -> tuple[tf.RaggedTensor, tf.Tensor]:
    return token_ids(cfg, codec, batch["text"]), codec.labels(batch["label"])  # int32[B, ragged], int32[B]


def model(cfg: Config, codec: text.Codec) -> keras.Model:
    tokens = keras.Input([None], dtype="int32", name="tokens")  # [B, T]
    keep_mask = keras.ops.not_equal(tokens, 0)  # True = real token
    seen = layers.WordDropout(cfg.word_dropout, unknown=codec.words.unknown, name="word_dropout")(tokens)
    vectors = keras.layers.Embedding(len(codec.words), cfg.embedding, name="embedding")(seen)  # [B, T, embedding]
    steps, state = layers.RecurrentEncoder.of(cfg, name="encoder")(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    summary = layers.Pooling(cfg.pooling, name="pooling")(steps, state, keep_mask)
    summary = keras.layers.Dropout(cfg.dropout, name="dropout")(summary)
    logits = keras.layers.Dense(len(codec.labels), dtype="float32", name="logits")(summary)  # [B, labels]
    classifier = keras.Model(tokens, logits, name="sentiment")
    classifier.compile(
        optimizers.adamw(cfg),
        losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return classifier


def serve(cfg: Config, codec: text.Codec, model: keras.Model) -> export.Service:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(texts):
        probabilities = tf.nn.softmax(model(token_ids(cfg, codec, texts).to_tensor(), training=False))  # [B, labels]
        return {
            "label": codec.labels.lookup(tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "labels": tf.broadcast_to(codec.labels.keys, tf.shape(probabilities)),
            "probabilities": probabilities,
        }

    return export.Service(
        codec, model, numeric=lambda logits: {"probabilities": tf.nn.softmax(logits)}, serving_default=classify
    )


def score(cfg: Config, codec: text.Codec, answers: list[dict], examples: sources.Examples) -> dict:
    return metrics.classification([example["label"] for example in examples], answers, codec.labels.tokens)


def baseline(cfg: Config, codec: text.Codec, train: sources.Examples, test: sources.Examples) -> tuple[str, list[dict]]:
    return metrics.tfidf_baseline(train, test, seed=cfg.seed)


def quality(example: dict, answer: dict) -> float:
    """The probability given to the true label."""
    return dict(zip(answer["labels"], answer["probabilities"], strict=True)).get(example["label"], 0.0)


def show(example: dict, answer: dict) -> str:
    truth = example.get("label", answer["label"])
    mark = "" if truth == answer["label"] else f" (truth: {truth})"
    words = " ".join(example["text"].split())
    return f"{answer['label']} {answer['probability']:.3f}{mark}: {words[:160]}{' …' if len(words) > 160 else ''}"


def draw(run: Run, answers: list[dict], examples: sources.Examples) -> None:
    truth, predicted = [example["label"] for example in examples], [answer["label"] for answer in answers]
    plots.confusion_matrix(truth, predicted, run.codec.labels.tokens, run.directory / "plots" / "confusion.png")


TASK = Task(
    name="sentiment",
    config=Config,
    examples=examples,
    codec=codec,
    encode=encode,
    model=model,
    serve=serve,
    score=score,
    baseline=baseline,
    quality=quality,
    show=show,
    draw=draw,
    labels="label",
    stratify="label",
)

if __name__ == "__main__":
    raise SystemExit(cli.main(TASK))
