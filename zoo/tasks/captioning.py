"""Captioning: a picture in, a sentence about it out.

    python -m zoo.tasks.captioning                                              # bundled sample: drawings of shapes
    python -m zoo.tasks.captioning --data tfds:coco_captions                     # COCO through TFDS
    python -m zoo.tasks.captioning --data DIR --cnn-weights FILE.weights.h5       # own pictures and a .jsonl

CNN → grid of features ⇄ attention ⇄ GRU → words, by beam search. A pretrained CNN is frozen and its features are
computed once; --finetune trains it too, as a second phase. Xu et al. 2015, https://arxiv.org/abs/1502.03044
Numbers and cost: tasks/captioning/card.md. Data: COCO, Lin et al. 2014, https://arxiv.org/abs/1405.0312
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, errors, layers, metrics, options, plots
from zoo.data import cache, images, splits, text
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import captions
from zoo.data.samples import scenes
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import callbacks, losses, optimizers, pretrained


@dataclass(frozen=True)
class Config(options.Words, options.Decoder, options.Training):
    monitor: Literal["val_bleu_4", "val_cider", "val_perplexity"] = "val_cider"
    batch_tokens: int = 512
    shapes: int = 3
    cnn: str = option("auto", "a network of keras.applications, or small; auto: MobileNetV2, or small for the sample")
    cnn_weights: str = option(
        "imagenet", "imagenet (downloaded), a .weights.h5 file, or none (trained from scratch, like small)", basic=True
    )
    cnn_width: float = option(1.0, "multiple of the channels of a MobileNet", low=0.05, high=4)
    image_size: int | None = option(None, "pixels of a side, squashed to a square (default 224; small 64)", low=16)
    finetune: bool = option(False, "train a pretrained CNN too: a second phase, --init RUN_DIR --learning-rate 1e-4")
    vocabulary: int = option(10_000, "largest number of words in the vocabulary", low=5, basic=True)
    min_count: int = option(1, "rarer words are never written", low=1)
    max_length: int = option(20, "largest number of words read or written per caption", low=1)
    embedding: int = option(128, "size of a word's vector, and of a grid cell's", low=1)
    units: int = option(128, "size of the recurrent state", low=1, basic=True)
    cell: Literal["lstm", "gru"] = option("gru", "recurrent cell")
    attention: Literal["bahdanau", "general"] = "bahdanau"
    attend: Literal["before", "after"] = "after"
    tied: bool = False
    dropout: float = option(0.1, "share of features dropped, in the grid and in the decoder", low=0, high=0.95)


METRICS = (
    Metric("bleu_4", better="max", format=".3f"),
    Metric("cider", better="max", format=".3f"),
    Metric("rouge_l", better="max", format=".3f"),
    Metric("bleu_1", better="max", format=".3f"),
    Metric("bleu_2", better="max", format=".3f"),
    Metric("bleu_3", better="max", format=".3f"),
    Metric("perplexity", better="min", format=".2f", of="model"),
)
SPLIT = splits.random()


def examples(cfg: Config, split: str) -> Examples | None:
    """{"image": str, "image_bytes": bytes, "captions": [str, ...]}, one per picture."""
    return captions.captioned(cfg.data, split, sample=scenes.examples)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The words of the captions, how often each is written, and the CNN."""
    errors.needs("pycocoevalcap", extra="captioning")  # it scores each epoch's captions; ask before training
    name = cfg.cnn if cfg.cnn != "auto" else "small" if cfg.data == "sample" else "MobileNetV2"
    network = pretrained.Network.make(name, size=cfg.image_size, width=cfg.cnn_width, weights=cfg.cnn_weights)
    texts = [caption for example in train for caption in example["captions"]]
    words = text.LowerWords.learn_from(texts, size=cfg.vocabulary, min_count=cfg.min_count)
    written = (text.framed(words.encode(batch))[1] for batch in text.in_batches(texts))
    return codecs.Codec(words=words, counts=text.TokenCounts.of(written, len(words)), network=network)


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict, tf.RaggedTensor]:
    """One row per caption; the captions of a picture share its stored features."""
    captions, store = batch["captions"], codec.network.store(finetune=cfg.finetune)  # string[B, ragged]
    target_in, target_out = text.framed(text.truncate(codec.words.encode(captions.flat_values), cfg.max_length, "head"))
    rows = np.repeat(store.rows(batch["image_bytes"].numpy()), captions.row_lengths())
    return {"picture": cache.Stored(store, rows), "target_in": target_in}, target_out


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    cnn = codec.network.encoder(finetune=cfg.finetune)
    seen = (cnn.size, cnn.size, 3) if cnn.trainable else (cnn.positions, cnn.channels)
    picture = keras.Input(seen, name="picture")  # pixels, or features computed before
    target_in = keras.Input([None], dtype="int32", name="target_in")  # [B, S]
    memory = layers.ImageEncoder(cnn, cfg.embedding, dropout=cfg.dropout, name="encoder")(picture)  # [B, positions, E]
    logits = layers.AttentionDecoder(
        len(codec.words),
        units=cfg.units,
        embedding_dim=cfg.embedding,
        cell=cfg.cell,
        attention=cfg.attention,
        attend=cfg.attend,
        tied=cfg.tied,
        dropout=cfg.dropout,
        token_counts=codec.counts.counts,
    )(target_in, memory, layers.everywhere(memory), keras.ops.not_equal(target_in, 0))  # [B, S, V]
    captioner = keras.Model({"picture": picture, "target_in": target_in}, logits, name="captioning")
    loss = losses.SequenceCrossentropy(cfg.label_smoothing)
    captioner.compile(optimizers.adamw(cfg), loss, weighted_metrics=[metrics.perplexity.Perplexity()])
    return captioner


