"""Data sets of TensorFlow Datasets: `--data tfds:NAME[/CONFIG]`."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from zoo.data.examples import Examples
from zoo.data.formats.files import SPLIT_NAMES
from zoo.errors import InputError, did_you_mean


def builder(data: str) -> Any:
    """The TFDS builder of `tfds:NAME[/CONFIG]`. Prepares the data, and downloads it if necessary.

    Raises:
        InputError: TFDS has no such data set or cannot prepare it.
    """
    import tensorflow_datasets as tfds

    name = data.removeprefix("tfds:")
    try:
        found = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(f"--data {data}: TFDS has no {name!r}{did_you_mean(name, tfds.list_builders())}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"--data {data}: {str(error).splitlines()[0]}") from error
    try:
        found.download_and_prepare()
    except Exception as error:  # network and disk can fail in any way
        raise InputError(
            f"--data {data}: TFDS could not prepare it ({type(error).__name__}: {str(error).splitlines()[0][:120]}); "
            "own files need no network: --data DIRECTORY"
        ) from error
    return found


def rows(builder: Any, split: str, to_example: Callable[[dict], dict], **options: Any) -> Examples | None:
    """The examples of a TFDS split, or None if there is no such split.

    Args:
        to_example: a row, as NumPy values → an example.
        options: passed to TFDS' `as_dataset`.
    """
    for name in SPLIT_NAMES[split]:
        with contextlib.suppress(ValueError):  # unknown split
            return Examples(partial(_converted, builder.as_dataset(split=name, **options), to_example))
    return None


def _converted(dataset: Any, to_example: Callable[[dict], dict]) -> Iterator[dict]:
    import tensorflow_datasets as tfds

    return map(to_example, tfds.as_numpy(dataset))
