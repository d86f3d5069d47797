"""Text to ids and back. Only TensorFlow string operations, so that training and the served graph share the code.

text → tokenize → truncate → Vocabulary → ids
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import codec, remarks
from zoo.errors import InputError

PADDING, UNKNOWN, START, END = "<pad>", "<unk>", "<start>", "<end>"
SPECIAL = (PADDING, UNKNOWN, START, END)  # ids 0 to 3 of a vocabulary that text is decoded from
START_ID, END_ID = SPECIAL.index(START), SPECIAL.index(END)


def tokenize(text: tf.Tensor) -> tf.RaggedTensor:
    """Lower-cased words and single punctuation marks; "didn't" becomes "did" "n't", so that negation is a word.

    Args:
        text: string[B], any bytes. Invalid UTF-8 becomes U+FFFD; control characters and `<br />` become blanks.
    Returns:
        string[B, ragged]; no tokens for an empty or blank text.
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=32)
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, r"<br\s*/?>", " ")
    text = tf.strings.regex_replace(text, r"n['’]t\b", " n't ")
    text = tf.strings.regex_replace(text, r"[^\p{L}\p{M}\p{N}\s'�]", r" \0 ")
    return tf.strings.split(text)


def truncate(tokens: tf.RaggedTensor, max_length: int, keep: str, *, unit: str = "tokens") -> tf.RaggedTensor:
    """At most `max_length` tokens of each row.

    Args:
        tokens: [B, ragged].
        keep: the "head", the "tail", or "both" ends, half of each.
        unit: the word for tokens in the remark on how many rows were cut.
    """
    lengths = tokens.row_lengths()
    if remarks.wanted() and tf.executing_eagerly():
        longer = lengths > max_length
        remarks.note(f"longer than {max_length} {unit}, cut", int(tf.math.count_nonzero(longer)), of=len(longer))
    head = {"head": max_length, "tail": 0, "both": max_length // 2}[keep]
    # On the flat values: ragged operations are dozens of small ones each, and this runs in every served request.
    position = tf.range(tf.size(tokens.values, lengths.dtype))
    start, row = tokens.row_starts(), tokens.value_rowids()
    left_out = start + head, start + tf.maximum(lengths - (max_length - head), head)
    wanted = tf.logical_or(position < tf.gather(left_out[0], row), position >= tf.gather(left_out[1], row))
    cut = tf.boolean_mask(tokens.values, wanted)
    return tf.RaggedTensor.from_row_lengths(cut, tf.minimum(lengths, max_length), validate=False)


def insert(tokens: tf.RaggedTensor, value: int | str, *, at: str) -> tf.RaggedTensor:
    """Adds `value` to each row of [B, ragged], at its "start" or "end"."""
    count, first = tf.cast(tokens.nrows(), tf.int32), at == "start"
    rows, starts = (tf.cast(part, tf.int32) for part in (tokens.value_rowids(), tokens.row_starts()))
    lengths = tf.cast(tokens.row_lengths(), tf.int32)
    old = tf.range(tf.size(tokens.values)) + rows + int(first)  # each earlier row adds one token
    new = starts + tf.range(count) + (0 if first else lengths)
    values = tf.dynamic_stitch([old, new], [tokens.values, tf.fill([count], tf.constant(value, tokens.dtype))])
    return tf.RaggedTensor.from_row_lengths(values, lengths + 1, validate=False)


@codec.register(".txt")
class Vocabulary(tf.Module):
    """Tokens and their ids. The file has one token per line; its id is the number of the line, from 0.

    Args:
        tokens: each once.
    Attributes:
        keys: the same tokens as string[size].
        unknown: the id of every token that is not in the vocabulary: that of `<unk>`, or -1 without `<unk>`.
    """

    def __init__(self, tokens: Sequence[str]):
        super().__init__()
        self.tokens = tuple(tokens)
        self.unknown = self.tokens.index(UNKNOWN) if UNKNOWN in self.tokens else -1
        ids = tf.range(len(self.tokens), dtype=tf.int32)
        keys = tf.constant(self.tokens)
        self._table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), self.unknown)
        self.keys = keys

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
            batches: UTF-8 tokens, any number per batch.
            size: the largest number of tokens, `first` included.
            min_count: rarer tokens are left out.
            first: tokens that get the ids 0, 1, …, whatever their count.
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
        return tf.gather(self.keys, ids)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        return cls(file.read_text(encoding="utf-8").split("\n")[:-1])