def best(cfg: Config, codec: codecs.Codec, model: keras.Model, pictures: tf.Tensor) -> answers.search.Decoded:
    """The best caption of each picture, given as pixels or as features."""
    encoder, decoder, words = model.get_layer("encoder"), model.get_layer("decoder"), codec.words
    memory = encoder(pictures, training=False)
    found = answers.search.best(
        cfg,
        decoder,
        memory,
        layers.everywhere(memory),
        tokens=words,
        max_length=cfg.max_length,
        never=[0, words.unknown, words.start],
    )
    return answers.search.Decoded(*(part[:, 0] for part in found))


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    signature = tf.function(input_signature=[spec], autograph=False)  # converting the search would take seconds
    size = codec.network.cnn.size

    @signature
    def caption(image_bytes):
        found = best(cfg, codec, model, images.decode(image_bytes, size))
        return {"caption": codec.words.decode(found.tokens), "score": found.scores}

    @signature
    def attention(image_bytes):
        """weights float[B, words, positions]: where in the grid, row by row, each word looked."""
        found = best(cfg, codec, model, images.decode(image_bytes, size))
        return {"tokens": codec.words.lookup(found.tokens), "weights": found.weights, "lengths": found.lengths}

    return answers.service.Service(codec, model, serving_default=caption, attention=attention)


def watch(run, validation: Examples) -> list[keras.callbacks.Callback]:
    store = run.codec.network.store(finetune=run.cfg.finetune)
    rows = np.concatenate([store.rows([example["image_bytes"]]) for example in validation])

    @tf.function(input_signature=[tf.TensorSpec([None, *store.values.shape[1:]], store.values.dtype)], autograph=False)
    def write(pictures):
        return run.codec.words.decode(best(run.cfg, run.codec, run.model, pictures).tokens)

    def free_running() -> dict[str, float]:
        written = np.concatenate([write(store.values[rows[i : i + 64]]) for i in range(0, len(rows), 64)])
        found = [{"caption": caption} for caption in answers.service.to_python(written)]
        return score(run.cfg, run.codec, found, validation)

    return [callbacks.FreeRunning(free_running)]


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    references = [text.normalize(example["captions"]) for example in examples]
    return metrics.captions.scores([answer["caption"] for answer in answers], references=references)


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    return baselines.captions.nearest_picture(codec.network, train, test)


def quality(example: dict, answer: dict) -> float:
    return metrics.captions.phrase_f1(answer["caption"], references=text.normalize(example["captions"]))


def show(example: dict, answer: dict) -> str:
    truth = f" (people: {example['captions'][0]})" if "captions" in example else ""
    return f"{example.get('image', 'picture')}: {answer['caption']}{truth}"


def attention(run, question: dict, path: Path) -> None:
    """Draws where in the picture each word looked."""
    answer = run.predict([question], signature="attention")[0]
    picture = images.pixels(question["image_bytes"])
    plots.attention.over_picture(answer["weights"], path, picture=picture, words=answer["tokens"])


ARTIFACTS = {"attention.png": attention}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws the pictures with the best captions and those with the worst, each with one by people."""
    order = np.argsort([quality(*pair) for pair in zip(examples, answers, strict=True)], kind="stable")
    cells = {}
    for title, rows in (("best", np.sort(order[-4:])), ("worst", np.sort(order[:4]))):
        pairs = [(example, answers[row]["caption"]) for example, row in zip(examples.select(rows), rows, strict=True)]
        cells[title] = [(images.pixels(e["image_bytes"]), f"{said}\n({e['captions'][0]})") for e, said in pairs]
    plots.pictures.grid(cells, run.directory / "plots" / "captions.png")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="captioning"))
