"""The service of a run: named functions that take raw input and give answers, in Python and on a server alike.

    questions (texts, lists, dicts) → a signature and rows → a padded batch of tensors → answers, one dict per question

A signature is a tf.function with named inputs. TF Serving answers with the same functions, so Python and a server give
the same answers.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InputError, did_you_mean

Arrays = dict[str, np.ndarray]


class Service(tf.Module):
    """Holds the signatures and everything that they use, so that tables and weights are saved with them.

    The weights of a Keras model are held as plain variables. If the module held the model itself, Python would find the
    saved weights and a server would not, https://github.com/tensorflow/tensorflow/issues/72963 (Keras 3.15.1).

    Args:
        codec: everything learned from the data except the weights.
        models: the models that the signatures call.
        numeric: the model's outputs → the answer as numbers, by name, for devices without strings; None where an answer
            takes more than one call of the model.
        defaults: the values of inputs that a question may leave out; or functions that compute them from its others.
        signatures: name → tf.function with an input signature: raw input in, answer out. "serving_default" is the main
            one.
    """

    def __init__(
        self,
        codec: tf.Module,
        *models: keras.Model,
        numeric: Callable[[Any], dict] | None = None,
        defaults: Mapping[str, Any] | None = None,
        **signatures: Any,
    ):
        super().__init__()
        self.codec = codec
        self.weights = [variable.value for model in models for variable in model.variables]
        self.functions = signatures
        self.numeric = numeric
        self.defaults = dict(defaults or {})

    @property
    def inputs(self) -> dict[str, tf.TensorSpec]:
        """The named inputs of the main signature."""
        return self.inputs_of("serving_default")

    def inputs_of(self, signature: str) -> dict[str, tf.TensorSpec]:
        """The named inputs of a signature.

        Raises:
            InputError: there is no such signature.
        """
        if signature not in self.functions:
            guess = did_you_mean(signature, self.functions)
            raise InputError(f"unknown signature {signature!r}{guess}; the signatures are {', '.join(self.functions)}")
        return {spec.name: spec for spec in self.functions[signature].input_signature}

    def __call__(self, signature: str = "serving_default", /, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.functions[signature](*(inputs[name] for name in self.inputs_of(signature)))

    def answer(self, questions: Iterable[Any], *, signature: str | None = None, batch: int = 64) -> list[dict]:
        """The answers to raw inputs, in order, without padding.

        Args:
            questions: dicts with the inputs of a signature (an example is one), or bare values where it has one input.
            signature: the one to ask; without it, the first that a question fits.
            batch: how many questions are answered at a time; questions of similar length go together.
        Raises:
            InputError: a question cannot be answered; the message says which one and why.
        """
        asked = [self.question(value, signature) for value in questions]
        answers: list[dict] = [{}] * len(asked)
        for name in dict.fromkeys(name for name, _ in asked):
            mine = [i for i, (asked_name, _) in enumerate(asked) if asked_name == name]
            mine.sort(key=lambda i: sum(map(_size, asked[i][1].values())))
            for start in range(0, len(mine), batch):
                part = mine[start : start + batch]
                try:
                    _, arrays = self.ask(name, [asked[i][1] for i in part])
                except tf.errors.InvalidArgumentError:
                    raise self._refusal(name, asked, part) from None
                for position, i in enumerate(part):
                    answers[i] = row(arrays, position)
        return answers

    def _refusal(self, name: str, asked: list, part: list[int]) -> InputError:
        """Asks the questions of a failed batch one by one, to say which one has no answer and why."""
        for i in sorted(part):
            try:
                self.ask(name, [asked[i][1]])
            except tf.errors.InvalidArgumentError as error:
                return InputError(f"input {i + 1} of {len(asked)}: {_reason(error.message)}")
        return InputError(f"inputs {min(part) + 1} to {max(part) + 1} cannot be answered together")

    def question(self, value: Any, signature: str | None = None) -> tuple[str, dict[str, Any]]:
        """The signature that `value` is a question to, and its inputs by name.

        A dict goes to the first signature whose inputs it holds. A bare value goes to the first signature that has one
        input of its rank: a text or a number is one row of a batch [B], a list is one row of a batch [B, T]. An input
        with a default does not count, and takes the default where a dict lacks it.

        Raises:
            InputError: there is no such signature.
        """
        for name in [signature] if signature else self.functions:
            specs = self.inputs_of(name)
            known = {key: self.defaults[key] for key in specs if key in self.defaults}
            needed = [key for key in specs if key not in known]
            given = None
            if isinstance(value, dict):
                if set(needed) <= value.keys():
                    given = {key: value[key] for key in specs if key in value}
            elif len(needed) == 1 and specs[needed[0]].shape.rank == 1 + np.ndim(value):
                given = {needed[0]: value}
            if given is not None:
                return name, {key: make(given) if callable(make) else make for key, make in known.items()} | given
        wanted = "; ".join(f"{name}: {', '.join(self.inputs_of(name))}" for name in self.functions)
        raise InputError(f"no answer to {str(value)[:80]!r}: it takes {wanted}")

    def ask(self, signature: str, rows: list[dict[str, Any]]) -> tuple[Arrays, Arrays]:
        """The inputs and the answers of one batch, with their padding."""
        inputs = self.batch(signature, rows)
        return _numpy(inputs), _numpy(self(signature, **inputs))

    def batch(self, signature: str, rows: list[dict[str, Any]]) -> dict[str, tf.Tensor]:
        """Rows of inputs as the tensors of a signature; shorter lists are padded on the right with "" or 0.

        Raises:
            InputError: a value has another type than the signature takes.
        """
        specs = self.inputs_of(signature)
        try:
            return {name: _tensor([row[name] for row in rows], spec) for name, spec in specs.items()}
        except (TypeError, ValueError) as error:
            wanted = ", ".join(f"{name} {spec.dtype.name}" for name, spec in specs.items())
            raise InputError(f"no answer to {str(rows)[:80]}: {signature} takes {wanted}") from error

    def trial(self, signature: str, example: dict[str, Any]) -> dict[str, Any]:
        """One row of inputs to try a signature with.

        An input takes the example's value of its name. Without one, a string takes the example's first value as text,
        and a number takes 1.
        """
        first = next(iter(example.values()))
        text = " ".join(first) if isinstance(first, list) else first

        def other(spec: tf.TensorSpec) -> Any:
            shape = [size or 1 for size in spec.shape[1:]]
            return np.full(shape, text if spec.dtype == tf.string else 1, spec.dtype.as_numpy_dtype).tolist()

        specs = self.inputs_of(signature)
        return {name: example[name] if name in example else other(spec) for name, spec in specs.items()}


def _reason(message: str) -> str:
    """The sentence of TensorFlow's message that names the error, without stack traces and names of nodes."""
    before_node = message.split("\n\t [[")[0].strip()
    *_, line = before_node.splitlines()
    return line.split("}} ", 1)[-1].split(" [Op:")[0].rstrip(".")


