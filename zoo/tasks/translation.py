"""Translation: a sentence in one language in, the same sentence in another language out.

    python -m zoo.tasks.translation                                          # bundled sample, a minute
    python -m zoo.tasks.translation --data DIR --source en --target de        # files train.en + train.de, …
    zoo predict RUN_DIR "A dog barks." --attention alignment.png

Subwords → BiGRU encoder ⇄ attention ⇄ GRU decoder → softmax; beam search, inside the graph, finds the answer.
Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015, https://arxiv.org/abs/1508.04025
Numbers and cost: tasks/translation/card.md. Data: Multi30k, Elliott et al. 2016, https://aclanthology.org/W16-3210
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from zoo import answers, baselines, errors, layers, metrics, options, plots
from zoo.data import codec as codecs
from zoo.data import splits, subwords, text
from zoo.data.examples import Examples
from zoo.data.formats import parallel
from zoo.data.samples import sentence_pairs
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import callbacks, losses, optimizers


@dataclasses.dataclass(frozen=True)
class Config(options.Words, options.Decoder, options.Training):
    epochs: int = 8
    monitor: Literal["val_bleu", "val_perplexity"] = "val_bleu"
    source: str = option("en", "code of the source language, the end of a file's name", basic=True)
    target: str = option("de", "code of the target language", basic=True)
    tokens: Literal["joint", "separate", "words"] = option("joint", "subwords of both languages or of each, or words")
    vocabulary: int = option(1000, "largest vocabulary, of both languages if they are joint", low=5, basic=True)
    max_length: int = option(250, "largest number of tokens read or written per sentence", low=2)
    units: int = option(64, "size of the encoder's state in each direction; the decoder's is twice that", low=1)
    cell: options.Cell = option(
        "gru", "recurrent cell; or transformer: self-attention; with it, or with simple, the decoder is a GRU"
    )
    layers: int = option(1, "recurrent layers of the encoder, and of the decoder", low=1)
    bridge: Literal["mean", "last", "zeros"] = option("mean", "the encoder output that the decoder starts from")
    dropout: float = option(0.1, "share of features dropped before each layer", low=0, high=0.95)
    scheduled_sampling: float = option(
        0.0, "share of target tokens that the decoder reads from its own output, in the last epoch", low=0, high=1
    )


METRICS = (
    Metric("bleu", better="max", format=".1f"),
    Metric("chrf", better="max", format=".1f"),
    Metric("perplexity", better="min", format=".2f", of="model"),
)
SPLIT = splits.random()


def examples(cfg: Config, split: str) -> Examples | None:
    """{"source": str, "target": str}"""
    return parallel.pairs(cfg.data, split, sample=sentence_pairs.examples, source=cfg.source, target=cfg.target)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The tokens of both languages, and how often each target token is written."""
    errors.needs("sacrebleu", extra="translation")  # it scores each epoch's translations; ask before training

    def learn(*sides: str) -> text.Words | subwords.Subwords:
        texts = (example[side] for side in sides for example in train)
        return (text.Words if cfg.tokens == "words" else subwords.Subwords).learn_from(texts, size=cfg.vocabulary)

    source = learn("source", "target") if cfg.tokens == "joint" else learn("source")
    target = source if cfg.tokens == "joint" else learn("target")
    texts = text.in_batches(example["target"] for example in train)
    written = (text.framed(target.encode(batch))[1] for batch in texts)
    return codecs.Codec(source=source, target=target, counts=text.TokenCounts.of(written, len(target)))


