"""The features of a word that a tagger reads. Only TensorFlow string operations, shared by training and serving.

text → split → clean → the word itself, its letters, its prefixes and suffixes, its shape

    codec = Codec(**words.learn(cfg, tokens), tags=...)          # cfg has the options Words and Spelling
    x = words.features(cfg, codec, tokens)                       # inputs of a model that begins with layers.read_words
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from zoo.data import text
from zoo.data.codec import Codec

# The first pattern that matches is a token. Every character except blanks is in some token.
TOKEN = "|".join(
    (
        r"(?:https?://|www\.)\S*[\p{L}\p{N}/]",  # addresses
        r"[\p{L}\p{N}._%+\-]+@[\p{L}\p{N}\-]+(?:\.[\p{L}\p{N}\-]+)+",
        r"[\p{L}\p{N}_]+(?:\.\p{Ll}{2,})+",  # report.pdf
        r"[:;]-?[()DP]",  # smileys
        r"(?:\p{L}\.){2,}",  # U.S.
        r"(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Inc|Ltd|Corp|vs|etc)\.",
        r"\p{N}+(?:[.,:/]\p{N}+)*(?:st|nd|rd|th)?",  # 1,000.50 and 10:30 and 21st
        r"[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}]+)*",  # words, clitics still on them
        r"[!?]+|\.{2,}|-{2,}|={2,}|\*{2,}|~{2,}|\${2,}",
        r"\S",  # any other mark is a token of its own; so is the hyphen of a compound
    )
)


def split(texts: tf.Tensor) -> tf.RaggedTensor:
    """Splits English text into words nearly as the treebanks of Universal Dependencies do, by a few rules. Keeps case.

    Punctuation is split off ("(well-known)." is six tokens), but not within numbers, addresses, "U.S." and the like.
    Clitics are words: "don't" is "do" "n't", "Ann's" is "Ann" "'s", "cannot" is "can" "not". Texts in other languages
    should be split by other means.

    Args:
        texts: string[B], any bytes. Invalid UTF-8 becomes U+FFFD, control characters become blanks.
    Returns:
        string[B, ragged]; no tokens for an empty or blank text.
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=32)
    texts = tf.strings.regex_replace(texts, TOKEN, r" \0 ")
    texts = tf.strings.regex_replace(texts, r"(?i)([\p{L}])(n['’]t) ", r"\1 \2 ")
    texts = tf.strings.regex_replace(texts, r"(?i)([\p{L}\p{N}])(['’](?:s|m|d|re|ve|ll)) ", r"\1 \2 ")
    texts = tf.strings.regex_replace(texts, r"(?i) (can)(not) ", r" \1 \2 ")
    return tf.strings.split(texts)


def offsets(texts: tf.Tensor, tokens: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Where the tokens of texts stand.

    Splitting only inserts blanks. So the tokens hold the characters of a text that are not blank, in order.

    Args:
        texts: string[B]; in invalid UTF-8, each broken sequence counts as one U+FFFD.
        tokens: string[B, ragged], the same texts after `split`.
    Returns:
        the first character of each token, and the one after its last, int32[B, ragged], in code points of the text.
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=32)
    points = tf.strings.unicode_decode(texts, "UTF-8")  # int32[B, ragged]
    places = tf.ragged.range(tf.cast(points.row_lengths(), tf.int32)).flat_values
    visible = tf.boolean_mask(places, points.flat_values != ord(" "))
    sizes = tf.strings.length(tokens.flat_values, unit="UTF8_CHAR")
    after = tf.cumsum(sizes)
    starts, ends = tf.gather(visible, after - sizes), tf.gather(visible, after - 1) + 1
    return tokens.with_flat_values(starts), tokens.with_flat_values(ends)


