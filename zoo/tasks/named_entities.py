"""Named entities: the words of a sentence in, its names out, each with a type such as PER and a probability.

    python -m zoo.tasks.named_entities                                       # bundled sample, a minute
    python -m zoo.tasks.named_entities --data DIR                             # own files: a word, a tab, a BIO tag
    zoo predict RUN_DIR "Ann Lee flew to Oslo."

Word embedding + the word's letters, prefixes, suffixes and shape → stacked BiLSTM → CRF that gives valid BIO tags only.
Lample et al. 2016, https://arxiv.org/abs/1603.01360; Ma & Hovy 2016, https://arxiv.org/abs/1603.01354
With --gazetteer: + whether a list of names has the word. With --init-encoder: + the states of a language model that no
longer learns, Peters et al. 2017, https://aclanthology.org/P17-1161. Numbers and cost: tasks/named_entities/card.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from zoo import answers, baselines, errors, layers, metrics, options, plots
from zoo.data import codec as codecs
from zoo.data import gazetteer, spans, splits, text, words
from zoo.data.examples import Examples
from zoo.data.formats import entities
from zoo.data.samples import entity_sentences
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers, transfer


@dataclass(frozen=True)
class Config(options.Words, options.Spelling, options.Classes, options.Recurrent, options.Training):
    monitor: Literal["val_f1", "val_loss"] = "val_f1"
    epochs: int = 6
    batch_tokens: int = 512
    vocabulary: int = 50_000
    variational: bool = False
    casing: bool = True
    invalid_tags: Literal["repair", "refuse"] = option("repair", "tags that break their scheme, such as I-PER after O")
    gazetteer: str | None = option(None, "a file of known names, with lines: type, a tab, name")
    init_encoder: str | None = option(
        None, "a run of language_model (--unit tokens or uncased) whose states are further features of each word"
    )
    baselines: str = option("dictionary,crf", "methods to compare with: dictionary, crf")


METRICS = (
    Metric("f1", better="max", format=".1%"),
    Metric("precision", better="max", format=".1%"),
    Metric("recall", better="max", format=".1%"),
    Metric("unseen_f1", better="max", format=".1%"),
)
SPLIT = splits.random()
LABELS = "tags"
BASELINES = {"dictionary": baselines.spans.dictionary, "crf": baselines.tags.crf}


def examples(cfg: Config, split: str) -> Examples | None:
    """{"tokens": [str, ...], "tags": [str, ...]} in BIO."""
    for name in cfg.baselines.split(","):
        if name not in BASELINES:
            raise InputError(f"--baselines {cfg.baselines!r}: expected names of {', '.join(BASELINES)}")
        if name == "crf":
            errors.needs("pycrfsuite", extra="named_entities", purpose="--baselines crf")
    return entities.examples(cfg.data, split, sample=entity_sentences.examples, invalid_tags=cfg.invalid_tags)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The features of words, the tags and their counts, the names in training, and the gazetteer."""
    found = [(example["tokens"], span) for example in train for span in spans.read(example["tags"])]
    if not found:
        raise InputError(f"--data {cfg.data}: every tag in train is O; there is no entity to learn")
    tags = text.Vocabulary(spans.bio(span.type for _, span in found))
    counts = Counter(tag for example in train for tag in example["tags"])
    return codecs.Codec(
        **words.learn(cfg, (token for example in train for token in example["tokens"])),
        tags=tags,
        counts=text.TokenCounts([counts[tag] for tag in tags.tokens]),
        names=text.Vocabulary(sorted({spans.form(tokens, span) for tokens, span in found})),
        **({"gazetteer": gazetteer.Gazetteer.read(cfg.gazetteer)} if cfg.gazetteer else {}),
        **({"context": transfer.context_words(cfg.init_encoder)} if cfg.init_encoder else {}),
    )


