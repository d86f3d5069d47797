"""The words that a search may write, as a tree of their characters, and how likely each follows another."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import codec
from zoo.data.formats import files
from zoo.errors import InputError

MOST = 4_000  # words; their bigrams take 64 MB
SPACE = " "


@codec.register(".npz")
class Lexicon(tf.Module):
    """A prefix tree of words over symbols, and log p(word | word before), as tables for a search in graph.

    Args:
        words: V words, each once.
        symbols: N characters, with the blank between words among them.
        bigrams: float32[V + 1, V + 1], log p(column | row); row V is the beginning of a text, column V its end.
    Attributes:
        children: int32[nodes, N], the node that a symbol leads to, or -1; node 0 is the beginning of a word.
        word_at: int32[nodes], the word that ends at a node, or -1.
        space: the symbol between words.
    """

    def __init__(self, words: Sequence[str], symbols: Sequence[str], bigrams: np.ndarray):
        super().__init__()
        self.words, self.symbols = tuple(words), tuple(symbols)
        self.space = self.symbols.index(SPACE)
        place = {symbol: i for i, symbol in enumerate(self.symbols)}
        children, word_at = [[-1] * len(place)], [-1]
        for number, word in enumerate(self.words):
            node = 0
            for symbol in map(place.__getitem__, word):
                if children[node][symbol] < 0:
                    children[node][symbol] = len(children)
                    children.append([-1] * len(place))
                    word_at.append(-1)
                node = children[node][symbol]
            word_at[node] = number
        with tf.device("CPU"):
            self.children, self.word_at = tf.constant(children, tf.int32), tf.constant(word_at, tf.int32)
            self.bigrams = tf.constant(bigrams, tf.float32)

    @classmethod
    def of(cls, texts: Iterable[str], symbols: Sequence[str], more: Iterable[str] = ()) -> "Lexicon":
        """The words of the texts and `more`; bigrams by Witten-Bell interpolation (Chen & Goodman 1999, section 2.4).

        Words with a character that is not a symbol are left out: training never heard it.

        Raises:
            InputError: no word or more than 4,000 words are left, or there is no blank between words.
        """
        spoken = [text.split() for text in texts]
        if SPACE not in symbols:
            raise InputError("--decode lexicon: no training text has two words; --decode beam needs no lexicon")
        every = {word for words in spoken for word in words} | set(more)
        words = sorted(word for word in every if word and set(word) <= set(symbols) - {SPACE})
        if not 0 < len(words) <= MOST:
            raise InputError(f"--decode lexicon: {len(words):,} words can be written: expected 1 to {MOST:,}")
        place, size = {word: i for i, word in enumerate(words)}, len(words) + 1
        counts = np.zeros([size, size])
        for said in spoken:
            ids = [size - 1, *(place[word] for word in said if word in place), size - 1]
            for pair, count in Counter(pairwise(ids)).items():
                counts[pair] += count
        single = (counts.sum(axis=0) + 1) / (counts.sum() + size)  # each word as if it had been said once more
        followers = np.maximum((counts > 0).sum(axis=1, keepdims=True), 1)
        chances = (counts + followers * single) / (counts.sum(axis=1, keepdims=True) + followers)
        return cls(words, symbols, np.log(chances))

    def save(self, file: Path) -> None:
        words, symbols = (np.array([*part]) for part in (self.words, self.symbols))
        np.savez_compressed(file, words=words, symbols=symbols, bigrams=self.bigrams.numpy())

    @classmethod
    def load(cls, file: Path) -> "Lexicon":
        with np.load(file) as found:
            return cls(found["words"].tolist(), found["symbols"].tolist(), found["bigrams"])


def read(path: str) -> list[str]:
    """The words of a file: the first of each line; a pronunciation behind it and a number as in A(2) are left out.

    Raises:
        InputError: the file cannot be read.
    """
    firsts = [line.split()[0] for line in files.lines(Path(path)) if line.strip()]
    return list(dict.fromkeys(word.partition("(")[0] for word in firsts))
