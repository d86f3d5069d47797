"""A gazetteer: lists of known names, such as cities and companies, looked up in sentences in graph.

The file has lines `type<TAB>name`; a name may have several types, and names are compared in lower case.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import codec, remarks, words
from zoo.data.formats import files
from zoo.errors import InputError

LONGEST = 8  # words of a name


@codec.register(".gazetteer")
class Gazetteer(tf.Module):
    """The features of words that stand in a list of names.

    Args:
        entries: (type, name in lower case with blanks between its tokens), each once.
    Attributes:
        width: the number of features of a word: two for each type.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]):
        super().__init__()
        self.entries = tuple(sorted(set(entries)))
        self.types = sorted({kind for kind, _ in self.entries})
        self.width = 2 * len(self.types)
        names = sorted({name for _, name in self.entries})
        self._longest = max((name.count(" ") + 1 for name in names), default=0)
        row = {name: i for i, name in enumerate(names)}
        marks = np.zeros([len(names) + 1, len(self.types)], np.float32)  # the last row is that of no name
        for kind, name in self.entries:
            marks[row[name], self.types.index(kind)] = 1
        self._marks, self._none = tf.constant(marks), len(names)
        pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(names), tf.range(len(names), dtype=tf.int32))
        self._table = tf.lookup.StaticHashTable(pairs, self._none)

    @classmethod
    def read(cls, path: str) -> "Gazetteer":
        """The names in a file of lines `type<TAB>name`, plain or gzipped. Names are split as texts are.

        Raises:
            InputError: names the line that is wrong, or the file without a name.
        """
        pairs = []
        for number, line in enumerate(files.lines(Path(path)), 1):
            kind, tab, name = line.partition("\t")
            if not line.strip():
                continue
            if not tab or not kind.strip() or not name.strip():
                raise InputError(f"{path} line {number}: {line[:60]!r}; expected a type, a tab and a name")
            pairs.append((" ".join(kind.split()), name))
        if not pairs:
            raise InputError(f"{path} has no name; expected lines with a type, a tab and a name")
        tokens = words.split(words.lower(words.clean(tf.constant([name for _, name in pairs]))))
        found = [(kind, b" ".join(row).decode()) for (kind, _), row in zip(pairs, tokens.to_list(), strict=True) if row]
        short = [(kind, name) for kind, name in found if name.count(" ") < LONGEST]
        remarks.note(f"names in {path} with more than {LONGEST} words, left out", len(found) - len(short))
        return cls(short)

    def __call__(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        """At each word the longest name that begins there is looked up.

        Args:
            tokens: string[B, ragged].
        Returns:
            float32[N, width] for the N words of all rows: for each type whether a name of it begins at the word, then
            for each type whether the word continues one.
        """
        flat, row = words.lower(words.clean(tokens.flat_values)), tokens.value_rowids()
        count = tf.size(flat)
        best, size = tf.fill([count], self._none), tf.ones([count], tf.int32)
        gram = flat
        for length in range(1, self._longest + 1):
            if length > 1:
                gram = gram[:-1] + " " + flat[length - 1 :]  # slices of an empty tensor are empty
            end = row[length - 1 :]
            name = tf.where(end == row[: tf.size(end)], self._table.lookup(gram), self._none)
            name = tf.pad(name, [[0, count - tf.size(name)]], constant_values=self._none)
            best, size = tf.where(name < self._none, name, best), tf.where(name < self._none, length, size)
        begins = tf.gather(self._marks, best)  # [N, types]
        inside = tf.zeros_like(begins)
        for step in range(1, self._longest):
            reached = tf.where((size > step)[:, None], begins, 0.0)[: tf.maximum(count - step, 0)]
            inside = tf.maximum(inside, tf.pad(reached, [[count - tf.shape(reached)[0], 0], [0, 0]]))
        return tf.concat([begins, inside], axis=1)

    def save(self, file: Path) -> None:
        file.write_text("".join(f"{kind}\t{name}\n" for kind, name in self.entries), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Gazetteer":
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        return cls((kind, name) for kind, _, name in (line.partition("\t") for line in lines))
