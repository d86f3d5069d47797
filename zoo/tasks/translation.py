"""Translation: a sentence in one language in, the same in another out, string to string.

    python -m zoo.tasks.translation                                          # bundled sample, a minute
    python -m zoo.tasks.translation --data DIR --source en --target de        # files train.en + train.de, …
    python -m zoo.tasks.translation predict RUN_DIR "A dog barks." --attention alignment.png

Subwords → BiGRU encoder ⇄ attention ⇄ GRU decoder → softmax; the answer is found by beam search, inside the graph.
Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473; Luong et al. 2015, https://arxiv.org/abs/1508.04025
Numbers and cost: tasks/translation/card.md. Data: Multi30k, Elliott et al. 2016, https://aclanthology.org/W16-3210
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded for --help

import dataclasses
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from zoo import callbacks, cli, decoding, export, layers, losses, metrics, optimizers, plots
from zoo.data import parallel, sources, synthetic, text
from zoo.task import Config as CommonConfig
from zoo.task import Run, Task, option


@dataclasses.dataclass(frozen=True)
class Config(CommonConfig):
    epochs: int = option(8, "passes over the training data at most", low=1)
    monitor: Literal["val_bleu", "val_perplexity"] = option("val_bleu", "what decides which epoch is kept")
    source: str = option("en", "code of the language that is read, the end of a file's name")
    target: str = option("de", "code of the language that is written")
    tokens: Literal["joint", "separate", "words"] = option("joint", "subwords of both languages or of each, or words")
    vocabulary: int = option(1000, "tokens of a language at most, or of both where they are joint", low=5)
    max_length: int = option(250, "tokens of a sentence that are read and written at most", low=2)
    embedding: int = option(64, "size of a token's vector", low=1)
    units: int = option(64, "size of the encoder's state, each direction; the decoder's is twice that", low=1)
    cell: Literal["lstm", "gru"] = option("gru", "recurrent cell")
    layers: int = option(1, "recurrent layers, of the encoder and of the decoder", low=1)
    attention: Literal["bahdanau", "dot", "general"] = option("general", "how a source position is scored")
    attend: Literal["after", "input_feeding", "before"] = option(
        "after", "attend after the decoder's recurrence, feed the result into its next step too, or attend before it"
    )
    bridge: Literal["mean", "last", "zeros"] = option("mean", "which encoder output the decoder starts from")
    tied: bool = option(True, "one matrix for the target's embedding and the output")
    dropout: float = option(0.1, "share of features dropped before each layer", low=0, high=0.95)
    label_smoothing: float = option(0.0, "share of probability spread over the vocabulary", low=0, high=0.95)
    scheduled_sampling: float = option(0.0, "how often, in the last epoch, own tokens are read", low=0, high=1)
    beams: int = option(5, "hypotheses kept side by side; 1 is greedy", low=1)
    length_penalty: float = option(1.0, "exponent of the length that scores are divided by", low=0)


def examples(cfg: Config, split: str) -> sources.Examples | None:
    """{"source": str, "target": str}"""
    return parallel.pairs(cfg.data, split, sample=synthetic.sentence_pairs, source=cfg.source, target=cfg.target)


def codec(cfg: Config, train: sources.Examples) -> text.Codec:
    def learn(*sides: str) -> text.Words | text.Subwords:
        texts = (example[side] for side in sides for example in train)
        return (text.Words if cfg.tokens == "words" else text.Subwords).learn_from(texts, size=cfg.vocabulary)

    source = learn("source", "target") if cfg.tokens == "joint" else learn("source")
    target = source if cfg.tokens == "joint" else learn("target")
    texts = text.in_batches(example["target"] for example in train)
    written = (text.framed(target.encode(batch))[1] for batch in texts)
    return text.Codec(source=source, target=target, counts=text.Counts.of(written, len(target)))


def framed(cfg: Config, writer: text.Words | text.Subwords, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
    """string[B] → int32[B, ragged] twice: with the start token first, and with the end token last."""
    return text.framed(text.truncate(writer.encode(texts), cfg.max_length - 1, "head"))


def encode(cfg: Config, codec: text.Codec, batch: dict) -> tuple[dict[str, tf.RaggedTensor], tf.RaggedTensor]:
    target_in, target_out = framed(cfg, codec.target, batch["target"])
    return {"source": framed(cfg, codec.source, batch["source"])[1], "target_in": target_in}, target_out


def model(cfg: Config, codec: text.Codec) -> keras.Model:
    source = keras.Input([None], dtype="int32", name="source")  # [B, T]
    target_in = keras.Input([None], dtype="int32", name="target_in")  # [B, S]
    keep_mask, target_keep_mask = keras.ops.not_equal(source, 0), keras.ops.not_equal(target_in, 0)  # True = real
    vectors = keras.layers.Embedding(len(codec.source), cfg.embedding, name="embedding")(source)
    memory, _ = layers.RecurrentEncoder.of(cfg, variational=True, name="encoder")(vectors, keep_mask)  # [B, T, 2*units]
    memory = keras.layers.Dropout(cfg.dropout, name="memory")(memory)
    logits = layers.AttentionDecoder(
        len(codec.target),
        units=2 * cfg.units,
        embedding_dim=cfg.embedding,
        cell=cfg.cell,
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
    translator.compile(optimizers.adamw(cfg), loss, weighted_metrics=[metrics.Perplexity()])
    return translator


def serve(cfg: Config, codec: text.Codec, model: keras.Model) -> export.Service:
    encoder, decoder = keras.Model(model.input["source"], model.get_layer("memory").output), model.get_layer("decoder")
    signature = tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="source")])

    def search(texts, n_best: int):
        source = framed(cfg, codec.source, texts)[1].to_tensor()
        keep_mask = source != 0
        lengths = tf.math.count_nonzero(keep_mask, axis=1, dtype=tf.int32)
        memory = encoder(source, training=False)
        found = decoding.beam(
            decoder.stepper(memory, keep_mask),
            decoder.start(memory, keep_mask),
            tf.fill(tf.shape(texts), codec.target.start),
            end=codec.target.end,
            max_length=tf.minimum(2 * lengths + 10, cfg.max_length),
            beams=cfg.beams,
            n_best=n_best,
            length_penalty=cfg.length_penalty,
            positions=tf.shape(source)[1],
        )
        blank = lengths[:, None] == 1  # nothing but the end: nothing is what it says in any language
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

    return export.Service(codec, model, serving_default=translate, n_best=n_best)


def score(cfg: Config, codec: text.Codec, answers: list[dict], examples: sources.Examples) -> dict:
    return metrics.translation([e["target"] for e in examples], [answer["translation"] for answer in answers])


def quality(example: dict, answer: dict) -> float:
    return metrics.sentence_chrf(example["target"], answer["translation"]) / 100


def show(example: dict, answer: dict) -> str:
    truth = example.get("target", answer["translation"])
    mark = f" (truth: {truth})" if truth != answer["translation"] else ""
    return f"{example['source']} → {answer['translation']}{mark}"


def attention(run: Run, question: dict, path: Path) -> None:
    """Draws which source tokens each token of the answer looked at."""
    answer = run.predict([question], signature="n_best")[0]
    plots.attention(answer["source_tokens"], answer["target_tokens"], answer["attention"], path)


def watch(run: Run, validation: sources.Examples) -> list[keras.callbacks.Callback]:
    greedy = dataclasses.replace(run, cfg=dataclasses.replace(run.cfg, beams=1))  # a fifth of the time of five beams
    found = [callbacks.FreeRunning(lambda: greedy.score(validation))] if run.cfg.monitor == "val_bleu" else []
    if rate := run.cfg.scheduled_sampling:
        found.append(callbacks.Ramp(run.model.get_layer("decoder").sampling_rate, highest=rate))
    return found


TASK = Task(
    name="translation",
    config=Config,
    examples=examples,
    codec=codec,
    encode=encode,
    model=model,
    serve=serve,
    score=score,
    baseline=lambda cfg, codec, train, test: metrics.word_for_word(train, test),
    quality=quality,
    show=show,
    pictures={"attention": attention},
    watch=watch,
    forced=("perplexity",),
)

if __name__ == "__main__":
    raise SystemExit(cli.main(TASK))
