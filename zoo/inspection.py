"""What a trained network does with one input: its states and gates, which steps mattered, how far back it remembers.

input → the model before the encoder → the encoder in plain steps → the model after it → one number to explain

    found = inspection.inspect(run, "The plot was not dull.", "inspection")    # zoo inspect RUN_DIR INPUT

It needs no code of a task: it cuts the model at its RecurrentEncoder.
"""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo import layers, plots, predictions
from zoo import task as tasks
from zoo.data import batching, cache
from zoo.errors import InputError
from zoo.layers import traces
from zoo.run import Run
from zoo.training import losses

ROWS = 64  # computed at a time
VOCABULARIES = ("words", "tokens", "source")  # parts of a codec that may name the model's integers


class Explained(NamedTuple):
    """The number that is explained: `of(outputs)` gives float[B], and `what` names it."""

    what: str
    of: Callable[[Any], tf.Tensor]


def inspect(run: Run, word: str, folder: str | os.PathLike[str], *, step: int | None = None) -> dict[str, Any]:
    """Looks inside a network while it reads one input. Writes pictures and inspection.json into `folder`.

    Args:
        word: the input, as `zoo predict` takes it. Of a file with several questions, the first is read.
        step: explains the output at this step alone, from 1; by default the whole output.
    Returns:
        the content of inspection.json: the answer, the names of the steps, and for each encoder its states, and for
        each step its gradient × input, the fall of the explained value without it, and how well the state keeps it.
    Raises:
        InputError: the model has no recurrent encoder, or the output has no such step.
    """
    encoders = [layer for layer in run.model.layers if isinstance(layer, layers.RecurrentEncoder)]
    if not encoders:
        raise InputError(f"{run.directory}: this model of {run.name} has no recurrent encoder to look into")
    example, told = _asked(run, word)
    x = _inputs(run, example)
    folder = Path(folder)
    found: dict[str, Any] = {"task": run.name, "input": word, "answer": told, "encoders": {}}
    for number, encoder in enumerate(encoders):
        looked = _look(run, encoder, x, step=step, way=number)
        labels = _labels(run, x, example, len(looked["gradient_times_input"]))
        _draw(looked, folder / encoder.name if len(encoders) > 1 else folder, labels)
        found |= {"steps": labels}
        found["encoders"][encoder.name] = looked
    rounded = json.dumps(found, default=lambda value: np.round(np.asarray(value, np.float64), 6).tolist())
    (folder / "inspection.json").write_text(rounded + "\n", encoding="utf-8")
    return json.loads(rounded)


def summary(found: dict[str, Any], count: int = 5) -> list[str]:
    """The answer, and for each encoder the steps that matter most and how far back the state depends on its input."""
    lines = [found["answer"]]
    for name, looked in found["encoders"].items():
        falls = np.array(looked["without"])
        order = np.argsort(-np.abs(falls), kind="stable")[:count]
        steps = ", ".join(f"{found['steps'][i]} {falls[i]:+.2f}" for i in order)
        lines.append(f"{name}: {looked['explained']} {looked['value']:.2f}; it falls without a step by: {steps}")
        for way, norms in looked["memory"].items():
            back = int(np.flatnonzero(np.array(norms) >= 0.1 * max(norms))[-1])
            lines.append(f"{name}, {way}: the last state's gradient is a tenth of its largest up to {back} steps back")
    return lines


def _asked(run: Run, word: str) -> tuple[dict, str]:
    """An example that holds the question and its answer, and both as one line.

    The encoding of a task takes whole examples. So the question and its answer replace the values of one of the run's
    own examples; targets that are left over have no effect on the model's inputs.
    """
    example = next(iter(run.task.examples(run.cfg, "train")))
    if tasks.optional(run.task, "questions"):
        question = predictions.questions(run, word)[0]
    else:
        question = _question(run, word, example)
    (answer,) = run.predict([question])
    known = {**answer, **question}
    left = [name for name in example if name not in known]
    texts = [value for name, value in answer.items() if isinstance(value, str) and name not in example]
    if len(left) == len(texts) == 1:  # a translation is the target of its source
        known[left[0]] = texts[0]
    return {name: known.get(name, value) for name, value in example.items()}, run.task.show(question, answer)