def never_empty(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """string[B, ragged] → the same, with the token "" in rows without any: a recurrent layer needs a real step."""
    empty = tokens.row_lengths() == 0
    blank = tf.fill([tf.math.count_nonzero(empty)], "")
    return tf.concat([tokens, tf.RaggedTensor.from_row_lengths(blank, tf.cast(empty, tf.int64))], axis=1)


def clean(words: tf.Tensor) -> tf.Tensor:
    """string[...] → string[...]. Invalid UTF-8 and control characters become U+FFFD."""
    return tf.strings.unicode_transcode(
        words, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=0xFFFD
    )


def lower(words: tf.Tensor) -> tf.Tensor:
    """string[...] → string[...]."""
    return tf.strings.lower(words, encoding="utf-8")


def letters(words: tf.Tensor, most: int) -> tf.RaggedTensor:
    """string[N] → string[N, ragged]: the characters of each word, or the two ends of a word longer than `most`."""
    return text.truncate(tf.strings.unicode_split(clean(words), "UTF-8"), most, "both", unit="letters")


def affixes(words: tf.Tensor, longest: int) -> tf.Tensor:
    """string[N] → string[N, 2 * longest]: lower-cased prefixes and suffixes of 1, 2, … letters, as "un…" and "…ing"."""
    words = lower(clean(words))
    size = tf.strings.length(words, unit="UTF8_CHAR")
    found = []
    for n in range(1, longest + 1):
        start = tf.maximum(size - n, 0)
        found.append(tf.strings.substr(words, tf.zeros_like(size), tf.fill(tf.shape(size), n), unit="UTF8_CHAR") + "…")
        found.append("…" + tf.strings.substr(words, start, tf.fill(tf.shape(size), n), unit="UTF8_CHAR"))
    return tf.stack(found, axis=1) if found else tf.fill([tf.size(words), 0], "")


def shapes(words: tf.Tensor) -> tf.Tensor:
    """string[N] → string[N]: runs of capitals as X, of small letters as x, of other letters as c, of digits as d.

    "Ann" is "Xx", "U.S." is "X.X.", "21st-century" is "dx-x"; marks stay as they are.
    """
    words = clean(words)
    for run, mark in ((r"\p{Ll}+", "x"), (r"[\p{Lu}\p{Lt}]+", "X"), (r"[\p{Lo}\p{Lm}\p{M}]+", "c"), (r"\p{N}+", "d")):
        words = tf.strings.regex_replace(words, run, mark)
    return words


def learn(cfg: Any, tokens: Iterable[str]) -> dict[str, text.Vocabulary]:
    """The vocabularies of the features of words, by the names of the codec parts that `features` reads.

    Args:
        cfg: the options of `options.Words` and `options.Spelling`.
        tokens: every word of the training split, as often as it occurs.
    Returns:
        words, characters, affixes, with `casing` also shapes; and forms: every word as it is written, without ids for
        padding and unknown words. A word that is not in forms is new.
    """
    batches = [clean(batch) for batch in text.in_batches(tokens)]

    def of(feature, first=(text.PADDING, text.UNKNOWN), **limits) -> text.Vocabulary:
        return text.Vocabulary.learn((feature(batch).numpy().ravel() for batch in batches), first=first, **limits)

    found = {
        "words": of(lower, size=cfg.vocabulary, min_count=cfg.min_count),
        "characters": of(lambda batch: letters(batch, cfg.max_characters).flat_values),
        "affixes": of(lambda batch: affixes(batch, cfg.affixes), min_count=cfg.min_count),
        "forms": of(tf.identity, first=()),
    }
    return found | ({"shapes": of(shapes, min_count=cfg.min_count)} if cfg.casing else {})


def features(cfg: Any, codec: Codec, tokens: tf.RaggedTensor) -> dict[str, tf.RaggedTensor]:
    """All features as ids, by the parts of a codec that `learn` made.

    Args:
        cfg: the options of `options.Spelling`.
        tokens: string[B, ragged].
    Returns:
        words int32[B, ragged], characters int32[B, ragged, max_characters], affixes int32[B, ragged, 2 * affixes] and
        shapes int32[B, ragged]; those that are switched off are left out.
    """
    flat = clean(tokens.flat_values)  # [N]
    found = {"words": tf.maximum(codec.words(lower(flat)), codec.words.unknown)}  # a word "<pad>" is not padding
    if cfg.characters != "none":
        ids = codec.characters(letters(flat, cfg.max_characters))
        found["characters"] = ids.to_tensor(shape=[None, cfg.max_characters])
    if cfg.affixes:
        found["affixes"] = codec.affixes(affixes(flat, cfg.affixes))
    if cfg.casing:
        found["shapes"] = tf.maximum(codec.shapes(shapes(flat)), codec.shapes.unknown)
    return {name: tokens.with_flat_values(values) for name, values in found.items()}


def sizes(codec: Codec) -> dict[str, int]:
    """The number of ids of every feature, as `layers.read_words` takes them."""
    names = ("words", "characters", "affixes", "shapes")
    return {name: len(getattr(codec, name)) for name in names if hasattr(codec, name)}
