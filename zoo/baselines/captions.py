"""The classical baseline of captioning."""

from typing import Any

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data import text
from zoo.data.examples import Examples


def nearest_picture(network: Any, train: Examples, test: Examples) -> Baseline:
    """Gives each picture the first caption of the most similar training picture.

    Args:
        network: a `zoo.training.pretrained.Network`; pictures are compared by its features.
        train, test: examples with "image_bytes", and for training "captions".
    """
    known = network.summary(example["image_bytes"] for example in train)
    asked = network.summary(example["image_bytes"] for example in test)
    rows = np.argmax(asked @ known.T, axis=1)
    captions = text.normalize([example["captions"][0] for example in train])
    features = "CNN features" if network.pretrained else "blurred pixels"
    return Baseline(f"caption of the nearest picture by {features}", answers=[{"caption": captions[r]} for r in rows])
