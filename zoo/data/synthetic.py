"""The bundled samples: generated, deterministic, small, and not to be solved by counting words."""

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


# fmt: off
EITHER = ["book", "fish", "hope", "mark", "paint", "plan", "report", "train", "walk", "watch"]  # noun or verb
ADJECTIVES = ["cold", "green", "light", "old", "quiet", "small"]  # "cold" and "light" are nouns too
THINGS = ["can", "cat", "city", "cold", "door", "light", "river", "tree", *EITHER]
ACTIONS = ["carry", "find", "see", *EITHER]
STEMS = ["bar", "dol", "fen", "gri", "kam", "lor", "mip", "nel", "pra", "quo", "rem", "sul", "tav", "vin", "wex", "zor"]
ENDINGS = {"NOUN": ["ness", "tion", "ment"], "VERB": ["ized", "ated"], "ADJ": ["ful", "ous"], "ADV": ["ly"],
           "PROPN": ["son", "berg"]}
# fmt: on


def tagged_sentences(split: str) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]}: 2,000 for training, 300 test, none for validation.

    What a word is depends on where it stands: "they can fish", "the can", "the fish can", "the light door", "the
    light", "to walk", "to the walk", "that plan", "know that they plan". Made-up words show what they are by
    their endings alone: there are so many that most of a split's occur in no other.
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


# fmt: off
NOUNS = [("dog", "Hund", "m"), ("cat", "Katze", "f"), ("horse", "Pferd", "n"), ("man", "Mann", "m"),
         ("woman", "Frau", "f"), ("child", "Kind", "n"), ("teacher", "Lehrer", "m"), ("queen", "Königin", "f"),
         ("girl", "Mädchen", "n"), ("king", "König", "m"), ("goat", "Ziege", "f"), ("sheep", "Schaf", "n"),
         ("owl", "Eule", "f"), ("uncle", "Onkel", "m"), ("calf", "Kalb", "n")]
QUALITIES = [("small", "klein"), ("big", "groß"), ("old", "alt"), ("young", "jung"), ("brave", "mutig"),
             ("black", "schwarz"), ("strong", "stark"), ("ill", "krank")]
# English with and without -s, German with and without -t, and the prefix that German puts at the end of a main clause
TRANSITIVE = [("sees", "see", "sieht", "sehen", ""), ("finds", "find", "findet", "finden", ""),
              ("hears", "hear", "hört", "hören", ""), ("paints", "paint", "malt", "malen", ""),
              ("greets", "greet", "begrüßt", "begrüßen", ""), ("washes", "wash", "wäscht", "waschen", ""),
              ("calls", "call", "ruft", "rufen", "an"), ("collects", "collect", "holt", "holen", "ab"),
              ("takes", "take", "nimmt", "nehmen", "mit")]
INTRANSITIVE = [("sleeps", "sleep", "schläft", "schlafen", ""), ("laughs", "laugh", "lacht", "lachen", ""),
                ("sings", "sing", "singt", "singen", ""), ("waits", "wait", "wartet", "warten", ""),
                ("gets up", "get up", "steht", "stehen", "auf"), ("falls asleep", "fall asleep", "schläft",
                 "schlafen", "ein")]
MODALS = [("can", "kann"), ("must", "muss"), ("wants to", "will")]
WHEN = [("Today", "Heute"), ("Now", "Jetzt"), ("Often", "Oft"), ("In the evening", "Am Abend")]
BECAUSE = [("because", "weil"), ("when", "wenn"), ("although", "obwohl")]
ARTICLES = {"the": {"nominative": {"m": "der", "f": "die", "n": "das"}, "accusative": {"m": "den"}},
            "a": {"nominative": {"m": "ein", "f": "eine", "n": "ein"}, "accusative": {"m": "einen"}}}
ENDINGS_AFTER = {"the": {"m": "e", "f": "e", "n": "e"}, "a": {"m": "er", "f": "e", "n": "es"}}
# fmt: on


def sentence_pairs(split: str) -> Iterator[dict]:
    """{"en": str, "de": str}: 3,000 for training, 300 test, none for validation. Each has one right translation.

    A word-by-word translation is wrong: German has the verb second, the infinitive and the prefix last, and every verb
    last in a subordinate clause; articles, adjectives and "it" agree with a noun's gender, and with its case.
    """
    rng = random.Random(f"sentence pairs {split}")
    for _ in range({"train": 3000, "test": 300}[split]):
        when = rng.choice(WHEN) if rng.random() < 0.4 else ("", "")
        noun = rng.choice(NOUNS)
        english, german = _pair(rng, _noun_phrase(rng, noun, "nominative"), order="first" if when[0] else "second")
        if rng.random() < 0.4:
            subject = ("it", {"m": "er", "f": "sie", "n": "es"}[noun[2]])
            if rng.random() < 0.5:
                subject = _noun_phrase(rng, rng.choice(NOUNS), "nominative")
            inner, conjunction = _pair(rng, subject, order="last"), rng.choice(BECAUSE)
            english, german = f"{english} {conjunction[0]} {inner[0]}", f"{german}, {conjunction[1]} {inner[1]}"
        english, german = f"{when[0]} {english}".strip(), f"{when[1]} {german}".strip()
        yield {"en": english[0].upper() + english[1:] + ".", "de": german[0].upper() + german[1:] + "."}


def _pair(rng: random.Random, subject: tuple[str, str], *, order: str) -> tuple[str, str]:
    """A clause in both languages; `order` is where German has the finite verb: "first" is before the subject."""
    goal = _noun_phrase(rng, rng.choice(NOUNS), "accusative") if rng.random() < 0.6 else ("", "")
    english, plain, finite, infinitive, prefix = rng.choice(TRANSITIVE if goal[0] else INTRANSITIVE)
    closing, whole = prefix, prefix + finite  # of a main clause, and of a subordinate one
    way = rng.random()
    if way < 0.3:
        modal, finite = rng.choice(MODALS)
        closing = prefix + infinitive
        english, whole = f"{modal} {plain}", f"{closing} {finite}"
    elif way < 0.5:
        english, closing, whole = f"does not {plain}", f"nicht {prefix}", f"nicht {whole}"
    german = {
        "first": [finite, subject[1], goal[1], closing],
        "second": [subject[1], finite, goal[1], closing],
        "last": [subject[1], goal[1], whole],
    }[order]
    return " ".join(f"{subject[0]} {english} {goal[0]}".split()), " ".join(" ".join(german).split())


def _noun_phrase(rng: random.Random, noun: tuple[str, str, str], case: str) -> tuple[str, str]:
    article, (english, german, gender) = rng.choice(("the", "a")), noun
    articles = ARTICLES[article]
    words = [articles[case].get(gender, articles["nominative"][gender])]
    if rng.random() < 0.4:
        quality = rng.choice(QUALITIES)
        accusative = case == "accusative" and gender == "m"
        words.append(quality[1] + ("en" if accusative else ENDINGS_AFTER[article][gender]))
        english = f"{quality[0]} {english}"
    if article == "a" and english[0] in "aeiou":
        article = "an"
    return f"{article} {english}", " ".join([*words, german])
