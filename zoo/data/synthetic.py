"""The bundled samples: generated, deterministic, small, and with something to learn that counting words does not give."""

import random
from collections.abc import Iterator

GOOD = "brilliant charming clever delightful funny gripping moving superb touching wonderful warm fresh".split()
BAD = "awful boring clumsy dreadful dull lifeless messy predictable silly tedious weak shallow".split()
SUBJECTS = "acting plot script music ending camera dialogue cast story pacing".split()
FILLERS = (
    "i saw it on a rainy evening .",
    "my sister chose it .",
    "it runs for two hours .",
    "the cinema was half empty .",
    "we talked about it on the way home .",
    "it was made in spring .",
)
VERBS, NEGATED = ("was", "is", "felt", "seemed"), ("was not", "isn't", "was never", "hardly seemed")
WEIGHTS = {"": 2, "very ": 4, "truly ": 4, "slightly ": 1, "rather ": 2}


def reviews(split: str) -> Iterator[dict]:
    """{"text": str, "label": "negative" | "positive"}: 4,000 for training, 500 for test, none for validation.

    What a sentence says depends on more than its words: "not" and "never" turn it round, what comes before "but" does
    not count, and "very" outweighs "slightly". The label is the sign of the sum over the sentences.
    """
    rng = random.Random(f"reviews {split}")
    for _ in range({"train": 4000, "test": 500}[split]):
        score, text = 0, ""
        while score == 0:
            sentences, score = [], 0
            for _ in range(rng.randint(1, 3)):
                sentence, value = _opinion(rng)
                sentences.append(sentence)
                score += value
                if rng.random() < 0.3:
                    sentences.append(rng.choice(FILLERS))
            text = " ".join(sentences)
        yield {"text": text.capitalize(), "label": "positive" if score > 0 else "negative"}


def _opinion(rng: random.Random) -> tuple[str, int]:
    clause, value = _clause(rng)
    if rng.random() < 0.3:
        other, value = _clause(rng)
        clause = f"{clause} , but {other}"
    return f"{clause} .", value


def _clause(rng: random.Random) -> tuple[str, int]:
    value = rng.choice((1, -1))
    adjective = rng.choice(GOOD if value > 0 else BAD)
    degree = rng.choice(tuple(WEIGHTS))
    verb, sign = (rng.choice(VERBS), 1) if rng.random() < 0.75 else (rng.choice(NEGATED), -1)
    return f"the {rng.choice(SUBJECTS)} {verb} {degree}{adjective}", value * sign * WEIGHTS[degree]
