"""The bundled sample of sentiment: short film reviews that counting words does not solve."""

import random
from collections.abc import Iterator

# fmt: off
GOOD = ["brilliant", "charming", "clever", "delightful", "fresh", "funny", "gripping", "moving", "superb", "touching",
        "warm", "wonderful"]
BAD = ["awful", "boring", "clumsy", "dreadful", "dull", "lifeless", "messy", "predictable", "shallow", "silly",
       "tedious", "weak"]
SUBJECTS = ["acting", "camera", "cast", "dialogue", "ending", "music", "pacing", "plot", "script", "story"]
# fmt: on
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


def examples(split: str) -> Iterator[dict]:
    """{"text": str, "label": "negative" | "positive"}: 4,000 for "train", 500 for "test", no "validation".

    The meaning of a sentence depends on more than its words: "not" and "never" reverse it, a clause before "but" does
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
