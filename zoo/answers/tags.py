"""One label per step of a sentence: the signatures of every tagger."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from zoo import layers
from zoo.answers.service import Service
from zoo.data import words


def service(
    codec: Any, model: keras.Model, features: Callable, *, tags: Any, stream: bool, split: Callable = words.split
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
        stream: whether a tag depends on no later word, so that words can be tagged as they come.
        split: text string[B] → tokens string[B, ragged].
    """
    sentence = tf.TensorSpec([None, None], tf.string, name="tokens")

    def read(tokens):
        """string[B, T] → the answer, and the probability of every tag float[B, T, N]."""
        tokens = tf.concat([tokens, tf.fill([tf.shape(tokens)[0], 1], "")], axis=1)  # [B, T+1]: T may be 0
        width = tf.shape(tokens)[1]
        lengths = tf.reduce_max(tf.where(tokens != "", tf.range(1, width + 1), 0), axis=1)
        x = {name: part.to_tensor() for name, part in features(tf.RaggedTensor.from_tensor(tokens)).items()}
        keep_mask = tf.sequence_mask(tf.maximum(lengths, 1), width)  # an empty sentence is read as one unknown word
        log_probs = model({**x, "words": tf.where(keep_mask, x["words"], 0)}, training=False)
        real = tf.sequence_mask(lengths, width)[:, :-1]
        every = layers.crf.tag_probabilities(log_probs, keep_mask)[:, :-1] * tf.cast(real, tf.float32)[:, :, None]
        best = layers.crf.best_tags(log_probs)[0][:, :-1]
        found, chosen = tf.where(real, tags.lookup(best), ""), tf.gather(every, best, batch_dims=2)
        return {"tags": found, "probabilities": chosen, "lengths": lengths}, every

    tag = tf.function(lambda tokens: read(tokens)[0], input_signature=[sentence])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def tag_text(texts):
        tokens = split(texts).to_tensor()
        return {"tokens": tokens, **read(tokens)[0]}

    @tf.function(input_signature=[sentence])
    def every_tag(tokens):
        answer, every = read(tokens)
        return {**answer, "tags": tf.broadcast_to(tags.keys, tf.shape(every)), "probabilities": every}

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
