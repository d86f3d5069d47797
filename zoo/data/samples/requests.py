"""The bundled sample of intents: requests to a home assistant, which neither counting words nor a dictionary solves."""

import random
from collections.abc import Iterator

# fmt: off
THINGS = ["lamp", "radio", "fan", "heating", "oven", "light", "television", "kettle"]
ROOMS = ["kitchen", "bedroom", "hall", "cellar", "bathroom", "garden", "living room", "guest room"]
STREETS = ["garden", "station", "bridge", "church", "river", "mill"]  # "garden street" is a place, "the garden" a room
CITIES = ["paris", "lima", "oslo", "florence", "austin", "new york", "santiago", "phoenix"]
SINGERS = ["ella", "florence", "austin", "paris", "nina", "the walkers", "miles", "phoenix"]  # some are cities too
GENRES = ["jazz", "folk", "rock", "blues", "swing", "techno"]
DAYS = ["today", "tomorrow", "on monday", "on friday", "at the weekend", "tonight"]
SYLLABLES = ["ba", "ko", "lu", "mi", "ner", "po", "ra", "su", "ti", "vel", "wa", "zen"]
POLITE = ["", "", "please", "could you", "i want you to", "hey ,", "would you kindly"]
OUT_OF_SCOPE = {"train": [
    "who invented the {thing}", "why is the {room} so cold in winter", "how much does a {thing} cost",
    "what does the word {genre} mean", "how many people live in {city}", "who painted the {room}",
    "can i return my {thing}", "do you like {singer}",
], "validation": [
    "is a {thing} dangerous for cats", "tell me a story about {city}", "send a letter to {singer}",
    "put the {thing} into the {room}", "is {genre} older than {other}",
], "test": [
    "how do i clean a {thing}", "book a table in {city}", "how old is {singer}", "call my sister in {city}",
    "what is the opposite of {genre}", "carry the {thing} to the {room}", "when was {singer} in {city}",
]}
# fmt: on
Parts = list[tuple[str, str]]  # texts and the names of their slots, "" for none


def examples(split: str) -> Iterator[dict]:
    """{"text", "intent", "tokens", "slots"}: 2,400 for "train", 300 for "validation", 400 for "test".

    One request in ten is none of the eight intents, and its intent is "". Each split asks for other things then,
    because nobody knows beforehand what people will ask for. The words of "switch the fan off but leave the oven on"
    and of "switch the fan on but leave the oven off" are the same. Cities and singers share names, and the things on a
    shopping list are made up, so that most of them are new in test.
    """
    rng = random.Random(f"requests {split}")
    for _ in range({"train": 2400, "validation": 300, "test": 400}[split]):
        intent = rng.choice(list(INTENTS)) if rng.random() > 0.1 else ""
        parts = INTENTS[intent](rng) if intent else [(_question(rng, split), "")]
        if intent and (polite := rng.choice(POLITE)):
            parts = [(polite, ""), *parts]
        tokens, slots = [], []
        for words, slot in parts:
            for i, word in enumerate(words.split()):
                tokens.append(word)
                slots.append(f"{'I' if i else 'B'}-{slot}" if slot else "O")
        yield {"text": " ".join(tokens), "intent": intent, "tokens": tokens, "slots": slots}


def _question(rng: random.Random, split: str) -> str:
    names = {"thing": THINGS, "room": ROOMS, "city": CITIES, "singer": SINGERS, "genre": GENRES, "other": GENRES}
    return rng.choice(OUT_OF_SCOPE[split]).format(**{name: rng.choice(values) for name, values in names.items()})


def _switch(rng: random.Random, state: str) -> Parts:
    """One thing is switched, another may stay as it is: only their order tells which."""
    thing, other = rng.sample(THINGS, 2)
    place = [("in the", ""), (rng.choice(ROOMS), "room")] if rng.random() < 0.5 else []
    change = [(rng.choice(("switch the", "turn the")), ""), (thing, "device"), *place, (state, "")]
    stay = [(f"leave the {other} {rng.choice(('on', 'off'))}", "")]
    if rng.random() < 0.3:
        return change
    joint = [(rng.choice(("but", "and")), "")]
    return [*change, *joint, *stay] if rng.random() < 0.5 else [*stay, *joint, *change]


def _temperature(rng: random.Random) -> Parts:
    degrees = [(str(rng.randint(15, 28)), "temperature"), ("degrees", "")]
    room = [("the", ""), (rng.choice(ROOMS), "room")]
    if rng.random() < 0.5:
        return [(rng.choice(("set", "heat")), ""), *room, ("to", ""), *degrees]
    return [("make it", ""), *degrees, ("in", ""), *room]


def _timer(rng: random.Random) -> Parts:
    time = (f"{rng.randint(2, 59)} {rng.choice(('minutes', 'seconds', 'hours'))}", "duration")
    if rng.random() < 0.5:
        return [(rng.choice(("set a timer for", "start a countdown of", "count down")), ""), time]
    return [(rng.choice(("wake me in", "tell me when")), ""), time, *([("are over", "")] if rng.random() < 0.5 else [])]


def _music(rng: random.Random) -> Parts:
    played = (rng.choice(SINGERS), "singer") if rng.random() < 0.6 else (rng.choice(GENRES), "genre")
    place = [("in the", ""), (rng.choice(ROOMS), "room")] if rng.random() < 0.4 else []
    return [(rng.choice(("play", "put on", "i would like to hear", "start some")), ""), played, *place]


def _weather(rng: random.Random) -> Parts:
    start = rng.choice(("is it cold in", "what is the weather like in", "do i need a coat in", "will it rain in"))
    city, day = (rng.choice(CITIES), "city"), (rng.choice(DAYS), "day")
    return [(start, ""), city, day] if rng.random() < 0.7 else [day, ("we go to", ""), city, ("will it be cold", "")]


def _shopping(rng: random.Random) -> Parts:
    item = ("".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))), "item")
    if rng.random() < 0.5:
        return [(rng.choice(("put", "write")), ""), item, ("on the list", "")]
    return [(rng.choice(("we need", "remind me to buy", "we are out of")), ""), item]


def _route(rng: random.Random) -> Parts:
    street = (f"{rng.randint(1, 99)} {rng.choice(STREETS)} street", "place")
    start = rng.choice(("how do i get to", "take me to", "how far is it to", "show me the way to"))
    return [(start, ""), street, *([("in", ""), (rng.choice(CITIES), "city")] if rng.random() < 0.4 else [])]


INTENTS = {
    "switch_on": lambda rng: _switch(rng, "on"),
    "switch_off": lambda rng: _switch(rng, "off"),
    "set_temperature": _temperature,
    "set_timer": _timer,
    "play_music": _music,
    "get_weather": _weather,
    "shopping_list": _shopping,
    "find_way": _route,
}
