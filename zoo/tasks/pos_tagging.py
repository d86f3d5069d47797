"""Part of speech: the words of a sentence in, one tag per word out, such as NOUN or VERB.

    python -m zoo.tasks.pos_tagging                                       # bundled sample, seconds
    python -m zoo.tasks.pos_tagging --data tfds:universal_dependencies/en_ewt
    python -m zoo.tasks.pos_tagging --data DIR --column xpos               # own *.conllu files, any language and tags

Word embedding + the word's letters (CNN or BiLSTM), prefixes and suffixes → stacked BiLSTM → softmax or CRF.
Ma & Hovy 2016, https://arxiv.org/abs/1603.01354. Numbers and cost: tasks/pos_tagging/card.md
Data: Universal Dependencies, Nivre et al. 2020, https://aclanthology.org/2020.lrec-1.497
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import keras
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import codec as codecs
from zoo.data import splits, text, words
from zoo.data.examples import Examples
from zoo.data.formats import conll
from zoo.data.samples import tagged_sentences
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers


@dataclass(frozen=True)
class Config(options.Words, options.Spelling, options.Recurrent, options.Training):
    monitor: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    column: Literal["upos", "xpos"] = option("upos", "the tags: universal, or the treebank's own", basic=True)
    vocabulary: int = 50_000
    variational: bool = False
    output: Literal["softmax", "crf"] = option("crf", "choose each tag alone (softmax) or all tags together (crf)")


METRICS = (
    Metric("accuracy", better="max", format=".2%"),
    Metric("oov_accuracy", better="max", format=".2%"),
    Metric("sentence_accuracy", better="max", format=".2%"),
)
SPLIT = splits.random()
LABELS = "tags"


def examples(cfg: Config, split: str) -> Examples | None:
    """{"tokens": [str, ...], "tags": [str, ...]}"""
    return conll.tagged(cfg.data, split, sample=tagged_sentences.examples, column=cfg.column)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The words, letters, prefixes and suffixes of the training split, and its tags."""
    tags = text.choices((t for e in train for t in e["tags"]), what=f"--data {cfg.data}: every word's {cfg.column}")
    return codecs.Codec(**words.learn(cfg, (token for example in train for token in example["tokens"])), tags=tags)


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict[str, tf.RaggedTensor], tf.RaggedTensor]:
    return words.features(cfg, codec, batch["tokens"]), codec.tags(batch["tags"])


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    inputs, keep_mask, vectors = layers.read_words(cfg, words.sizes(codec), unknown=codec.words.unknown)
    steps, _ = layers.RecurrentEncoder.of(cfg)(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    steps = keras.layers.Dropout(cfg.dropout, name="dropout")(steps)
    scores = keras.layers.Dense(len(codec.tags), dtype="float32", name="scores")(steps)  # [B, T, tags]
    log_probs = layers.crf.OUTPUTS[cfg.output](len(codec.tags), name="log_probs")(scores, keep_mask)
    tagger = keras.Model(inputs, log_probs, name="pos_tagging")
    tagger.compile(optimizers.adamw(cfg), losses.TagLoss(), weighted_metrics=[metrics.tags.TagAccuracy()])
    return tagger


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    """Words or a text in, tags out; word by word where a tag depends on no later word."""
    causal = not cfg.bidirectional and cfg.output == "softmax"
    return answers.tags.service(codec, model, partial(words.features, cfg, codec), tags=codec.tags, stream=causal)


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    return metrics.tags.scores(answers, examples=examples, known=set(codec.forms.tokens))


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    return baselines.tags.most_frequent(train, test)


def quality(example: dict, answer: dict) -> float:
    """The share of right tags."""
    return sum(map(str.__eq__, example["tags"], answer["tags"])) / len(example["tags"])


def show(example: dict, answer: dict) -> str:
    sentence = {**answer, **example}  # the answer to a text has its tokens; only an example has the truth
    told = zip(sentence["tokens"], answer["tags"], sentence["tags"], strict=True)
    return " ".join(f"{token}/{tag}" + (f" (truth: {true})" if true != tag else "") for token, tag, true in told)


def draw(run, answers: list[dict], examples: Examples) -> None:
    truth = [tag for example in examples for tag in example["tags"]]
    predicted = [tag for answer in answers for tag in answer["tags"]]
    path = run.directory / "plots" / "confusion.png"
    plots.confusion.matrix(predicted, path, truth=truth, labels=sorted({*truth, *predicted}))
    (run.directory / "per_tag.txt").write_text(metrics.tags.table(predicted, truth=truth), encoding="utf-8")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="pos_tagging"))
