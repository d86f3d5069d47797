"""The bundled sample of named entities: sentences with made-up names, whose context and spelling tell the type."""

import random
from collections.abc import Iterator

from zoo.data.spans import Span, write

# fmt: off
STEMS = ["bar", "dol", "fen", "gri", "kam", "lor", "mip", "nel", "pra", "quo", "rem", "sul", "tav", "vin", "wex", "zor"]
EITHER = ["Alden", "Barlow", "Corvin", "Dexley", "Elmar", "Farlan", "Gorham", "Hadlow", "Ingram", "Jorvik", "Keston",
          "Larkin"]  # a person, an organisation or a place
PATTERNS = ["PER met PER in LOC .", "shares of ORG fell after PER left .", "ORG hired PER last Monday .",
            "PER , a doctor from LOC , joined ORG .", "the mayor of LOC thanked ORG .", "he works for ORG in LOC .",
            "Mr. PER flew to LOC on Monday .", "PER said that ORG would open an office near LOC .",
            "she was born in LOC and married PER .", "ORG sold its factory to ORG .", "the lawyer of PER is ill .",
            "Nobody came to the meeting on Friday .", "The Old Bridge was closed in May .", "profits of ORG rose .",
            "LOC is cold in winter .", "ask PER about the trip to LOC ."]
LATER = {"PER": ["became a doctor .", "wrote to her uncle .", "fell ill ."],
         "ORG": ["sold its factory .", "merged with ORG .", "hired many people ."],
         "LOC": ["got a new bridge .", "elected a mayor .", "was full of tourists ."]}
BETWEEN = ["after a long and cold winter", "as PER told us on Friday", "in the days of PER", "to the surprise of PER",
           "according to ORG", "like LOC and LOC"]
# fmt: on


def examples(split: str) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]} in BIO: 3,000 for "train", 300 for "test", no "validation".

    Most names are new in each split. The ending of a made-up place ("-burg") and a word beside a company ("Ltd") tell
    the type; a name such as "Alden" is of any type, and only the words around tell which, some of them far away:
    "Alden , after a long and cold winter , elected a mayor ."
    """
    rng = random.Random(f"entity sentences {split}")
    for _ in range({"train": 3000, "test": 300}[split]):
        tokens: list[str] = []
        spans = []
        if rng.random() < 0.4:
            kind = rng.choice(list(LATER))
            spans.append(Span(0, 1, kind))
            tokens.append(rng.choice(EITHER))
            pattern = f", {rng.choice(BETWEEN)} , {rng.choice(LATER[kind])}"
        else:
            pattern = rng.choice(PATTERNS)
        for word in pattern.split():
            name = _name(rng, word) if word in LATER else [word]
            if word in LATER:
                spans.append(Span(len(tokens), len(tokens) + len(name), word))
            tokens += name
        yield {"tokens": [tokens[0][0].upper() + tokens[0][1:], *tokens[1:]], "tags": write(spans, len(tokens))}


def _name(rng: random.Random, kind: str) -> list[str]:
    if rng.random() < 0.4:
        return [rng.choice(EITHER)]
    if kind == "PER":
        return [_new(rng, 1, rng.choice(("a", "o", "y"))), _new(rng, 2)][rng.choice((0, 0, 1)) :]
    if kind == "ORG":
        return [_new(rng, 2), *rng.choice((["Ltd"], ["Group"], ["&", _new(rng, 2)], []))]
    return [*rng.choice(([], [], ["New"], ["Port"])), _new(rng, 2, rng.choice(("burg", "ville", "ton")))]


def _new(rng: random.Random, stems: int, ending: str = "") -> str:
    return ("".join(rng.sample(STEMS, stems)) + ending).capitalize()