def _question(run: Run, word: str, example: dict) -> dict:
    """The question to the first signature that takes a part of an example, else to any."""
    for name, function in run.service.functions.items():
        inputs = {spec.name for spec in function.input_signature}
        if inputs - run.service.defaults.keys() <= example.keys():
            try:
                return predictions.question(run, word, name)
            except InputError:  # a word is no list of tokens
                continue
    return predictions.question(run, word)


def _inputs(run: Run, example: dict) -> Any:
    """The model's inputs for one example, without padding."""
    encoded = cache.encode([example], lambda batch: run.task.encode(run.cfg, run.codec, batch))
    batch = batching.Batch(np.array([0]), tuple(int(n) for n in encoded.lengths.max(axis=0)))
    x, _, _ = batching.pad(encoded, batch, weigh=losses.weighs(run.model.loss))
    return keras.tree.map_structure(keras.ops.convert_to_tensor, x)


def _labels(run: Run, x: Any, example: dict, steps: int) -> list[str]:
    """The names of the steps: tokens where the input has them, else numbers up to 0, the last step."""
    if isinstance(tokens := example.get("tokens"), list) and len(tokens) == steps:
        return [str(token) for token in tokens]
    named = x if isinstance(x, dict) else {"tokens": x}
    for name, ids in named.items():
        parts = (getattr(run.codec, part, None) for part in (name, *VOCABULARIES) if part in run.codec._parts)
        vocabulary = next((part for part in parts if isinstance(getattr(part, "tokens", None), tuple)), None)
        if vocabulary and ids.dtype.is_integer and ids.shape[1:2] == [steps]:
            return [vocabulary.tokens[i] for i in np.reshape(ids, [steps, -1])[:, 0]]
    return [str(i + 1 - steps) for i in range(steps)]


def _look(run: Run, encoder: layers.RecurrentEncoder, x: Any, *, step: int | None, way: int) -> dict[str, Any]:
    """Everything that `inspect` says about one encoder."""
    given = encoder.input[0] if isinstance(encoder.input, (list, tuple)) else encoder.input
    before = keras.Model(run.model.input, given)
    after = keras.Model((run.model.input, *encoder.output), run.model.output)
    vectors = tf.cast(before(x, training=False), tf.float32)  # [1, T, F]
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        *plain, traced = traces.trace(encoder, vectors)
        outputs = after((x, *plain), training=False)
        explained = _explain(run, outputs, step, way)
        value = explained.of(outputs)
    gradient = tape.gradient(value, vectors)
    fast = encoder.read(vectors, training=False)[:2]
    return {
        "explained": explained.what,
        "value": float(value[0]),
        "gradient_times_input": tf.reduce_sum(gradient * vectors, axis=2)[0].numpy(),
        "without": float(value[0]) - _without(encoder, after, explained, x, vectors),
        "memory": _memory(encoder, vectors),
        "largest_difference": max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(plain, fast, strict=True)),
        "states": {
            f"layer {one.layer + 1}{', ' if one.direction else ''}{one.direction}": {
                name: np.asarray(part)[0] for name, part in one.parts.items()
            }
            for one in traced
        },
    }


def _without(encoder, after: keras.Model, explained: Explained, x: Any, vectors: tf.Tensor) -> np.ndarray:
    """float[T]: the explained value if the encoder skips one step like padding, and repeats the output before it.

    A single step is replaced by zeros instead.
    """
    T, found = vectors.shape[1], []
    if T == 1:
        steps, state, _ = encoder.read(tf.zeros_like(vectors), training=False)
        return explained.of(after((x, steps, state), training=False)).numpy()
    for start in range(0, T, ROWS):
        left_out = np.arange(start, min(start + ROWS, T))
        kept = np.array([np.delete(np.arange(T), t) for t in left_out])  # [B, T - 1]
        steps, state, _ = encoder.read(tf.gather(vectors[0], kept), training=False)
        places = np.array([np.insert(np.arange(T - 1), t, max(t - 1, 0)) for t in left_out])  # [B, T]
        steps = tf.gather(steps, places, batch_dims=1)
        repeated = keras.tree.map_structure(partial(tf.repeat, repeats=len(left_out), axis=0), x)
        found.append(explained.of(after((repeated, steps, state), training=False)).numpy())
    return np.concatenate(found)


