"""The bundled sample of the language model: sentences whose words depend on words far before them."""

import random
from collections.abc import Iterator

# fmt: off
NOUNS = {"it": ["cart", "door", "engine", "wheel"], "he": ["king", "sailor", "uncle"],
         "she": ["queen", "singer", "aunt"],
         "they": ["carts", "doors", "engines", "wheels", "kings", "sailors", "uncles", "queens", "singers", "aunts"]}
REFLEXIVE = {"it": "itself", "he": "himself", "she": "herself", "they": "themselves"}
ADJECTIVES = ["big", "old", "quiet", "red", "slow", "small", "strange", "young"]
PLACES = ["behind", "beside", "near", "under"]
# without -s after "they", with -s after the others
TRANSITIVE = ["admire", "follow", "hear", "help", "paint", "see"]
INTRANSITIVE = ["appear", "rest", "turn", "wait"]
BRACKETS = [("(", ")"), ("[", "]"), ("{", "}"), ("<", ">")]
# fmt: on
DEEPEST = 3  # brackets inside one another


def examples(split: str) -> Iterator[dict]:
    """{"text": str}, one sentence each: 4,000 for "train" and 500 for "test", 15 words on average; no "validation".

    A verb agrees with its subject, "themselves" with the subject too, and each bracket closes with its own partner.
    Other nouns, relative clauses and whole bracketed sentences stand between, so the last few words do not tell:
    "the queen [ the carts < near the door > wait ] that the uncles see behind the wheels paints herself ."
    """
    rng = random.Random(f"grammar {split}")
    for _ in range({"train": 4000, "test": 500}[split]):
        yield {"text": " ".join([*_sentence(rng, depth=0), "."])}


def _sentence(rng: random.Random, *, depth: int) -> list[str]:
    kind, words = _thing(rng)
    if depth < DEEPEST and rng.random() < 0.5:
        words += _aside(rng, depth=depth + 1)
    if rng.random() < 0.4:
        words += _relative(rng)
    way = rng.choice(("alone", "object", "reflexive"))
    if way == "alone":
        return [*words, _verb(rng, INTRANSITIVE, kind)]
    if way == "object":
        return [*words, _verb(rng, TRANSITIVE, kind), *_thing(rng)[1]]
    words.append(_verb(rng, TRANSITIVE, kind))
    if rng.random() < 0.4:
        words += [",", *_place(rng), ","]
    return [*words, REFLEXIVE[kind]]


def _thing(rng: random.Random) -> tuple[str, list[str]]:
    """The pronoun of a noun, and the words: an article, perhaps an adjective, and the noun."""
    kind = rng.choice(("it", "he", "she", "they", "they"))
    adjectives = [rng.choice(ADJECTIVES)] if rng.random() < 0.3 else []
    return kind, ["the", *adjectives, rng.choice(NOUNS[kind])]


def _verb(rng: random.Random, verbs: list[str], kind: str) -> str:
    return rng.choice(verbs) + ("" if kind == "they" else "s")


def _place(rng: random.Random) -> list[str]:
    return [rng.choice(PLACES), *_thing(rng)[1]]


def _relative(rng: random.Random) -> list[str]:
    """ "that the uncles see behind the wheels": the verb agrees with the subject inside."""
    kind, words = _thing(rng)
    place = _place(rng) if rng.random() < 0.5 else []
    return ["that", *words, _verb(rng, TRANSITIVE, kind), *place]


def _aside(rng: random.Random, *, depth: int) -> list[str]:
    """A place or a sentence of its own in brackets of a random kind."""
    opening, closing = rng.choice(BRACKETS)
    inside = _place(rng) if rng.random() < 0.3 else _sentence(rng, depth=depth)
    return [opening, *inside, closing]
