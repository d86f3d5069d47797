"""Subwords: text to pieces of words and back, by SentencePiece inside the graph."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo import errors
from zoo.data import codec
from zoo.data.text import END_ID, SPECIAL, START_ID, UNKNOWN
from zoo.errors import InputError


@codec.register(".model")
class Subwords(tf.Module):
    """Encodes text as pieces of words and decodes it again. Ids 0 to 3 are `SPECIAL`; ▁ stands for the space before.

    SentencePiece, Kudo and Richardson 2018, https://aclanthology.org/D18-2012

    Args:
        model: a serialised SentencePiece model. Every SentencePiece tool can read the file that it is saved to.
    """

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
            size: the largest number of pieces, `SPECIAL` included.
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
            raise InputError(f"cannot learn {size} subwords: {str(error).split('] ')[-1]}") from error
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
        """Writes the model, and beside it a readable `.vocab` as SentencePiece itself writes it."""
        errors.needs("sentencepiece", extra="translation")
        import sentencepiece

        file.write_bytes(self._model)
        model = sentencepiece.SentencePieceProcessor(model_proto=self._model)
        pieces = (f"{model.id_to_piece(i)}\t{model.get_score(i):g}\n" for i in range(len(self)))
        file.with_suffix(".vocab").write_text("".join(pieces), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Subwords":
        return cls(file.read_bytes())