def _memory(encoder, vectors: tf.Tensor) -> dict[str, np.ndarray]:
    """Direction → float[T]: the norm of the derivative of its last state by the input k steps before its last step."""
    T, size = vectors.shape[1], encoder.units
    ways = {"forward": slice(0, size), "backward": slice(size, 2 * size)}
    if encoder.cell == "transformer":
        ways = {"state": slice(0, encoder.width)}
    squares = {way: np.zeros(T) for way in ways if way != "backward" or encoder.bidirectional}
    for start in range(0, encoder.width, ROWS):
        features = np.arange(start, min(start + ROWS, encoder.width))
        copies = tf.repeat(vectors, len(features), axis=0)  # one for each feature of the state
        with tf.GradientTape() as tape:
            tape.watch(copies)
            _, state, _ = traces.trace(encoder, copies)
            diagonal = tf.reduce_sum(tf.gather(state, features[:, None], batch_dims=1))
        by_feature = tf.reduce_sum(tape.gradient(diagonal, copies) ** 2, axis=2).numpy()  # [features, T]
        for way, total in squares.items():
            mine = (features >= ways[way].start) & (features < ways[way].stop)
            total += by_feature[mine].sum(axis=0)
    return {way: np.sqrt(total if way == "backward" else total[::-1]) for way, total in squares.items()}


def _explain(run: Run, outputs: Any, step: int | None, way: int) -> Explained:
    """Log odds of the network's answer, or the mean of the numbers that it predicts."""
    loss, name = run.model.loss, None
    if isinstance(loss, dict):
        name = next(iter(loss))
        loss = loss[name]

    def values(outputs):
        output = outputs[name] if name else outputs
        if isinstance(loss, losses.TagLoss):
            keep_mask = tf.ones(tf.shape(output)[:2], tf.bool)
            return tf.math.log(layers.crf.tag_probabilities(output, keep_mask) + 1e-12)  # [B, T, tags]
        return output[:, :, way] if "Crossentropy" in type(loss).__name__ and output.shape.rank == 4 else output

    first = values(outputs)
    rows = first.shape[1] if first.shape.rank > 2 else 1
    if step is not None and not 1 <= step <= rows:
        raise InputError(f"--step {step}: the output has {rows} step{'s' if rows > 1 else ''}, counted from 1")
    mine = slice(None) if step is None else slice(step - 1, step)
    where = "" if step is None else f" at step {step}"
    if not (isinstance(loss, losses.TagLoss) or "Crossentropy" in type(loss).__name__):
        return Explained(
            f"mean output{where}",
            lambda outputs: tf.reduce_mean(tf.reshape(values(outputs)[:, mine], [len(values(outputs)), -1]), axis=1),
        )
    chosen = tf.one_hot(tf.argmax(first, axis=-1), first.shape[-1])  # the answer, which stays the same

    def log_odds(outputs):
        found = tf.nn.log_softmax(values(outputs))
        others = tf.reduce_logsumexp(tf.where(chosen > 0, -1e9, found), axis=-1)
        odds = tf.reduce_sum(chosen * found, axis=-1) - others  # [B] or [B, T]
        return odds if odds.shape.rank == 1 else tf.reduce_sum(odds[:, mine], axis=1)

    return Explained(f"log odds of the answer{where}", log_odds)


def _draw(looked: dict[str, Any], folder: Path, labels: list[str]) -> None:
    for name, parts in looked["states"].items():
        path = folder / f"{name.replace(', ', '_').replace(' ', '_')}.png"
        plots.inspection.states(parts, path, labels=labels, title=name)
    bars = looked["gradient_times_input"], looked["without"]
    plots.inspection.importance(*bars, folder / "importance.png", labels=labels, what=looked["explained"])
    plots.inspection.memory(looked["memory"], folder / "memory.png")
