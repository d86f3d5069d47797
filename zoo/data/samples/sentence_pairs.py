"""The bundled sample of translation: English sentences and their German translations, from a small grammar."""

import random
from collections.abc import Iterator

# fmt: off
NOUNS = [("dog", "Hund", "m"), ("cat", "Katze", "f"), ("horse", "Pferd", "n"), ("man", "Mann", "m"),
         ("woman", "Frau", "f"), ("child", "Kind", "n"), ("teacher", "Lehrer", "m"), ("queen", "Königin", "f"),
         ("girl", "Mädchen", "n"), ("king", "König", "m"), ("goat", "Ziege", "f"), ("sheep", "Schaf", "n"),
         ("owl", "Eule", "f"), ("uncle", "Onkel", "m"), ("calf", "Kalb", "n")]
QUALITIES = [("small", "klein"), ("big", "groß"), ("old", "alt"), ("young", "jung"), ("brave", "mutig"),
             ("black", "schwarz"), ("strong", "stark"), ("ill", "krank")]
# English with and without -s, German finite and infinitive, and the prefix that ends a German main clause
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


def examples(split: str) -> Iterator[dict]:
    """{"en": str, "de": str}: 3,000 for "train", 300 for "test", no "validation". Each has one right translation.

    A word-by-word translation is wrong: German has the verb second, the infinitive and the prefix last, and every verb
    last in a subordinate clause; articles, adjectives and "it" agree with the gender of a noun, and with its case.
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
    """A clause in both languages. `order` is the place of the finite verb in German: "first" is before the subject."""
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
