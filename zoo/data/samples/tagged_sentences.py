"""The bundled sample of part-of-speech tagging: sentences of a small grammar, many words of which are ambiguous."""

import random
from collections.abc import Iterator

# fmt: off
EITHER = ["book", "fish", "hope", "mark", "paint", "plan", "report", "train", "walk", "watch"]  # noun or verb
ADJECTIVES = ["cold", "green", "light", "old", "quiet", "small"]  # "cold" and "light" are nouns too
THINGS = ["can", "cat", "city", "cold", "door", "light", "river", "tree", *EITHER]
ACTIONS = ["carry", "find", "see", *EITHER]
STEMS = ["bar", "dol", "fen", "gri", "kam", "lor", "mip", "nel", "pra", "quo", "rem", "sul", "tav", "vin", "wex", "zor"]
ENDINGS = {"NOUN": ["ness", "tion", "ment"], "VERB": ["ized", "ated"], "ADJ": ["ful", "ous"], "ADV": ["ly"],
           "PROPN": ["son", "berg"]}
# fmt: on


def examples(split: str) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]}: 2,000 for "train", 300 for "test", no "validation".

    The tag of a word depends on its place: "they can fish", "the can", "the fish can", "the light door", "the light",
    "to walk", "to the walk", "that plan", "know that they plan". The tag of a made-up word follows from its ending;
    there are so many of them that most occur in one split only.
    """
    rng = random.Random(f"tagged sentences {split}")
    for _ in range({"train": 2000, "test": 300}[split]):
        pairs = _statement(rng)
        if rng.random() < 0.3:
            pairs = [(_new_word(rng, "ADV"), "ADV"), (",", "PUNCT"), *pairs]
        pairs.append((rng.choice((".", ".", "!")), "PUNCT"))
        tokens, tags = (list(column) for column in zip(*pairs, strict=True))
        yield {"tokens": [tokens[0][0].upper() + tokens[0][1:], *tokens[1:]], "tags": tags}


def _new_word(rng: random.Random, tag: str) -> str:
    word = "".join(rng.sample(STEMS, 3)) + rng.choice(ENDINGS[tag])
    return word.capitalize() if tag == "PROPN" else word


def _statement(rng: random.Random, *, inner: bool = False) -> list[tuple[str, str]]:
    pairs = _thing(rng) if rng.random() < 0.6 else [(rng.choice(("they", "we", "you")), "PRON")]
    way = rng.random()
    if way < 0.15 and not inner:
        return [*pairs, ("know", "VERB"), ("that", "SCONJ"), *_statement(rng, inner=True)]
    if way < 0.35:
        pairs.append((_new_word(rng, "VERB"), "VERB"))
    elif way < 0.6:
        pairs += [(rng.choice(("can", "will", "must")), "AUX"), (rng.choice(ACTIONS), "VERB")]
    elif way < 0.8:
        pairs += [(rng.choice(("want", "hope", "plan")), "VERB"), ("to", "PART"), (rng.choice(ACTIONS), "VERB")]
    else:
        pairs.append((rng.choice(ACTIONS), "VERB"))
    if rng.random() < 0.7:
        pairs += _thing(rng)
    if rng.random() < 0.3:
        pairs += [(rng.choice(("to", "near", "with")), "ADP"), *_thing(rng)]
    if rng.random() < 0.2:
        pairs.append((_new_word(rng, "ADV"), "ADV"))
    return pairs


def _thing(rng: random.Random) -> list[tuple[str, str]]:
    if rng.random() < 0.15:
        return [(_new_word(rng, "PROPN"), "PROPN")]
    pairs = [(rng.choice(("the", "a", "that", "every")), "DET")]
    if rng.random() < 0.4:
        pairs.append((_new_word(rng, "ADJ") if rng.random() < 0.3 else rng.choice(ADJECTIVES), "ADJ"))
    return [*pairs, (_new_word(rng, "NOUN") if rng.random() < 0.25 else rng.choice(THINGS), "NOUN")]