def features(cfg: Config, codec: codecs.Codec, tokens: tf.RaggedTensor) -> dict[str, tf.RaggedTensor]:
    """string[B, ragged] → the inputs of the model.

    With --gazetteer also gazetteer float32[B, ragged, G], with --init-encoder context int32[B, ragged].
    """
    found = words.features(cfg, codec, tokens)
    if cfg.gazetteer:
        found["gazetteer"] = tokens.with_flat_values(codec.gazetteer(tokens))
    if cfg.init_encoder:
        found["context"] = tokens.with_flat_values(codec.context(tokens.flat_values))
    return found


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict[str, tf.RaggedTensor], tf.RaggedTensor]:
    return features(cfg, codec, batch["tokens"]), codec.tags(batch["tags"])


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    tags = codec.tags.tokens
    inputs, keep_mask, vectors = layers.read_words(cfg, words.sizes(codec), unknown=codec.words.unknown)
    more = []
    if cfg.gazetteer:
        inputs["gazetteer"] = keras.Input([None, codec.gazetteer.width], name="gazetteer")  # [B, T, G]
        more.append(inputs["gazetteer"])
    if cfg.init_encoder:
        inputs["context"] = keras.Input([None], dtype="int32", name="context")  # [B, T]
        more.append(layers.ContextStates(**codec.context.sizes, name="context_states")(inputs["context"], keep_mask))
    if more:
        vectors = keras.layers.Concatenate(name="features")([vectors, *more])
    steps, _ = layers.RecurrentEncoder.of(cfg)(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    steps = keras.layers.Dropout(cfg.dropout, name="dropout")(steps)
    scores = keras.layers.Dense(len(tags), dtype="float32", name="scores")(steps)  # [B, T, tags]
    log_probs = layers.crf.CRF(len(tags), spans.allowed(tags), name="log_probs")(scores, keep_mask)
    tagger = keras.Model(inputs, log_probs, name="named_entities")
    weights = losses.balanced(codec.counts.counts) if cfg.class_weights == "balanced" else None
    measured = [metrics.spans.SpanF1(tags)]
    tagger.compile(optimizers.adamw(cfg), losses.TagLoss(class_weights=weights), weighted_metrics=measured)
    return tagger


def start(cfg: Config, model: keras.Model) -> dict[str, str]:
    return transfer.start_context(model.get_layer("context_states"), cfg.init_encoder) if cfg.init_encoder else {}


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    """Words or a text in, spans and tags out."""
    return answers.tags.service(codec, model, partial(features, cfg, codec), tags=codec.tags, spans=True)


def found(rows: Iterable[dict]) -> list[list[spans.Span]]:
    """The spans of answers or of examples."""
    return [spans.read(row["tags"]) for row in rows]


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Examples) -> dict[str, float]:
    return metrics.spans.scores(
        found(answers),
        truth=found(examples),
        tokens=[example["tokens"] for example in examples],
        known=set(codec.names.tokens),
    )


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    return [BASELINES[name](train, test) for name in cfg.baselines.split(",")]


def quality(example: dict, answer: dict) -> float:
    """The F1 of the sentence."""
    return metrics.spans.quality(*found([answer, example]))


def show(example: dict, answer: dict) -> str:
    """The sentence as "[Ann Lee PER] left", with the truth where it differs."""
    tokens = {**answer, **example}["tokens"]  # the answer to a text has its tokens
    told = spans.marked(tokens, spans.read(answer["tags"]))
    true = spans.marked(tokens, spans.read(example.get("tags", answer["tags"])))
    return told if told == true else f"{told} (truth: {true})"


def rows(cfg: Config, question: dict, answer: dict) -> Iterable[dict]:
    """One row of a table for each entity."""
    names = [name for name in answer if name.startswith("span_")]
    for values in zip(*(answer[name] for name in names), strict=True):
        yield {"sentence": question.get("text") or " ".join(question["tokens"])} | dict(zip(names, values, strict=True))


def draw_one(run, question: dict, path: Path) -> None:
    """A page with the entities of one sentence in colour."""
    (answer,) = run.predict([question])
    tokens = {**answer, **question}["tokens"]
    plots.spans.page([plots.spans.Marked(tokens, spans.read(answer["tags"]))], path, title="named entities")


ARTIFACTS = {"entities.html": draw_one}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws the sentences with entities, and which types are mistaken for which; writes a table of the types."""
    predicted, truth, folder = found(answers), found(examples), run.directory / "plots"
    sentences = [
        plots.spans.Marked(example["tokens"], guess, true)
        for example, guess, true in zip(examples, predicted, truth, strict=True)
        if guess or true
    ]
    plots.spans.page(sentences[:200], folder / "spans.html", title="named entities of the test split")
    plots.spans.picture(sentences, folder / "spans.png", lines=40)
    pairs = list(metrics.spans.pairs(predicted, truth=truth))
    types = sorted({kind for pair in pairs for kind in pair} - {metrics.spans.NOTHING})
    plots.confusion.matrix(
        [guess for _, guess in pairs],
        folder / "confusion.png",
        truth=[true for true, _ in pairs],
        labels=[*types, metrics.spans.NOTHING],
    )
    (run.directory / "per_type.txt").write_text(metrics.spans.table(predicted, truth=truth), encoding="utf-8")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="named_entities"))
