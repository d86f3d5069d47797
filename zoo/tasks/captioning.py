"""Captioning: a picture in, a sentence that says what is in it out.

    python -m zoo.tasks.captioning                                              # bundled sample: drawings of shapes
    python -m zoo.tasks.captioning --data tfds:coco_captions                     # COCO through TFDS
    python -m zoo.tasks.captioning --data DIR --cnn-weights FILE.weights.h5       # own pictures and a .jsonl

CNN → grid of features ⇄ attention ⇄ GRU → words, by beam search. A pretrained CNN is frozen, its features are computed
once; --finetune trains it too, as a second phase. Xu et al. 2015, https://arxiv.org/abs/1502.03044
Numbers and cost: tasks/captioning/card.md. Data: COCO, Lin et al. 2014, https://arxiv.org/abs/1405.0312
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded for --help

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import callbacks, cli, layers, losses, metrics, optimizers, plots
from zoo.answers import search as decoding
from zoo.answers import service as services
from zoo.data import cache, images, scenes, sources, text
from zoo.task import Config as CommonConfig
from zoo.task import Run, Task, option


@dataclass(frozen=True)
class Config(CommonConfig):
    monitor: Literal["val_bleu_4", "val_cider", "val_perplexity"] = option("val_cider", "what decides the epoch kept")
    cnn: str = option("auto", "a network of keras.applications, or small; auto: MobileNetV2, for the sample small")
    cnn_weights: str = option("imagenet", "imagenet (downloaded), a .weights.h5 file, or none: from scratch, as small")
    cnn_width: float = option(1.0, "multiple of the channels of a MobileNet", low=0.05, high=4)
    image_size: int | None = option(None, "pixels of a side, squashed to a square (default 224; small 64)", low=16)
    finetune: bool = option(False, "train a pretrained CNN too: a second phase, --init RUN_DIR --learning-rate 1e-4")
    vocabulary: int = option(10_000, "words that captions are made of, at most", low=5)
    min_count: int = option(1, "rarer words are in no caption that is written", low=1)
    max_length: int = option(20, "words of a caption that are read and written at most", low=1)
    embedding: int = option(128, "size of a word's vector, and of one of the grid", low=1)
    units: int = option(128, "size of the recurrent state", low=1)
    cell: Literal["lstm", "gru"] = option("gru", "recurrent cell")
    attention: Literal["bahdanau", "general"] = option("general", "how a place in the picture is scored")
    attend: Literal["before", "after"] = option("after", "attend before or after the recurrence")
    tied: bool = option(False, "one matrix for the word vectors and the output")
    dropout: float = option(0.2, "share of features dropped, in the grid and in the decoder", low=0, high=0.95)
    label_smoothing: float = option(0.0, "share of probability spread over the vocabulary", low=0, high=0.95)
    beams: int = option(5, "hypotheses kept side by side; 1 is greedy", low=1)
    length_penalty: float = option(1.0, "exponent of the length that scores are divided by", low=0)


def examples(cfg: Config, split: str) -> sources.Examples | None:
    """{"image": str, "image_bytes": bytes, "captions": [str, ...]}, one of each picture."""
    return images.captioned(cfg.data, split, sample=scenes.described)


def codec(cfg: Config, train: sources.Examples) -> text.Codec:
    name = cfg.cnn if cfg.cnn != "auto" else "small" if cfg.data == "sample" else "MobileNetV2"
    network = images.Network.make(name, size=cfg.image_size, width=cfg.cnn_width, weights=cfg.cnn_weights)
    captions = [caption for example in train for caption in example["captions"]]
    words = text.PlainWords.learn_from(captions, size=cfg.vocabulary, min_count=cfg.min_count)
    written = (text.framed(words.encode(batch))[1] for batch in text.in_batches(captions))
    return text.Codec(words=words, counts=text.Counts.of(written, len(words)), network=network)


def encode(cfg: Config, codec: text.Codec, batch: dict) -> tuple[dict, tf.RaggedTensor]:
    """One row a caption; the captions of a picture share what is stored of it."""
    captions, store = batch["captions"], codec.network.store(finetune=cfg.finetune)  # string[B, ragged]
    target_in, target_out = text.framed(text.truncate(codec.words.encode(captions.flat_values), cfg.max_length, "head"))
    rows = np.repeat(store.rows(batch["image_bytes"].numpy()), captions.row_lengths())
    return {"picture": cache.Stored(store, rows), "target_in": target_in}, target_out


def model(cfg: Config, codec: text.Codec) -> keras.Model:
    cnn = codec.network.encoder(finetune=cfg.finetune)
    seen = (cnn.size, cnn.size, 3) if cnn.trainable else (cnn.positions, cnn.channels)
    picture = keras.Input(seen, name="picture")  # pixels, or features that were computed before
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
    captioner.compile(optimizers.adamw(cfg), loss, weighted_metrics=[metrics.Perplexity()])
    return captioner


def search(cfg: Config, codec: text.Codec, model: keras.Model, pictures: tf.Tensor) -> decoding.Decoded:
    """The best caption of each picture, given as pixels or as features."""
    encoder, decoder, words = model.get_layer("encoder"), model.get_layer("decoder"), codec.words
    memory = encoder(pictures, training=False)
    found = decoding.beam(
        decoding.without(decoder.stepper(memory, layers.everywhere(memory)), [0, words.unknown, words.start]),
        decoder.start(memory, layers.everywhere(memory)),
        tf.fill(tf.shape(memory)[:1], words.start),
        end=words.end,
        max_length=cfg.max_length + 1,
        beams=cfg.beams,
        length_penalty=cfg.length_penalty,
        positions=encoder.cnn.positions,
    )
    return decoding.Decoded(*(part[:, 0] for part in found))


def serve(cfg: Config, codec: text.Codec, model: keras.Model) -> services.Service:
    signature = tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    size = codec.network.cnn.size

    @signature
    def caption(image_bytes):
        found = search(cfg, codec, model, images.decode(image_bytes, size))
        return {"caption": codec.words.decode(found.tokens), "score": found.scores}

    @signature
    def attention(image_bytes):
        """weights float[B, words, positions]: where in the grid, row by row, each word looked."""
        found = search(cfg, codec, model, images.decode(image_bytes, size))
        return {"tokens": codec.words.lookup(found.tokens), "weights": found.weights, "lengths": found.lengths}

    return services.Service(codec, model, serving_default=caption, attention=attention)


def watch(run: Run, validation: sources.Examples) -> list[keras.callbacks.Callback]:
    store = run.codec.network.store(finetune=run.cfg.finetune)
    rows = np.concatenate([store.rows([example["image_bytes"]]) for example in validation])

    @tf.function(reduce_retracing=True)
    def write(pictures):
        return run.codec.words.decode(search(run.cfg, run.codec, run.model, pictures).tokens)

    def free_running() -> dict[str, float]:
        captions = np.concatenate([write(store.values[rows[i : i + 64]]) for i in range(0, len(rows), 64)])
        return score(run.cfg, run.codec, [{"caption": caption} for caption in services.to_python(captions)], validation)

    return [callbacks.FreeRunning(free_running)]


def score(cfg: Config, codec: text.Codec, answers: list[dict], examples: sources.Examples) -> dict:
    references = [text.plain(example["captions"]) for example in examples]
    return metrics.captioning([answer["caption"] for answer in answers], references)


def baseline(cfg: Config, codec: text.Codec, train: sources.Examples, test: sources.Examples) -> tuple[str, list[dict]]:
    like, rows = images.nearest(codec.network, train, test)
    captions = text.plain([example["captions"][0] for example in train])
    return f"caption of the nearest picture by {like}", [{"caption": captions[row]} for row in rows]


def quality(example: dict, answer: dict) -> float:
    return metrics.shared_words(answer["caption"], text.plain(example["captions"]))


def show(example: dict, answer: dict) -> str:
    truth = f" (people: {example['captions'][0]})" if "captions" in example else ""
    return f"{example.get('image', 'picture')}: {answer['caption']}{truth}"


def attention(run: Run, question: dict, path: Path) -> None:
    """Draws where in the picture each word looked."""
    answer = run.predict([question], signature="attention")[0]
    plots.attention_maps(images.pixels(question["image_bytes"]), answer["tokens"], answer["weights"], path)


def draw(run: Run, answers: list[dict], examples: sources.Examples) -> None:
    """Draws the pictures with the best captions and those with the worst, and what people say of them."""
    order = np.argsort([quality(*pair) for pair in zip(examples, answers, strict=True)], kind="stable")
    cells = {}
    for title, rows in (("best", np.sort(order[-4:])), ("worst", np.sort(order[:4]))):
        pairs = [(example, answers[row]["caption"]) for example, row in zip(examples.select(rows), rows, strict=True)]
        cells[title] = [(images.pixels(e["image_bytes"]), f"{said}\n({e['captions'][0]})") for e, said in pairs]
    plots.picture_grid(cells, run.directory / "plots" / "captions.png")


TASK = Task(
    name="captioning",
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
    pictures={"attention": attention},
    watch=watch,
)

if __name__ == "__main__":
    raise SystemExit(cli.main(TASK))
