"""Text to ids and back by TensorFlow string ops alone, so that data and served graph go through the same code."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import errors
from zoo.data import remarks
from zoo.errors import InputError

PADDING, UNKNOWN, START, END = "<pad>", "<unk>", "<start>", "<end>"
SPECIAL = (PADDING, UNKNOWN, START, END)  # of what is written token by token: their ids are 0, 1, 2, 3
START_ID, END_ID = SPECIAL.index(START), SPECIAL.index(END)


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


def truncate(tokens: tf.RaggedTensor, max_length: int, keep: str, *, unit: str = "tokens") -> tf.RaggedTensor:
    """At most `max_length` tokens of each row of [B, ragged]: the "head", the "tail", or "both" ends, half and half."""
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
    """[B, ragged] with `value` once more in each row, at its "start" or "end"."""
    count, first = tf.cast(tokens.nrows(), tf.int32), at == "start"
    rows, starts = (tf.cast(part, tf.int32) for part in (tokens.value_rowids(), tokens.row_starts()))
    lengths = tf.cast(tokens.row_lengths(), tf.int32)
    old = tf.range(tf.size(tokens.values)) + rows + int(first)  # every row before moves a token by one
    new = starts + tf.range(count) + (0 if first else lengths)
    values = tf.dynamic_stitch([old, new], [tokens.values, tf.fill([count], tf.constant(value, tokens.dtype))])
    return tf.RaggedTensor.from_row_lengths(values, lengths + 1, validate=False)


class Vocabulary(tf.Module):
    """Tokens and their ids, the id being the line of the token in the file.

    Args:
        tokens: each once. Where `<unk>` is among them, its id stands for every token that is not; else that id is -1.
    Attributes:
        keys: the same tokens as string[size].
    """

    suffix = ".txt"

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
        return tf.gather(self.keys, ids)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{token}\n" for token in self.tokens), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        return cls(file.read_text(encoding="utf-8").split("\n")[:-1])


class Words(Vocabulary):
    """Writes and reads text word by word, case and spacing kept: "Hi, you" is "▁Hi" "," "▁you", ▁ being a space before.

    A token is a run of letters and digits or a single mark. Ids 0 to 3 are `SPECIAL`.
    """

    suffix = ".words"
    start, end = START_ID, END_ID

    @classmethod
    def learn_from(cls, texts: Iterable[str], *, size: int, min_count: int = 1) -> "Words":
        """The most frequent words of `texts`, at most `size` tokens in all."""
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


class PlainWords(Words):
    """Writes and reads text as lower-cased words without marks: "A dog's ball!" is "a" "dog's" "ball"."""

    suffix = ".plain"

    @staticmethod
    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → string[B, ragged], any bytes."""
        tokens = tokenize(texts)
        return tf.ragged.boolean_mask(tokens, tf.strings.regex_full_match(tokens, r".*[\p{L}\p{N}].*"))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...], a blank between words; padding, start, end and unknown words are left out."""
        tokens = tf.where(ids >= len(SPECIAL), self.lookup(ids), "")
        return tf.strings.strip(tf.strings.reduce_join(tokens, axis=-1, separator=" "))


def plain(texts: Sequence[str]) -> list[str]:
    """Lower-cased words without marks, a blank between them."""
    return [b" ".join(words).decode() for words in PlainWords.split(tf.constant(texts)).to_list()]


class Subwords(tf.Module):
    """Writes and reads text in pieces of words by SentencePiece (Kudo and Richardson 2018,
    https://aclanthology.org/D18-2012). Ids 0 to 3 are `SPECIAL`; ▁ is a space before.

    Args:
        model: a serialised SentencePiece model; the file it is saved to is one that every SentencePiece tool reads.
    """

    suffix = ".model"
    start, end, unknown = START_ID, END_ID, SPECIAL.index(UNKNOWN)

    def __init__(self, model: bytes):
        super().__init__()
        errors.needs("tensorflow_text", extra="translation")
        import tensorflow_text

        self._model = model
        self._pieces = tensorflow_text.SentencepieceTokenizer(model, out_type=tf.int32)
        self.keys = self._pieces.id_to_string(tf.range(self._pieces.vocab_size()))
        self.tokens = tuple(key.decode() for key in self.keys.numpy())

    @classmethod
    def learn_from(cls, texts: Iterable[str], *, size: int) -> "Subwords":
        """Byte-pair encoding (Sennrich et al. 2016, https://aclanthology.org/P16-1162) of `texts`.

        Args:
            size: pieces at most, `SPECIAL` included.
        Raises:
            InputError: `size` is too small for the characters of `texts`, or there is no text.
        """
        errors.needs("sentencepiece", extra="translation")
        import sentencepiece

        model = io.BytesIO()
        special: dict[str, Any] = {}
        for i, name in enumerate(("pad", "unk", "bos", "eos")):
            special |= {f"{name}_id": i, f"{name}_piece": SPECIAL[i]}
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type="bpe",
                vocab_size=size,
                hard_vocab_limit=False,  # a small text has fewer pieces
                character_coverage=1.0,
                minloglevel=2,
                **special,
            )
        except RuntimeError as error:
            raise InputError(f"no {size} subwords can be learned: {str(error).split('] ')[-1]}") from error
        return cls(model.getvalue())

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """string[B] → int32[B, ragged], without start and end."""
        return self._pieces.tokenize(texts)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...]; padding, start and end are left out."""
        shape = tf.shape(ids)
        return tf.reshape(self._pieces.detokenize(tf.reshape(ids, [-1, shape[-1]])), shape[:-1])

    def lookup(self, ids: tf.Tensor) -> tf.Tensor:
        """int[...] → string[...], the pieces."""
        return tf.gather(self.keys, ids)

    def save(self, file: Path) -> None:
        """The model, and beside it a .vocab that people can read, as SentencePiece itself writes it."""
        errors.needs("sentencepiece", extra="translation")
        import sentencepiece

        file.write_bytes(self._model)
        model = sentencepiece.SentencePieceProcessor(model_proto=self._model)
        pieces = (f"{model.id_to_piece(i)}\t{model.get_score(i):g}\n" for i in range(len(self)))
        file.with_suffix(".vocab").write_text("".join(pieces), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Subwords":
        return cls(file.read_bytes())


class Counts(tf.Module):
    """How often each id occurs in the training targets: where an output bias starts. One number a line."""

    suffix = ".counts"

    def __init__(self, counts: Sequence[int] | np.ndarray):
        super().__init__()
        self.counts = np.asarray(counts, np.int64)

    @classmethod
    def of(cls, batches: Iterable[tf.RaggedTensor], size: int) -> "Counts":
        """Of all ids in `batches`, which are less than `size`."""
        counts = np.zeros(size, np.int64)
        for ids in batches:
            counts += np.bincount(ids.flat_values.numpy(), minlength=size)
        return cls(counts)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{count}\n" for count in self.counts), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Counts":
        return cls([int(line) for line in file.read_text(encoding="utf-8").split()])


def framed(
    ids: tf.RaggedTensor, *, start: int = START_ID, end: int = END_ID
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """int32[B, ragged] → what a decoder reads, `start` first, and what it writes, `end` last; both one longer."""
    return insert(ids, start, at="start"), insert(ids, end, at="end")


def choices(names: Iterable[str], *, what: str) -> Vocabulary:
    """The labels that a model chooses from, each once, in alphabetical order.

    Args:
        what: begins the message of the error.
    Raises:
        InputError: there is one only.
    """
    labels = sorted(set(names))
    if len(labels) < 2:
        raise InputError(f"{what} is {labels[0]!r}; there is nothing to tell apart")
    return Vocabulary(labels)


class Codec(tf.Module):
    """All that is learned from data and is not a weight: named parts, each saved as a readable file.

    codec = Codec(words=Vocabulary.learn(...), labels=Vocabulary(["negative", "positive"]))
    codec.words(tokens)        # ids, in tf.data and in the served graph
    codec.save(folder)         # words.txt, labels.txt
    """

    def __init__(self, **parts: Any):
        super().__init__()
        self._parts = parts
        for name, part in parts.items():
            setattr(self, name, part)

    def __getattr__(self, name: str) -> Any:  # for type checkers: parts are set in __init__
        raise AttributeError(name)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self._parts.items():
            part.save(folder / f"{name}{part.suffix}")

    @classmethod
    def load(cls, folder: Path) -> "Codec":
        """What `save` wrote; a file of another kind is for people."""
        from zoo.data import images  # which imports this module

        parts = (Vocabulary, Words, PlainWords, Subwords, Counts, images.Network)
        kinds: dict[str, Any] = {part.suffix: part for part in parts}
        files = [file for file in sorted(folder.iterdir()) if file.suffix in kinds]
        return cls(**{file.stem: kinds[file.suffix].load(file) for file in files})


def in_batches(texts: Iterable[str], *, size: int = 1024) -> Iterable[tf.Tensor]:
    """Constant tensors of up to `size` texts."""
    iterator = iter(texts)
    while batch := list(islice(iterator, size)):
        yield tf.constant(batch)