@codec.register(".words")
class Words(Vocabulary):
    """Encodes text word by word and decodes it again; keeps case and spacing.

    "Hi, you" is "▁Hi" "," "▁you": ▁ stands for the space before a token. A token is a run of letters and digits or a
    single mark. Ids 0 to 3 are `SPECIAL`.
    """

    start, end = START_ID, END_ID

    @classmethod
    def learn_from(cls, texts: Iterable[str], *, size: int, min_count: int = 1) -> "Words":
        """The most frequent words of `texts`; at most `size` tokens, `SPECIAL` included."""
        tokens = (cls.split(batch).flat_values.numpy() for batch in in_batches(texts))
        return cls(cls.learn(tokens, size=size, min_count=min_count, first=SPECIAL).tokens)

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", replace_control_characters=True)
        texts = tf.strings.regex_replace(" " + texts, r"[\s�▁]+", " ▁")
        texts = tf.strings.regex_replace(texts, r"[^\p{L}\p{M}\p{N}\s▁]|[\p{L}\p{M}\p{N}]+", r"\0 ")
        texts = tf.strings.regex_replace(texts, r"▁(\s|$)", r"\1")
        return tf.strings.split(texts)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → int32[B, ragged], without start and end."""
        return self(self.split(texts))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...]; padding, start and end are left out."""
        tokens = tf.where((ids == self.unknown) | (ids >= len(SPECIAL)), self.lookup(ids), "")
        texts = tf.strings.reduce_join(tokens, axis=-1)
        return tf.strings.strip(tf.strings.regex_replace(texts, f"▁|({UNKNOWN})", r" \1"))


@codec.register(".words")
class LowerWords(Words):
    """Encodes text as lower-cased words without punctuation: "A dog's ball!" is "a" "dog's" "ball"."""

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes."""
        tokens = tokenize(texts)
        return tf.ragged.boolean_mask(tokens, tf.strings.regex_full_match(tokens, r".*[\p{L}\p{N}].*"))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...], a blank between words; leaves out padding, start, end and unknown words."""
        tokens = tf.where(ids >= len(SPECIAL), self.lookup(ids), "")
        return tf.strings.strip(tf.strings.reduce_join(tokens, axis=-1, separator=" "))


@codec.register(".words")
class Tokens(Words):
    """Encodes text that has been cut into tokens already, with blanks between them: case and all marks stay."""

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes."""
        return tf.strings.split(tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...], a blank between tokens; leaves out padding, start and end."""
        tokens = tf.where((ids == self.unknown) | (ids >= len(SPECIAL)), self.lookup(ids), "")
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        return tf.strings.strip(tf.strings.regex_replace(texts, r"\s+", " "))


@codec.register(".words")
class Uncased(Tokens):
    """Encodes text as the tokens of `tokenize`: "Don't!" is "do" "n't" "!". A decoded text has blanks between them."""

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes."""
        return tokenize(texts)


@codec.register(".characters")
class Characters(Words):
    """Encodes text character by character. A line feed is the token `END`: where texts are lines, each ends with it."""

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes. Other control characters become blanks."""
        characters = tf.strings.unicode_split(
            tf.strings.regex_replace(texts, r"\r\n?", "\n"), "UTF-8", errors="replace"
        )
        flat = tf.where(characters.flat_values == "\n", END, characters.flat_values)
        flat = tf.strings.regex_replace(flat, r"^[\x00-\x1f\x7f\x{0085}\x{2028}\x{2029}]$", " ")
        return characters.with_flat_values(flat)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...]; an unknown character is U+FFFD; padding and start are left out."""
        known = tf.where(ids >= len(SPECIAL), self.lookup(ids), tf.where(ids == END_ID, "\n", ""))
        return tf.strings.reduce_join(tf.where(ids == self.unknown, "\ufffd", known), axis=-1)


def normalize(texts: Sequence[str]) -> list[str]:
    """Each text as lower-cased words without punctuation, with a blank between them."""
    return [text.decode() for text in _normalized(tf.constant(texts)).numpy()]


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # 1 ms a call; operation by operation it is 12
def _normalized(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.reduce_join(LowerWords.split(texts), axis=-1, separator=" ")


@codec.register(".counts")
class TokenCounts(tf.Module):
    """How often each id occurs in the training targets; output biases start from it. The file: one number per line."""

    def __init__(self, counts: Sequence[int] | np.ndarray):
        super().__init__()
        self.counts = np.asarray(counts, np.int64)

    @classmethod
    def of(cls, batches: Iterable[tf.RaggedTensor], size: int) -> "TokenCounts":
        """Counts the ids in `batches`, each from 0 to `size` - 1."""
        counts = np.zeros(size, np.int64)
        for ids in batches:
            counts += np.bincount(ids.flat_values.numpy(), minlength=size)
        return cls(counts)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{count}\n" for count in self.counts), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "TokenCounts":
        return cls([int(line) for line in file.read_text(encoding="utf-8").split()])


def framed(
    ids: tf.RaggedTensor, *, start: int = START_ID, end: int = END_ID
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """A decoder's input and target for the same text: (`start` and the ids, the ids and `end`).

    Args:
        ids: int32[B, ragged].
    """
    return insert(ids, start, at="start"), insert(ids, end, at="end")


def choices(names: Iterable[str], *, what: str) -> Vocabulary:
    """The labels that a model chooses from, each once, in alphabetical order.

    Args:
        what: the beginning of the error message.
    Raises:
        InputError: there are fewer than two labels.
    """
    labels = sorted(set(names))
    if len(labels) < 2:
        raise InputError(f"{what} is {labels[0]!r}; need at least two classes")
    return Vocabulary(labels)


def in_batches(texts: Iterable[str], *, size: int = 1024) -> Iterable[tf.Tensor]:
    """Constant tensors of up to `size` texts."""
    iterator = iter(texts)
    while batch := list(islice(iterator, size)):
        yield tf.constant(batch)
