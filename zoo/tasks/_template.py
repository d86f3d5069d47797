"""Order: some letters in, the one of x and y that comes first out. Copy this file to begin a task of your own.

    cp zoo/tasks/_template.py zoo/tasks/my_task.py; python -m zoo.tasks.my_task

Embedding → BiLSTM → max over time → one logit per label. Parts that a task may have besides: OPTIONAL in zoo/task.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from zoo import answers, baselines, layers, options
from zoo.data import codec as codecs
from zoo.data import splits, text
from zoo.data.examples import Examples
from zoo.data.formats import tables
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers


@dataclass(frozen=True)
class Config(options.Columns, options.Words, options.Recurrent, options.Training):  # flags, recipe keys and checks
    units: int = 32  # another default for an inherited option; its help and bounds stay
    max_length: int = option(100, "largest number of tokens read from a text", low=1)


METRICS = (Metric("accuracy", better="max", format=".1%"),)  # the first one is reported
SPLIT = splits.stratified("label")  # how a split that the data lacks is held out from train


def sample(split: str) -> Iterator[dict]:  # generated data, so that the task runs without a download
    rng = random.Random(f"order {split}")
    for _ in range({"train": 600, "test": 100}[split]):
        letters = [*rng.choices("abcd", k=rng.randint(1, 6)), "x", "y"]
        rng.shuffle(letters)
        yield {"text": " ".join(letters), "label": "x" if letters.index("x") < letters.index("y") else "y"}


def examples(cfg: Config, split: str) -> Examples | None:  # raw, readable dicts; None if there is no such split
    columns = {"text_column": cfg.text_column, "label_column": cfg.label_column}
    return tables.classification(cfg.data, split, sample=sample, **columns, group_column=cfg.group_column)


def codec(cfg: Config, train: Examples) -> codecs.Codec:  # everything learned from the data except the weights
    texts = (example["text"] for example in train)
    words = text.Words.learn_from(texts, size=cfg.vocabulary, min_count=cfg.min_count)
    return codecs.Codec(words=words, labels=text.choices((e["label"] for e in train), what="every training label"))


def token_ids(cfg: Config, codec: codecs.Codec, texts: tf.Tensor) -> tf.RaggedTensor:  # string[B] → int32[B, ragged]
    return text.framed(text.truncate(codec.words.encode(texts), cfg.max_length, "head"))[1]  # + end: never empty


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[tf.RaggedTensor, tf.Tensor]:  # x and y, not padded
    return token_ids(cfg, codec, batch["text"]), codec.labels(batch["label"])  # int32[B, ragged], int32[B]


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:  # compiled; token 0 is padding
    tokens = keras.Input([None], dtype="int32", name="tokens")  # [B, T]
    keep_mask = keras.ops.not_equal(tokens, 0)  # True = real token
    vectors = keras.layers.Embedding(len(codec.words), cfg.embedding, name="embedding")(tokens)  # [B, T, embedding]
    steps, state = layers.RecurrentEncoder.of(cfg, name="encoder")(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    summary = layers.Pooling("max", name="pooling")(steps, state, keep_mask)  # [B, 2*units]
    logits = keras.layers.Dense(len(codec.labels), dtype="float32", name="logits")(summary)  # [B, labels]
    classifier = keras.Model(tokens, logits, name="classifier")
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(optimizers.adamw(cfg), loss, weighted_metrics=[accuracy])
    return classifier


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:  # raw input → answer
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(texts):
        return answers.labels.answer(model(token_ids(cfg, codec, texts).to_tensor(), training=False), codec.labels)

    return answers.service.Service(codec, model, serving_default=classify)


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:  # METRICS
    right = [answer["label"] == example["label"] for answer, example in zip(answers, examples, strict=True)]
    return {"accuracy": sum(right) / len(right)}


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:  # to beat
    label, _ = Counter(example["label"] for example in train).most_common(1)[0]
    return baselines.Baseline("the most frequent label", answers=[{"label": label} for _ in test])


def quality(example: dict, answer: dict) -> float:  # 0 (wrong) to 1 (right): samples.md shows the worst answers
    return float(answer["label"] == example["label"])


def show(example: dict, answer: dict) -> str:  # one line for people; only an example has the truth
    return f"{answer['label']} {answer['probability']:.3f} (truth: {example.get('label', '?')}): {example['text']}"


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task=__spec__.name.rpartition(".")[2]))
