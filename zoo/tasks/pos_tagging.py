"""Part of speech: a sentence's words in, one tag a word out, such as NOUN or VERB.

    python -m zoo.tasks.pos_tagging                                       # bundled sample, seconds
    python -m zoo.tasks.pos_tagging --data tfds:universal_dependencies/en_ewt
    python -m zoo.tasks.pos_tagging --data DIR --column xpos               # own *.conllu files, any language and tags

Word embedding + the word's letters (CNN or BiLSTM), beginnings and ends → stacked BiLSTM → softmax or CRF.
Ma & Hovy 2016, https://arxiv.org/abs/1603.01354. Numbers and cost: tasks/pos_tagging/card.md
Data: Universal Dependencies, Nivre et al. 2020, https://aclanthology.org/2020.lrec-1.497
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded for --help

from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf

from zoo import cli, export, layers, losses, metrics, optimizers, plots
from zoo.data import conllu, sources, synthetic, text, words
from zoo.task import Config as CommonConfig
from zoo.task import Run, Task, option


@dataclass(frozen=True)
class Config(CommonConfig):
    monitor: Literal["val_accuracy", "val_loss"] = option("val_accuracy", "what decides which epoch is kept")
    column: Literal["upos", "xpos"] = option("upos", "the tags: universal, or the treebank's own")
    vocabulary: int = option(50_000, "lower-cased words that have a vector of their own", low=2)
    min_count: int = option(2, "rarer words are unknown words", low=1)
    embedding: int = option(64, "size of a word vector", low=1)
    word_dropout: float = option(0.05, "share of words replaced by unknown in training", low=0, high=0.95)
    characters: Literal["cnn", "rnn", "none"] = option("cnn", "what reads the letters of a word, case included")
    max_characters: int = option(16, "letters of a word that are read, from both ends of a longer one", low=2)
    character_features: int = option(96, "size of what the letters say", low=6)
    affixes: int = option(3, "longest beginning and end of a word with a vector; 0 is none", low=0, high=8)
    affix_embedding: int = option(16, "size of such a vector", low=1)
    units: int = option(64, "size of the recurrent state, each direction", low=1)
    cell: Literal["simple", "lstm", "gru"] = option("lstm", "recurrent cell")
    layers: int = option(1, "recurrent layers", low=1)
    bidirectional: bool = option(True, "read from both ends; false with softmax can tag words as they come")
    residual: bool = option(False, "add each recurrent layer's input to its output")
    dropout: float = option(0.3, "share of features dropped before each layer", low=0, high=0.95)
    variational: bool = option(False, "drop the same features at all words of a sentence")
    output: Literal["softmax", "crf"] = option("crf", "choose each tag alone, or a sentence's tags together")


def examples(cfg: Config, split: str) -> sources.Examples | None:
    """{"tokens": [str, ...], "tags": [str, ...]}"""
    return conllu.tagged(cfg.data, split, sample=synthetic.tagged_sentences, column=cfg.column)


def codec(cfg: Config, train: sources.Examples) -> text.Codec:
    batches = [words.clean(b) for b in text.in_batches(token for example in train for token in example["tokens"])]

    def learn(of, first=(text.PADDING, text.UNKNOWN), **limits) -> text.Vocabulary:
        return text.Vocabulary.learn((of(batch).numpy().ravel() for batch in batches), first=first, **limits)

    return text.Codec(
        words=learn(words.lower, size=cfg.vocabulary, min_count=cfg.min_count),
        characters=learn(lambda batch: words.letters(batch, cfg.max_characters).flat_values),
        affixes=learn(lambda batch: words.affixes(batch, cfg.affixes), min_count=cfg.min_count),
        forms=learn(tf.identity, first=()),  # every word of train as it is written: what is not here is new
        tags=text.choices((t for e in train for t in e["tags"]), what=f"--data {cfg.data}: every word's {cfg.column}"),
    )


def features(cfg: Config, codec: text.Codec, tokens: tf.RaggedTensor) -> dict[str, tf.RaggedTensor]:
    """string[B, ragged] → words int32[B, ragged], characters int32[B, ragged, C], affixes int32[B, ragged, A]."""
    letters = cfg.max_characters if cfg.characters != "none" else 0
    return words.features(codec, tokens, most=letters, longest=cfg.affixes)


def encode(cfg: Config, codec: text.Codec, batch: dict) -> tuple[dict[str, tf.RaggedTensor], tf.RaggedTensor]:
    return features(cfg, codec, batch["tokens"]), codec.tags(batch["tags"])


def model(cfg: Config, codec: text.Codec) -> keras.Model:
    inputs = {"words": keras.Input([None], dtype="int32", name="words")}  # [B, T]
    keep_mask = keras.ops.not_equal(inputs["words"], 0)  # True = real word
    known = layers.WordDropout(cfg.word_dropout, unknown=codec.words.unknown, name="word_dropout")(inputs["words"])
    seen = [keras.layers.Embedding(len(codec.words), cfg.embedding, name="embedding")(known)]  # [B, T, embedding]
    if cfg.characters != "none":
        inputs["characters"] = keras.Input([None, cfg.max_characters], dtype="int32", name="characters")  # [B, T, C]
        spelling = layers.spelling(cfg.characters, len(codec.characters), features=cfg.character_features)
        seen.append(spelling(inputs["characters"]))  # [B, T, character_features]
    if cfg.affixes:
        inputs["affixes"] = keras.Input([None, 2 * cfg.affixes], dtype="int32", name="affixes")  # [B, T, A]
        ends = keras.layers.Embedding(len(codec.affixes), cfg.affix_embedding, name="affixes_embedding")
        seen.append(keras.layers.Reshape([-1, 2 * cfg.affixes * cfg.affix_embedding])(ends(inputs["affixes"])))
    vectors = keras.layers.Concatenate(name="vectors")(seen) if len(seen) > 1 else seen[0]
    steps, _ = layers.RecurrentEncoder.of(cfg)(vectors, keep_mask=keep_mask)  # [B, T, 2*units]
    steps = keras.layers.Dropout(cfg.dropout, name="dropout")(steps)
    scores = keras.layers.Dense(len(codec.tags), dtype="float32", name="scores")(steps)  # [B, T, tags]
    log_probs = layers.crf.OUTPUTS[cfg.output](len(codec.tags), name="log_probs")(scores, keep_mask)
    tagger = keras.Model(inputs, log_probs, name="pos_tagging")
    tagger.compile(optimizers.adamw(cfg), losses.TagLoss(), weighted_metrics=[metrics.TagAccuracy()])
    return tagger


def serve(cfg: Config, codec: text.Codec, model: keras.Model) -> export.Service:
    sentence = tf.TensorSpec([None, None], tf.string, name="tokens")  # "" on the right where a sentence is shorter

    @tf.function(input_signature=[sentence])
    def read(tokens):
        """string[B, T] → the answer, and the probability of every tag float[B, T, tags], in the order of codec.tags."""
        tokens = tf.concat([tokens, tf.fill([tf.shape(tokens)[0], 1], "")], axis=1)  # [B, T+1]: T may be 0
        width = tf.shape(tokens)[1]
        lengths = tf.reduce_max(tf.where(tokens != "", tf.range(1, width + 1), 0), axis=1)
        x = {name: part.to_tensor() for name, part in features(cfg, codec, tf.RaggedTensor.from_tensor(tokens)).items()}
        keep_mask = tf.sequence_mask(tf.maximum(lengths, 1), width)  # an empty sentence is read as one unknown word
        log_probs = model({**x, "words": tf.where(keep_mask, x["words"], 0)}, training=False)
        real = tf.sequence_mask(lengths, width)[:, :-1]
        every = layers.crf.tag_probabilities(log_probs, keep_mask)[:, :-1] * tf.cast(real, tf.float32)[:, :, None]
        best = layers.crf.best_tags(log_probs)[0][:, :-1]
        tags, chosen = tf.where(real, codec.tags.lookup(best), ""), tf.gather(every, best, batch_dims=2)
        return {"tags": tags, "probabilities": chosen, "lengths": lengths}, every

    tag = tf.function(lambda tokens: read(tokens)[0], input_signature=[sentence])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def tag_text(texts):
        tokens = words.split(texts).to_tensor()
        return {"tokens": tokens, **read(tokens)[0]}

    @tf.function(input_signature=[sentence])
    def every_tag(tokens):
        answer, every = read(tokens)
        return {**answer, "tags": tf.broadcast_to(codec.tags.keys, tf.shape(every)), "probabilities": every}

    signatures = {"serving_default": tag, "text": tag_text, "every_tag": every_tag}
    if not cfg.bidirectional and cfg.output == "softmax":  # then a word's tag depends on no later word
        read_on, size = layers.streaming(model)
        word = tf.TensorSpec([None], tf.string, name="token")

        @tf.function(input_signature=[word, tf.TensorSpec([None, size], tf.float32, name="state")])
        def stream(token, state):
            x = features(cfg, codec, tf.RaggedTensor.from_tensor(token[:, None]))
            log_probs, state = read_on({name: part.to_tensor() for name, part in x.items()}, state)
            best, log_probability = layers.crf.best_tags(log_probs)
            return {"tag": codec.tags.lookup(best[:, 0]), "probability": tf.exp(log_probability), "state": state}

        signatures["stream"] = stream
    return export.Service(codec, model, numeric=lambda y: {"tags": layers.crf.best_tags(y)[0]}, **signatures)


def score(cfg: Config, codec: text.Codec, answers: list[dict], examples: sources.Examples) -> dict:
    return metrics.tagging(answers, examples, known=set(codec.forms.tokens))


def baseline(cfg: Config, codec: text.Codec, train: sources.Examples, test: sources.Examples) -> tuple[str, list[dict]]:
    return metrics.most_frequent_tag(train, test)


def quality(example: dict, answer: dict) -> float:
    """The share of right tags."""
    return sum(map(str.__eq__, example["tags"], answer["tags"])) / len(example["tags"])


def show(example: dict, answer: dict) -> str:
    sentence = {**answer, **example}  # of a text the answer has the tokens, and of both only an example has the truth
    told = zip(sentence["tokens"], answer["tags"], sentence["tags"], strict=True)
    return " ".join(f"{token}/{tag}" + (f" (truth: {true})" if true != tag else "") for token, tag, true in told)


def draw(run: Run, answers: list[dict], examples: sources.Examples) -> None:
    truth = [tag for example in examples for tag in example["tags"]]
    predicted = [tag for answer in answers for tag in answer["tags"]]
    plots.confusion_matrix(truth, predicted, sorted({*truth, *predicted}), run.directory / "plots" / "confusion.png")
    (run.directory / "per_tag.txt").write_text(metrics.per_tag(truth, predicted), encoding="utf-8")


TASK = Task(
    name="pos_tagging",
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
    labels="tags",
)

if __name__ == "__main__":
    raise SystemExit(cli.main(TASK))
