"""The features of a word that a tagger reads. Only TensorFlow string operations, shared by training and serving.

text → split → clean → the word itself, its letters, its prefixes and suffixes
"""

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


def features(codec: Codec, tokens: tf.RaggedTensor, *, most: int, longest: int) -> dict[str, tf.RaggedTensor]:
    """All features as ids, by the parts `words`, `characters` and `affixes` of a codec.

    Args:
        tokens: string[B, ragged].
        most: the largest number of characters per word; 0 leaves them out.
        longest: the largest length of prefixes and suffixes; 0 leaves them out.
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
