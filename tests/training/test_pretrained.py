"""Features of pictures are computed once, and belong to the weights that computed them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.test_images import JPEG, SIZE, encoded, picture
from zoo.data import images
from zoo.errors import InputError
from zoo.training import pretrained


def test_features_are_computed_once_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = pretrained.Network("small", size=SIZE, pretrained=True)
    pictures = [encoded(picture(width)) for width in (10, 20, 30)]
    found = network.features.arrays(pictures)
    direct = network.cnn(images.decode(tf.constant(pictures), SIZE))
    np.testing.assert_allclose(found, direct, rtol=2e-3, atol=2e-3)  # kept in half precision

    network.save(tmp_path / "network.json")
    again = pretrained.Network.load(tmp_path / "network.json")
    again.features._compute = None
    np.testing.assert_array_equal(again.features.arrays(pictures[::-1]), found[::-1])


def test_features_of_other_weights_are_others(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = (pretrained.Network("small", size=SIZE, pretrained=True) for _ in range(2))
    first.features.rows([JPEG])
    second.features.rows([JPEG])
    assert len(list((tmp_path / "zoo" / "features").iterdir())) == 2


def test_a_network_that_is_none_is_one_line(tmp_path):
    def make(network="MobileNet", size=SIZE, width=0.25, weights="none"):
        return pretrained.Network.make(network, size=size, width=width, weights=weights)

    with pytest.raises(InputError, match="did you mean 'MobileNetV2'"):
        make("MobilNetV2")
    with pytest.raises(InputError, match="at least 32"):
        make(size=16)
    with pytest.raises(InputError, match="its only width"):
        make("VGG16")
    with pytest.raises(InputError, match="it takes imagenet"):
        make(weights=str(tmp_path / "gone.weights.h5"))
    make().cnn.net.save_weights(tmp_path / "narrow.weights.h5")
    assert make(weights=str(tmp_path / "narrow.weights.h5")).pretrained
    with pytest.raises(InputError, match="no weights of MobileNet"):
        make(width=0.5, weights=str(tmp_path / "narrow.weights.h5"))
