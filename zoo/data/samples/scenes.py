"""The bundled sample of captioning: drawings of shapes, and sentences that describe them."""

import functools
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
    "black": (40, 40, 44),
}
SHAPES = ("circle", "square", "triangle")
RADII = {"small": 6.0, "large": 11.0}  # pixels
RELATIONS = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
BACKGROUND = (170, 255)  # of each of red, green and blue


def examples(split: str) -> Iterator[dict]:
    """{"image": str, "image_bytes": PNG, "captions": [str] * 3}: 1,000 for "train", 200 for "test", no "validation".

    A picture shows one shape, or two of which one lies beside or above the other. A sentence tells the size, colour
    and kind of each shape, so a caption is only right if the model looked at each of them. No sentence tells the exact
    places or the colour of the background: pictures with nearly the same pixels often have different sentences.
    """
    for name, image, captions in _scenes(split):
        yield {"image": name, "image_bytes": image, "captions": list(captions)}


@functools.cache  # a run reads its examples several times; drawing them takes seconds, keeping them 8 MB
def _scenes(split: str) -> list[tuple[str, bytes, list[str]]]:
    """File name, PNG and captions of each picture."""
    rng = random.Random(f"scenes {split}")
    found = []
    for i in range({"train": 1000, "test": 200}[split]):
        things = [_thing(rng) for _ in range(1 if rng.random() < 0.3 else 2)]
        relation = rng.choice(tuple(RELATIONS)) if len(things) == 2 else ""
        image = tf.io.encode_png(_draw(rng, things, relation)).numpy()
        found.append((f"{split}{i:04}.png", image, _sentences(things, relation)))
    return found


def _thing(rng: random.Random) -> tuple[str, str, str]:
    """Size, colour and shape."""
    return rng.choice(tuple(RADII)), rng.choice(tuple(COLOURS)), rng.choice(SHAPES)


def _sentences(things: list[tuple[str, str, str]], relation: str) -> list[str]:
    first, *rest = (f"a {' '.join(thing)}" for thing in things)
    if not rest:
        return [f"{first}.", f"There is {first}.", f"{first} and nothing else."]
    return [
        f"{first} {relation} {rest[0]}.",
        f"{rest[0]} {RELATIONS[relation]} {first}.",
        f"There is {first} {relation} {rest[0]}.",
    ]


def _draw(rng: random.Random, things: list[tuple[str, str, str]], relation: str) -> np.ndarray:
    """uint8[SIZE, SIZE, 3]."""
    pixels = np.empty((SIZE, SIZE, 3), np.float32)
    pixels[:] = [rng.uniform(*BACKGROUND) for _ in range(3)]
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    for (size, colour, shape), (u, v) in zip(things, _centres(rng, relation), strict=True):
        pixels[_inside(shape, x - u, y - v, RADII[size])] = COLOURS[colour]
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 4, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _centres(rng: random.Random, relation: str) -> list[tuple[float, float]]:
    """x and y of each shape's centre, in pixels: two shapes lie in two halves of the picture."""
    if not relation:
        return [(rng.uniform(14, 50), rng.uniform(14, 50))]
    halves = [rng.uniform(14, 20), rng.uniform(44, 50)]  # the upper and the lower one, or the left and the right one
    middle = rng.uniform(20, 44)
    across = [middle + rng.uniform(-6, 6) for _ in halves]
    if relation in ("below", "right of"):
        halves.reverse()
    if relation in ("above", "below"):
        return list(zip(across, halves, strict=True))
    return list(zip(halves, across, strict=True))


def _inside(shape: str, dx: np.ndarray, dy: np.ndarray, radius: float) -> np.ndarray:
    """bool, like `dx`: whether points lie in a shape, given their distances `dx`, `dy` from its centre."""
    if shape == "circle":
        return dx**2 + dy**2 <= radius**2
    if shape == "square":
        return np.maximum(abs(dx), abs(dy)) <= 0.85 * radius
    return (dy <= 0.8 * radius) & (abs(dx) <= (dy + radius) / 1.8)
