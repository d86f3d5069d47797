"""Language model: a text in, the probability of every next token out; it scores texts and continues them.

    python -m zoo.tasks.language_model                                    # bundled sample, a minute
    python -m zoo.tasks.language_model --data DIR --unit characters        # own files: train.txt, …, one text a line
    zoo predict RUN_DIR "Once upon"                                        # continues the text

Embedding → LSTM that carries its state from batch to batch → the same embedding, transposed → softmax.
Mikolov et al. 2010, https://www.isca-archive.org/interspeech_2010/mikolov10_interspeech.html; Zaremba et al. 2014,
https://arxiv.org/abs/1409.2329; tied: Press & Wolf 2017, https://arxiv.org/abs/1608.05859
Numbers and cost: tasks/language_model/card.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import batching, cache, splits, subwords, text
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import texts
from zoo.data.samples import grammar
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers, sampled


@dataclass(frozen=True)
class Config(options.Words, options.Forward, options.NextToken, options.Training):
    epochs: int = 20
    monitor: Literal["val_perplexity", "val_nats_per_character"] = "val_perplexity"
    unit: Literal["words", "uncased", "tokens", "subwords", "characters"] = option(
        "words",
        "unit of prediction; uncased: words in lower case; tokens: the text has blanks between its tokens already",
        basic=True,
    )
    whole_files: bool = option(False, "a text is a whole file instead of a line")
    max_length: int = option(400, "tokens of a document that are read", low=2)
    direction: Literal["forward", "backward", "both"] = option(
        "forward", "read each text from its start, from its end, or both, as two models that share an embedding"
    )
    tied: bool = option(True, "share one matrix between the embedding and the output")
    sampled: int = option(0, "tokens in the softmax of training, for large vocabularies; 0: all", low=0)
    length: int = option(40, "tokens that a text is continued by, if a question does not say", low=1)


METRICS = (
    Metric("perplexity", better="min", format=".1f", of="model"),
    Metric("nats_per_character", better="min", format=".3f", of="model"),
)
SPLIT = splits.contiguous("text")


def examples(cfg: Config, split: str) -> Examples | None:
    """{"text": str}, one per line or file."""
    return texts.texts(cfg.data, split, sample=grammar.examples, whole=cfg.whole_files)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The tokens, and how often each is a target."""
    source = (example["text"] for example in train)
    if cfg.unit == "subwords":
        tokens = subwords.Subwords.learn_from(source, size=cfg.vocabulary)
    else:
        units = {"words": text.Words, "uncased": text.Uncased, "tokens": text.Tokens, "characters": text.Characters}
        tokens = units[cfg.unit].learn_from(source, size=cfg.vocabulary, min_count=cfg.min_count)
    batches = text.in_batches(example["text"] for example in train)
    targets = (text.insert(tokens.encode(batch), text.END_ID, at="end") for batch in batches)
    return codecs.Codec(tokens=tokens, counts=text.TokenCounts.of(targets, len(tokens)))


def directions(cfg: Config) -> list[Literal["forward", "backward"]]:
    """Of the models that are trained. The first one answers."""
    return ["forward", "backward"] if cfg.direction == "both" else [cfg.direction]


