"""What a tagger sees of a word, by TensorFlow string ops alone: data and served graph go through the same code.

text → split → clean → the word itself, its letters, its prefixes and suffixes
"""

from __future__ import annotations  # tensorflow in them is not loaded

import tensorflow as tf

from zoo.data import text

# What is found first is a token; every character that is no blank is in one.
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
    """Words as English treebanks of Universal Dependencies have them, as far as a few rules go; case is kept.

    Marks are split off ("(well-known)." is six tokens), but not within numbers, addresses, "U.S." and the like;
    clitics are words: "don't" is "do" "n't", "Ann's" is "Ann" "'s", "cannot" is "can" "not". For other languages, and
    where the words are known, give the words instead.

    Args:
        texts: string[B]; any bytes: what is not UTF-8 becomes U+FFFD, control characters become blanks.
    Returns:
        string[B, ragged]; no tokens for an empty or blank text.
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=32)
    texts = tf.strings.regex_replace(texts, TOKEN, r" \0 ")
    texts = tf.strings.regex_replace(texts, r"(?i)([\p{L}])(n['’]t) ", r"\1 \2 ")
    texts = tf.strings.regex_replace(texts, r"(?i)([\p{L}\p{N}])(['’](?:s|m|d|re|ve|ll)) ", r"\1 \2 ")
    texts = tf.strings.regex_replace(texts, r"(?i) (can)(not) ", r" \1 \2 ")
    return tf.strings.split(texts)


def clean(words: tf.Tensor) -> tf.Tensor:
    """string[...] → string[...] in which every byte is UTF-8 and no character is a control character."""
    return tf.strings.unicode_transcode(
        words, "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=0xFFFD
    )


def lower(words: tf.Tensor) -> tf.Tensor:
    """string[...] → string[...]."""
    return tf.strings.lower(words, encoding="utf-8")


def letters(words: tf.Tensor, most: int) -> tf.RaggedTensor:
    """string[N] → string[N, ragged]: the characters of each word, its two ends where it has more than `most`."""
    return text.truncate(tf.strings.unicode_split(clean(words), "UTF-8"), most, "both", unit="letters")


def affixes(words: tf.Tensor, longest: int) -> tf.Tensor:
    """string[N] → string[N, 2 * longest]: lower-cased beginnings and ends of 1, 2, … letters, such as "un…" "…ing"."""
    words = lower(clean(words))
    size = tf.strings.length(words, unit="UTF8_CHAR")
    found = []
    for n in range(1, longest + 1):
        start = tf.maximum(size - n, 0)
        found.append(tf.strings.substr(words, tf.zeros_like(size), tf.fill(tf.shape(size), n), unit="UTF8_CHAR") + "…")
        found.append("…" + tf.strings.substr(words, start, tf.fill(tf.shape(size), n), unit="UTF8_CHAR"))
    return tf.stack(found, axis=1) if found else tf.fill([tf.size(words), 0], "")


def features(codec: text.Codec, tokens: tf.RaggedTensor, *, most: int, longest: int) -> dict[str, tf.RaggedTensor]:
    """All of it as ids of a codec's `words`, `characters` and `affixes`; what is 0 is left out.

    Args:
        tokens: string[B, ragged].
    Returns:
        words int32[B, ragged], characters int32[B, ragged, most], affixes int32[B, ragged, 2 * longest].
    """
    flat = clean(tokens.flat_values)  # [N]
    found = {"words": tf.maximum(codec.words(lower(flat)), codec.words.unknown)}  # a word "<pad>" is not padding
    if most:
        found["characters"] = codec.characters(letters(flat, most)).to_tensor(shape=[None, most])
    if longest:
        found["affixes"] = codec.affixes(affixes(flat, longest))
    return {name: tokens.with_flat_values(values) for name, values in found.items()}
