"""Every public layer has an example in its docstring, and the examples are true."""

import doctest
import importlib
import inspect
import pkgutil

import keras
import pytest

from zoo import layers

if keras.config.backend() != "tensorflow":
    pytest.skip("the examples read tensors with .numpy()", allow_module_level=True)

NAMES = [info.name for info in pkgutil.walk_packages(layers.__path__, "zoo.layers.")]
MODULES = [importlib.import_module(name) for name in NAMES if not name.endswith("jax_cudnn")]
LAYERS = [
    value
    for module in MODULES
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, keras.layers.Layer) and value.__module__ == module.__name__
    if not name.startswith("_")
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_the_example_of_each_public_layer_is_true(layer):
    tests = [test for test in doctest.DocTestFinder(recurse=False).find(layer) if test.examples]
    assert tests, f"{layer.__name__} needs an example in its docstring"
    said = []
    for test in tests:
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not said, "".join(said)