def framed(cfg: Config, tokens: text.Words | subwords.Subwords, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
    """string[B] → int32[B, ragged] twice: with the start token first, and with the end token last."""
    return text.framed(text.truncate(tokens.encode(texts), cfg.max_length - 1, "head"))


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict[str, tf.RaggedTensor], tf.RaggedTensor]:
    target_in, target_out = framed(cfg, codec.target, batch["target"])
    return {"source": framed(cfg, codec.source, batch["source"])[1], "target_in": target_in}, target_out


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    source = keras.Input([None], dtype="int32", name="source")  # [B, T]
    target_in = keras.Input([None], dtype="int32", name="target_in")  # [B, S]
    keep_mask, target_keep_mask = keras.ops.not_equal(source, 0), keras.ops.not_equal(target_in, 0)  # True = real
    vectors = keras.layers.Embedding(len(codec.source), cfg.embedding, name="embedding")(source)
    memory, _ = layers.RecurrentEncoder(
        cfg.units, cell=cfg.cell, layers=cfg.layers, dropout=cfg.dropout, variational=True, name="encoder"
    )(vectors, keep_mask)  # [B, T, 2*units]
    memory = keras.layers.Dropout(cfg.dropout, name="memory")(memory)
    logits = layers.AttentionDecoder(
        len(codec.target),
        units=2 * cfg.units,
        embedding_dim=cfg.embedding,
        cell=layers.decoder_cell(cfg.cell),
        layers=cfg.layers,
        attention=cfg.attention,
        attend="before" if cfg.attend == "before" else "after",
        input_feeding=cfg.attend == "input_feeding",
        bridge=cfg.bridge,
        tied=cfg.tied,
        dropout=cfg.dropout,
        token_counts=codec.counts.counts,
        scheduled_sampling=cfg.scheduled_sampling > 0,
    )(target_in, memory, keep_mask, target_keep_mask)  # [B, S, V]
    translator = keras.Model({"source": source, "target_in": target_in}, logits, name="translation")
    loss = losses.SequenceCrossentropy(cfg.label_smoothing)
    translator.compile(optimizers.adamw(cfg), loss, weighted_metrics=[metrics.perplexity.Perplexity()])
    return translator


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    encoder, decoder = keras.Model(model.input["source"], model.get_layer("memory").output), model.get_layer("decoder")
    signature = tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="source")])

    def search(texts, n_best: int):
        source = framed(cfg, codec.source, texts)[1].to_tensor()
        keep_mask = source != 0
        lengths = tf.math.count_nonzero(keep_mask, axis=1, dtype=tf.int32)
        longest = tf.minimum(2 * lengths + 10, cfg.max_length)
        memory = encoder(source, training=False)
        found = answers.search.best(
            cfg, decoder, memory, keep_mask, tokens=codec.target, max_length=longest, n_best=n_best
        )
        blank = lengths[:, None] == 1  # the end token alone: an empty text is empty in any language
        return {
            "translations": tf.where(blank, "", codec.target.decode(found.tokens)),  # [B, N], best first
            "scores": tf.where(blank, 0.0, found.scores),
            "source_tokens": codec.source.lookup(source),  # [B, T]
            "source_tokens_lengths": lengths,
            "target_tokens": codec.target.lookup(found.tokens[:, 0]),  # [B, S], of the best
            "target_tokens_lengths": found.lengths[:, 0],
            "attention": found.weights[:, 0],  # [B, S, T]
            "attention_lengths": tf.stack([found.lengths[:, 0], lengths], axis=1),
        }

    @signature
    def translate(texts):
        best = search(texts, 1)
        return {"translation": best["translations"][:, 0], "score": best["scores"][:, 0]}

    @signature
    def n_best(texts):
        return search(texts, cfg.beams)

    return answers.service.Service(codec, model, serving_default=translate, n_best=n_best)


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict:
    return metrics.translation.scores([a["translation"] for a in answers], truth=[e["target"] for e in examples])


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    return baselines.translation.word_for_word(train, test)


def quality(example: dict, answer: dict) -> float:
    return metrics.translation.sentence_chrf(answer["translation"], truth=example["target"]) / 100


def show(example: dict, answer: dict) -> str:
    truth = example.get("target", answer["translation"])
    mark = f" (truth: {truth})" if truth != answer["translation"] else ""
    return f"{example['source']} → {answer['translation']}{mark}"


def attention(run, question: dict, path: Path) -> None:
    """Draws which source tokens each token of the answer looked at."""
    answer = run.predict([question], signature="n_best")[0]
    plots.attention.alignment(answer["attention"], path, source=answer["source_tokens"], target=answer["target_tokens"])


ARTIFACTS = {"attention.png": attention}


def watch(run, validation: Examples) -> list[keras.callbacks.Callback]:
    greedy = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, beams=1))  # a fifth of the time of five beams
    found = [callbacks.FreeRunning(lambda: greedy.score(validation))] if run.cfg.monitor == "val_bleu" else []
    if rate := run.cfg.scheduled_sampling:
        found.append(callbacks.Ramp(run.model.get_layer("decoder").sampling_rate, highest=rate))
    return found


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="translation"))
