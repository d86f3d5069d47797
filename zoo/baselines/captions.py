"""The classical baseline of captioning."""

from zoo.baselines import Baseline
from zoo.data import images, text
from zoo.data.sources import Examples


def nearest_picture(network: images.Network, train: Examples, test: Examples) -> Baseline:
    """Repeats the first caption of the training picture that is most similar.

    Args:
        network: computes the features that pictures are compared by.
        train, test: each example with "image_bytes", and for training "captions".
    """
    features, rows = images.nearest(network, train, test)
    captions = text.plain([example["captions"][0] for example in train])
    return Baseline(f"caption of the nearest picture by {features}", [{"caption": captions[row]} for row in rows])
