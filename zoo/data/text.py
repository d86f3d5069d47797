"""Text to ids and back by TensorFlow string ops alone, so that data and served graph go through the same code."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import tensorflow as tf

PADDING, UNKNOWN, END = "<pad>", "<unk>", "<end>"


def tokenize(text: tf.Tensor) -> tf.RaggedTensor:
    """Lower-cased words and single punctuation marks; "didn't" becomes "did" "n't", so that negation is a word.

    Any bytes are answered: what is not UTF-8 becomes U+FFFD, control characters become blanks, `<br />` becomes one.

    Args:
        text: string[B].
    Returns:
        string[B, ragged]; no tokens for an empty or blank text.
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=32)
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, r"<br\s*/?>", " ")
    text = tf.strings.regex_replace(text, r"n['’]t\b", " n't ")
    text = tf.strings.regex_replace(text, r"[^\p{L}\p{M}\p{N}\s'�]", r" \0 ")
    return tf.strings.split(text)


def truncate(tokens: tf.RaggedTensor, max_length: int, keep: str) -> tf.RaggedTensor:
    """At most `max_length` tokens of each row of [B, ragged]: the "head", the "tail", or "both" ends, half and half."""
    head = {"head": max_length, "tail": 0, "both": max_length // 2}[keep]
    length = tokens.row_lengths()[:, None]
    position = tf.ragged.range(tokens.row_lengths())
    wanted = tf.logical_or(position < head, position >= tf.maximum(length - (max_length - head), head))
    return tf.ragged.boolean_mask(tokens, wanted)


class Vocabulary(tf.Module):
    """Tokens and their ids, the id being the line of the token in the file.

    Args:
        tokens: each once. Where `<unk>` is among them, its id stands for every token that is not; else that id is -1.
    """

    suffix = ".txt"

    def __init__(self, tokens: Sequence[str]):
        super().__init__()
        self.tokens = tuple(tokens)
        self.unknown = self.tokens.index(UNKNOWN) if UNKNOWN in self.tokens else -1
        ids = tf.range(len(self.tokens), dtype=tf.int32)
        keys = tf.constant(self.tokens)
        self._table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), self.unknown)
        self._keys = keys

    @classmethod
    def learn(
        cls,
        batches: Iterable[Iterable[bytes]],
        *,
        size: int | None = None,
        min_count: int = 1,
        first: Sequence[str] = (),
    ) -> "Vocabulary":
        """The most frequent tokens, ties in alphabetical order.

        Args:
            batches: UTF-8 tokens, any number at a time.
            size: how many tokens at most, `first` included.
            min_count: rarer tokens are left out.
            first: tokens with the ids 0, 1, …, whatever their count.
        """
        counts: Counter[bytes] = Counter()
        for batch in batches:
            counts.update(batch)
        for token in first:
            counts.pop(token.encode(), None)
        ranked = sorted((-count, token) for token, count in counts.items() if count >= min_count)
        room = None if size is None else max(size - len(first), 0)
        return cls([*first, *(token.decode() for _, token in ranked[:room])])

    def __len__(self) -> int:
        return len(self.tokens)

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        """string[...] → int32[...], ragged or not."""
        return self._table.lookup(tokens)

    def lookup(self, ids: tf.Tensor) -> tf.Tensor:
        """int[...] → string[...]."""
        return tf.gather(self._keys, ids)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        return cls(file.read_text(encoding="utf-8").split("\n")[:-1])


class Codec(tf.Module):
    """All that is learned from data and is not a weight: named parts, each saved as a readable file.

    codec = Codec(words=Vocabulary.learn(...), labels=Vocabulary(["negative", "positive"]))
    codec.words(tokens)        # ids, in tf.data and in the served graph
    codec.save(folder)         # words.txt, labels.txt
    """

    def __init__(self, **parts: Vocabulary):
        super().__init__()
        self._parts = parts
        for name, part in parts.items():
            setattr(self, name, part)

    def __getattr__(self, name: str) -> Vocabulary:  # for type checkers: parts are set in __init__
        raise AttributeError(name)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self._parts.items():
            part.save(folder / f"{name}{part.suffix}")

    @classmethod
    def load(cls, folder: Path) -> "Codec":
        kinds = {kind.suffix: kind for kind in (Vocabulary,)}
        return cls(**{file.stem: kinds[file.suffix].load(file) for file in sorted(folder.iterdir())})


def in_batches(texts: Iterable[str], *, size: int = 1024) -> Iterable[tf.Tensor]:
    """Constant tensors of up to `size` texts."""
    iterator = iter(texts)
    while batch := list(islice(iterator, size)):
        yield tf.constant(batch)