def read(cfg: Config, ids: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The tokens of texts int32[B, ragged] → those that a model reads, and those that it predicts.

    `END` ends a text, and is read before the next one. Two directions have an axis of their own: int32[B, ragged, 2].
    """
    pairs = [text.framed(ids if way == "forward" else ids[:, ::-1], start=text.END_ID) for way in directions(cfg)]
    if len(pairs) == 1:
        return pairs[0]
    before, after = ([ids.flat_values for ids in part] for part in zip(*pairs, strict=True))
    return tuple(pairs[0][0].with_flat_values(tf.stack(values, axis=1)) for values in (before, after))


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict | tf.RaggedTensor, tf.RaggedTensor]:
    ids = codec.tokens.encode(batch["text"])
    if cfg.form == "documents":
        return read(cfg, text.truncate(ids, cfg.max_length - 1, "head"))
    before, after = read(cfg, ids)
    return {"tokens": before, "fresh": tf.ones([before.nrows()], tf.int32)}, after


def plan(cfg: Config, cache: cache.Cache, *, longest=None, **how) -> batching.Planned:
    return batching.documents_or_streams(cfg, cache, longest=longest, **how)


def characters(codec: codecs.Codec) -> list[int]:
    """int[V]: the characters that each token stands for; its space, or the line feed of a text's end, included."""
    names = codec.tokens.tokens
    space = isinstance(codec.tokens, text.Tokens)
    ends = isinstance(codec.tokens, text.Characters)  # elsewhere the first token's space stands for it
    special = {text.PADDING: 0, text.START: 0, text.END: int(ends), text.UNKNOWN: 1 if ends else len(text.UNKNOWN)}
    return [special.get(name, len(name) + space) for name in names]


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    ways = directions(cfg)
    tokens = keras.Input([None] if len(ways) == 1 else [None, 2], dtype="int32", name="tokens")  # [B, T] or [B, T, 2]
    fresh = keras.Input([], dtype="int32", name="fresh") if cfg.form == "stream" else None  # [B], 1: the state is zero
    embedding = layers.TokenEmbedding(
        len(codec.tokens),
        cfg.embedding,
        tied=cfg.tied,
        token_counts=codec.counts.counts,
        negatives=cfg.sampled if cfg.sampled < len(codec.tokens) - 1 else 0,
        name="embedding",
    )
    carry = cfg.streams if cfg.form == "stream" else 0
    drop = keras.layers.SpatialDropout1D if cfg.variational else keras.layers.Dropout
    found = []
    for i, way in enumerate(ways):
        encoder = layers.RecurrentEncoder.of(cfg, bidirectional=False, carry=carry, name=way)
        vectors = embedding(tokens if len(ways) == 1 else tokens[:, :, i])
        # Nothing masks the padding: it comes last in a row, so no real step sees it.
        steps, _ = encoder(vectors, **({} if fresh is None else {"fresh": fresh}))  # [B, T, units]
        steps = drop(cfg.dropout, name=f"{way}_dropout")(steps)
        if cfg.units != cfg.embedding:
            steps = keras.layers.Dense(cfg.embedding, name=f"{way}_projection")(steps)  # [B, T, embedding]
        found.append(steps)
    steps = found[0] if len(ways) == 1 else keras.ops.stack(found, axis=2)
    logits = embedding(steps, reverse=True)  # [B, T, V] or [B, T, 2, V]
    inputs = tokens if fresh is None else {"tokens": tokens, "fresh": fresh}
    predictor = sampled.SampledModel(inputs, logits, output=embedding, name="language_model")
    measured = [metrics.perplexity.Perplexity(), metrics.characters.NatsPerCharacter(characters(codec))]
    predictor.compile(optimizers.adamw(cfg), losses.SequenceCrossentropy(), weighted_metrics=measured)
    return predictor


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    way = directions(cfg)[0]
    tokens, embedding, encoder = codec.tokens, model.get_layer("embedding"), model.get_layer(way)
    project = model.get_layer(f"{way}_projection") if cfg.units != cfg.embedding else lambda steps: steps

    def read_on(ids, state, keep_mask):
        steps, state = encoder.resume(embedding(ids), state, keep_mask)
        return embedding(project(steps), reverse=True), state

    reader = answers.next_token.NextToken(read_on, encoder.state_size)
    backward = way == "backward"
    end = text.END_ID if cfg.form == "documents" else -1  # a stream goes on after the end of a text

    def turned(ids):
        """In the order of reading, or back."""
        return ids[:, ::-1] if backward else ids

    def started(ids):
        """int32[B, ragged] → the tokens to read before the next one."""
        return text.insert(turned(ids), text.END_ID, at="start")

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None], tf.string, name="prompt"),
            tf.TensorSpec([None], tf.int32, name="length"),
            tf.TensorSpec([None], tf.int32, name="seed"),
        ],
    )
    def generate(prompt, length, seed):
        prompt = tf.strings.unicode_transcode(prompt, "UTF-8", "UTF-8")  # the answer contains it, and is text
        ids = tokens.encode(prompt)
        found = reader.sample(
            started(ids),
            never=[0, text.START_ID, tokens.unknown],
            end=end,
            max_length=length,
            seeds=seed,
            **answers.search.drawing(cfg),
        )
        asked = turned(ids).to_tensor()
        known, whole = (tokens.decode(turned(part)) for part in (asked, tf.concat([asked, found.tokens], axis=1)))
        count = tf.strings.length(whole) - tf.strings.length(known)
        if backward:
            return {"text": tf.strings.substr(whole, tf.zeros_like(count), count) + prompt, "score": found.scores}
        return {"text": prompt + tf.strings.substr(whole, tf.strings.length(known), count), "score": found.scores}

    signature = tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False)

    @signature
    def score(batch):
        pair = read(dataclasses.replace(cfg, direction=way), tokens.encode(batch))
        before, after = (ids.to_tensor() for ids in pair)
        found, lengths = reader.log_probabilities(before, after), tf.math.count_nonzero(after, axis=1, dtype=tf.int32)
        total = tf.reduce_sum(found, axis=1)
        return {
            "tokens": tokens.lookup(after),
            "log_probabilities": found,
            "lengths": lengths,
            "log_probability": total,
            "perplexity": tf.exp(-total / tf.cast(lengths, tf.float32)),
        }

    @signature
    def following(batch):
        logits, *_ = reader.step(*reader.begin(started(tokens.encode(batch))))
        best, ids = tf.math.top_k(tf.nn.softmax(logits), min(10, len(tokens)))
        return {"tokens": tokens.lookup(ids), "probabilities": best}

    return answers.service.Service(
        codec,
        model,
        defaults={"length": cfg.length, "seed": cfg.seed},
        serving_default=generate,
        score=score,
        next=following,
        step=reader.live(),
    )


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    """Nothing: the model's own metrics are declared, because a stream reads on from text to text and answers do not."""
    return {}


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> baselines.Baseline:
    def stream(found: Examples) -> np.ndarray:
        batches = text.in_batches(example["text"] for example in found)
        one = dataclasses.replace(cfg, direction=directions(cfg)[0])
        return np.concatenate([read(one, codec.tokens.encode(batch))[1].flat_values.numpy() for batch in batches])

    targets = stream(test)
    return baselines.ngrams.kneser_ney(
        stream(train),
        targets,
        order=7 if cfg.unit == "characters" else 5,
        size=len(codec.tokens),
        before=[text.END_ID],
        characters=int(np.array(characters(codec))[targets].sum()),
    )


