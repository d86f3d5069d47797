"""Options in groups. A task's `Config` is made of them; each field is a flag, a recipe key and a check. No TensorFlow.

@dataclass(frozen=True)
class Config(options.Words, options.Recurrent, options.Training):
    epochs: int = 8                                   # another default; help and bounds stay
    pooling: Literal["max", "mean"] = option("max", "how the steps become one vector")
"""

import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from zoo.errors import InputError, did_you_mean

Cell = Literal["simple", "lstm", "gru", "transformer"]  # of an encoder


def option(default: Any, help: str, *, low: float | None = None, high: float | None = None, basic: bool = False) -> Any:
    """A field of a Config: its default, its line in `--help`, and its bounds (inclusive).

    Args:
        basic: shown first in `--help`.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "basic": basic})


class Group:
    """A set of options. Groups are frozen dataclasses; a subclass may give an inherited option another default."""

    heading = "options of this task"  # in --help

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls).get("__annotations__", {}):
            value = vars(cls).get(name)
            declared = [base.__dataclass_fields__ for base in cls.__mro__[1:] if dataclasses.is_dataclass(base)]
            inherited = next((fields[name] for fields in declared if name in fields), None)
            if inherited is not None and not isinstance(value, dataclasses.Field):
                setattr(cls, name, field(default=value, metadata=inherited.metadata))

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():  # type: ignore[call-overload]
            check_value(type(self), name, value)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """The options in a recipe; options that it leaves out keep their defaults.

        Raises:
            InputError: the file cannot be read, or it has an unknown option or a bad value.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        known = names(cls)
        for name in values:
            if name not in known:
                raise InputError(f"unknown option {name!r} in {path}{did_you_mean(name, known)}")
        return cls(**values)

    def to_toml(self) -> str:
        import tomli_w

        values = dataclasses.asdict(self)  # type: ignore[call-overload]
        return tomli_w.dumps({name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class Data(Group):
    heading = "data"

    data: str = option("sample", "sample, tfds:NAME[/CONFIG], or a directory of files", basic=True)
    limit: int | None = option(None, "use at most this many examples of each split", low=2, basic=True)
    validation_share: float = option(0.1, "share held out from train where a split is missing", low=0.001, high=0.5)
    seed: int = option(0, "seed for weights, shuffling, dropout and held-out splits", low=0, basic=True)


@dataclass(frozen=True)
class Training(Data):
    heading = "training"

    epochs: int = option(5, "largest number of passes over the training data", low=1, basic=True)
    monitor: str = option("val_loss", "the value that decides which epoch is kept")
    reported: str | None = option(None, "the metric that tables show and baselines are ranked by; the task's first one")
    patience: int = option(3, "stop after this many epochs without a better validation result", low=1)
    batch_tokens: int = option(1024, "positions in a batch, padding included", low=1, basic=True)
    shapes: int = option(6, "number of padded lengths; fewer compile faster, more waste less", low=1)
    curriculum: int = option(0, "sort batches from short to long for the first N epochs", low=0)
    learning_rate: float = option(4e-3, "peak learning rate", low=0, basic=True)
    warmup: float = option(0.1, "share of all steps during which the learning rate rises", low=0, high=1)
    schedule: Literal["cosine", "constant", "cyclical"] = option(
        "cosine", "learning rate after warm-up: down along a cosine, constant, or up and down (cyclical)"
    )
    cycles: int = option(4, "cycles of the cyclical schedule", low=1)
    weight_decay: float = option(0.0, "decoupled weight decay, on matrices only", low=0)
    clip_norm: float = option(1.0, "gradients are clipped to this global norm", low=1e-9)
    average_weights: float = option(0.0, "momentum of a moving average of the weights; 0 is off", low=0, high=0.99999)
    init: str | None = option(None, "a run directory to start from: its vocabularies and weights")
    checkpoint_seconds: float = option(
        60.0, "time between checkpoints for --resume; each epoch ends with one too", low=0
    )
    jit: Literal["auto", "on", "off"] = option("auto", "compile the recurrent loops with XLA; auto: in long runs")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "training precision; exports are always float32"
    )


@dataclass(frozen=True)
class Columns(Group):
    """The columns of labelled examples in files and TFDS."""

    heading = "columns"

    text_column: str = option("text", "the field or column with the text", basic=True)
    label_column: str = option("label", "the field or column with the label: a name or a number", basic=True)
    group_column: str | None = option(
        None, "the column with an example's group, such as its film or speaker; held-out splits take whole groups"
    )


@dataclass(frozen=True)
class Words(Group):
    heading = "words"

    vocabulary: int = option(20_000, "most frequent tokens that get a vector of their own", low=2, basic=True)
    min_count: int = option(2, "rarer tokens count as unknown", low=1)
    embedding: int = option(64, "size of a token's vector", low=1)


@dataclass(frozen=True)
class Forward(Group):
    """Of recurrent layers that read from left to right."""

    heading = "recurrent layers"

    units: int = option(64, "size of the recurrent state in each direction", low=1, basic=True)
    cell: Cell = option(
        "lstm", "recurrent cell; or transformer: self-attention with as many weights as the LSTM", basic=True
    )
    layers: int = option(1, "recurrent layers", low=1)
    window: int = option(256, "earlier steps that each layer of a Transformer sees, if it reads forwards", low=1)
    residual: bool = option(False, "add each recurrent layer's input to its output")
    dropout: float = option(0.3, "share of features dropped before each layer", low=0, high=0.95, basic=True)
    variational: bool = option(True, "drop the same features at all steps of a sequence")


@dataclass(frozen=True)
class Recurrent(Forward):
    heading = "recurrent layers"

    bidirectional: bool = option(True, "read in both directions")


@dataclass(frozen=True)
class Classifier(Group):
    """How a classifier of texts makes one vector of the steps, and what it learns from besides."""

    heading = "classifier"

    pooling: Literal["last", "max", "mean", "attention", "max+mean", "max+mean+last"] = option(
        "max+mean", "how the steps become one vector"
    )
    adversarial: float = option(
        0.0, "also learn from word vectors moved by this share of their length to where the loss is larger", low=0
    )
    wide: Literal["none", "ngrams"] = option(
        "none", "add the log odds of a linear classifier of n-grams, with a weight chosen on validation"
    )


@dataclass(frozen=True)
class NextToken(Group):
    """Of models that predict the next token: how texts or pieces are read in training, and how tokens are drawn."""

    heading = "reading and drawing"

    form: Literal["stream", "documents"] = option(
        "stream", "one stream of the whole data, with a state that is carried on, or each text on its own", basic=True
    )
    streams: int = option(16, "parallel rows that the stream is cut into", low=1)
    bptt: int = option(32, "steps of the stream in a batch; gradients end there", low=1)
    temperature: float = option(0.8, "divides the logits in sampling; towards 0 the likeliest token wins", low=0)
    top_k: int = option(0, "sample among the k likeliest tokens; 0: all", low=0)
    top_p: float = option(1.0, "sample among the likeliest tokens that hold this share of probability", low=0, high=1)


@dataclass(frozen=True)
class Spelling(Group):
    """How a tagger reads the spelling of a word."""

    heading = "spelling of words"

    word_dropout: float = option(0.05, "share of words replaced by <unk> in training", low=0, high=0.95)
    characters: Literal["cnn", "rnn", "none"] = option("cnn", "network that reads the letters of a word, case included")
    max_characters: int = option(16, "largest number of letters read; the middle of a longer word is skipped", low=2)
    character_features: int = option(96, "size of the vector made from a word's letters", low=6)
    affixes: int = option(3, "longest prefix and suffix with a vector; 0 is none", low=0, high=8)
    affix_embedding: int = option(16, "size of the vector of a prefix or suffix", low=1)
    casing: bool = option(False, "a vector for the shape of a word, such as Xx of Ann and X.X. of U.S.")
    casing_embedding: int = option(8, "size of the vector of a word's shape", low=1)


@dataclass(frozen=True)
class Classes(Group):
    """How the classes of labels or tags are weighed."""

    heading = "classes"

    class_weights: Literal["none", "balanced"] = option(
        "none", "balanced: in the loss, a rare class counts as much as a frequent one"
    )


@dataclass(frozen=True)
class Series(Group):
    """How time series are read from files, and where their splits begin."""

    heading = "series"

    time_column: str = option(
        "time", "column with the time; several, joined by commas, are the year, month, day, hour and minute", basic=True
    )
    series_column: str | None = option(None, "column with the name of the series; without it, each file is one")
    gaps: Literal["fill", "ignore"] = option(
        "fill", "fill: a missing row is a step with missing values; ignore: each row is a step, such as a trading day"
    )
    validation_from: str | None = option(
        None, "where validation begins: a time, a number of steps, -N steps before the end, or a share such as 15%"
    )
    test_from: str | None = option(None, "where the test split begins, in the same forms")
    end: str | None = option(None, "where the data ends, in the same forms")


@dataclass(frozen=True)
class Decoder(Group):
    heading = "decoder and search"

    attention: Literal["bahdanau", "dot", "general"] = option(
        "general", "how attention scores a position of the memory"
    )
    attend: Literal["after", "input_feeding", "before"] = option(
        "after", "attend after the decoder's recurrence, also feed the result into its next step, or attend before it"
    )
    tied: bool = option(True, "share one matrix between the decoder's embedding and its output")
    label_smoothing: float = option(0.0, "share of probability spread over the vocabulary", low=0, high=0.95)
    beams: int = option(5, "hypotheses of the beam search; 1 is greedy", low=1)
    length_penalty: float = option(1.0, "exponent of the length in the score: log probability / length ** this", low=0)


def names(config: type) -> list[str]:
    """The names of all options of a Config."""
    return [entry.name for entry in dataclasses.fields(config)]


def configure(config: type[Any], recipe: str | os.PathLike[str] | None, changes: Mapping[str, Any]) -> Any:
    """Defaults < recipe < changes.

    Raises:
        InputError: an unknown option, or a bad value.
    """
    known = names(config)
    for name in changes:
        if name not in known:
            raise InputError(f"unknown option {name!r}{did_you_mean(name, known)}")
    return dataclasses.replace(config.from_toml(recipe) if recipe else config(), **changes)


def groups(config: type[Group]) -> dict[str, list[dataclasses.Field]]:
    """The options of a Config by heading: first those that matter most, then the task's own, then group by group."""
    found: dict[str, list[dataclasses.Field]] = {"the options that matter most": [], Group.heading: []}
    for entry in dataclasses.fields(config):  # type: ignore[arg-type]
        declared = [base for base in config.__mro__ if entry.name in vars(base).get("__annotations__", {})]
        if entry.metadata["basic"]:
            heading = "the options that matter most"
        else:
            heading = vars(declared[-1]).get("heading", Group.heading)
        found.setdefault(heading, []).append(entry)
    return {heading: entries for heading, entries in found.items() if entries}


def kind_of(config: type, name: str) -> tuple[type, list[Any], bool]:
    """The type of one option apart from None, its choices (empty if it has none), and whether it may be None."""
    hint = typing.get_type_hints(config)[name]
    optional = isinstance(hint, types.UnionType) and type(None) in hint.__args__
    if optional:
        hint = next(part for part in hint.__args__ if part is not type(None))
    choices = list(hint.__args__) if typing.get_origin(hint) is Literal else []
    return (type(choices[0]) if choices else hint), choices, optional


def parse(config: type, name: str, word: str) -> Any:
    """The value of one option from a word, such as "0.5", "true" or "lstm"; "none" where the option may be None.

    Raises:
        InputError: there is no such option, or it does not take this value.
    """
    known = names(config)
    if name not in known:
        raise InputError(f"unknown option {name!r}{did_you_mean(name, known)}")
    kind, _, optional = kind_of(config, name)
    if optional and word == "none":
        return None
    try:
        value = {"true": True, "false": False}[word] if kind is bool else kind(word)
    except (KeyError, ValueError):
        expected = "true or false" if kind is bool else kind.__name__
        raise InputError(f"{name} is {word!r}: expected {expected}") from None
    check_value(config, name, value)
    return value


def word(value: Any) -> str:
    """The inverse of `parse`; floats have four significant digits."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def check_value(config: type, name: str, value: Any) -> None:
    """Raises InputError unless `value` has the option's type and keeps its bounds."""
    kind, choices, optional = kind_of(config, name)
    if value is None and optional:
        return
    if choices and value not in choices:
        guess = did_you_mean(str(value), map(str, choices))
        raise InputError(f"{name} is {value!r}: expected one of {', '.join(map(str, choices))}{guess}")
    if not isinstance(value, (int, float) if kind is float else kind) or (kind is not bool and value is True):
        raise InputError(f"{name} is {value!r}: expected {kind.__name__}")
    bounds = next(entry.metadata for entry in dataclasses.fields(config) if entry.name == name)
    low, high = bounds.get("low"), bounds.get("high")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        between = f"at least {low}" if high is None else f"{low} to {high}"
        raise InputError(f"{name} is {value!r}: expected {between}")