def row(arrays: Arrays, position: int) -> dict[str, Any]:
    """One row of a batch of answers as plain Python, without its padding.

    `NAME_lengths` int[B] or int[B, K] holds the sizes of the list NAME, and of every list NAME_… without lengths of its
    own, in each row, along its first K axes; `lengths` holds the sizes of all other lists. They are not part of the
    answer.
    """
    values = {name: array[position] for name, array in arrays.items()}
    common = values.pop("lengths", None)
    found = {}
    for name, value in values.items():
        if name.endswith("_lengths"):
            continue
        if np.ndim(value):
            stems = ["_".join(name.split("_")[:count]) for count in range(name.count("_") + 1, 0, -1)]
            length = next((values[f"{stem}_lengths"] for stem in stems if f"{stem}_lengths" in values), common)
            value = value if length is None else value[tuple(slice(n) for n in np.atleast_1d(length))]
        found[name] = to_python(value)
    return found


def to_python(value: Any) -> Any:
    """NumPy arrays and scalars as plain Python, nested lists included; UTF-8 bytes as str."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [to_python(item) for item in value]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def _tensor(values: list, spec: tf.TensorSpec) -> tf.Tensor:
    if spec.shape.rank == 1:
        return tf.constant(values, spec.dtype)
    if spec.dtype == tf.string:
        return tf.ragged.constant(values, dtype=spec.dtype, ragged_rank=spec.shape.rank - 1).to_tensor()
    arrays = [np.asarray(value, spec.dtype.as_numpy_dtype) for value in values]
    sizes = {array.shape[1:] for array in arrays}
    if len(sizes) > 1 or any(array.ndim != spec.shape.rank - 1 for array in arrays):
        raise ValueError(f"{spec.name} has rows of {sizes}")
    padded = np.zeros([len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]], arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return tf.constant(padded)


def _numpy(tensors: dict[str, tf.Tensor]) -> Arrays:
    return {name: value.numpy() for name, value in tensors.items()}


def _size(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 1