def quality(example: dict, answer: dict) -> float:
    """The mean probability of a token, by the geometric mean."""
    return 1 / answer["perplexity"]


def show(example: dict, answer: dict) -> str:
    if "text" in answer:
        return answer["text"]
    words = " ".join(example["text"].split())
    told = f"{words[:160]}{' …' if len(words) > 160 else ''}"
    if "perplexity" in answer:
        return f"perplexity {answer['perplexity']:.1f}: {told}"
    best = zip(answer["tokens"], answer["probabilities"], strict=True)
    named = [f"{token.strip('▁') or token} {chance:.2f}" for token, chance in best]  # ▁ is the space before a word
    return f"{told} → {', '.join(named)}"


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws the first texts shaded by the probability of each token, and the loss by frequency and by position."""
    counts = dict(zip(run.codec.tokens.tokens, run.codec.counts.counts, strict=True))
    tokens = [token for answer in answers for token in answer["tokens"]]
    log_probs = np.concatenate([answer["log_probabilities"] for answer in answers])
    first, folder = sum(len(answer["tokens"]) for answer in answers[:20]), run.directory / "plots"
    written = [{text.END: "\n"}.get(token, token.replace("▁", " ")) for token in tokens[:first]]
    if isinstance(run.codec.tokens, text.Tokens):
        written = [token if token == "\n" else f"{token} " for token in written]
    plots.shaded.page(log_probs[:first], folder / "shaded.html", tokens=written)
    plots.shaded.text(log_probs[:first], folder / "shaded.png", tokens=written)
    lengths = np.array([len(answer["tokens"]) for answer in answers])
    real = np.arange(lengths.max()) < lengths[:, None]  # [texts, T]
    padded = np.zeros(real.shape)
    padded[real] = log_probs
    plots.shaded.by_position(padded, folder / "by_position.png", weights=real)
    plots.shaded.by_frequency(log_probs, folder / "by_frequency.png", counts=np.array([counts[t] for t in tokens]))


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="language_model"))
