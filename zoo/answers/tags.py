"""One tag per step of a sentence, and the spans that tags mark: the signatures of every tagger."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from zoo import layers
from zoo.answers import spans as span_answers
from zoo.answers.service import Service
from zoo.data import words


class Found(NamedTuple):
    """What a tagging layer says about sentences."""

    answer: dict[str, tf.Tensor]  # tags string[B, T], probabilities float32[B, T], lengths int32[B]
    best: tf.Tensor  # int32[B, T], the ids of the tags
    every: tf.Tensor  # float32[B, T, N], the probability of every tag; 0 on padding


def read(tokens: tf.Tensor, features: Callable) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The inputs of a tagger, and the number of words of each sentence.

    Args:
        tokens: string[B, T], "" on the right of a shorter sentence; T may be 0.
        features: tokens string[B, ragged] → the model's inputs, ragged.
    Returns:
        inputs padded to T + 1, where `words` is 0 on padding; an empty sentence is read as one unknown word.
        lengths int32[B].
    """
    tokens = tf.concat([tokens, tf.fill([tf.shape(tokens)[0], 1], "")], axis=1)  # [B, T+1]
    width = tf.shape(tokens)[1]
    lengths = tf.reduce_max(tf.where(tokens != "", tf.range(1, width + 1), 0), axis=1)
    x = {name: part.to_tensor() for name, part in features(tf.RaggedTensor.from_tensor(tokens)).items()}
    keep_mask = tf.sequence_mask(tf.maximum(lengths, 1), width)
    return {**x, "words": tf.where(keep_mask, x["words"], 0)}, lengths


def answer(log_probs: tf.Tensor, lengths: tf.Tensor, *, tags: Any) -> Found:
    """The most probable tags of sentences as `read` gives them.

    Args:
        log_probs: the output of a tagging layer for T + 1 steps, see `zoo.layers.crf`.
        lengths: int32[B].
        tags: the vocabulary of the N tags.
    """
    width = tf.shape(log_probs)[1]
    keep_mask = tf.sequence_mask(tf.maximum(lengths, 1), width)
    real = tf.sequence_mask(lengths, width)[:, :-1]
    every = layers.crf.tag_probabilities(log_probs, keep_mask)[:, :-1] * tf.cast(real, tf.float32)[:, :, None]
    best = layers.crf.best_tags(log_probs)[0][:, :-1]
    found, chosen = tf.where(real, tags.lookup(best), ""), tf.gather(every, best, batch_dims=2)
    return Found({"tags": found, "probabilities": chosen, "lengths": lengths}, best, every)


def service(
    codec: Any,
    model: keras.Model,
    features: Callable,
    *,
    tags: Any,
    spans: bool = False,
    stream: bool = False,
    split: Callable = words.split,
) -> Service:
    """The signatures of a tagger whose model gives log-probabilities, see `zoo.layers.crf`.

        serving_default   tokens string[B, T], "" on the right of a shorter sentence → tags, probabilities
        text              text string[B] → tokens, tags, probabilities
        every_tag         tokens → the probability of every tag, float[B, T, N], in the order of `tags`
        stream            token string[B], state float[B, S] → tag, probability, state; zeros are the first state

    Args:
        model: inputs as `features` gives them; its input `words` int32[B, T] is 0 on padding.
        features: tokens string[B, ragged] → the model's inputs, ragged.
        tags: the vocabulary of the N tags.
        spans: the tags are BIO. The first two signatures also give the spans, and `text` their characters; see
            `zoo.answers.spans`.
        stream: whether a tag depends on no later word, so that words can be tagged as they come.
        split: text string[B] → tokens string[B, ragged]; it only inserts blanks.
    """
    sentence = tf.TensorSpec([None, None], tf.string, name="tokens")

    def find(tokens):
        x, lengths = read(tokens, features)
        log_probs = model(x, training=False)
        found = answer(log_probs, lengths, tags=tags)
        marked = span_answers.answer(log_probs, found.best, found.every, tokens, lengths, tags=tags) if spans else {}
        return found, marked

    @tf.function(input_signature=[sentence])
    def tag(tokens):
        found, marked = find(tokens)
        return found.answer | marked

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def tag_text(texts):
        tokens = split(texts)
        found, marked = find(tokens.to_tensor())
        places = span_answers.characters(texts, tokens, marked) if spans else {}
        return {"tokens": tokens.to_tensor()} | found.answer | marked | places

    @tf.function(input_signature=[sentence])
    def every_tag(tokens):
        found, _ = find(tokens)
        names = tf.broadcast_to(tags.keys, tf.shape(found.every))
        return found.answer | {"tags": names, "probabilities": found.every}

    signatures = {"serving_default": tag, "text": tag_text, "every_tag": every_tag}
    if stream:
        signatures["stream"] = _stream(model, features, tags)
    return Service(codec, model, numeric=lambda y: {"tags": layers.crf.best_tags(y)[0]}, **signatures)


def _stream(model: keras.Model, features: Callable, tags: Any) -> Any:
    """One word of each sentence at a time, with the state of the recurrent layers in and out."""
    read_on, size = layers.streaming(model)
    word = tf.TensorSpec([None], tf.string, name="token")

    @tf.function(input_signature=[word, tf.TensorSpec([None, size], tf.float32, name="state")])
    def stream(token, state):
        x = features(tf.RaggedTensor.from_tensor(token[:, None]))
        log_probs, state = read_on({name: part.to_tensor() for name, part in x.items()}, state)
        best, log_probability = layers.crf.best_tags(log_probs)
        return {"tag": tags.lookup(best[:, 0]), "probability": tf.exp(log_probability), "state": state}

    return stream
