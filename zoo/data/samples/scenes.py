"""The bundled sample of captioning: drawings of shapes, and sentences that describe them."""

import random
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

SIZE = 64  # pixels of a side
COLOURS = {
    "red": (214, 48, 49),
    "green": (38, 150, 76),
    "blue": (52, 92, 212),
    "yellow": (236, 196, 40),
    "purple": (140, 62, 176),
}
SHAPES = ("circle", "square", "triangle")
RADII = {"small": 4.5, "large": 9.0}
NUMBERS = ("", "a", "two", "three")
RELATIONS = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


def examples(split: str) -> Iterator[dict]:
    """{"image": str, "image_bytes": PNG, "captions": [str] * 3}: 1,500 for "train", 200 for "test", no "validation".

    A picture has one group of equal shapes, or two groups side by side or one above the other. A sentence names the
    colour, size, number and kind of each group, so a right caption takes a look at each group.
    """
    rng = random.Random(f"scenes {split}")
    for i in range({"train": 1500, "test": 200}[split]):
        groups = [_group(rng) for _ in range(1 if rng.random() < 0.3 else 2)]
        relation = rng.choice(tuple(RELATIONS)) if len(groups) == 2 else ""
        pixels = _draw(rng, groups, relation)
        image = tf.io.encode_png(pixels).numpy()
        yield {"image": f"{split}{i:04}.png", "image_bytes": image, "captions": _sentences(groups, relation)}


def _group(rng: random.Random) -> tuple[int, str, str, str]:
    return rng.randint(1, 3), rng.choice(tuple(RADII)), rng.choice(tuple(COLOURS)), rng.choice(SHAPES)


def _name(group: tuple[int, str, str, str]) -> str:
    number, size, colour, shape = group
    return f"{NUMBERS[number]} {size} {colour} {shape}{'s' if number > 1 else ''}"


def _sentences(groups: list[tuple[int, str, str, str]], relation: str) -> list[str]:
    first, *rest = map(_name, groups)
    be = "is" if groups[0][0] == 1 else "are"
    if not rest:
        return [f"{first}.", f"There {be} {first}.", f"{first} and nothing else."]
    return [
        f"{first} {relation} {rest[0]}.",
        f"{rest[0]} {RELATIONS[relation]} {first}.",
        f"There {be} {first} {relation} {rest[0]}.",
    ]


def _draw(rng: random.Random, groups: list[tuple[int, str, str, str]], relation: str) -> np.ndarray:
    """uint8[SIZE, SIZE, 3]: each group in its half of the picture, its shapes in a row, slightly displaced."""
    shade = rng.randint(225, 250)
    pixels = np.full((SIZE, SIZE, 3), shade, np.float32)
    upright = relation in ("left of", "right of")  # the halves are columns: the shapes of a group lie in a column
    centres = (0.5,) if not relation else (0.26, 0.74) if relation in ("above", "left of") else (0.74, 0.26)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    for (number, size, colour, shape), across in zip(groups, centres, strict=True):
        for along in np.linspace(0, 1, number + 2)[1:-1] if number < 3 else (0.17, 0.5, 0.83):
            u, v = (place * SIZE + rng.uniform(-2, 2) for place in (along, across))
            dx, dy = (x - v, y - u) if upright else (x - u, y - v)
            pixels[_inside(shape, dx, dy, RADII[size])] = COLOURS[colour]
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 4, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _inside(shape: str, dx: np.ndarray, dy: np.ndarray, radius: float) -> np.ndarray:
    """bool, like `dx`: whether points lie in a shape, given their distances `dx`, `dy` from its centre."""
    if shape == "circle":
        return dx**2 + dy**2 <= radius**2
    if shape == "square":
        return np.maximum(abs(dx), abs(dy)) <= 0.85 * radius
    return (dy <= 0.8 * radius) & (abs(dx) <= (dy + radius) / 1.8)
